//! A failure that a provider tells in the caller's own wire, at the end of an answer it had begun, with what the answer cost.

use std::fmt;

use bytes::Bytes;
use hub_types::TokenUsage;

use super::{LlmError, Terms};

/// What a provider said last. It is no secret, but it may hold the answer: its `Debug` shows the failure alone.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct LastWords {
    /// The event in the caller's wire: write it out unchanged, in the place of one of ours. Empty where the wires differ.
    pub raw: Bytes,
    /// What the provider says the call has consumed.
    pub usage: Option<TokenUsage>,
    /// On which terms the provider says it served the call.
    pub terms: Option<Box<Terms>>,
    /// The failure; never one with last words itself.
    #[source]
    pub error: LlmError,
}

impl fmt::Debug for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastWords").field("usage", &self.usage).field("error", &self.error).finish_non_exhaustive()
    }
}

impl LlmError {
    /// What the provider said last, if it said more than that it failed.
    pub fn last_words(&self) -> Option<&LastWords> {
        match self {
            Self::Last(words) => Some(words),
            _ => None,
        }
    }

    /// The failure without the last words.
    pub fn plain(&self) -> &Self {
        self.last_words().map_or(self, |words| &words.error)
    }

    /// The failure for a caller of another wire: its facts stay, its bytes do not.
    #[must_use]
    pub(crate) fn untold(self) -> Self {
        match self {
            Self::Last(words) => Self::Last(Box::new(LastWords { raw: Bytes::new(), ..*words })),
            other => other,
        }
    }
}
