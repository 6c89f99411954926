//! What a caller gets: an answer in one piece, or frames.

use bytes::Bytes;
use hub_types::{Credits, HoldId, TokenUsage, UsageSource};
use tokio::sync::{mpsc, oneshot};

use super::InferenceError;
use crate::credits::Settled;

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
    /// One piece that is not paid for yet, because the database is away, and what the caller is told meanwhile.
    Unsettled(Box<InferenceError>, Box<Unsettled>),
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

/// A finished answer whose settle waits for the database.
#[derive(Debug)]
pub struct Unsettled {
    pub(super) head: Head,
    pub(super) body: Bytes,
    pub(super) text: String,
    pub(super) later: Later,
}

impl Unsettled {
    /// The answer, once it is paid for; `None` when this process will not know.
    pub async fn whole(self) -> Option<Whole> {
        let Self { head, body, text, later } = self;
        Some(Whole { head, body, text, bill: later.bill().await? })
    }
}

/// What a call will have cost once its settle, which waits for the database, is made.
#[derive(Debug)]
pub struct Later {
    /// All but the amounts.
    pub(super) bill: Bill,
    pub(super) settled: oneshot::Receiver<Settled>,
}

impl Later {
    /// The bill. `None` when this process will not know: it stops before the database is back, or the database refused the settle.
    pub async fn bill(self) -> Option<Bill> {
        let settled = self.settled.await.ok()?;
        Some(Bill { credits: settled.amount, balance: settled.balance, ..self.bill })
    }
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
        /// What it cost, when that is known.
        bill: Option<Box<Bill>>,
    },
    /// The answer ended, and its settle waits for the database: nobody may be told yet that it is paid for.
    Unsettled {
        /// What the caller is told meanwhile.
        error: Box<InferenceError>,
        /// The provider's end mark, when the answer is complete.
        end: Option<Bytes>,
        /// What it will have cost.
        later: Box<Later>,
    },
}
