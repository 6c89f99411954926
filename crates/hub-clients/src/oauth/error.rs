//! What can go wrong with a sign-in provider. Texts are safe to log: none holds a code, a token, a secret or an address with one.

use crate::llm::TransportError;

/// Why a provider's help was not had.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The provider refuses the code: wrong, used or expired (`invalid_grant`). The person can begin again.
    #[error("the provider does not accept the code")]
    Code,
    /// The provider refuses us, with an error code of RFC 6749 §5.2 such as `invalid_client`; the operator must look.
    #[error("the provider refused the request ({status}, {error})")]
    Refused {
        /// The provider's status.
        status: u16,
        /// Its code, or `unknown`.
        error: String,
    },
    /// No connection, or it broke.
    #[error("the provider cannot be reached")]
    Unreachable(#[source] TransportError),
    /// The provider took longer than the limit.
    #[error("the provider did not answer in time")]
    Timeout,
    /// The answer is not what the protocol promises. Redirects are such answers: they are never followed.
    #[error("the provider's answer cannot be used: {0}")]
    Protocol(&'static str),
    /// The answer is larger than the limit.
    #[error("the provider's answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A check of the ID token or of the answer failed: the provider is misconfigured, or somebody plays provider.
    #[error("the provider's word about the person is not genuine: {0}")]
    Forged(&'static str),
    /// The provider gave an address where it must not lead us.
    #[error("the provider's address is refused: {0}")]
    Address(&'static str),
}
