//! The ways into somebody's account, put right by somebody above: a link for a new password, another address.
//!
//! Nobody learns a password this way, and no API key may do it: whoever moves an address can take the account over. Both addresses are
//! told, and the old one keeps a way back.

use hub_types::{Caller, Credential, Email, Permission, UserId};

use super::Account;
use super::list::account;
use crate::identity::{self, SetEmailError};
use crate::rbac::{Authority, Denied, RightsError, require};
use crate::sessions::{FreshError, require_fresh};
use crate::{Hub, Origin, access};

/// Why the account's ways in stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The caller may not.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The caller is no person who proved lately who they are.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The address has an account, deleted ones included, or is the account's already.
    #[error("there is an account with this address")]
    Taken,
    /// The account cannot sign in: switched off, or nobody proved its mailbox.
    #[error("the account cannot be signed in to")]
    Unusable,
    /// The owner got as many such mails as there may be in an hour.
    #[error("too many mails to this account")]
    TooMany,
}

impl From<hub_store::StoreError> for CredentialError {
    fn from(error: hub_store::StoreError) -> Self {
        Self::Rights(error.into())
    }
}

impl From<Denied> for CredentialError {
    fn from(error: Denied) -> Self {
        Self::Rights(error.into())
    }
}

/// Mails the owner the usual link for a new password, which works for 30 minutes; the present one stays until then. Needs `users:update` and a
/// session; the same hierarchy as every change of an account.
pub async fn mail_reset(hub: &Hub, caller: &Caller, origin: &Origin, id: UserId) -> Result<(), CredentialError> {
    require(caller, Permission::UsersUpdate)?;
    if caller.credential != Credential::Operator {
        caller.session().ok_or(FreshError::NeedsSession)?;
    }
    let mut tx = hub.store.write().await?;
    let user = Authority::read(&mut tx, caller, Permission::UsersUpdate).await?.target(&mut tx, id).await?;
    if user.deleted_at.is_some() {
        return Err(RightsError::UnknownUser.into());
    }
    if !user.is_usable() || !user.verified {
        return Err(CredentialError::Unusable);
    }
    if !identity::mail_reset_for(hub, &mut tx, (caller, origin), &user).await? {
        return Err(CredentialError::TooMany);
    }
    Ok(tx.commit().await?)
}

/// Gives the account another address at once, without a proof of its mailbox: the caller vouches for it. The old address is told and can take
/// it back for a week; the new one is told too. Links that were mailed and are still open stop working. Needs `users:update` and a sign-in of
/// the last ten minutes.
pub async fn change_email(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: UserId,
    new: &Email,
) -> Result<Account, CredentialError> {
    require(caller, Permission::UsersUpdate)?;
    require_fresh(hub, caller).await?;
    let mut tx = hub.store.write().await?;
    let user = Authority::read(&mut tx, caller, Permission::UsersUpdate).await?.target(&mut tx, id).await?;
    if user.deleted_at.is_some() {
        return Err(RightsError::UnknownUser.into());
    }
    identity::set_email(hub, &mut tx, (caller, origin), &user, new).await.map_err(|error| match error {
        SetEmailError::Taken => CredentialError::Taken,
        SetEmailError::Store(error) => error.into(),
    })?;
    let doors = access::doors_of(hub, &mut tx, id).await?;
    let found = account(&mut tx, id).await?.ok_or(RightsError::UnknownUser)?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(found)
}
