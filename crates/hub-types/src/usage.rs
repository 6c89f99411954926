//! What one call consumed, in classes that never overlap.

use serde::{Deserialize, Serialize};

/// Tokens of one call. The classes are disjoint: `input` holds only fresh prompt tokens, `reasoning` is not part of
/// `output`. Adapters subtract where a provider reports totals (providers.md §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenUsage {
    /// Fresh prompt tokens.
    pub input: i64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: i64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: i64,
    /// Visible completion tokens.
    pub output: i64,
    /// Hidden reasoning tokens.
    pub reasoning: i64,
}

impl TokenUsage {
    /// All prompt tokens: what OpenAI calls `prompt_tokens`.
    pub fn prompt(&self) -> i64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// All completion tokens: what OpenAI calls `completion_tokens`.
    pub fn completion(&self) -> i64 {
        self.output.saturating_add(self.reasoning)
    }

    /// Everything.
    pub fn total(&self) -> i64 {
        self.prompt().saturating_add(self.completion())
    }
}

/// Who counted the tokens; stands on every receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The provider reported them.
    Provider,
    /// The hub counted what it relayed, because the provider reported nothing.
    Counted,
    /// The call died with its process; the last checkpoint was charged.
    Checkpoint,
    /// Nothing was consumed.
    None,
}

impl UsageSource {
    /// The word stored in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Counted => "counted",
            Self::Checkpoint => "checkpoint",
            Self::None => "none",
        }
    }
}
