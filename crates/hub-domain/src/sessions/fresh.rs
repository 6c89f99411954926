//! Sensitive actions need a person who has just proved who they are: a session left open on a desk is not enough.

use chrono::Duration;
use hub_store::StoreError;
use hub_store::sessions as store;
use hub_types::{Caller, Credential};

use crate::Hub;

/// How long a sign-in or a repeated proof counts as fresh (ASVS 7.5.3).
pub const FRESH: Duration = Duration::minutes(10);

/// Why a sensitive action is refused.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    /// An API key is no person.
    #[error("only a signed-in session may do this")]
    NeedsSession,
    /// The last proof is too long ago: ask for the password again (`POST /api/auth/reauthenticate`).
    #[error("the sign-in is too long ago")]
    Stale,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Passes a session whose person proved who they are in the last ten minutes, and the command line; refuses everybody else.
pub async fn require_fresh(hub: &Hub, caller: &Caller) -> Result<(), FreshError> {
    if caller.credential == Credential::Operator {
        return Ok(());
    }
    let id = caller.session().ok_or(FreshError::NeedsSession)?;
    let now = hub.clock.now();
    let mut tx = hub.store.read().await?;
    let session = store::by_id(&mut tx, id).await?.filter(|session| session.is_live(now));
    let session = session.ok_or(FreshError::Stale)?;
    if now - session.authenticated_at <= FRESH { Ok(()) } else { Err(FreshError::Stale) }
}
