//! The owner of a signed-in account proves again who they are, before something that a borrowed session must not do.

use std::time::Duration;

use hub_store::StoreError;
use hub_store::users::{self, User};
use hub_types::Caller;

use super::throttle::{Guess, Throttle};
use super::{HasherError, Password, PasswordError, Verdict};
use crate::audit::{self, Event};
use crate::sessions::{self, FreshError};
use crate::{Hub, Origin};

/// Why the proof does not count.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// An API key is no person.
    #[error("only a signed-in session may do this")]
    NeedsSession,
    /// The account has a password, and none was given.
    #[error("the current password is required")]
    Missing,
    /// Not the account's password.
    #[error("the password is wrong")]
    Wrong,
    /// The account has no password, and its sign-in is too long ago.
    #[error("the sign-in is too long ago")]
    Stale,
    /// The text cannot be a password; nothing was computed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Too many wrong ones.
    #[error("too many wrong passwords")]
    Throttled(Duration),
    /// The password was not checked.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FreshError> for ProofError {
    fn from(error: FreshError) -> Self {
        match error {
            FreshError::NeedsSession => Self::NeedsSession,
            FreshError::Stale => Self::Stale,
            FreshError::Store(error) => Self::Store(error),
        }
    }
}

/// The caller's account, once its password was given. An account without a password needs a fresh sign-in instead.
///
/// Wrong passwords are counted apart from failed sign-ins, so that a stranger at the front door cannot lock the owner out of this.
pub(super) async fn owner(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    password: Option<&str>,
) -> Result<User, ProofError> {
    caller.session().ok_or(ProofError::NeedsSession)?;
    let user = {
        let mut tx = hub.store.read().await?;
        users::by_id(&mut tx, caller.user).await?.filter(User::is_usable).ok_or(ProofError::Wrong)?
    };
    let Some(stored) = user.password_hash.as_deref() else {
        sessions::require_fresh(hub, caller).await?;
        return Ok(user);
    };
    let password = Password::parse(password.ok_or(ProofError::Missing)?)?;
    let throttle = Throttle::new(Guess::Proof, Some(&user.email), &origin.address);
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(ProofError::Throttled(wait));
    }
    if hub.passwords.verify(&password, stored).await? == Verdict::Mismatch {
        note_failure(hub, caller, origin).await?;
        return Err(throttle.count_failure(hub).await.map_or(ProofError::Wrong, ProofError::Throttled));
    }
    // Guesses sent at once were all let through above.
    match throttle.refused_for(hub).await {
        Some(wait) => Err(ProofError::Throttled(wait)),
        None => Ok(user),
    }
}

async fn note_failure(hub: &Hub, caller: &Caller, origin: &Origin) -> Result<(), StoreError> {
    let event = Event::new("auth.password_refused").failed().by(caller).on("user", &caller.user.to_string());
    let mut tx = hub.store.write().await?;
    audit::record(hub, &mut tx, origin, event.about(caller.user)).await?;
    tx.commit().await
}
