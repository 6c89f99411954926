//! The comparison itself: receipts are read once, in order, and looked up among the file's entries.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate};
use hub_store::receipts::Receipt;
use hub_store::{Store, StoreError};
use hub_types::Timestamp;

use super::columns::Known;
use super::file::Entries;
use super::report::{DayReport, NAMED, Report, Sums};
use crate::credits::receipts_between;
use crate::pricing::UnitPrices;

/// Both sides may put a call that runs over midnight on either day: it is looked for this far around the period.
const AROUND: Duration = Duration::days(1);
/// Costs differ when they differ by more than this many micro-credits and more than a thousandth: providers round in their own ways.
const ROUNDING: i64 = 100;

/// A comparison under way.
pub(super) struct Comparison<'a> {
    entries: Entries,
    days: BTreeMap<(NaiveDate, String), DayReport>,
    report: Report,
    provider: &'a str,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(provider: &'a str, entries: Entries, from: Timestamp, to: Timestamp) -> Self {
        let report = Report {
            provider: provider.to_owned(),
            from,
            to,
            by_call: entries.sums.is_empty(),
            clean: false,
            lines: entries.lines,
            matched: 0,
            missing_here: 0,
            missing_there: 0,
            different: 0,
            here: Sums::default(),
            there: Sums::default(),
            days: Vec::new(),
            named: Vec::new(),
        };
        Self { entries, days: BTreeMap::new(), report, provider }
    }

    pub(super) async fn run(mut self, store: &Store) -> Result<Report, StoreError> {
        let mut tx = store.snapshot().await?;
        let around = (self.report.from - AROUND, self.report.to + AROUND);
        receipts_between(&mut tx, around.0, around.1, |receipt| {
            // What the provider was never asked for, or answered with an error, is on no bill.
            if receipt.provider == self.provider && receipt.usage_source != "none" {
                self.see(receipt);
            }
        })
        .await?;
        Ok(if self.report.by_call { self.close_calls() } else { self.close_sums() })
    }

    fn see(&mut self, receipt: &Receipt) {
        let at = began(receipt);
        let inside = (self.report.from..self.report.to).contains(&at);
        let here = sums(receipt);
        if !self.report.by_call {
            if inside {
                self.day(at.date_naive(), &receipt.upstream_model).here.add(&here);
                self.report.here.add(&here);
            }
            return;
        }
        let found = receipt.upstream_id.as_ref().and_then(|id| self.entries.calls.remove(id));
        if found.is_none() && !inside {
            return;
        }
        let known = self.entries.known;
        self.report.here.add(&here);
        let day = self.day(at.date_naive(), &receipt.upstream_model);
        day.here.add(&here);
        let Some(line) = found else {
            day.missing_there += 1;
            self.report.missing_there += 1;
            let id = receipt.upstream_id.as_deref().unwrap_or("without an id of the provider");
            return self.name(format!("receipt {} ({id}): not in the file", receipt.id));
        };
        day.there.add(&line.sums);
        self.report.matched += 1;
        self.report.there.add(&line.sums);
        let differences = differences(&here, &line.sums, known);
        if !differences.is_empty() {
            self.day(at.date_naive(), &receipt.upstream_model).different += 1;
            self.report.different += 1;
            self.name(format!("receipt {}: {}", receipt.id, differences.join(", ")));
        }
    }

    /// What of the file nobody asked for has no receipt.
    fn close_calls(mut self) -> Report {
        let mut left: Vec<_> = std::mem::take(&mut self.entries.calls).into_iter().collect();
        left.sort_by(|one, other| one.0.cmp(&other.0));
        let (first, last) = (self.report.from.date_naive(), self.report.to);
        for (id, line) in left {
            let day = line.day.unwrap_or(first);
            // A file may hold more days than were asked for.
            if day < first || day.and_time(chrono::NaiveTime::MIN).and_utc() >= last {
                continue;
            }
            self.report.there.add(&line.sums);
            self.report.missing_here += 1;
            let report = self.day(day, &line.model);
            report.there.add(&line.sums);
            report.missing_here += 1;
            self.name(format!("{id:.100} ({:.100}): no receipt", line.model));
        }
        self.close()
    }

    fn close_sums(mut self) -> Report {
        for ((day, model), there) in std::mem::take(&mut self.entries.sums) {
            let at = day.and_time(chrono::NaiveTime::MIN).and_utc();
            if at < self.report.from || at >= self.report.to {
                continue;
            }
            let undated = undated(&model).filter(|short| {
                !self.days.contains_key(&(day, model.clone())) && self.days.contains_key(&(day, (*short).to_owned()))
            });
            let name = undated.unwrap_or(&model).to_owned();
            self.day(day, &name).there.add(&there);
            self.report.there.add(&there);
        }
        let known = self.entries.known;
        let mut named = Vec::new();
        for day in self.days.values_mut() {
            let differences = differences(&day.here, &day.there, known);
            if !differences.is_empty() {
                day.different = 1;
                self.report.different += 1;
                named.push(format!("{} {:.100}: {}", day.day, day.model, differences.join(", ")));
            }
        }
        for words in named {
            self.name(words);
        }
        self.close()
    }

    fn close(mut self) -> Report {
        let Report { missing_here, missing_there, different, .. } = self.report;
        self.report.clean = missing_here == 0 && missing_there == 0 && different == 0;
        self.report.days = self.days.into_values().collect();
        self.report
    }

    fn day(&mut self, day: NaiveDate, model: &str) -> &mut DayReport {
        let empty = || DayReport { day, model: model.to_owned(), ..DayReport::default() };
        self.days.entry((day, model.to_owned())).or_insert_with(empty)
    }

    fn name(&mut self, words: String) {
        if self.report.named.len() < NAMED {
            self.report.named.push(words);
        }
    }
}

/// When the call began: receipts have the id of their hold, a UUID v7.
fn began(receipt: &Receipt) -> Timestamp {
    let milliseconds = i64::try_from(receipt.id.0.as_u128() >> 80).unwrap_or(0);
    DateTime::from_timestamp_millis(milliseconds).unwrap_or(receipt.created_at)
}

fn sums(receipt: &Receipt) -> Sums {
    let usage = receipt.usage;
    let units = serde_json::from_value::<UnitPrices>(receipt.unit_prices.clone()).ok();
    let cost = units.and_then(|units| units.without_margin().cost(&usage).ok());
    Sums {
        calls: 1,
        prompt: usage.prompt(),
        cache_read: usage.cache_read,
        cache_write: usage.coarse().cache_write,
        completion: usage.completion(),
        reasoning: usage.reasoning,
        cost: cost.map_or(receipt.amount, |cost| cost.amount).micro(),
    }
}

/// Which of the numbers that the file has differ, in words.
fn differences(here: &Sums, there: &Sums, known: Known) -> Vec<String> {
    let exact = [
        ("calls", known.calls, here.calls, there.calls),
        ("prompt", known.prompt, here.prompt, there.prompt),
        ("cacheRead", known.cache_read, here.cache_read, there.cache_read),
        ("cacheWrite", known.cache_write, here.cache_write, there.cache_write),
        ("completion", known.completion, here.completion, there.completion),
        ("reasoning", known.reasoning, here.reasoning, there.reasoning),
    ];
    let mut words: Vec<String> = exact
        .into_iter()
        .filter(|(_, known, here, there)| *known && here != there)
        .map(|(name, _, here, there)| format!("{name} {here} here and {there} there"))
        .collect();
    let apart = here.cost.abs_diff(there.cost);
    if known.cost && apart > ROUNDING.unsigned_abs() && apart > here.cost.unsigned_abs() / 1000 {
        words.push(format!("cost {} here and {} there", here.cost, there.cost));
    }
    words
}

/// A model's name without the date of its snapshot: `gpt-4o-mini` for `gpt-4o-mini-2024-07-18`, and for `…-20240718`.
fn undated(model: &str) -> Option<&str> {
    let fits = |date: &str, shape: &str| {
        date.bytes()
            .zip(shape.bytes())
            .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
    };
    ["-0000-00-00", "-00000000"].into_iter().find_map(|shape| {
        let (name, date) = model.split_at_checked(model.len().checked_sub(shape.len())?)?;
        (!name.is_empty() && fits(date, shape)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_known_by_their_model() {
        assert_eq!(undated("gpt-4o-mini-2024-07-18"), Some("gpt-4o-mini"));
        assert_eq!(undated("claude-sonnet-4-5-20250929"), Some("claude-sonnet-4-5"));
        assert_eq!(undated("gpt-6-luna"), None);
        assert_eq!(undated("-2024-07-18"), None);
    }

    #[test]
    fn only_what_the_file_has_is_compared_and_costs_may_be_rounded() {
        let here = Sums { calls: 1, prompt: 10, completion: 5, cost: 1_000_000, ..Sums::default() };
        let there = Sums { calls: 1, prompt: 10, cost: 1_000_900, ..Sums::default() };
        let known = Known { prompt: true, cost: true, ..Known::default() };
        assert!(differences(&here, &there, known).is_empty());
        let dearer = Sums { cost: 1_001_100, ..there };
        assert_eq!(differences(&here, &dearer, known), ["cost 1000000 here and 1001100 there"]);
        let all = Known { completion: true, ..known };
        assert_eq!(differences(&here, &there, all), ["completion 5 here and 0 there"]);
    }
}
