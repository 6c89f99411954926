//! Why a model call was refused or failed.

use std::time::Duration;

use bytes::Bytes;
use hub_clients::llm::{BadRequest, LlmError, ProviderFault};
use hub_store::StoreError;
use hub_types::{Credits, HoldId};

use super::{Attempt, Bill, Busy, Limited};
use crate::credits::HoldError;
use crate::rbac::Denied;

/// The refusals and failures of a call. What is owed for a failed call is settled before this is returned.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The caller lacks the permission.
    #[error("the caller may not call models")]
    Denied(#[from] Denied),
    /// No configured provider serves the model, it has no price, or the key may not use it.
    #[error("the model {model:?} is not available")]
    ModelNotFound {
        /// The model as asked for.
        model: String,
    },
    /// The call cannot be written in the wire of the model's provider.
    #[error("the model's provider cannot be sent this call")]
    Unsendable(#[source] BadRequest),
    /// The worst case of the call cannot be computed or is absurd.
    #[error("the call is too large to be priced")]
    TooLarge,
    /// The call may cost more than the caller wants to pay for it.
    #[error("the call may cost {needed} credits, the caller's cap is {cap}")]
    Capped {
        /// What it may cost at most.
        needed: Credits,
        /// What the caller wants to pay at most.
        cap: Credits,
    },
    /// Nothing could be set aside.
    #[error("no credits could be set aside")]
    Hold(#[from] HoldError),
    /// A limit of tokens per minute or of calls at the same time is reached.
    #[error("a limit is reached: {}", .0.gate)]
    Limited(Box<Limited>),
    /// The provider or model has reached a ceiling, and the call could not wait for its turn.
    #[error("the {} has reached a ceiling: {}", .0.scope, .0.ceiling)]
    Busy(Box<Busy>),
    /// The provider refused the request itself; its words are meant for the caller.
    #[error("the provider refused the request ({status})")]
    Refused {
        /// The provider's status.
        status: u16,
        /// The provider's words.
        fault: ProviderFault,
    },
    /// Every candidate failed before the first byte, or may not be asked now.
    #[error("all providers failed")]
    AllFailed {
        /// What was tried, in order.
        attempts: Vec<Attempt>,
        /// When it may be worth trying again.
        retry_after: Option<Duration>,
        /// The last failure; `None` when nobody was asked.
        #[source]
        last: Option<LlmError>,
    },
    /// The provider failed in the middle of a stream.
    #[error("the provider failed in mid-stream")]
    Broken(#[source] LlmError),
    /// The caller cancelled the call; what it cost is paid.
    #[error("the call was cancelled")]
    Cancelled(Box<Bill>),
    /// The hold of the call was lost to the sweeper; the call was stopped.
    #[error("the hold of the call was lost")]
    LeaseLost,
    /// The credential behind the call was taken back, or may no longer do this; the call was stopped.
    #[error("the credential of the call is no longer valid")]
    Revoked,
    /// The call has ended and its settle waits for the database: what it cost will be charged.
    #[error("the settle of the call waits for the database")]
    Unsettled {
        /// The receipt the call will have.
        receipt: HoldId,
        /// Why it waits.
        #[source]
        error: StoreError,
    },
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// The call's task ended without an answer; a defect.
    #[error("the call ended without an answer")]
    Lost,
}

impl InferenceError {
    /// The provider's own event that says so, in the caller's wire: to be passed on unchanged.
    pub fn told(&self) -> Option<&Bytes> {
        match self {
            Self::Broken(error) => error.last_words().map(|words| &words.raw).filter(|raw| !raw.is_empty()),
            _ => None,
        }
    }
}

impl From<Limited> for InferenceError {
    fn from(limited: Limited) -> Self {
        Self::Limited(Box::new(limited))
    }
}
