//! Which columns are understood, and what they mean. Names are compared without case, spaces, dashes and underscores; others are ignored.
//!
//! | meaning | names |
//! |---|---|
//! | the provider's id of the request | `upstream_id`, `request_id`, `x_request_id`, `id` |
//! | model | `model`, `model_id`, `model_name`, `model_version`, `snapshot_id` |
//! | when | `created_at`, `timestamp`, `date`, `day`, `time`, `usage_date_utc`, `start_time_iso`, `start_time` (RFC 3339, a date, or seconds since 1970) |
//! | calls | `calls`, `requests`, `num_model_requests` |
//! | prompt tokens, all | `prompt_tokens`, `input_tokens` |
//! | prompt tokens without cached ones | `input_uncached_tokens`, `uncached_input_tokens`, `usage_input_tokens_no_cache` |
//! | read from the cache | `cache_read_tokens`, `cached_tokens`, `input_cached_tokens`, `cache_read_input_tokens`, `usage_input_tokens_cache_read` |
//! | written to the cache | `cache_write_tokens`, `cache_creation_input_tokens`, `usage_input_tokens_cache_write_5m`, `…_1h` |
//! | completion tokens, all | `completion_tokens`, `output_tokens`, `usage_output_tokens` |
//! | reasoning tokens | `reasoning_tokens`, `output_reasoning_tokens` |
//! | cost in US dollars | `cost`, `cost_usd`, `usd`, `amount_usd`, `amount_value` |
//!
//! `input_tokens` beside `cache_read_input_tokens` or `cache_creation_input_tokens` is Anthropic's and does not hold the cached ones.

use chrono::{DateTime, NaiveDate};

use super::report::Sums;
use crate::pricing::CREDITS_PER_USD;

/// More tokens than any line can have.
const MOST: i64 = 1_000_000_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Id,
    OtherId,
    Model,
    When,
    Calls,
    Prompt,
    Fresh,
    CacheRead,
    CacheWrite,
    Completion,
    Reasoning,
    Cost,
}

/// A name as it is compared.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect()
}

fn meaning(plain: &str) -> Option<Meaning> {
    Some(match plain {
        "upstreamid" | "requestid" | "xrequestid" => Meaning::Id,
        "id" => Meaning::OtherId,
        "model" | "modelid" | "modelname" | "modelversion" | "snapshotid" => Meaning::Model,
        "createdat" | "timestamp" | "date" | "day" | "time" | "usagedateutc" | "starttimeiso" | "starttime" => {
            Meaning::When
        }
        "calls" | "requests" | "nummodelrequests" => Meaning::Calls,
        "prompttokens" | "inputtokens" => Meaning::Prompt,
        "inputuncachedtokens" | "uncachedinputtokens" | "usageinputtokensnocache" => Meaning::Fresh,
        "cachereadtokens"
        | "cachedtokens"
        | "inputcachedtokens"
        | "cachereadinputtokens"
        | "usageinputtokenscacheread" => Meaning::CacheRead,
        "cachewritetokens"
        | "cachecreationinputtokens"
        | "usageinputtokenscachewrite5m"
        | "usageinputtokenscachewrite1h" => Meaning::CacheWrite,
        "completiontokens" | "outputtokens" | "usageoutputtokens" => Meaning::Completion,
        "reasoningtokens" | "outputreasoningtokens" => Meaning::Reasoning,
        "cost" | "costusd" | "usd" | "amountusd" | "amountvalue" => Meaning::Cost,
        _ => return None,
    })
}

/// One line of a provider's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: Option<String>,
    pub(super) model: String,
    pub(super) day: Option<NaiveDate>,
    pub(super) sums: Sums,
}

/// Which of the numbers a file has at all; the others are not compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each number of `Sums`")]
pub(super) struct Known {
    pub(super) calls: bool,
    pub(super) prompt: bool,
    pub(super) cache_read: bool,
    pub(super) cache_write: bool,
    pub(super) completion: bool,
    pub(super) reasoning: bool,
    pub(super) cost: bool,
}

/// Reads a line from its cells, given with their names; empty cells and columns nobody knows are passed over. Errors name the column.
pub(super) fn line<'a>(cells: impl Iterator<Item = (&'a str, &'a str)>, known: &mut Known) -> Result<Line, String> {
    let mut line = Line { id: None, model: String::new(), day: None, sums: Sums::default() };
    let (mut all, mut fresh, mut anthropic, mut other) = (None, None, false, None);
    line.sums.calls = 1;
    for (name, cell) in cells {
        let (plain, cell) = (plain(name), cell.trim());
        let Some(meaning) = meaning(&plain) else { continue };
        if cell.is_empty() {
            continue;
        }
        let wrong = || format!("{name} is {cell:.40}");
        let count = || cell.parse::<i64>().ok().filter(|count| (0..=MOST).contains(count)).ok_or_else(wrong);
        match meaning {
            Meaning::Id => line.id = Some(cell.to_owned()),
            // A mere `id` beside the request's is the exporter's own.
            Meaning::OtherId => other = Some(cell),
            Meaning::Model => cell.clone_into(&mut line.model),
            Meaning::When => line.day = Some(line.day.or(day(cell)).ok_or_else(wrong)?),
            Meaning::Calls => (line.sums.calls, known.calls) = (count()?, true),
            Meaning::Prompt => all = Some(count()?),
            Meaning::Fresh => fresh = Some(count()?),
            Meaning::CacheRead => (line.sums.cache_read, known.cache_read) = (count()?, true),
            Meaning::CacheWrite => {
                // Short and long writes may stand in two columns.
                line.sums.cache_write += count()?;
                known.cache_write = true;
            }
            Meaning::Completion => (line.sums.completion, known.completion) = (count()?, true),
            Meaning::Reasoning => (line.sums.reasoning, known.reasoning) = (count()?, true),
            Meaning::Cost => (line.sums.cost, known.cost) = (micro(cell).ok_or_else(wrong)?, true),
        }
        anthropic |= ["cachereadinputtokens", "cachecreationinputtokens"].contains(&plain.as_str());
    }
    line.id = line.id.or_else(|| other.map(str::to_owned));
    let cached = line.sums.cache_read + line.sums.cache_write;
    line.sums.prompt = match (all, fresh) {
        (Some(all), _) if !anthropic => all,
        (fresh, None) | (_, fresh) => fresh.map_or(0, |fresh| fresh + cached),
    };
    known.prompt |= all.is_some() || fresh.is_some();
    Ok(line)
}

fn day(cell: &str) -> Option<NaiveDate> {
    let seconds = || DateTime::from_timestamp(cell.parse::<i64>().ok()?, 0).map(|at| at.date_naive());
    let full = || DateTime::parse_from_rfc3339(&cell.replacen(' ', "T", 1)).ok().map(|at| at.to_utc().date_naive());
    // A time without a zone is taken for UTC, which is what providers count days in.
    let date = || NaiveDate::parse_from_str(cell.get(..10)?, "%Y-%m-%d").ok();
    seconds().or_else(full).or_else(date)
}

/// US dollars as micro-credits. What is smaller than one is cut off.
fn micro(cell: &str) -> Option<i64> {
    const DIGITS: usize = 8;
    let dollars = cell.strip_prefix('$').unwrap_or(cell);
    let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
    if !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) || whole.is_empty() || whole.len() > 9 {
        return None;
    }
    let part: String = part.chars().chain("00000000".chars()).take(DIGITS).collect();
    let hundred_millionths = whole.parse::<i64>().ok()? * 100_000_000 + part.parse::<i64>().ok()?;
    // One dollar is 100 credits of a million each, so a hundred-millionth of a dollar is one micro-credit.
    Some(hundred_millionths * CREDITS_PER_USD / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cells: &[(&str, &str)]) -> (Line, Known) {
        let mut known = Known::default();
        (line(cells.iter().copied(), &mut known).unwrap(), known)
    }

    #[test]
    fn the_three_shapes_mean_the_same() {
        let generic = [
            ("upstream_id", "x"),
            ("model", "m"),
            ("created_at", "2026-11-23T23:59:59Z"),
            ("prompt_tokens", "100"),
            ("cached_tokens", "30"),
            ("completion_tokens", "7"),
            ("cost_usd", "0.0123"),
        ];
        let openai = [
            ("start_time", "1795478399"),
            ("model", "m"),
            ("input_tokens", "100"),
            ("input_cached_tokens", "30"),
            ("output_tokens", "7"),
            ("num_model_requests", "1"),
            ("project_id", "p"),
        ];
        let anthropic = [
            ("usage_date_utc", "2026-11-23"),
            ("model_version", "m"),
            ("usage_input_tokens_no_cache", "60"),
            ("usage_input_tokens_cache_write_5m", "4"),
            ("usage_input_tokens_cache_write_1h", "6"),
            ("usage_input_tokens_cache_read", "30"),
            ("usage_output_tokens", "7"),
            ("workspace", "w"),
        ];
        let wire = [
            ("id", "msg_1"),
            ("input_tokens", "60"),
            ("cache_creation_input_tokens", "10"),
            ("cache_read_input_tokens", "30"),
        ];
        let (first, known) = read(&generic);
        assert_eq!(
            (first.id.as_deref(), first.sums.cost, known.cost, known.reasoning),
            (Some("x"), 1_230_000, true, false)
        );
        for (line, _) in [(first, known), read(&openai), read(&anthropic)] {
            assert_eq!(
                (line.model.as_str(), line.day.map(|day| day.to_string()).as_deref()),
                ("m", Some("2026-11-23"))
            );
            assert_eq!(
                (line.sums.calls, line.sums.prompt, line.sums.cache_read, line.sums.completion),
                (1, 100, 30, 7)
            );
        }
        assert_eq!(read(&wire).0.sums.prompt, 100);
        let spellings: [fn(&str) -> String; 3] =
            [str::to_uppercase, |name| name.replace('_', " "), |name| name.replace('_', "-")];
        for spelled in spellings {
            for cells in [&generic[..], &openai, &anthropic, &wire] {
                let names: Vec<String> = cells.iter().map(|(name, _)| spelled(name)).collect();
                let renamed: Vec<(&str, &str)> =
                    names.iter().zip(cells).map(|(name, (_, cell))| (name.as_str(), *cell)).collect();
                assert_eq!(read(&renamed), read(cells), "{names:?}");
            }
        }
    }

    #[test]
    fn numbers_that_are_none_are_named() {
        let mut known = Known::default();
        for cell in ["-1", "1.5", "many"] {
            assert_eq!(line([("input_tokens", cell)].into_iter(), &mut known), Err(format!("input_tokens is {cell}")));
        }
        assert!(line([("cost", "1e-5")].into_iter(), &mut known).is_err());
        assert!(line([("date", "yesterday")].into_iter(), &mut known).is_err());
        assert_eq!(micro("12.3456789012"), Some(1_234_567_890));
    }
}
