//! Answers that several endpoints of usage share.

use hub_domain::usage::Named;
use hub_domain::usage::{Group, Summary, Sums};
use hub_types::{Credits, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Sums over calls.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SumsView {
    /// Calls.
    calls: i64,
    /// Those that failed.
    failed: i64,
    /// Fresh prompt tokens.
    input_tokens: i64,
    /// Prompt tokens read from the provider's cache.
    cache_read_tokens: i64,
    /// Prompt tokens written to the provider's cache.
    cache_write_tokens: i64,
    /// Visible completion tokens.
    output_tokens: i64,
    /// Hidden reasoning tokens.
    reasoning_tokens: i64,
    /// All of them.
    tokens: i64,
    /// What was charged.
    credits: Credits,
}

impl From<Sums> for SumsView {
    fn from(sums: Sums) -> Self {
        Self {
            calls: sums.calls,
            failed: sums.failed,
            input_tokens: sums.tokens.input,
            cache_read_tokens: sums.tokens.cache_read,
            cache_write_tokens: sums.tokens.cache_write,
            output_tokens: sums.tokens.output,
            reasoning_tokens: sums.tokens.reasoning,
            tokens: tokens(sums),
            credits: sums.credits,
        }
    }
}

/// Tokens of all classes.
pub(crate) fn tokens(sums: Sums) -> i64 {
    sums.tokens.prompt().saturating_add(sums.tokens.completion())
}

/// The range that was read, and the sums of all its calls.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryView {
    /// Not before.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Before.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// IANA name of the time zone.
    time_zone: &'static str,
    /// The sums.
    totals: SumsView,
}

impl From<Summary> for SummaryView {
    fn from(summary: Summary) -> Self {
        let Summary { from, to, zone, totals } = summary;
        Self { from, to, time_zone: zone, totals: totals.into() }
    }
}

/// What the calls of a group have in common.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupView {
    /// The model, provider or service, or the id of key or account; null for calls without a key, and for all others together.
    id: Option<String>,
    /// The same for people: the key's name, the account's address.
    name: String,
    /// True when the account was deleted or the key taken back.
    deleted: bool,
    /// True for the line of all groups that have none of their own.
    others: bool,
}

impl GroupView {
    /// All groups that have no line of their own.
    pub(crate) const fn others() -> Self {
        Self { id: None, name: String::new(), deleted: false, others: true }
    }
}

impl From<Named> for GroupView {
    fn from(named: Named) -> Self {
        let id = match named.group {
            Group::All | Group::Key(None) => None,
            Group::Word(word) => Some(word),
            Group::User(id) => Some(id.to_string()),
            Group::Key(Some(id)) => Some(id.to_string()),
        };
        Self { id, name: named.name, deleted: named.deleted, others: false }
    }
}
