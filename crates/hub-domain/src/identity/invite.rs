//! An invitation is accepted: the mailed link proves the mailbox, and its owner chooses the password. Nobody else ever knows it.
//!
//! Whoever invited is asked for their rights again: an invitation grants nothing that its maker could not grant today.

use hub_store::users::{self, NewUser};
use hub_store::verifications::{self, Purpose, Verification};
use hub_store::{StoreError, Tx, roles};
use hub_types::{Permission, UserId};
use serde::Deserialize;
use serde_json::json;

use super::Password;
use super::link::{self, LinkError, Passed};
use super::register::checked_name;
use super::verify_email::furnish;
use crate::audit::{self, Event};
use crate::rbac::{Authority, RightsError};
use crate::{Hub, Origin};

/// What an invitation promised.
#[derive(Deserialize)]
struct Promise {
    name: String,
    role: String,
    /// `None`: the operator at the machine.
    by: Option<UserId>,
}

/// What the invited person sends.
#[derive(Clone)]
pub struct AcceptInvite {
    /// From the link.
    pub token: String,
    /// The password wanted.
    pub password: String,
    /// Another name than the one in the invitation.
    pub name: Option<String>,
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum AcceptInviteError {
    /// The name is out of bounds.
    #[error("must have at most 100 characters, none of them control characters")]
    Name,
    /// The link gave no password. It is also not valid where the address has an account by now, or its maker may not invite any more.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Makes the account of an invitation. Does not sign in.
pub async fn accept_invite(hub: &Hub, origin: &Origin, input: AcceptInvite) -> Result<UserId, AcceptInviteError> {
    let password = Password::parse(&input.password).map_err(LinkError::from)?;
    let name = input.name.as_deref().map(|name| checked_name(name).ok_or(AcceptInviteError::Name)).transpose()?;
    Ok(accept(hub, origin, &input.token, &password, name).await?)
}

async fn accept(
    hub: &Hub,
    origin: &Origin,
    token: &str,
    password: &Password,
    name: Option<String>,
) -> Result<UserId, LinkError> {
    let Passed { hash, password } = link::pass(hub, origin, Purpose::Invite, token, password).await?;
    let mut tx = hub.store.write().await?;
    roles::lock_rights(&mut tx).await?;
    let consumed = verifications::consume(&mut tx, Purpose::Invite, &hash, hub.clock.now()).await?;
    let invitation = consumed.ok_or(LinkError::Invalid)?;
    let user = make(hub, &mut tx, origin, &invitation, name, &password).await?;
    let user = user.ok_or(LinkError::Invalid)?;
    tx.commit().await?;
    Ok(user)
}

async fn make(
    hub: &Hub,
    tx: &mut Tx,
    origin: &Origin,
    invitation: &Verification,
    name: Option<String>,
    password_hash: &str,
) -> Result<Option<UserId>, StoreError> {
    let promise = Promise::deserialize(&invitation.payload).map_err(|_| StoreError::Corrupt("an invitation"))?;
    if !still_holds(tx, &promise).await? {
        return Ok(None);
    }
    let (id, email) = (UserId::new(&hub.clock), &invitation.email);
    let name = name.unwrap_or(promise.name);
    let new =
        NewUser { id, email, name: &name, password_hash: Some(password_hash), verified: true, at: hub.clock.now() };
    if !users::insert(tx, &new).await? || !furnish(hub, tx, id, email, &promise.role).await? {
        return Ok(None);
    }
    let event = Event::new("user.invite_accepted").by_user(id, email).on("user", &id.to_string()).about(id);
    audit::record(hub, tx, origin, event.details(json!({ "role": promise.role, "invitedBy": promise.by }))).await?;
    Ok(Some(id))
}

/// True while whoever invited could do so today.
async fn still_holds(tx: &mut Tx, promise: &Promise) -> Result<bool, StoreError> {
    let Some(by) = promise.by else { return Ok(true) };
    let Some(authority) = Authority::of(tx, by).await? else { return Ok(false) };
    if authority.require(Permission::UsersCreate).is_err() {
        return Ok(false);
    }
    match authority.first_role(tx, &promise.role).await {
        Ok(_) => Ok(true),
        Err(RightsError::Store(error)) => Err(error),
        Err(_) => Ok(false),
    }
}
