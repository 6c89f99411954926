//! Model calls: choose the route, hold the worst case, call the provider, meter while relaying, settle at the true usage.
//!
//! The call runs in a tracked task of its own, so a caller who hangs up can stop the relaying but never the metering. No database
//! transaction is open while a provider is awaited. Every billable route passes [`chat`]; there is no other way to a provider.

mod admit;
mod call;
mod ceiling;
mod chat;
mod count;
mod error;
mod measure;
mod meter;
mod models;
mod quota;
mod quote;
mod registry;
mod relay;
mod reply;
mod standing;

use std::time::Duration;

use serde::Deserialize;

pub use hub_clients::llm::{
    ApiVersion, BadRequest, CallRequest, ChatRequest, EmbeddingsRequest, MessagesRequest, ProviderFault,
};

pub use chat::{ChatInput, Choice, chat};
pub use count::count_tokens;
pub use error::{Attempt, InferenceError};
pub use models::{Model, models};
pub use quota::Limited;
pub use quote::{Asked, Gate, Quote, QuoteInput, quote};
pub use registry::Registry;
pub use reply::{Bill, ChatReply, Frame, Head, Whole};

/// `[inference]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds a caller may leave a stream unread before it is treated as gone; 1 to 300.
    pub slow_reader_seconds: u64,
    /// Events kept ready for a caller who reads slower than the provider writes; 1 to 4096.
    pub stream_buffer: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { slow_reader_seconds: 30, stream_buffer: 64 }
    }
}

impl Settings {
    const fn slow_reader(&self) -> Duration {
        Duration::from_secs(self.slow_reader_seconds)
    }
}
