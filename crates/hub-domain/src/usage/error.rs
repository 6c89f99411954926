//! Why usage is not shown.

use hub_store::StoreError;

use crate::access::AccessError;
use crate::rbac::Denied;

/// Refusals of this room.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The caller lacks `usage:read`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Somebody else's usage, without `usage:read_any`.
    #[error("no such usage")]
    NotFound,
    /// The caller's credential ended while an export ran.
    #[error("the credential is not valid any more")]
    Unauthenticated,
    /// A parameter is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is allowed.
        message: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccessError> for UsageError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Invalid => Self::Unauthenticated,
            AccessError::Store(error) => Self::Store(error),
        }
    }
}
