//! What can go wrong with a provider, sorted by what the hub does about it (providers.md §1.4).

use std::error::Error as StdError;
use std::time::Duration;

use super::fault::ProviderFault;
use crate::wire::BadRequest;

/// A provider that asks for a longer pause than this is not retried; the hub tries elsewhere.
pub const MAX_RETRY_AFTER: Duration = Duration::from_mins(2);

/// Why a call failed. Texts are safe to log: none holds a credential, a prompt or an address with one.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The request itself is at fault (400, 403, 413, 422, …). The caller may see `error`.
    #[error("the provider refused the request ({status}): {error}")]
    Refused {
        /// The provider's status.
        status: u16,
        /// Its words.
        error: ProviderFault,
    },
    /// Our credential is not accepted (401): mark it bad. Never shown to callers.
    #[error("the provider does not accept our credential: {error}")]
    Credential {
        /// Its words, for the operator's log.
        error: ProviderFault,
    },
    /// Too many requests or tokens for now (429).
    #[error("the provider limits our rate: {error}")]
    RateLimited {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// Its words.
        error: ProviderFault,
    },
    /// Our account there is out of money or quota: do not retry, let the credential cool down.
    #[error("our quota at the provider is used up: {error}")]
    Quota {
        /// Its words, for the operator's log.
        error: ProviderFault,
    },
    /// The provider does not know the model, or not for us.
    #[error("the provider does not offer the model: {error}")]
    ModelNotFound {
        /// Its words.
        error: ProviderFault,
    },
    /// The provider has trouble of its own (408, 409, 5xx, or an error event in a stream).
    #[error("the provider is unavailable ({status}): {error}")]
    Unavailable {
        /// Its status; 500 for an error inside a stream that names none.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// Its words.
        error: ProviderFault,
    },
    /// No connection could be made, or it broke before an answer began.
    #[error("the provider cannot be reached")]
    Connect(#[source] TransportError),
    /// The certificate of who answered does not prove it is the provider: expired, of another name, or signed by nobody we trust.
    #[error("the provider's certificate proves nothing")]
    Certificate(#[source] TransportError),
    /// A deadline passed.
    #[error("the provider did not {0} in time")]
    Timeout(Wait),
    /// The answer is not what the protocol promises.
    #[error("the provider's answer cannot be understood: {0}")]
    Protocol(&'static str),
    /// The provider's answer is sound, and we cannot tell it in the caller's wire: our fault, not the provider's.
    #[error("the provider's answer cannot be told: {0}")]
    Untellable(&'static str),
    /// The answer, or one event of it, is larger than `limit` bytes.
    #[error("the provider's answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// The answer ended before it was complete, or its connection broke.
    #[error("the provider's answer broke off")]
    Truncated(#[source] Option<TransportError>),
}

/// Which deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// Making the connection.
    #[error("accept a connection")]
    Connect,
    /// Waiting for the first byte of an answer.
    #[error("begin its answer")]
    FirstByte,
    /// Waiting for more of an answer that had begun.
    #[error("go on with its answer")]
    Idle,
    /// Waiting for the end of an answer.
    #[error("finish its answer")]
    Total,
}

/// A failure of the network or of TLS; its text names no address.
#[derive(Debug, thiserror::Error)]
#[error("transport failed")]
pub struct TransportError(#[source] Box<dyn StdError + Send + Sync>);

impl TransportError {
    /// Wraps what the network reported. The caller strips addresses that may hold a secret first.
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self(Box::new(error.without_url()))
    }
}

impl LlmError {
    /// The refusal of a request that cannot be written in a provider's wire.
    pub(crate) fn unsendable(error: BadRequest) -> Self {
        let BadRequest { param, message } = error;
        let words = ProviderFault::with_words(&message, Some("invalid_request_error"), param.as_deref(), None, None);
        Self::Refused { status: 400, error: words }
    }

    /// True when the same call to the same provider may succeed after a pause. A provider's `x-should-retry` wins; a
    /// pause longer than [`MAX_RETRY_AFTER`] means no. After the first byte has reached a caller nothing is retried.
    pub fn retryable(&self) -> bool {
        if self.retry_after().is_some_and(|pause| pause > MAX_RETRY_AFTER) {
            return false;
        }
        let by_kind = match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Connect(_) | Self::Truncated(_) => true,
            Self::Timeout(wait) => matches!(wait, Wait::Connect | Wait::FirstByte),
            Self::Refused { .. }
            | Self::Credential { .. }
            | Self::Quota { .. }
            | Self::ModelNotFound { .. }
            | Self::Protocol(_)
            | Self::Untellable(_)
            | Self::Certificate(_)
            | Self::TooLarge { .. } => false,
        };
        self.fault().and_then(ProviderFault::should_retry).unwrap_or(by_kind)
    }

    /// True when another provider may do better with the same request. False only where the request itself is at
    /// fault; 403 is not (another provider may allow the model or the country).
    pub fn fall_over(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 403,
            // The next one would have to be paid as well.
            Self::Untellable(_) | Self::TooLarge { .. } => false,
            _ => true,
        }
    }

    /// How long the provider asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The provider's own words, when it had any. Only those of [`LlmError::Refused`] are meant for callers.
    pub fn fault(&self) -> Option<&ProviderFault> {
        match self {
            Self::Refused { error, .. }
            | Self::Credential { error }
            | Self::RateLimited { error, .. }
            | Self::Quota { error }
            | Self::ModelNotFound { error }
            | Self::Unavailable { error, .. } => Some(error),
            _ => None,
        }
    }

    /// A short word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Credential { .. } => "credential",
            Self::RateLimited { .. } => "rate_limited",
            Self::Quota { .. } => "quota",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::Unavailable { .. } => "unavailable",
            Self::Connect(_) => "connect",
            Self::Certificate(_) => "certificate",
            Self::Timeout(_) => "timeout",
            Self::Protocol(_) => "protocol",
            Self::Untellable(_) => "untellable",
            Self::TooLarge { .. } => "too_large",
            Self::Truncated(_) => "truncated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_too_long_is_not_waited_for() {
        let limited = |seconds| LlmError::RateLimited {
            retry_after: Some(Duration::from_secs(seconds)),
            error: ProviderFault::new("slow down"),
        };
        assert!(limited(120).retryable());
        assert!(!limited(121).retryable() && limited(121).fall_over());
    }

    #[test]
    fn the_providers_own_advice_wins() {
        let down = LlmError::Unavailable {
            status: 503,
            retry_after: None,
            error: ProviderFault::new("going away").with_retry_advice(Some(false)),
        };
        assert!(!down.retryable());
    }

    #[test]
    fn a_request_at_fault_goes_nowhere_else() {
        let refused = |status| LlmError::Refused { status, error: ProviderFault::new("no") };
        assert!(!refused(400).fall_over() && !refused(400).retryable());
        assert!(refused(403).fall_over());
        let ours = LlmError::Untellable("x");
        assert!(!ours.fall_over() && !ours.retryable());
    }
}
