//! `hub prices check`: is the book sound, and does every model in it still have a price that makes sense?

use hub_types::Timestamp;

use super::book::PriceBook;
use super::change::diff;
use super::entry::PriceEntry;

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
        if price.source.is_empty() {
            found(false, "has no source".to_owned());
        }
    }
    findings
}
