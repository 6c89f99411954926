//! One try of a call at one provider, as receipts and errors show it.

use hub_clients::llm::LlmError;
use hub_types::{Credits, TokenUsage};
use serde::Serialize;

use super::registry::Candidate;
use crate::pricing::UnitPrices;

/// One attempt, as receipts and errors show it. Only the last one of a call is charged to its caller.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The provider's name.
    pub provider: String,
    /// The operator's name for the credential; absent where the provider has just one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The model there.
    pub model: String,
    /// `ok`; a word for the failure; or why it was passed over: `breaker_open`, `paused`, `busy`, `insufficient_credits`,
    /// `over_cap`, `unsendable`, `too_large`.
    pub outcome: &'static str,
    /// The provider's status, when it gave one that was an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub milliseconds: i64,
    /// Tokens it consumed, as far as known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<TokenUsage>,
    /// What they cost, before the call's hold bounds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
}

impl Attempt {
    /// An attempt that took this long.
    pub(super) fn new(candidate: &Candidate, outcome: &'static str, milliseconds: i64) -> Self {
        Self {
            provider: candidate.provider.name().to_owned(),
            credential: candidate.credential.as_deref().map(str::to_owned),
            model: candidate.price.model.clone(),
            outcome,
            status: None,
            milliseconds,
            usage: None,
            credits: None,
        }
    }

    /// An attempt that failed.
    pub(super) fn failed(candidate: &Candidate, error: &LlmError, milliseconds: i64) -> Self {
        Self { status: status(error), ..Self::new(candidate, error.kind(), milliseconds) }
    }

    /// Whether it was made at this candidate.
    pub(super) fn was_at(&self, candidate: &Candidate) -> bool {
        self.provider == candidate.provider.name()
            && self.credential.as_deref() == candidate.credential.as_deref()
            && self.model == candidate.price.model
    }

    /// Adds what it consumed.
    pub(super) fn billed(&mut self, units: &UnitPrices, usage: TokenUsage) {
        self.usage = Some(usage);
        self.credits = units.cost(&usage).ok().map(|cost| cost.amount);
    }
}

fn status(error: &LlmError) -> Option<u16> {
    match error.plain() {
        LlmError::Refused { status, .. } | LlmError::Unavailable { status, .. } => Some(*status),
        LlmError::Credential { .. } => Some(401),
        LlmError::RateLimited { .. } => Some(429),
        LlmError::ModelNotFound { .. } => Some(404),
        _ => None,
    }
}
