//! What an import would change, and what is wrong or unusual about it. Looks only; `import` writes.

use std::collections::{HashMap, HashSet};

use hub_clients::llm::Terms;
use hub_types::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::book::PriceBook;
use super::compare::{Pair, Unit, Version, classes, pairs};
use super::entry::PriceEntry;
use super::odd::oddities;
use super::units::UnitPrices;

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

/// One number that differs: micro-credits per million tokens, per call or per second of video, thousandths, or tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Which, such as `input`, `videoSecond.720p`, `longContext.above` or `terms.speed:fast`.
    pub field: String,
    /// As it is; null where it does not stand.
    pub from: Option<i64>,
    /// As it would be; null where it would no longer stand.
    pub to: Option<i64>,
    #[serde(skip)]
    unit: Unit,
}

impl FieldChange {
    /// What it would be in place of what, for people: amounts are in credits.
    pub(super) fn in_words(&self) -> String {
        let show = |number: Option<i64>| number.map_or_else(|| "nothing".to_owned(), |number| self.unit.show(number));
        format!("{} {} instead of {}", self.field, show(self.to), show(self.from))
    }
}

impl From<&Pair> for FieldChange {
    fn from(pair: &Pair) -> Self {
        Self { field: pair.field.clone(), from: pair.from, to: pair.to, unit: pair.unit }
    }
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

fn compare(entry: &PriceEntry, in_force: Option<&Version>) -> Change {
    let units = entry.units();
    let pairs = pairs(in_force, &Version::from(entry));
    let fields: Vec<FieldChange> = pairs.iter().filter(|pair| pair.from != pair.to).map(FieldChange::from).collect();
    let kind = match in_force {
        None => ChangeKind::New,
        Some(_) if fields.is_empty() => ChangeKind::Same,
        Some(_) => ChangeKind::Changed,
    };
    // Nothing is written for what stays the same, so nobody has to mean it.
    let unusual = if kind == ChangeKind::Same { Vec::new() } else { oddities(&units, &pairs) };
    let faults = faults(entry, &units);
    Change { service: entry.service.clone(), model: entry.model.clone(), kind, fields, faults, unusual }
}

/// What can never be written.
fn faults(entry: &PriceEntry, units: &UnitPrices) -> Vec<String> {
    let mut faults = Vec::new();
    for class in classes(units) {
        if class.said && class.price < 0 {
            faults.push(format!("{} is below zero", class.field));
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

    use hub_types::{Clock, Credits, PriceId};
    use proptest::prelude::*;

    use super::super::book::Price;
    use super::super::units::LongContext;
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

    fn book(price: Price) -> PriceBook {
        PriceBook::of([Arc::new(price)])
    }

    /// A price where every number stands.
    fn full() -> PriceEntry {
        serde_json::from_value(serde_json::json!({
            "service": "openai", "model": "m", "source": "a page", "input": 15, "cacheRead": 1.5, "cacheWrite": 18, "cacheWriteLong": 30,
            "inputAudio": 40, "inputImage": 20, "output": 60, "reasoning": 61, "outputAudio": 80, "outputImage": 70, "request": 0.5,
            "videoSecond": { "720p": 10, "*": 30 }, "terms": { "service_tier:flex": 500, "speed:fast": 2000 },
            "longContext": { "above": 200_000, "inputPermille": 2000, "outputPermille": 1500 },
            "contextTokens": 1_000_000, "maxOutputTokens": 16_384,
        }))
        .unwrap()
    }

    fn price(entry: &PriceEntry) -> Price {
        let clock = Clock::fixed_at("1970-01-01T00:00:00Z");
        Price {
            id: PriceId::new(&clock),
            service: entry.service.clone(),
            model: entry.model.clone(),
            units: entry.units(),
            context_tokens: entry.context_tokens,
            max_output_tokens: entry.max_output_tokens,
            valid_from: Timestamp::UNIX_EPOCH,
            source: entry.source.clone(),
        }
    }

    /// What becomes of the full price when an edit is imported, with one field of it changed.
    fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> Change {
        let mut json = serde_json::to_value(full()).unwrap();
        edit(&mut json);
        let entry = serde_json::from_value(json).unwrap();
        diff(&book(price(&full())), &[entry], Timestamp::UNIX_EPOCH).remove(0)
    }

    #[test]
    fn a_change_of_any_number_is_named_and_one_of_none_is_none() {
        let numbers = [
            "/input",
            "/cacheRead",
            "/cacheWrite",
            "/cacheWriteLong",
            "/inputAudio",
            "/inputImage",
            "/output",
            "/reasoning",
            "/outputAudio",
            "/outputImage",
            "/request",
            "/videoSecond/720p",
            "/videoSecond/*",
            "/terms/service_tier:flex",
            "/terms/speed:fast",
            "/longContext/above",
            "/longContext/inputPermille",
            "/longContext/outputPermille",
            "/contextTokens",
            "/maxOutputTokens",
        ];
        for number in numbers {
            let change = edited(|json| {
                let value = json.pointer_mut(number).unwrap();
                let is_whole = value.is_i64();
                *value = if is_whole {
                    (value.as_i64().unwrap() * 2).into()
                } else {
                    (value.as_f64().unwrap() * 2.0).into()
                };
            });
            let named: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
            assert_eq!(named, [number[1..].replace('/', ".")], "{change:?}");
            assert!(change.unusual.is_empty() && change.kind == ChangeKind::Changed, "{change:?}");
            assert!(change.fields[0].from.unwrap() * 2 == change.fields[0].to.unwrap());
        }
        assert_eq!(edited(|_| ()).kind, ChangeKind::Same);
    }

    #[test]
    fn a_number_that_goes_away_is_named() {
        let gone = edited(|json| {
            json["videoSecond"] = serde_json::json!({ "*": 30 });
            json.as_object_mut().unwrap().remove("terms");
            json.as_object_mut().unwrap().remove("longContext");
        });
        let named: Vec<_> = gone.fields.iter().map(|field| (field.field.as_str(), field.from, field.to)).collect();
        assert_eq!(
            named,
            [
                ("videoSecond.720p", Some(10_000_000), None),
                ("longContext.above", Some(200_000), None),
                ("longContext.inputPermille", Some(2000), None),
                ("longContext.outputPermille", Some(1500), None),
                ("terms.service_tier:flex", Some(500), None),
                ("terms.speed:fast", Some(2000), None),
            ]
        );
        assert!(gone.unusual.is_empty(), "{gone:?}");
    }

    #[test]
    fn leaps_of_every_kind_are_unusual() {
        for number in [
            "/input",
            "/cacheRead",
            "/cacheWrite",
            "/cacheWriteLong",
            "/inputAudio",
            "/inputImage",
            "/output",
            "/reasoning",
            "/outputAudio",
            "/outputImage",
            "/request",
            "/videoSecond/720p",
            "/videoSecond/*",
        ] {
            let nothing = edited(|json| *json.pointer_mut(number).unwrap() = 0.into());
            assert!(nothing.unusual.iter().any(|odd| odd.contains("to nothing")), "{number}: {nothing:?}");
            let huge = edited(|json| *json.pointer_mut(number).unwrap() = 900_000.into());
            assert_eq!(huge.unusual.len(), 1, "{number}: {huge:?}");
        }
        for number in [
            "/terms/service_tier:flex",
            "/terms/speed:fast",
            "/longContext/inputPermille",
            "/longContext/outputPermille",
        ] {
            for permille in [1, 1_000_000] {
                let odd = edited(|json| *json.pointer_mut(number).unwrap() = permille.into());
                assert_eq!((odd.unusual.len(), odd.faults.len()), (1, 0), "{number}: {odd:?}");
            }
        }
        let all_are_long = edited(|json| json["longContext"]["above"] = 1.into());
        assert!(all_are_long.unusual.iter().any(|odd| odd.contains("leaps")), "{all_are_long:?}");
        // A resolution that loses its own price costs what every other one costs.
        let follows = edited(|json| json["videoSecond"] = serde_json::json!({ "*": 250 }));
        assert!(follows.unusual.iter().any(|odd| odd.starts_with("videoSecond.720p leaps")), "{follows:?}");
        let only_video = edited(|json| {
            json["input"] = 0.into();
            json["output"] = 0.into();
            json["videoSecond"] = serde_json::json!({ "720p": 900_000_000 });
        });
        for start in ["input falls", "output falls", "videoSecond.720p is above"] {
            assert!(only_video.unusual.iter().any(|odd| odd.starts_with(start)), "{start}: {only_video:?}");
        }
    }

    #[test]
    fn video_for_nothing_is_unusual_unless_the_call_is_paid() {
        let of = |second, request| {
            let video_second = [("*".to_owned(), Credits::whole(second))].into();
            only(PriceEntry { video_second, request: Credits::whole(request), ..entry(0, 0) }).unusual
        };
        assert_eq!(of(0, 0), ["videoSecond.* would be free", "calls would be free"]);
        assert!(of(10, 0).is_empty() && of(0, 50).is_empty());
    }

    fn amount() -> impl Strategy<Value = i64> {
        0_i64..1_000_000_000_000
    }

    prop_compose! {
        fn any_units()(
            base in prop::array::uniform6(amount()), own in prop::array::uniform5(prop::option::of(amount())),
            video_second in prop::collection::btree_map("[0-9]{3,4}p|\\*", amount(), 0..4),
            terms in prop::collection::btree_map("speed:[a-z]{1,8}", 1_i64..=1_000_000, 0..4),
            long in prop::option::of((1_i64..100_000_000, 1_i64..=1_000_000, 1_i64..=1_000_000)),
        ) -> UnitPrices {
            let [input, cache_read, cache_write, output, reasoning, request] = base;
            let [cache_write_long, input_audio, input_image, output_audio, output_image] = own;
            UnitPrices {
                input, cache_read, cache_write, output, reasoning, request, cache_write_long, input_audio, input_image, output_audio,
                output_image, video_second, terms,
                long_context: long.map(|(above, input_permille, output_permille)| LongContext { above, input_permille, output_permille }),
                ..UnitPrices::default()
            }
        }
    }

    proptest! {
        #[test]
        fn a_price_that_is_read_and_sent_back_changes_nothing(
            units in any_units(), context_tokens in prop::option::of(1_i64..100_000_000), max_output_tokens in 0_i64..100_000_000,
        ) {
            let price = Price { units, context_tokens, max_output_tokens, ..price(&full()) };
            let read = PriceEntry { id: Some(price.id), ..PriceEntry::from(&price) };
            let text = serde_json::to_string(&read).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let sent: PriceEntry = serde_json::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&sent.units(), &price.units);
            let change = diff(&book(price), &[sent], Timestamp::UNIX_EPOCH).remove(0);
            prop_assert_eq!(change.kind, ChangeKind::Same);
            prop_assert!(change.fields.is_empty() && change.faults.is_empty() && change.unusual.is_empty());
        }
    }
}
