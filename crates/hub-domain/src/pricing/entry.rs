//! A price as people write it: credits per million tokens, in files and in the API. The book itself holds micro-credits.

use std::collections::BTreeMap;

use hub_types::{Credits, PriceId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::book::Price;
use super::units::{LongContext, UnitPrices};

/// One model's price. The same shape is imported, exported, compared, and sent to and by the API: what was read can be sent back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceEntry {
    /// The version, where a list names it; receipts name it too. An import takes no notice of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PriceId>,
    /// Service word of the provider that serves it: `openai`, `claude`, `sandbox`, or the name of an own server.
    pub service: String,
    /// Model id.
    pub model: String,
    /// Credits per million prompt tokens.
    pub input: Credits,
    /// Credits per million prompt tokens read from a cache; the input price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Credits>,
    /// Credits per million prompt tokens written to a cache; the input price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Credits>,
    /// Credits per million prompt tokens written to a cache for long (an hour at Anthropic); the price of other writes when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<Credits>,
    /// Credits per million prompt tokens of sound; the input price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<Credits>,
    /// Credits per million prompt tokens of pictures; the input price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_image: Option<Credits>,
    /// Credits per million completion tokens.
    pub output: Credits,
    /// Credits per million hidden reasoning tokens; the output price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Credits>,
    /// Credits per million completion tokens of sound; the output price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<Credits>,
    /// Credits per million completion tokens of pictures; the output price when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_image: Option<Credits>,
    /// Credits per second of video by resolution, such as `720p`; `*` stands for every other one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub video_second: BTreeMap<String, Credits>,
    /// Credits per call, whatever its length.
    #[serde(default)]
    pub request: Credits,
    /// Multipliers, in thousandths, of a whole call on other terms than the usual ones: `service_tier:priority`, `speed:fast`,
    /// `inference_geo:us` and their like. Calls on terms that do not stand here are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, i64>,
    /// Other prices for the whole call when its prompt is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub long_context: Option<LongContext>,
    /// Largest prompt in tokens, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<i64>,
    /// Largest answer in tokens.
    #[serde(default = "super::book::default_max_output")]
    pub max_output_tokens: i64,
    /// In force from here on; now when not given. Never in the past: what was charged stays as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_from: Option<Timestamp>,
    /// Where the numbers come from: a page and its date.
    #[serde(default)]
    pub source: String,
}

impl PriceEntry {
    /// The unit prices in micro-credits.
    pub(super) fn units(&self) -> UnitPrices {
        UnitPrices {
            input: self.input.micro(),
            cache_read: self.cache_read.unwrap_or(self.input).micro(),
            cache_write: self.cache_write.unwrap_or(self.input).micro(),
            output: self.output.micro(),
            reasoning: self.reasoning.unwrap_or(self.output).micro(),
            request: self.request.micro(),
            long_context: self.long_context,
            cache_write_long: self.cache_write_long.map(Credits::micro),
            input_audio: self.input_audio.map(Credits::micro),
            input_image: self.input_image.map(Credits::micro),
            output_audio: self.output_audio.map(Credits::micro),
            output_image: self.output_image.map(Credits::micro),
            video_second: self.video_second.iter().map(|(name, price)| (name.clone(), price.micro())).collect(),
            terms: self.terms.clone(),
            terms_permille: 0,
            margin_permille: 0,
        }
    }
}

impl From<&Price> for PriceEntry {
    fn from(price: &Price) -> Self {
        let units = &price.units;
        Self {
            id: None,
            service: price.service.clone(),
            model: price.model.clone(),
            input: Credits::from_micro(units.input),
            cache_read: Some(Credits::from_micro(units.cache_read)),
            cache_write: Some(Credits::from_micro(units.cache_write)),
            output: Credits::from_micro(units.output),
            reasoning: Some(Credits::from_micro(units.reasoning)),
            request: Credits::from_micro(units.request),
            long_context: units.long_context,
            terms: units.terms.clone(),
            cache_write_long: units.cache_write_long.map(Credits::from_micro),
            input_audio: units.input_audio.map(Credits::from_micro),
            input_image: units.input_image.map(Credits::from_micro),
            output_audio: units.output_audio.map(Credits::from_micro),
            output_image: units.output_image.map(Credits::from_micro),
            video_second: units
                .video_second
                .iter()
                .map(|(name, price)| (name.clone(), Credits::from_micro(*price)))
                .collect(),
            context_tokens: price.context_tokens,
            max_output_tokens: price.max_output_tokens,
            valid_from: Some(price.valid_from),
            source: price.source.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_follows_from_what_is() {
        let text = r#"{ "service": "openai", "model": "m", "input": 1.5, "output": 6 }"#;
        let units = serde_json::from_str::<PriceEntry>(text).map(|entry| entry.units());
        let expected = UnitPrices {
            input: 1_500_000,
            cache_read: 1_500_000,
            cache_write: 1_500_000,
            output: 6_000_000,
            reasoning: 6_000_000,
            ..UnitPrices::default()
        };
        assert_eq!(units.ok(), Some(expected));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = r#"{ "service": "openai", "model": "m", "input": 1, "output": 6, "cacheReads": 1 }"#;
        assert!(serde_json::from_str::<PriceEntry>(text).is_err());
    }
}
