//! Unit prices: what the tokens of each class, a call and a second of video cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Micro-credits per million tokens of each class, and per call. All zero or above. Classes without a price of their own (`None`) cost
/// what the class costs that they would otherwise be counted in; so prices that were stored before a class existed mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UnitPrices {
    /// Fresh prompt tokens.
    pub input: i64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: i64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: i64,
    /// Prompt tokens written to the cache for long; as `cache_write` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<i64>,
    /// Prompt tokens of sound; as `input` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<i64>,
    /// Prompt tokens of pictures; as `input` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_image: Option<i64>,
    /// Visible completion tokens.
    pub output: i64,
    /// Hidden reasoning tokens.
    pub reasoning: i64,
    /// Completion tokens of sound; as `output` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<i64>,
    /// Completion tokens of pictures; as `output` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image: Option<i64>,
    /// Micro-credits per call, whatever its length.
    pub request: i64,
    /// Micro-credits per second of video by resolution, such as `720p`; `*` stands for every other one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub video_second: BTreeMap<String, i64>,
    /// Other prices for the whole call when its prompt is long (providers.md §8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContext>,
    /// Multipliers, in thousandths, of a whole call on other terms than the provider's usual ones (providers.md §8), such as
    /// `service_tier:priority`. Terms that do not stand here are "unknown", which callers must refuse.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, i64>,
    /// The multiplier of the terms of this call; zero where they are the usual ones. Never in the book: only on holds and receipts.
    #[serde(skip_serializing_if = "is_zero")]
    pub terms_permille: i64,
    /// What the house adds to all of the above for this caller, in thousandths. Never in the book: only on holds and receipts.
    #[serde(skip_serializing_if = "is_zero")]
    pub margin_permille: i64,
}

/// Prices in thousandths of the normal ones for calls whose prompt is longer than `above` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LongContext {
    /// Prompt tokens up to here cost the normal prices.
    pub above: i64,
    /// Multiplier of all prompt classes, in thousandths.
    pub input_permille: i64,
    /// Multiplier of all completion classes, in thousandths.
    pub output_permille: i64,
}

impl UnitPrices {
    /// What the provider asks: without anybody's margin.
    #[must_use]
    pub fn without_margin(&self) -> Self {
        Self { margin_permille: 0, ..self.clone() }
    }

    /// As they stand in the book: without anybody's margin, on the usual terms.
    #[must_use]
    pub fn as_in_book(&self) -> Self {
        Self { terms_permille: 0, ..self.without_margin() }
    }

    /// Price of a second of video at this resolution; `None` is "unknown", which callers must refuse.
    pub fn video_second(&self, resolution: &str) -> Option<i64> {
        self.video_second.get(resolution).or_else(|| self.video_second.get("*")).copied()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}
