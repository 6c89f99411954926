//! Model calls: choose the route, hold the worst case, call the provider, meter while relaying, settle at the true usage.
//!
//! The call runs in a tracked task of its own, so a caller who hangs up can stop the relaying but never the metering. No database
//! transaction is open while a provider is awaited. Every billable route passes [`chat`]; there is no other way to a provider.

mod admit;
mod attempt;
mod breaker;
mod call;
mod ceiling;
mod chat;
mod count;
mod dialect;
mod error;
pub mod idempotent;
mod measure;
mod meter;
mod models;
mod provider;
mod providers;
mod queue;
mod quota;
mod quote;
mod registry;
mod relay;
pub mod replay;
mod reply;
mod retry;
mod room;
mod route;
mod standing;
mod trace;
mod tries;

use std::time::Duration;

use serde::Deserialize;

pub use hub_clients::llm::{
    ApiVersion, BadRequest, CallRequest, ChatRequest, CompletionRequest, EmbeddingsRequest, LlmError, MessagesRequest,
    ProviderFault, ResponsesRequest,
};

pub use attempt::Attempt;
pub use breaker::{BreakerState, Settings as BreakerSettings};
pub use chat::{ChatInput, Choice, chat, chat_with_progress};
pub use count::count_tokens;
pub use dialect::{Dialect, Misfit, Wire};
pub use error::InferenceError;
pub use models::{Model, models};
pub(crate) use provider::hint;
pub use provider::{Ceilings, Configured, Make, Member, Pool, ProviderKind, USUAL_PRIORITY};
pub use providers::{ProviderState, providers};
pub use queue::{Busy, Progress};
pub use quota::Limited;
pub use quote::{Asked, Gate, Quote, QuoteInput, quote};
pub use registry::Registry;
pub use reply::{Bill, ChatReply, Frame, Head, Later, Unsettled, Whole};
pub use route::{Alias, ModelFlags, Routing, Settings as RoutingSettings, StandIn, Target};
pub use trace::{TRACE_FACTS, TRACE_TARGET};

/// `[inference]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds a caller may leave a stream unread before it is treated as gone; 1 to 300.
    pub slow_reader_seconds: u64,
    /// Events kept ready for a caller who reads slower than the provider writes; 1 to 4096.
    pub stream_buffer: usize,
    /// Seconds a call may wait for its turn at a provider or model that has reached a ceiling; 0 to 600.
    pub queue_seconds: u64,
    /// Calls that may wait for one provider or model; 0 to 2000.
    pub queue_length: usize,
    /// Calls of one user that may wait for one provider or model; 1 to 2000.
    pub queue_per_user: usize,
    /// Whether administrators may name providers at private addresses and without TLS. Those of the settings may be anywhere.
    pub providers_at_private_addresses: bool,
    /// Seconds for which a recorded stream can be read again after its end; 0 to 3600. 0 records nothing.
    pub resume_seconds: u64,
    /// Seconds a recorded call goes on for a caller who is gone and whom nobody replaces; 0 to 600.
    pub resume_grace_seconds: u64,
    /// Most bytes kept of one stream; beyond it the stream cannot be read again. 1024 to 16 MiB.
    pub resume_max_bytes: usize,
    /// Records every stream over HTTP, not only those whose caller asked for it.
    pub resume_always: bool,
    /// Hours for which the answer to an Idempotency-Key is kept; 1 to 168.
    pub idempotency_hours: u64,
    /// Seconds a repetition under such a key waits for the answer of a call that is still running; 0 to 600.
    pub repetition_seconds: u64,
    /// Most bytes of one such answer; a larger one is not kept. 0 to 16 MiB.
    pub idempotency_max_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slow_reader_seconds: 30,
            stream_buffer: 64,
            queue_seconds: 30,
            queue_length: 200,
            queue_per_user: 50,
            providers_at_private_addresses: false,
            resume_seconds: 300,
            resume_grace_seconds: 30,
            resume_max_bytes: 4 * 1024 * 1024,
            resume_always: false,
            idempotency_hours: 24,
            repetition_seconds: 60,
            idempotency_max_bytes: 4 * 1024 * 1024,
        }
    }
}

impl Settings {
    /// How long a caller may leave a stream unread.
    pub const fn slow_reader(&self) -> Duration {
        Duration::from_secs(self.slow_reader_seconds)
    }

    /// For how long a recorded stream can be read again after its end.
    const fn resume(&self) -> Duration {
        Duration::from_secs(self.resume_seconds)
    }

    /// For how long a recorded call goes on for a caller who is gone.
    pub const fn resume_grace(&self) -> Duration {
        Duration::from_secs(self.resume_grace_seconds)
    }

    /// How long a repetition waits for a running call.
    const fn repetition(&self) -> Duration {
        Duration::from_secs(self.repetition_seconds)
    }

    const fn idempotency(&self) -> Duration {
        Duration::from_hours(self.idempotency_hours)
    }
}
