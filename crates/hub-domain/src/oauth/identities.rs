//! A person's ways to sign in: seen and untied by their owner. The last one stays.

use hub_store::{StoreError, identities, users};
use hub_types::{Caller, Email, Timestamp};

use super::mails;
use crate::audit::{self, Event};
use crate::identity::PASSWORD_PROVIDER;
use crate::sessions::{self, FreshError};
use crate::{Hub, Origin};

/// One way to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The provider's name; `password` for the hub's own.
    pub provider: String,
    /// The address the provider knew at the last sign-in.
    pub email: Option<Email>,
    /// Since when.
    pub linked_at: Timestamp,
}

/// Why the ways to sign in are not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// An API key cannot see or change how its owner signs in.
    #[error("only a signed-in session may do this")]
    NeedsSession,
    /// Only a person who has just proved who they are can change it.
    #[error("the sign-in is too long ago")]
    NotFresh,
    /// Not tied.
    #[error("no such identity")]
    NotFound,
    /// There would be no way left to sign in.
    #[error("the last way to sign in stays")]
    LastWay,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FreshError> for IdentityError {
    fn from(error: FreshError) -> Self {
        match error {
            FreshError::NeedsSession => Self::NeedsSession,
            FreshError::Stale => Self::NotFresh,
            FreshError::Store(error) => Self::Store(error),
        }
    }
}

/// The caller's ways to sign in, oldest first. A password counts where one is set.
pub async fn list_identities(hub: &Hub, caller: &Caller) -> Result<Vec<LinkedIdentity>, IdentityError> {
    caller.session().ok_or(IdentityError::NeedsSession)?;
    let mut tx = hub.store.read().await?;
    let user = users::by_id(&mut tx, caller.user).await?.ok_or(IdentityError::NotFound)?;
    let rows = identities::of_user(&mut tx, user.id).await?;
    let password = user.password_hash.is_some().then(|| LinkedIdentity {
        provider: PASSWORD_PROVIDER.to_owned(),
        email: Some(user.email.clone()),
        linked_at: user.created_at,
    });
    let others = rows.into_iter().filter(|row| row.provider != PASSWORD_PROVIDER).map(|row| LinkedIdentity {
        provider: row.provider,
        email: row.email,
        linked_at: row.created_at,
    });
    Ok(password.into_iter().chain(others).collect())
}

/// Unties the caller's account from a provider. Sessions stay; the owner gets a mail.
pub async fn unlink(hub: &Hub, caller: &Caller, origin: &Origin, provider: &str) -> Result<(), IdentityError> {
    sessions::require_fresh(hub, caller).await?;
    if provider == PASSWORD_PROVIDER {
        return Err(IdentityError::NotFound);
    }
    let mut tx = hub.store.write().await?;
    // Two at once must not each think that the other way is left.
    if !users::lock(&mut tx, caller.user).await? {
        return Err(IdentityError::NotFound);
    }
    let user = users::by_id(&mut tx, caller.user).await?.ok_or(IdentityError::NotFound)?;
    if !identities::remove(&mut tx, user.id, provider).await? {
        return Err(IdentityError::NotFound);
    }
    let left = identities::of_user(&mut tx, user.id).await?;
    let others = left.iter().any(|row| row.provider != PASSWORD_PROVIDER);
    if !others && user.password_hash.is_none() {
        return Err(IdentityError::LastWay);
    }
    let event = Event::new("oauth.unlinked").by(caller).on("identity", provider).about(user.id);
    audit::record(hub, &mut tx, origin, event).await?;
    mails::unlinked(hub, &mut tx, &user.email, provider).await?;
    tx.commit().await?;
    Ok(())
}
