//! Prices that an operator writes into the settings: judged like those of an import, and written into the book when they are news.

use hub_types::Timestamp;

use super::book::{ModelPrice, Price, PriceBook};
use super::change::{Change, diff};
use super::compare::Version;
use super::entry::PriceEntry;

/// The source of prices that came from the settings. No import can take it for its own.
pub(super) const SETTINGS: &str = "settings";

impl From<&ModelPrice> for PriceEntry {
    fn from(model: &ModelPrice) -> Self {
        Self {
            id: None,
            service: model.service.clone(),
            model: model.model.clone(),
            input: model.input,
            cache_read: model.cache_read,
            cache_write: model.cache_write,
            cache_write_long: model.cache_write_long,
            input_audio: model.input_audio,
            input_image: model.input_image,
            output: model.output,
            reasoning: None,
            output_audio: model.output_audio,
            output_image: model.output_image,
            video_second: model.video_second.clone(),
            request: model.request,
            terms: model.terms.clone(),
            long_context: None,
            context_tokens: model.context_tokens,
            max_output_tokens: model.max_output_tokens,
            valid_from: None,
            source: SETTINGS.to_owned(),
        }
    }
}

impl ModelPrice {
    /// What forbids this price, in words.
    pub fn faults(&self) -> Vec<String> {
        self.judged().map(|change| change.faults).unwrap_or_default()
    }

    /// What is allowed only with `allow_unusual`, in words. Whether the price leaps is not among it: that takes the book.
    pub fn unusual(&self) -> Vec<String> {
        self.judged().map(|change| change.unusual).unwrap_or_default()
    }

    fn judged(&self) -> Option<Change> {
        diff(&PriceBook::default(), &[self.into()], Timestamp::UNIX_EPOCH).pop()
    }

    /// True when the last version that came from the settings, if any, says something else.
    pub(super) fn is_news(&self, book: &PriceBook) -> bool {
        let ours =
            |price: &Price| price.service == self.service && price.model == self.model && price.source == SETTINGS;
        let last = book.all().into_iter().rfind(|price| ours(price));
        last.is_none_or(|last| Version::from(&*last) != Version::from(&PriceEntry::from(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: i32, output: i32) -> ModelPrice {
        let price = serde_json::json!({ "service": "own", "model": "m", "input": input, "output": output });
        serde_json::from_value(price).unwrap()
    }

    #[test]
    fn a_price_of_the_settings_is_judged_like_an_imported_one() {
        assert!(price(15, 60).faults().is_empty() && price(15, 60).unusual().is_empty());
        assert!(price(-1, 60).faults().contains(&"input is below zero".to_owned()));
        assert_eq!(price(0, 0).unusual(), ["calls would be free"]);
        assert_eq!(price(200_000, 60).unusual().len(), 3, "what goes through a cache costs the same");
        assert_eq!(ModelPrice { max_output_tokens: -1, ..price(1, 1) }.faults().len(), 1);
    }
}
