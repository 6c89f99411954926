//! Language models: what the hub asks of a provider and what it gets back.
//!
//! [`LlmProvider`] is the whole seam. A call is made with the caller's request in the caller's wire ([`CallRequest`]) and answered in that
//! wire, plus the few facts the hub meters by. Where the provider speaks the same wire, bytes go through, so that fields nobody here
//! knows survive; else the adapter has them translated.
//! An adapter never retries, never falls over and never blocks without a deadline.

mod error;
mod event;
mod fault;
mod http;
mod last_words;
mod request;
mod terms;

pub mod anthropic;
pub mod count;
pub mod openai;
pub mod sandbox;
pub mod sse;

use std::time::Duration;

use futures::future::BoxFuture;
use hub_types::TokenUsage;
use serde::{Deserialize, Serialize};

pub use crate::wire::BadRequest;
pub use crate::wire::anthropic::{ApiVersion, MessagesRequest};
pub use crate::wire::openai::{
    ChatRequest, CompletionRequest, Edits, EmbeddingsRequest, MaxTokensField, ResponsesRequest,
};
pub use error::{LlmError, MAX_RETRY_AFTER, TransportError, Wait};
pub use event::{ChatAnswer, ChatEvent, ChatEventKind, ChatStream, WholeAnswer};
pub use fault::ProviderFault;
pub use last_words::LastWords;
pub use request::CallRequest;
pub use terms::Terms;
pub(crate) use terms::WireTerms;

/// One upstream that answers chat requests. Kept as `Arc<dyn LlmProvider>` in the registry of `hub-domain`.
pub trait LlmProvider: Send + Sync + 'static {
    /// The operator's name for this upstream (`openai`, `sandbox`, …): metrics label and word on receipts.
    fn name(&self) -> &str;

    /// The usage log's `service`: `openai`, `claude`, `sandbox`, …
    fn service(&self) -> &str;

    /// Whether a failure says something about the upstream. Then it is tried again, and left alone when it fails often; one whose
    /// failures are made to order is not.
    fn has_health(&self) -> bool {
        true
    }

    /// The models the upstream offers now.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelInfo>, LlmError>>;

    /// The most the provider can bill for this call, known before it is made: the hub holds credits for it.
    ///
    /// `model` is the model's name at this upstream. `max_output_default` (tokens per choice) stands in when the caller named no limit; the
    /// hub then sends the same number as [`ChatCall::max_output`]. Input that nobody can size (files, hosted search) counts as
    /// [`count::WHOLE_WINDOW`]; a caller who knows the model's context window may lower the bound to it.
    ///
    /// Errors when the call cannot be written in the provider's wire: then nothing needs to be held.
    fn bound(&self, call: &CallRequest, model: &str, max_output_default: i64) -> Result<TokenBound, BadRequest>;

    /// On which terms the call is asked for, in the fields this provider is sent; the usual ones where it knows no others. `model` and errors
    /// as in `bound`.
    fn terms(&self, _call: &CallRequest, _model: &str) -> Result<Terms, BadRequest> {
        Ok(Terms::default())
    }

    /// Makes the call once and answers in the caller's wire.
    ///
    /// A stream is returned when the provider has answered with a stream; an error event may still be its first item, and
    /// until the first item has been passed on the hub may try elsewhere. Poll a stream to its end (`None`): that is
    /// what gives its connection back to the pool. Dropping it closes the connection.
    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatAnswer, LlmError>>;

    /// What to do with a running stream when the caller has gone.
    fn on_hangup(&self) -> OnHangup;

    /// What to charge for a call whose provider reported no usage (it forgot, was cut off, or its caller hung up): the
    /// prompt by estimate, and the sums of [`ChatEvent::output`] and [`ChatEvent::reasoning`] that were relayed. The
    /// receipt must say `counted`.
    fn counted(&self, call: &CallRequest, output: count::Estimate, reasoning: count::Estimate) -> TokenUsage {
        call.estimate_usage(output, reasoning)
    }

    /// Asks the provider how many tokens this prompt has, which costs nothing; `None` where it cannot be asked.
    fn count_tokens(&self, _call: ChatCall) -> BoxFuture<'_, Result<Option<i64>, LlmError>> {
        Box::pin(async { Ok(None) })
    }

    /// Whether the upstream can be reached and takes our credential; for `hub doctor`.
    fn ping(&self) -> BoxFuture<'_, Result<(), LlmError>> {
        Box::pin(async { self.models().await.map(drop) })
    }
}

/// One call to be made.
#[derive(Debug, Clone)]
pub struct ChatCall {
    /// What the caller sent.
    pub request: CallRequest,
    /// The model's name at this upstream.
    pub upstream_model: String,
    /// Most completion tokens per choice, written into the body; the caller's own limit stays when it is smaller.
    pub max_output: Option<i64>,
    /// The hub's id of the request; sent along so that both sides' logs can be matched.
    pub request_id: String,
}

/// A model as its provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The provider's name of the model.
    pub id: String,
    /// When it was made, in seconds since 1970; 0 when the provider does not say.
    #[serde(default)]
    pub created: i64,
    /// Whose it is, in the provider's words.
    #[serde(default)]
    pub owned_by: String,
}

/// An upper bound in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBound {
    /// Prompt tokens, of any class.
    pub input: i64,
    /// Completion tokens, visible and hidden, of all choices together.
    pub output: i64,
}

/// What becomes of a running stream when its caller hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHangup {
    /// Stop at once: the provider bills only what it has produced, and the hub knows how much that is.
    Cancel,
    /// Keep reading for at most `limit`, because usage comes only in the last chunk and the provider may bill what it
    /// has generated whether or not anybody reads it.
    Drain {
        /// How long to go on reading.
        limit: Duration,
    },
}
