//! Another address for an account. The old address agrees, then the new one is proven; only then does it switch. A mistyped new
//! address costs nothing: asking again replaces the request. The old address keeps a way back for a week.
//!
//! No answer tells whether the new address belongs to another account; its owner is told by mail.

use chrono::Duration;
use hub_store::users::{self, User};
use hub_store::verifications::{self, NewVerification, Purpose, Verification};
use hub_store::{StoreError, Tx, sessions};
use hub_types::{Caller, Email, VerificationId};
use serde::{Deserialize, Serialize};

use super::throttle::{Guess, Throttle};
use super::verify_email::PASSWORD_PROVIDER;
use super::{ProofError, link_secret, mails, notices, proof};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::sessions::sha256;
use crate::{Hub, Origin};

/// How long each of the two links works.
const LINK_LIFE: Duration = Duration::hours(1);
/// How long the old address can take the change back.
const WAY_BACK: Duration = Duration::days(7);
/// Requests per account and hour; what exceeds it is refused.
const PER_HOUR: i64 = 5;
/// Until the oldest request no longer counts, at most.
const WAIT: std::time::Duration = std::time::Duration::from_hours(1);

/// Why the address stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// The owner did not prove who they are.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It is the account's address already.
    #[error("is your address already")]
    Same,
    /// Wrong, used, replaced, expired, or the new address has an account. Deliberately one case.
    #[error("the link is not valid")]
    Invalid,
    /// Too many requests or worthless links.
    #[error("too many attempts")]
    Throttled(std::time::Duration),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a confirmed link came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailConfirmed {
    /// The old address agrees; a link was mailed to the new one.
    Old,
    /// The new address is in force.
    New,
}

/// What waits for a link.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    old: Email,
    new: Email,
    /// True once the old address has agreed.
    agreed: bool,
}

/// Mails the first link, to the address in force.
pub async fn change_email(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    new: &Email,
    password: Option<&str>,
) -> Result<(), ChangeEmailError> {
    let user = proof::owner(hub, caller, origin, password).await?;
    if user.email == *new {
        return Err(ChangeEmailError::Same);
    }
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    users::lock(&mut tx, user.id).await?;
    // Each change makes up to two secrets.
    let recent = verifications::count_of(&mut tx, user.id, Purpose::ChangeEmail, now - Duration::hours(1)).await?;
    if recent >= PER_HOUR * 2 {
        return Err(ChangeEmailError::Throttled(WAIT));
    }
    verifications::supersede_of(&mut tx, user.id, Purpose::ChangeEmail, now).await?;
    let change = Change { old: user.email.clone(), new: new.clone(), agreed: false };
    let secret = store(hub, &mut tx, &user, &change).await?;
    notices::change_of_address(hub, &mut tx, &user.email, new, &secret).await?;
    let event = Event::new("auth.email_change_requested").by(caller).on("user", &user.id.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    tx.commit().await?;
    Ok(())
}

/// Uses one of the two links. Whoever has it has the mailbox; no session is needed, and none is opened.
pub async fn confirm_email(hub: &Hub, origin: &Origin, token: &str) -> Result<EmailConfirmed, ChangeEmailError> {
    let throttle = Throttle::new(Guess::Link, None, &origin.address);
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(ChangeEmailError::Throttled(wait));
    }
    let mut tx = hub.store.write().await?;
    let spent =
        verifications::consume(&mut tx, Purpose::ChangeEmail, &sha256(token.as_bytes()), hub.clock.now()).await?;
    let Some((user, change)) = subject(&mut tx, spent).await?.filter(|(user, change)| user.email == change.old) else {
        drop(tx);
        return Err(throttle.count_failure(hub).await.map_or(ChangeEmailError::Invalid, ChangeEmailError::Throttled));
    };
    if !change.agreed {
        ask_new_address(hub, &mut tx, &user, change).await?;
        tx.commit().await?;
        return Ok(EmailConfirmed::Old);
    }
    let doors = switch(hub, &mut tx, origin, &user, &change).await?;
    tx.commit().await?;
    access::forget(hub, doors).await;
    Ok(EmailConfirmed::New)
}

/// Takes a change back with the link that was mailed to the old address: the address is the old one again and everybody is signed out.
pub async fn revert_email(hub: &Hub, origin: &Origin, token: &str) -> Result<(), ChangeEmailError> {
    let throttle = Throttle::new(Guess::Link, None, &origin.address);
    if let Some(wait) = throttle.refused_for(hub).await {
        return Err(ChangeEmailError::Throttled(wait));
    }
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let spent = verifications::consume(&mut tx, Purpose::RevertEmail, &sha256(token.as_bytes()), now).await?;
    let Some((user, change)) = subject(&mut tx, spent).await? else {
        drop(tx);
        return Err(throttle.count_failure(hub).await.map_or(ChangeEmailError::Invalid, ChangeEmailError::Throttled));
    };
    // Whatever the account was moved to since: the link of the older address outranks those of later ones.
    replace(&mut tx, &user, &change.old, now).await?;
    users::bump_auth_version(&mut tx, user.id, now).await?;
    verifications::void_of(&mut tx, user.id, now).await?;
    verifications::supersede_of(&mut tx, user.id, Purpose::RevertEmail, now).await?;
    let ended = sessions::revoke_all(&mut tx, user.id, None, "email_reverted", now).await?;
    let event = Event::new("auth.email_reverted").by_user(user.id, &change.old).on("user", &user.id.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    notices::address_is_back(hub, &mut tx, &change.old).await?;
    tx.commit().await?;
    access::forget(hub, ended.into_iter().map(Door::Session).collect()).await;
    Ok(())
}

/// Stores a secret for the address whose turn it is.
async fn store(hub: &Hub, tx: &mut Tx, user: &User, change: &Change) -> Result<String, StoreError> {
    let (now, secret) = (hub.clock.now(), link_secret());
    let new = NewVerification {
        id: VerificationId::new(&hub.clock),
        purpose: Purpose::ChangeEmail,
        email: if change.agreed { &change.new } else { &change.old },
        user: Some(user.id),
        secret_hash: &sha256(secret.as_bytes()),
        code_hash: None,
        payload: &serde_json::to_value(change).unwrap_or_default(),
        at: now,
        expires_at: now + LINK_LIFE,
    };
    verifications::insert(tx, &new).await?;
    Ok(secret)
}

/// The account a used secret is for, and the change.
async fn subject(tx: &mut Tx, spent: Option<Verification>) -> Result<Option<(User, Change)>, StoreError> {
    let Some(spent) = spent else { return Ok(None) };
    let change: Change =
        serde_json::from_value(spent.payload).map_err(|_| StoreError::Corrupt("a pending change of address"))?;
    let Some(user) = spent.user else { return Ok(None) };
    users::lock(tx, user).await?;
    let user = users::by_id(tx, user).await?.filter(User::is_usable);
    Ok(user.map(|user| (user, change)))
}

/// Mails the second link. Where the address has an account its owner is told instead, and nobody else learns of it.
async fn ask_new_address(hub: &Hub, tx: &mut Tx, user: &User, change: Change) -> Result<(), StoreError> {
    match users::by_email(tx, &change.new).await? {
        Some(owner) if owner.is_usable() => mails::already_registered(hub, tx, &owner.email).await,
        Some(_) => Ok(()),
        None => {
            let change = Change { agreed: true, ..change };
            let secret = store(hub, tx, user, &change).await?;
            notices::prove_new_address(hub, tx, &change.new, &secret).await
        }
    }
}

async fn switch(
    hub: &Hub,
    tx: &mut Tx,
    origin: &Origin,
    user: &User,
    change: &Change,
) -> Result<Vec<Door>, ChangeEmailError> {
    let now = hub.clock.now();
    replace(tx, user, &change.new, now).await?;
    // Links to the old address, such as one for a new password, must not work for the new one.
    verifications::void_of(tx, user.id, now).await?;
    let secret = way_back(hub, tx, user, change).await?;
    notices::address_changed(hub, tx, &change.old, &change.new, &secret).await?;
    let event = Event::new("auth.email_changed").by_user(user.id, &change.old).on("user", &user.id.to_string());
    audit::record(hub, tx, origin, event.about(user.id)).await?;
    Ok(access::doors_of(hub, tx, user.id).await?)
}

/// Stores what takes the change back, for the old address.
async fn way_back(hub: &Hub, tx: &mut Tx, user: &User, change: &Change) -> Result<String, StoreError> {
    let (now, secret) = (hub.clock.now(), link_secret());
    let new = NewVerification {
        id: VerificationId::new(&hub.clock),
        purpose: Purpose::RevertEmail,
        email: &change.old,
        user: Some(user.id),
        secret_hash: &sha256(secret.as_bytes()),
        code_hash: None,
        payload: &serde_json::to_value(change).unwrap_or_default(),
        at: now,
        expires_at: now + WAY_BACK,
    };
    verifications::insert(tx, &new).await?;
    Ok(secret)
}

/// Why an address is not put in force at once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetEmailError {
    /// It is the account's own or another account's.
    #[error("there is an account with this address")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts another address in force at once, at the wish of somebody who looks after the account and decided that it may be. Tells both addresses.
pub(crate) async fn set_email(
    hub: &Hub,
    tx: &mut Tx,
    (caller, origin): (&Caller, &Origin),
    user: &User,
    new: &Email,
) -> Result<(), SetEmailError> {
    let now = hub.clock.now();
    if users::by_email(tx, new).await?.is_some() {
        return Err(SetEmailError::Taken);
    }
    replace(tx, user, new, now).await.map_err(|error| match error {
        ChangeEmailError::Store(error) => SetEmailError::Store(error),
        _ => SetEmailError::Taken,
    })?;
    // Tokens name the address; and what was mailed to the old one must not work for the new one.
    users::bump_auth_version(tx, user.id, now).await?;
    verifications::void_of(tx, user.id, now).await?;
    let change = Change { old: user.email.clone(), new: new.clone(), agreed: true };
    let secret = way_back(hub, tx, user, &change).await?;
    notices::address_set(hub, tx, &change.old, new, &secret).await?;
    notices::address_is_yours(hub, tx, new).await?;
    let event = Event::new("auth.email_changed").by(caller).on("user", &user.id.to_string());
    Ok(audit::record(hub, tx, origin, event.about(user.id)).await?)
}

/// Puts the address in force; `Invalid` when it was taken meanwhile.
async fn replace(tx: &mut Tx, user: &User, to: &Email, now: hub_types::Timestamp) -> Result<(), ChangeEmailError> {
    if user.email == *to {
        return Ok(());
    }
    match users::set_email(tx, user.id, &user.email, to, now).await {
        Ok(true) => {}
        Ok(false) | Err(StoreError::Duplicate(_)) => return Err(ChangeEmailError::Invalid),
        Err(error) => return Err(error.into()),
    }
    Ok(users::set_identity_email(tx, user.id, PASSWORD_PROVIDER, to).await?)
}
