//! Somebody signed in proves again who they are, so that sensitive actions pass for the next ten minutes.

use hub_store::sessions as store;
use hub_types::{Caller, Timestamp};

use super::factor::{self, Second};
use super::{FactorError, ProofError, proof};
use crate::audit::{self, Event};
use crate::sessions::FRESH;
use crate::{Hub, Origin};

/// Why the proof does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateError {
    /// Not the password.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The second factor is required too.
    #[error("the second factor is required")]
    SecondFactor,
    /// Not the second factor.
    #[error(transparent)]
    Factor(#[from] FactorError),
}

impl From<hub_store::StoreError> for ReauthenticateError {
    fn from(error: hub_store::StoreError) -> Self {
        Self::Factor(error.into())
    }
}

/// Notes on the session that its person has just proved who they are; gives the time until which that is fresh.
pub async fn reauthenticate(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    password: &str,
    code: Option<&str>,
) -> Result<Timestamp, ReauthenticateError> {
    let session = caller.session().ok_or(ProofError::NeedsSession)?;
    let user = proof::owner(hub, caller, origin, Some(password)).await?;
    if user.password_hash.is_none() {
        // Nothing was proved: there is no password. Such accounts sign in again with their provider.
        return Err(ProofError::Stale.into());
    }
    let throttle = factor::throttle(&user.email, origin);
    if let (Some(_), Some(wait)) = (code, throttle.refused_for(hub).await) {
        return Err(FactorError::Throttled(wait).into());
    }
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    match factor::use_up(hub, &mut tx, &user, code).await? {
        Second::NotAsked | Second::Right => {}
        Second::Missing => return Err(ReauthenticateError::SecondFactor),
        Second::Wrong => {
            drop(tx);
            let wait = factor::count_wrong(hub, origin, &user, &throttle).await?;
            return Err(wait.map_or(FactorError::Wrong, FactorError::Throttled).into());
        }
    }
    if !store::reauthenticate(&mut tx, session, user.id, now).await? {
        return Err(ProofError::NeedsSession.into());
    }
    let event = Event::new("auth.reauthenticated").by(caller).on("session", &session.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    tx.commit().await?;
    Ok(now + FRESH)
}
