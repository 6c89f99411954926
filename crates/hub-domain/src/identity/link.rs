//! What whoever brings a mailed link passes before a new password is hashed: the same for a reset and for an invitation.

use std::time::Duration;

use hub_store::StoreError;
use hub_store::verifications::{self, Purpose};

use super::throttle::{Guess, Throttle};
use super::{HasherError, Password, PasswordError, Weakness, policy};
use crate::sessions::sha256;
use crate::{Hub, Origin};

/// Why a mailed link gave no password.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Wrong, used, replaced by a newer one, expired, or what it promised does not hold any more. Deliberately one case.
    #[error("the link is not valid")]
    Invalid,
    /// Too many worthless links from one network.
    #[error("too many attempts")]
    Throttled(Duration),
    /// The text cannot be a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The password is not good enough; the link still works.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The password was not hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A link that is worth consuming, and the password for it.
pub(super) struct Passed {
    /// Of the link's secret: what `verifications::consume` takes.
    pub(super) hash: [u8; 32],
    /// Of the new password.
    pub(super) password: String,
}

/// Looks at the link without consuming it: a worthless one must not cost a hash, and a weak password must not cost the link.
pub(super) async fn pass(
    hub: &Hub,
    origin: &Origin,
    purpose: Purpose,
    token: &str,
    password: &Password,
) -> Result<Passed, LinkError> {
    let hash = sha256(token.as_bytes());
    let throttle = Throttle::new(Guess::Link, None, &origin.address);
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(LinkError::Throttled(wait));
    }
    let found = {
        let mut tx = hub.store.read().await?;
        verifications::peek(&mut tx, purpose, &hash, hub.clock.now()).await?
    };
    let Some(email) = found.map(|found| found.email) else {
        return Err(throttle.count_failure(hub).await.map_or(LinkError::Invalid, LinkError::Throttled));
    };
    let weak = policy::weaknesses(password, &email);
    if !weak.is_empty() {
        return Err(LinkError::Weak(weak));
    }
    Ok(Passed { hash, password: hub.passwords.hash(password).await? })
}
