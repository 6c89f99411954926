//! Why a rule about promo codes says no.

use std::time::Duration;

use hub_store::StoreError;

use crate::rbac::Denied;

/// The refusals of promo codes.
#[derive(Debug, thiserror::Error)]
pub enum PromoError {
    /// The caller lacks the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No such code; for administrators only.
    #[error("no such promo code")]
    NotFound,
    /// There is a code of that name.
    #[error("the code exists already")]
    Exists,
    /// The code cannot be redeemed. One case for unknown, switched off, not begun, run out, used up and meant for others, so that nobody
    /// learns which codes exist.
    #[error("the code cannot be redeemed")]
    NotRedeemable,
    /// The caller has had all of their uses.
    #[error("the caller redeemed the code already")]
    AlreadyRedeemed,
    /// Too many attempts.
    #[error("too many attempts")]
    TooMany {
        /// When the next one is answered.
        retry_after: Duration,
    },
    /// The credit account is closed or missing.
    #[error("the account cannot take credits")]
    Frozen,
    /// The credit account has no room for so many credits.
    #[error("the balance would be above the largest there may be")]
    Full,
    /// A field is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is allowed.
        message: &'static str,
    },
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
}
