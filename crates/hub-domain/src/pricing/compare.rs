//! Two versions of a price, number by number. Says what differs; whether that is wise is for others to say.

use std::collections::BTreeSet;

use hub_types::Credits;

use super::book::Price;
use super::entry::PriceEntry;
use super::units::UnitPrices;

/// A multiplier that multiplies nothing, in thousandths.
const USUAL: i64 = 1000;

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

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Micro-credits per million tokens.
    Million,
    /// Micro-credits per call.
    Call,
    /// Micro-credits per second of video.
    Second,
    /// Thousandths of the usual price.
    Permille,
    /// Tokens.
    Tokens,
}

impl Unit {
    /// The number for people; amounts are in credits.
    pub(super) fn show(self, number: i64) -> String {
        match self {
            Self::Million | Self::Call | Self::Second => Credits::from_micro(number).to_string(),
            Self::Permille => format!("{number} thousandths"),
            Self::Tokens => format!("{number} tokens"),
        }
    }
}

/// One number of both versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// Its name, as in files.
    pub(super) field: String,
    /// What it counts.
    pub(super) unit: Unit,
    /// As it stands in the version in force, where it stands there.
    pub(super) from: Option<i64>,
    /// As it would stand, where it would.
    pub(super) to: Option<i64>,
    /// What calls are charged by: as `from`, but a number that does not stand there may follow another one. Nothing for limits.
    pub(super) charged: Option<i64>,
    /// What calls would be charged by.
    pub(super) would_charge: Option<i64>,
}

/// One class of tokens, or the call.
pub(super) struct Class {
    pub(super) field: &'static str,
    unit: Unit,
    pub(super) price: i64,
    /// Whether it was named at all, or follows another one.
    pub(super) said: bool,
}

/// Every class with its price.
pub(super) fn classes(units: &UnitPrices) -> [Class; 11] {
    let basic = |field, price| Class { field, unit: Unit::Million, price, said: true };
    let finer = |field, own: Option<i64>, base: i64| Class {
        field,
        unit: Unit::Million,
        price: own.unwrap_or(base),
        said: own.is_some(),
    };
    [
        basic("input", units.input),
        basic("cacheRead", units.cache_read),
        basic("cacheWrite", units.cache_write),
        basic("output", units.output),
        basic("reasoning", units.reasoning),
        Class { unit: Unit::Call, ..basic("request", units.request) },
        finer("cacheWriteLong", units.cache_write_long, units.cache_write),
        finer("inputAudio", units.input_audio, units.input),
        finer("inputImage", units.input_image, units.input),
        finer("outputAudio", units.output_audio, units.output),
        finer("outputImage", units.output_image, units.output),
    ]
}

/// Every number that stands in either version; `old` is absent for a new model.
pub(super) fn pairs(old: Option<&Version>, new: &Version) -> Vec<Pair> {
    let units = old.map(|old| &old.units);
    let mut pairs = of_classes(units, &new.units);
    pairs.extend(of_video(units, &new.units));
    pairs.extend(of_long_context(units, &new.units));
    pairs.extend(of_terms(units, &new.units));
    let limits = [
        ("maxOutputTokens", old.map(|old| old.max_output_tokens), Some(new.max_output_tokens)),
        ("contextTokens", old.and_then(|old| old.context_tokens), new.context_tokens),
    ];
    pairs.extend(limits.map(|(field, from, to)| Pair {
        field: field.to_owned(),
        unit: Unit::Tokens,
        from,
        to,
        charged: None,
        would_charge: None,
    }));
    pairs
}

fn of_classes(old: Option<&UnitPrices>, new: &UnitPrices) -> Vec<Pair> {
    let old = old.map(classes);
    let mut pairs = Vec::new();
    for (index, class) in classes(new).into_iter().enumerate() {
        let before = old.as_ref().and_then(|old| old.get(index));
        // A class that nobody names only follows another one.
        if class.said || before.is_some_and(|before| before.said) {
            let (from, to) = (before.map(|before| before.price), Some(class.price));
            let field = class.field.to_owned();
            pairs.push(Pair { field, unit: class.unit, from, to, charged: from, would_charge: to });
        }
    }
    pairs
}

fn of_video(old: Option<&UnitPrices>, new: &UnitPrices) -> Vec<Pair> {
    let resolutions: BTreeSet<&String> =
        old.into_iter().chain([new]).flat_map(|units| units.video_second.keys()).collect();
    let pair = |name: &String| Pair {
        field: format!("videoSecond.{name}"),
        unit: Unit::Second,
        from: old.and_then(|old| old.video_second.get(name).copied()),
        to: new.video_second.get(name).copied(),
        charged: old.and_then(|old| old.video_second(name)),
        would_charge: new.video_second(name),
    };
    resolutions.into_iter().map(pair).collect()
}

fn of_long_context(old: Option<&UnitPrices>, new: &UnitPrices) -> Vec<Pair> {
    let (before, after) = (old.and_then(|old| old.long_context), new.long_context);
    if before.is_none() && after.is_none() {
        return Vec::new();
    }
    let pair = |field: &str, unit, from: Option<i64>, to: Option<i64>| {
        // A long prompt costs what others cost where nothing else is said.
        let otherwise = (unit == Unit::Permille).then_some(USUAL);
        let charged = from.or(old.and(otherwise));
        Pair { field: format!("longContext.{field}"), unit, from, to, charged, would_charge: to.or(otherwise) }
    };
    vec![
        pair("above", Unit::Tokens, before.map(|long| long.above), after.map(|long| long.above)),
        pair(
            "inputPermille",
            Unit::Permille,
            before.map(|long| long.input_permille),
            after.map(|long| long.input_permille),
        ),
        pair(
            "outputPermille",
            Unit::Permille,
            before.map(|long| long.output_permille),
            after.map(|long| long.output_permille),
        ),
    ]
}

fn of_terms(old: Option<&UnitPrices>, new: &UnitPrices) -> Vec<Pair> {
    let names: BTreeSet<&String> = old.into_iter().chain([new]).flat_map(|units| units.terms.keys()).collect();
    let pair = |name: &String| {
        let (from, to) = (old.and_then(|old| old.terms.get(name).copied()), new.terms.get(name).copied());
        Pair { field: format!("terms.{name}"), unit: Unit::Permille, from, to, charged: from, would_charge: to }
    };
    names.into_iter().map(pair).collect()
}
