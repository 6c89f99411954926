//! What one call consumed, in classes that never overlap.

use serde::{Deserialize, Serialize};

/// Tokens of one call. The classes are disjoint: `input` holds only fresh prompt tokens of text, `reasoning` is not part of
/// `output`. Adapters subtract where a provider reports totals (providers.md §1.2). Most calls have tokens of the five basic
/// classes only: `input`, `cache_read`, `cache_write`, `output`, `reasoning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenUsage {
    /// Fresh prompt tokens.
    pub input: i64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: i64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: i64,
    /// Prompt tokens written to the provider's cache for long (an hour at Anthropic, twelve at OpenAI).
    pub cache_write_long: i64,
    /// Fresh prompt tokens of sound.
    pub input_audio: i64,
    /// Fresh prompt tokens of pictures, where the provider tells them apart.
    pub input_image: i64,
    /// Visible completion tokens.
    pub output: i64,
    /// Hidden reasoning tokens.
    pub reasoning: i64,
    /// Completion tokens of sound.
    pub output_audio: i64,
    /// Completion tokens of pictures.
    pub output_image: i64,
}

impl TokenUsage {
    /// All prompt tokens: what OpenAI calls `prompt_tokens`.
    pub fn prompt(&self) -> i64 {
        let Self { input, cache_read, cache_write, cache_write_long, input_audio, input_image, .. } = *self;
        [input, cache_read, cache_write, cache_write_long, input_audio, input_image]
            .into_iter()
            .fold(0, i64::saturating_add)
    }

    /// All completion tokens: what OpenAI calls `completion_tokens`.
    pub fn completion(&self) -> i64 {
        let Self { output, reasoning, output_audio, output_image, .. } = *self;
        [output, reasoning, output_audio, output_image].into_iter().fold(0, i64::saturating_add)
    }

    /// The same tokens in the five basic classes: sound and pictures as `input` and `output`, long writes as `cache_write`.
    #[must_use]
    pub fn coarse(&self) -> Self {
        Self {
            input: self.input.saturating_add(self.input_audio).saturating_add(self.input_image),
            cache_read: self.cache_read,
            cache_write: self.cache_write.saturating_add(self.cache_write_long),
            output: self.output.saturating_add(self.output_audio).saturating_add(self.output_image),
            reasoning: self.reasoning,
            ..Self::default()
        }
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
