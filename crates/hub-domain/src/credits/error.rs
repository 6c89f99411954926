//! Why a rule about credits says no.

use hub_store::StoreError;
use hub_types::Credits;

use crate::rbac::Denied;
use crate::sealing::SealError;

/// The refusals of balance, history, deduct and grant.
#[derive(Debug, thiserror::Error)]
pub enum CreditsError {
    /// The caller lacks the permission.
    #[error("the caller may not do this")]
    Denied(#[from] Denied),
    /// A key cannot do this, and an administrator as somebody else cannot either.
    #[error("this needs a session")]
    NeedsSession,
    /// No such account or receipt, or not the caller's.
    #[error("not found")]
    NotFound,
    /// The account cannot pay.
    #[error("not enough credits")]
    Insufficient {
        /// What was asked.
        needed: Credits,
        /// What could be spent.
        spendable: Credits,
    },
    /// The account is frozen or closed.
    #[error("the account is not active")]
    Frozen,
    /// A field is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is allowed.
        message: &'static str,
    },
    /// The key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The transaction is no charge, or nothing (or not that much) is left of it.
    #[error("{0}")]
    NotRefundable(&'static str),
    /// A secret could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
}
