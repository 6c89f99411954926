//! What a caller gets: an answer in one piece, or frames.

use bytes::Bytes;
use hub_types::{Credits, HoldId, TokenUsage, UsageSource};
use tokio::sync::mpsc;

use super::InferenceError;

/// Known before the answer: goes into response headers.
#[derive(Debug, Clone)]
pub struct Head {
    /// The receipt the call will have.
    pub receipt: HoldId,
    /// The provider that answers.
    pub provider: String,
    /// The model as asked for.
    pub model: String,
    /// Fields of the request that have no place at that provider and were left out.
    pub dropped: Vec<String>,
    /// The limit of completion tokens the hub had to set because the balance pays for no more.
    pub clamped_to: Option<i64>,
}

/// What the call cost.
#[derive(Debug, Clone)]
pub struct Bill {
    /// The receipt.
    pub receipt: HoldId,
    /// Tokens by class.
    pub usage: TokenUsage,
    /// Who counted them.
    pub source: UsageSource,
    /// What was charged.
    pub credits: Credits,
    /// Balance right after it; `None` when nothing was charged.
    pub balance: Option<Credits>,
    /// The provider that answered.
    pub provider: String,
    /// The model as asked for.
    pub model: String,
    /// From request to end, in milliseconds.
    pub latency_ms: i64,
}

/// The two ways to answer, by the request's `stream`.
#[derive(Debug)]
pub enum ChatReply {
    /// One piece, already paid for.
    Whole(Box<Whole>),
    /// Frames; the last one says what was charged.
    Stream(Head, mpsc::Receiver<Frame>),
}

/// A finished answer.
#[derive(Debug)]
pub struct Whole {
    /// What is known about the call.
    pub head: Head,
    /// The answer's JSON in the caller's wire.
    pub body: Bytes,
    /// The visible text.
    pub text: String,
    /// What it cost.
    pub bill: Bill,
}

/// A piece of a streamed answer.
#[derive(Debug)]
pub enum Frame {
    /// One event of the provider, in the caller's wire.
    Event {
        /// Its bytes, to be passed on unchanged; sometimes none.
        raw: Bytes,
        /// The visible text in it, often empty.
        text: String,
    },
    /// The answer is complete and paid for.
    Done {
        /// The provider's end mark, to be passed on unchanged.
        raw: Bytes,
        /// What it cost. Boxed, because every stream has room for a number of frames.
        bill: Box<Bill>,
    },
    /// The answer broke off; what had been produced is paid for.
    Failed {
        /// Why.
        error: Box<InferenceError>,
        /// What it cost, when the settle succeeded.
        bill: Option<Box<Bill>>,
    },
}
