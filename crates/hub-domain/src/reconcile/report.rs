//! What a comparison found.

use chrono::NaiveDate;
use hub_types::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Differences named in words.
pub(super) const NAMED: usize = 100;

/// Sums over calls. The classes are those a provider's bill has: `prompt` and `completion` hold the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sums {
    /// Calls.
    pub calls: i64,
    /// All prompt tokens.
    pub prompt: i64,
    /// Of these, read from the cache.
    pub cache_read: i64,
    /// Of these, written to the cache.
    pub cache_write: i64,
    /// All completion tokens.
    pub completion: i64,
    /// Of these, reasoning.
    pub reasoning: i64,
    /// What they cost, in micro-credits: here at the prices of the book, without margins; there the dollars of the bill, 100 credits each.
    pub cost: i64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.prompt = self.prompt.saturating_add(other.prompt);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.completion = self.completion.saturating_add(other.completion);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.cost = self.cost.saturating_add(other.cost);
    }
}

/// One model on one day of UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayReport {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub day: NaiveDate,
    /// The model.
    pub model: String,
    /// What the receipts say.
    pub here: Sums,
    /// What the file says.
    pub there: Sums,
    /// Calls of the file without a receipt.
    pub missing_here: u64,
    /// Receipts whose call is not in the file.
    pub missing_there: u64,
    /// Calls, or where the file has none sums, whose numbers differ.
    pub different: u64,
}

/// What a comparison found. Numbers the file does not have are zero `there` and were not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whose.
    pub provider: String,
    /// From here on.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Up to here.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// True where calls were compared one by one, false where only sums could be.
    pub by_call: bool,
    /// True when nothing is missing and nothing differs.
    pub clean: bool,
    /// Lines of the file.
    pub lines: usize,
    /// Calls found on both sides.
    pub matched: u64,
    /// Calls of the file without a receipt.
    pub missing_here: u64,
    /// Receipts whose call is not in the file.
    pub missing_there: u64,
    /// Calls or sums whose numbers differ.
    pub different: u64,
    /// All receipts that were compared.
    pub here: Sums,
    /// The whole file.
    pub there: Sums,
    /// By day and model.
    pub days: Vec<DayReport>,
    /// The first hundred differences, in words.
    pub named: Vec<String>,
}
