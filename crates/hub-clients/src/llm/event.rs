//! What a provider answers, whole or in pieces: its own bytes, and beside them the facts the hub meters by.

use bytes::Bytes;
use futures::stream::BoxStream;
use hub_types::TokenUsage;

use super::count::Estimate;
use super::{LlmError, Terms};

/// The two ways to answer; decided by the request's `stream`.
#[derive(Debug)]
pub enum ChatAnswer {
    /// One JSON document.
    Whole(WholeAnswer),
    /// Server-sent events.
    Stream(ChatStream),
}

/// A finished answer.
#[derive(Debug, Clone)]
pub struct WholeAnswer {
    /// The answer's JSON in the caller's wire; where the provider speaks it, its own bytes.
    pub body: Bytes,
    /// Visible text of the first choice.
    pub text: String,
    /// What the provider says it consumed; `None` when it does not say.
    pub usage: Option<TokenUsage>,
    /// On which terms the provider says it was served.
    pub terms: Option<Box<Terms>>,
    /// Visible text and tool calls of all choices, counted here: the fall-back when `usage` is missing.
    pub output: Estimate,
    /// Hidden reasoning that was sent along, counted here.
    pub reasoning: Estimate,
    /// Why the first choice ended: `stop`, `length`, `tool_calls`, `content_filter`, …
    pub finish: Option<String>,
    /// The provider's own request id, for its support desk.
    pub upstream_id: Option<String>,
    /// Fields of the request that had no place at the provider and were left out.
    pub dropped: Vec<String>,
}

/// A running answer.
pub struct ChatStream {
    /// The provider's own request id, for its support desk.
    pub upstream_id: Option<String>,
    /// Fields of the request that had no place at the provider and were left out.
    pub dropped: Vec<String>,
    /// The events in order. After a good end the last one is [`ChatEventKind::Done`]; after an error nothing follows.
    pub events: BoxStream<'static, Result<ChatEvent, LlmError>>,
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream").field("upstream_id", &self.upstream_id).finish_non_exhaustive()
    }
}

/// One server-sent event.
#[derive(Debug, Clone)]
pub struct ChatEvent {
    /// The event in the caller's wire, blank line included: write it out unchanged. Where the wires differ it may be several events,
    /// or none.
    pub raw: Bytes,
    /// Visible text that this event adds, of all its choices; often empty.
    pub text: String,
    /// What this event adds in visible text and tool calls, as counted here (exact for the sandbox).
    pub output: Estimate,
    /// What this event adds in hidden reasoning, as counted here.
    pub reasoning: Estimate,
    /// What the provider says the whole call has consumed so far. Cumulative: the last one wins.
    pub usage: Option<TokenUsage>,
    /// On which terms the provider says it serves the call. The last one wins.
    pub terms: Option<Box<Terms>>,
    /// What the provider says at the start that the prompt consumed; charged for a call that ends without `usage`.
    pub prompt: Option<TokenUsage>,
    /// Why a choice ended.
    pub finish: Option<String>,
    /// What kind of event it is.
    pub kind: ChatEventKind,
}

/// The kinds of events in a chat stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatEventKind {
    /// A chunk with at least one choice.
    Chunk,
    /// A chunk without choices; withhold it from a caller who did not ask for usage.
    UsageOnly,
    /// The end mark `[DONE]`; made up here when a provider that had finished forgot it.
    Done,
    /// A comment: keeps connections alive, carries nothing.
    Comment,
}

impl ChatEvent {
    /// An event that carries bytes and nothing to meter.
    pub(crate) fn bare(kind: ChatEventKind, raw: Bytes) -> Self {
        Self {
            raw,
            text: String::new(),
            output: Estimate::default(),
            reasoning: Estimate::default(),
            usage: None,
            terms: None,
            prompt: None,
            finish: None,
            kind,
        }
    }

    /// This event in other words; its facts stay.
    #[must_use]
    pub(crate) fn told(self, raw: Bytes) -> Self {
        Self { raw, ..self }
    }

    /// The end mark of a chat.
    pub(crate) fn done() -> Self {
        Self::bare(ChatEventKind::Done, Bytes::from_static(b"data: [DONE]\n\n"))
    }
}
