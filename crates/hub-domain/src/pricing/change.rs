//! What an import would change, and what is wrong or unusual about it. Looks only; `import` writes.

use std::collections::{HashMap, HashSet};

use hub_clients::llm::Terms;
use hub_types::{Credits, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::book::{Price, PriceBook};
use super::entry::PriceEntry;
use super::units::UnitPrices;

/// Credits per million tokens above which a price is taken for a slip of the pen: 1 000 dollars.
const DEAR: i64 = 1_000 * super::CREDITS_PER_USD * 1_000_000;
/// Credits per call above which the same holds: 100 dollars.
const DEAR_REQUEST: i64 = 100 * super::CREDITS_PER_USD * 1_000_000;
/// A price that becomes this many times dearer or cheaper is unusual.
const LEAP: i128 = 10;
/// Longest id or source, in characters.
const LONGEST: usize = 200;
/// Most tokens a window can have.
const MOST_TOKENS: i64 = 100_000_000;
/// Most terms with a multiplier of their own.
const MOST_TERMS: usize = 20;
/// A start this much before now still counts as now: files are written before they are read.
const GRACE: chrono::Duration = chrono::Duration::minutes(5);

/// What becomes of one model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Service word.
    pub service: String,
    /// Model id.
    pub model: String,
    /// Whether and how it differs from the price in force.
    pub kind: ChangeKind,
    /// The numbers that differ.
    pub fields: Vec<FieldChange>,
    /// What forbids it.
    pub faults: Vec<String>,
    /// What is allowed only on purpose.
    pub unusual: Vec<String>,
}

/// See `Change::kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// The model has no price yet.
    New,
    /// The price in force differs.
    Changed,
    /// Nothing differs; nothing is written.
    Same,
}

/// One number that differs: micro-credits per million tokens, per call, or tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Which.
    pub field: &'static str,
    /// As it is; absent for a new model.
    pub from: Option<i64>,
    /// As it would be.
    pub to: i64,
}

/// Compares entries with the book as it is at `now` and with what the entries that begin earlier make of it; changes come in the order
/// of the entries.
pub fn diff(book: &PriceBook, entries: &[PriceEntry], now: Timestamp) -> Vec<Change> {
    let start = |entry: &PriceEntry| entry.valid_from.unwrap_or(now).max(now);
    let mut order: Vec<(usize, &PriceEntry)> = entries.iter().enumerate().collect();
    order.sort_by_key(|(_, entry)| start(entry));
    let mut seen = HashSet::new();
    // The last change of each model so far, and its start.
    let mut written: HashMap<(&str, &str), (Timestamp, Version)> = HashMap::new();
    let mut changes: Vec<(usize, Change)> = Vec::with_capacity(entries.len());
    for (index, entry) in order {
        let (at, model) = (start(entry), (entry.service.as_str(), entry.model.as_str()));
        let known = book.current(model.0, model.1, at);
        let earlier =
            written.get(&model).filter(|(from, _)| known.as_ref().is_none_or(|known| known.valid_from <= *from));
        let in_force = earlier.map(|(_, version)| version.clone()).or_else(|| known.as_deref().map(Version::from));
        let mut change = compare(entry, in_force.as_ref());
        if !seen.insert((model, entry.valid_from)) {
            change.faults.push("stands here twice with the same start".to_owned());
        }
        if entry.valid_from.is_some_and(|from| from < now - GRACE) && change.kind != ChangeKind::Same {
            change.faults.push("validFrom is in the past: what was charged stays as it was".to_owned());
        }
        if change.kind != ChangeKind::Same {
            written.insert(model, (at, Version::from(entry)));
        }
        changes.push((index, change));
    }
    changes.sort_by_key(|(index, _)| *index);
    changes.into_iter().map(|(_, change)| change).collect()
}

/// What is compared of a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    units: UnitPrices,
    max_output_tokens: i64,
    context_tokens: Option<i64>,
}

impl From<&Price> for Version {
    fn from(price: &Price) -> Self {
        let (max_output_tokens, context_tokens) = (price.max_output_tokens, price.context_tokens);
        Self { units: price.units.clone(), max_output_tokens, context_tokens }
    }
}

impl From<&PriceEntry> for Version {
    fn from(entry: &PriceEntry) -> Self {
        let (max_output_tokens, context_tokens) = (entry.max_output_tokens, entry.context_tokens);
        Self { units: entry.units(), max_output_tokens, context_tokens }
    }
}

fn compare(entry: &PriceEntry, in_force: Option<&Version>) -> Change {
    let units = entry.units();
    let mut fields: Vec<FieldChange> = Vec::new();
    let mut unusual = Vec::new();
    let old = in_force.map(|price| named(&price.units));
    for (index, (field, to, said)) in named(&units).into_iter().enumerate() {
        let old = old.as_ref().and_then(|old| old.get(index));
        let from = old.map(|(_, from, _)| *from);
        // A class that nobody names only follows another one.
        if !said && !old.is_some_and(|(_, _, said)| *said) {
            continue;
        }
        if from != Some(to) {
            fields.push(FieldChange { field, from, to });
        }
        unusual.extend(oddity(field, from, to));
    }
    let limits = [
        ("maxOutputTokens", in_force.map(|price| price.max_output_tokens), entry.max_output_tokens),
        ("contextTokens", in_force.map(|price| price.context_tokens.unwrap_or(0)), entry.context_tokens.unwrap_or(0)),
    ];
    fields.extend(limits.into_iter().filter(|(_, from, to)| *from != Some(*to)).map(|(field, from, to)| FieldChange {
        field,
        from,
        to,
    }));
    let tiers_differ = in_force.is_some_and(|price| {
        price.units.long_context != units.long_context
            || price.units.video_second != units.video_second
            || price.units.terms != units.terms
    });
    let kind = match in_force {
        None => ChangeKind::New,
        Some(_) if fields.is_empty() && !tiers_differ => ChangeKind::Same,
        Some(_) => ChangeKind::Changed,
    };
    if units.input == 0 && units.output == 0 && units.request == 0 && units.video_second.is_empty() {
        unusual.push("calls would be free".to_owned());
    }
    let faults = faults(entry, &units);
    Change { service: entry.service.clone(), model: entry.model.clone(), kind, fields, faults, unusual }
}

/// Every number with its name, and whether it was named at all or follows another one.
fn named(units: &UnitPrices) -> [(&'static str, i64, bool); 11] {
    let finer = |name, own: Option<i64>, base| (name, own.unwrap_or(base), own.is_some());
    [
        ("input", units.input, true),
        ("cacheRead", units.cache_read, true),
        ("cacheWrite", units.cache_write, true),
        ("output", units.output, true),
        ("reasoning", units.reasoning, true),
        ("request", units.request, true),
        finer("cacheWriteLong", units.cache_write_long, units.cache_write),
        finer("inputAudio", units.input_audio, units.input),
        finer("inputImage", units.input_image, units.input),
        finer("outputAudio", units.output_audio, units.output),
        finer("outputImage", units.output_image, units.output),
    ]
}

/// What is odd about a number, in words.
fn oddity(field: &str, from: Option<i64>, to: i64) -> Option<String> {
    let dear = if field == "request" { DEAR_REQUEST } else { DEAR };
    if to > dear {
        return Some(format!("{field} is above {} credits", Credits::from_micro(dear)));
    }
    let from = from.filter(|from| *from > 0 && to > 0)?;
    let (small, large) = (i128::from(from.min(to)), i128::from(from.max(to)));
    let (old, new) = (Credits::from_micro(from), Credits::from_micro(to));
    (large > small * LEAP).then(|| format!("{field} leaps from {old} to {new} credits"))
}

/// What can never be written.
fn faults(entry: &PriceEntry, units: &UnitPrices) -> Vec<String> {
    let mut faults = Vec::new();
    for (field, value, said) in named(units) {
        if said && value < 0 {
            faults.push(format!("{field} is below zero"));
        }
    }
    let resolutions = &units.video_second;
    if resolutions.len() > 20
        || resolutions.iter().any(|(name, price)| *price < 0 || name.is_empty() || name.len() > 20)
    {
        faults.push("videoSecond has at most 20 resolutions of 1 to 20 characters, and no price below zero".to_owned());
    }
    let word = |text: &str| !text.is_empty() && text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    if !word(&entry.service) || !word(&entry.model) {
        faults.push(format!("service and model have 1 to {LONGEST} printable characters"));
    }
    if entry.source.chars().count() > LONGEST {
        faults.push(format!("source has at most {LONGEST} characters"));
    }
    // Models that make vectors write no tokens.
    let (output, context) = (0..=MOST_TOKENS, 1..=MOST_TOKENS);
    if !output.contains(&entry.max_output_tokens) || entry.context_tokens.is_some_and(|size| !context.contains(&size)) {
        faults.push(format!("maxOutputTokens is 0 to {MOST_TOKENS}, contextTokens 1 to {MOST_TOKENS}"));
    }
    let scale = 1..=1_000_000;
    if units.long_context.is_some_and(|long| {
        !(1..=MOST_TOKENS).contains(&long.above)
            || !scale.contains(&long.input_permille)
            || !scale.contains(&long.output_permille)
    }) {
        faults.push("longContext needs above, inputPermille and outputPermille above zero".to_owned());
    }
    if units.terms.len() > MOST_TERMS
        || units.terms.iter().any(|(name, permille)| !is_term(name) || !scale.contains(permille))
    {
        faults.push(format!(
            "terms are at most {MOST_TERMS} of the kind service_tier:priority, each in thousandths above zero"
        ));
    }
    faults
}

/// A field of a call and its value.
fn is_term(name: &str) -> bool {
    let word = |text: &str| {
        (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    name.split_once(':').is_some_and(|(field, value)| Terms::prices(field) && word(value))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hub_types::{Clock, PriceId};

    use super::*;

    fn entry(input: i32, output: i32) -> PriceEntry {
        PriceEntry {
            service: "openai".to_owned(),
            model: "m".to_owned(),
            input: Credits::whole(input),
            output: Credits::whole(output),
            max_output_tokens: 4096,
            ..PriceEntry::default()
        }
    }

    fn only(entry: PriceEntry) -> Change {
        diff(&PriceBook::default(), &[entry], Timestamp::UNIX_EPOCH).remove(0)
    }

    #[test]
    fn a_sound_new_price_has_nothing_against_it() {
        let change = only(entry(15, 60));
        assert_eq!(change.kind, ChangeKind::New);
        assert!(change.faults.is_empty() && change.unusual.is_empty(), "{change:?}");
    }

    #[test]
    fn negative_prices_are_faults_and_absurd_ones_unusual() {
        assert!(only(entry(-1, 60)).faults.iter().any(|fault| fault.contains("below zero")));
        assert!(only(entry(100_001, 60)).unusual.iter().any(|odd| odd.contains("above 100000 credits")));
        assert!(only(entry(0, 0)).unusual.iter().any(|odd| odd.contains("free")));
        assert!(only(PriceEntry { max_output_tokens: -1, ..entry(1, 1) }).faults.len() == 1);
    }

    #[test]
    fn terms_name_a_field_that_is_priced_by_and_a_value() {
        let on = |name: &str, permille| PriceEntry { terms: [(name.to_owned(), permille)].into(), ..entry(1, 1) };
        assert!(only(on("service_tier:ultrafast", 6_000)).faults.is_empty());
        for (name, permille) in
            [("priority", 2_000), ("seed:1", 2_000), ("speed:", 2_000), ("speed:fast", 0), ("speed:fast", -1)]
        {
            assert_eq!(only(on(name, permille)).faults.len(), 1, "{name} {permille}");
        }
    }

    #[test]
    fn the_same_model_twice_is_a_fault() {
        let changes = diff(&PriceBook::default(), &[entry(1, 1), entry(2, 2)], Timestamp::UNIX_EPOCH);
        assert!(changes[0].faults.is_empty() && !changes[1].faults.is_empty());
    }

    #[test]
    fn a_price_for_a_while_has_an_end() {
        let now = Timestamp::UNIX_EPOCH;
        let clock = Clock::fixed_at("1970-01-01T00:00:00Z");
        let usual = entry(15, 60);
        let price = Price {
            id: PriceId::new(&clock),
            service: usual.service.clone(),
            model: usual.model.clone(),
            units: usual.units(),
            context_tokens: None,
            max_output_tokens: usual.max_output_tokens,
            valid_from: now,
            source: String::new(),
        };
        let book = PriceBook::of([Arc::new(price)]);
        let from = |day, input| PriceEntry { valid_from: Some(now + chrono::Duration::days(day)), ..entry(input, 60) };
        let kinds = |entries: &[PriceEntry]| -> Vec<ChangeKind> {
            diff(&book, entries, now).iter().map(|change| change.kind).collect()
        };
        let (changed, same) = (ChangeKind::Changed, ChangeKind::Same);
        assert_eq!(kinds(&[from(1, 30), from(14, 15)]), [changed, changed]);
        assert_eq!(kinds(&[from(14, 15), from(1, 30)]), [changed, changed], "whatever their order in the file");
        assert_eq!(kinds(&[from(1, 15), from(14, 15), from(20, 30), from(30, 30)]), [same, same, changed, same]);
        // The leap is one from the price that stands here, not from the one in the book.
        let leaps = diff(&book, &[from(1, 150), from(14, 1_500), from(20, 15)], now);
        assert_eq!(leaps.iter().map(|change| change.unusual.is_empty()).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn a_leap_is_unusual_and_a_step_is_not() {
        assert_eq!(oddity("input", Some(10), 100), None);
        assert!(oddity("input", Some(10), 101).is_some());
        assert!(oddity("input", Some(101), 10).is_some());
        assert_eq!(oddity("input", None, 101), None);
    }
}
