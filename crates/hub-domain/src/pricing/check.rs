//! `hub prices check`: is the book sound, and does every model in it still have a price that makes sense?

use hub_types::Timestamp;

use super::book::{Price, PriceBook, table_start};
use super::change::{FieldChange, diff};
use super::entry::PriceEntry;
use super::seed::seeded;

/// A seeded or imported price this old should be compared with the provider's page.
const OLD: chrono::Duration = chrono::Duration::days(365);

/// What was found about the prices in force and those to come.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `service/model`.
    pub price: String,
    /// True when calls would be charged wrongly; false for advice.
    pub fault: bool,
    /// What, in words.
    pub message: String,
}

/// Looks at every price in force at `now` and every one to come. Reads memory only.
pub fn check(book: &PriceBook, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let seeded = seeded();
    for price in book.all_current(now).into_iter().chain(book.to_come(now)) {
        let name = format!("{}/{}", price.service, price.model);
        let mut found = |fault, message| findings.push(Finding { price: name.clone(), fault, message });
        // Alone against an empty book: only what is wrong with the price itself, not what changed.
        let entry = PriceEntry { valid_from: None, ..PriceEntry::from(&*price) };
        for change in diff(&PriceBook::default(), &[entry], now) {
            change.faults.into_iter().for_each(|message| found(true, message));
            change.unusual.into_iter().for_each(|message| found(false, message));
        }
        if price.valid_from < now - OLD {
            found(false, format!("in force since {}: compare it with the provider", price.valid_from.format("%F")));
        }
        if let Some(message) = seeded_otherwise(book, &price, &seeded, now) {
            found(false, message);
        }
        if price.source.is_empty() {
            found(false, "has no source".to_owned());
        }
    }
    findings
}

/// What differs for a price that an older program seeded and nobody touched since: the seed leaves models alone that have a price.
fn seeded_otherwise(book: &PriceBook, price: &Price, seeded: &[PriceEntry], now: Timestamp) -> Option<String> {
    let ours = |entry: &&PriceEntry| entry.service == price.service && entry.model == price.model;
    let entry = seeded.iter().find(ours).filter(|_| price.valid_from == table_start())?;
    let change = diff(book, std::slice::from_ref(entry), now).pop()?;
    let said: Vec<String> = change.fields.iter().map(FieldChange::in_words).collect();
    let help = "see `hub prices list --seeded`";
    (!said.is_empty()).then(|| format!("this version of the hub would seed {}: {help}", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use hub_types::{Clock, PriceId};

    use super::*;

    #[test]
    fn a_price_that_an_older_program_seeded_is_named_unless_somebody_set_it() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let entry = seeded().into_iter().find(|entry| entry.model == "claude-haiku-4-5").unwrap();
        let said = |write: i64, long: bool, valid_from| {
            let mut units = entry.units();
            units.cache_write = write * 1_000_000;
            units.cache_write_long = units.cache_write_long.filter(|_| long);
            let price = Price {
                id: PriceId::new(&clock),
                service: entry.service.clone(),
                model: entry.model.clone(),
                units,
                context_tokens: entry.context_tokens,
                max_output_tokens: entry.max_output_tokens,
                valid_from,
                source: entry.source.clone(),
            };
            let book = PriceBook::default();
            book.replace(BTreeMap::from([((price.service.clone(), price.model.clone()), vec![Arc::new(price)])]));
            let found = check(&book, clock.now());
            assert!(found.iter().all(|finding| !finding.fault));
            found.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
        };
        assert_eq!(said(125, true, table_start()), Vec::<String>::new());
        let old = said(200, false, table_start());
        assert_eq!(old.len(), 1, "{old:?}");
        assert!(old[0].contains("cacheWrite 125 instead of 200"), "{old:?}");
        assert_eq!(said(200, false, clock.now()), Vec::<String>::new());
    }
}
