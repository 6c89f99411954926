//! A forgotten password: one mailed link, thirty minutes, one use. All devices are signed out; API keys are left to their owner.

use hub_store::users::{self, User};
use hub_store::verifications::{self, NewVerification, Purpose};
use hub_store::{StoreError, Tx, sessions};
use hub_types::{Caller, Email, SessionId, UserId, VerificationId};
use serde_json::json;

use super::link::{self, LinkError, Passed};
use super::{Password, RESET_LIFE, link_secret, mails};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::sessions::sha256;
use crate::{Hub, Origin};

/// Mails per account and hour; what exceeds it is silently not sent.
const PER_HOUR: i64 = 3;

/// Mails a link, where there is an account that may have one.
pub(super) async fn mail_link(hub: &Hub, origin: &Origin, email: &Email) -> Result<(), StoreError> {
    let mut tx = hub.store.write().await?;
    let Some(user) = users::by_email(&mut tx, email).await?.filter(|user| user.is_usable() && user.verified) else {
        return Ok(());
    };
    let Some(secret) = make_link(hub, &mut tx, &user).await? else { return Ok(()) };
    mails::password_reset(hub, &mut tx, email, &secret).await?;
    let event = Event::new("auth.password_reset_requested").tried_as(email).on("user", &user.id.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    tx.commit().await
}

/// Mails the link at the wish of somebody who looks after the account; `false` when the owner got enough of them this hour. The caller decides
/// whether the account may have one.
pub(crate) async fn mail_reset_for(
    hub: &Hub,
    tx: &mut Tx,
    (caller, origin): (&Caller, &Origin),
    user: &User,
) -> Result<bool, StoreError> {
    let Some(secret) = make_link(hub, tx, user).await? else { return Ok(false) };
    mails::password_reset_by_administrator(hub, tx, &user.email, &secret).await?;
    let event = Event::new("auth.password_reset_requested").by(caller).on("user", &user.id.to_string());
    audit::record(hub, tx, origin, event.about(user.id)).await?;
    Ok(true)
}

/// Stores the secret of a new link, which replaces earlier ones; `None` when there were too many this hour.
async fn make_link(hub: &Hub, tx: &mut Tx, user: &User) -> Result<Option<String>, StoreError> {
    let now = hub.clock.now();
    let hour_ago = now - chrono::Duration::hours(1);
    if verifications::count_since(tx, &user.email, Purpose::ResetPassword, hour_ago).await? >= PER_HOUR {
        return Ok(None);
    }
    let secret = link_secret();
    verifications::supersede(tx, &user.email, Purpose::ResetPassword, now).await?;
    let new = NewVerification {
        id: VerificationId::new(&hub.clock),
        purpose: Purpose::ResetPassword,
        email: &user.email,
        user: Some(user.id),
        secret_hash: &sha256(secret.as_bytes()),
        code_hash: None,
        payload: &json!({}),
        at: now,
        expires_at: now + RESET_LIFE,
    };
    verifications::insert(tx, &new).await?;
    Ok(Some(secret))
}

/// Sets a new password for whoever has the mailed link.
pub async fn reset_password(hub: &Hub, origin: &Origin, token: &str, password: &str) -> Result<(), LinkError> {
    let password = Password::parse(password)?;
    let Passed { hash, password } = link::pass(hub, origin, Purpose::ResetPassword, token, &password).await?;
    let mut tx = hub.store.write().await?;
    let consumed = verifications::consume(&mut tx, Purpose::ResetPassword, &hash, hub.clock.now()).await?;
    let user = consumed.and_then(|consumed| consumed.user).ok_or(LinkError::Invalid)?;
    let user = users::by_id(&mut tx, user).await?.filter(User::is_usable).ok_or(LinkError::Invalid)?;
    let ended = replace_password(hub, &mut tx, user.id, &password, None).await?;
    let event = Event::new("auth.password_reset").by_user(user.id, &user.email).on("user", &user.id.to_string());
    audit::record(hub, &mut tx, origin, event.about(user.id)).await?;
    mails::password_changed(hub, &mut tx, &user.email).await?;
    tx.commit().await?;
    access::forget(hub, ended).await;
    Ok(())
}

/// Stores a new password, ends all sessions but `keep` and voids everything that was mailed and is still open.
pub(super) async fn replace_password(
    hub: &Hub,
    tx: &mut Tx,
    user: UserId,
    hash: &str,
    keep: Option<SessionId>,
) -> Result<Vec<Door>, StoreError> {
    let now = hub.clock.now();
    users::set_password(tx, user, hash, now).await?;
    verifications::void_of(tx, user, now).await?;
    let ended = sessions::revoke_all(tx, user, keep, "password_changed", now).await?;
    Ok(ended.into_iter().map(Door::Session).collect())
}
