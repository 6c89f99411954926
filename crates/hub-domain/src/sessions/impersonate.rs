//! An administrator looks at the hub as somebody below sees it: for minutes, reading only, and never unseen. The owner gets a mail, and every
//! row of the trail names the administrator.
//!
//! There is no refresh token. The session carries the administrator's id, and their rights are asked at each look-up of it (see `access`).

use chrono::Duration;
use hub_store::sessions::{self as store, NewSession};
use hub_store::users::User;
use hub_store::{StoreError, Tx};
use hub_types::{AuditId, Caller, Permission, SessionId, UserId, random_bytes};
use serde_json::json;

use super::access_token::Act;
use super::fresh::{FreshError, require_fresh};
use super::manage::SessionError;
use super::{Claims, TokenError};
use crate::access::{self, Door};
use crate::audit::{self, Event, clean};
use crate::identity::mails::{Letter, send};
use crate::rbac::{self, Authority, Denied, RightsError, rank_of};
use crate::{Hub, Origin};

/// Longest reason, in characters.
const LONGEST: usize = 300;
/// The longest an impersonation may last whatever the settings say, in minutes.
const MOST_MINUTES: i64 = 60;

/// A look at the hub as somebody else.
#[derive(Clone)]
pub struct Impersonation {
    /// The JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// Seconds it lives.
    pub expires_in: i64,
    /// As whom.
    pub user: UserId,
}

impl std::fmt::Debug for Impersonation {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Impersonation").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why nobody looks.
#[derive(Debug, thiserror::Error)]
pub enum ImpersonateError {
    /// The caller may not, or not as this user.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The caller did not prove lately who they are.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl From<StoreError> for ImpersonateError {
    fn from(error: StoreError) -> Self {
        Self::Rights(error.into())
    }
}

impl From<Denied> for ImpersonateError {
    fn from(error: Denied) -> Self {
        Self::Rights(error.into())
    }
}

/// Lets an administrator look at the hub as a user below them. Needs `users:impersonate`, a sign-in of the last ten minutes and a reason of 1 to
/// 300 characters.
pub async fn impersonate(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    user: UserId,
    reason: &str,
) -> Result<Impersonation, ImpersonateError> {
    rbac::require(caller, Permission::UsersImpersonate)?;
    caller.session().ok_or(FreshError::NeedsSession)?;
    require_fresh(hub, caller).await?;
    let reason = reason.trim();
    if !(1..=LONGEST).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        let message = "must have 1 to 300 characters, none of them control characters";
        return Err(RightsError::Invalid { field: "reason", message }.into());
    }
    let (now, minutes) = (hub.clock.now(), hub.settings.sessions.impersonation_minutes.clamp(1, MOST_MINUTES));
    let life = Duration::minutes(minutes);
    let mut tx = hub.store.write().await?;
    let authority = Authority::read(&mut tx, caller, Permission::UsersImpersonate).await?;
    let target = authority.target(&mut tx, user).await?;
    if !target.is_usable() {
        return Err(RightsError::UnknownUser.into());
    }
    if !authority.may_impersonate(rank_of(&mut tx, user).await?) {
        return Err(RightsError::AboveCaller.into());
    }
    let (id, salt) = (SessionId::new(&hub.clock), random_bytes::<16>());
    let (user_agent, address) = (clean(&origin.user_agent), clean(&origin.address));
    let new = NewSession {
        id,
        user,
        salt: &salt,
        at: now,
        idle_expires_at: now + life,
        expires_at: now + life,
        user_agent: &user_agent,
        address: &address,
    };
    store::insert_acting(&mut tx, &new, caller.user).await?;
    let mut claims = Claims::new(user, id, target.auth_version, now, now + life, AuditId::new(&hub.clock).to_string());
    target.email.as_str().clone_into(&mut claims.email);
    claims.act = Some(Act { sub: caller.user });
    let access_token = hub.tokens.sign(&claims)?;
    let event = Event::new("user.impersonated").by(caller).on("session", &id.to_string()).about(user);
    let details = json!({ "reason": reason, "until": now + life, "actingAs": user });
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    tell(hub, &mut tx, &target, minutes).await?;
    tx.commit().await?;
    Ok(Impersonation { access_token, expires_in: life.num_seconds(), user })
}

/// Ends an impersonation at the administrator's wish.
pub(super) async fn end(hub: &Hub, caller: &Caller, origin: &Origin, session: SessionId) -> Result<(), SessionError> {
    let mut tx = hub.store.write().await?;
    if store::revoke(&mut tx, session, caller.user, "logout", hub.clock.now()).await? {
        let event = Event::new("user.impersonation_ended").by(caller).on("session", &session.to_string());
        audit::record(hub, &mut tx, origin, event.about(caller.user)).await?;
    }
    tx.commit().await?;
    access::forget(hub, vec![Door::Session(session)]).await;
    Ok(())
}

async fn tell(hub: &Hub, tx: &mut Tx, user: &User, minutes: i64) -> Result<(), StoreError> {
    let product = &hub.settings.identity.product;
    let letter = Letter {
        subject: format!("An administrator looks at your account at {product}"),
        paragraphs: vec![
            format!(
                "For at most {minutes} minutes an administrator sees {product} as you see it, for instance to help you. They can change \
                 nothing and spend nothing, and the audit trail of your account says when it was and why."
            ),
            "If you did not expect this, write to the people who run this hub.".to_owned(),
        ],
        link: None,
        dedupe_key: None,
        to: &user.email,
    };
    send(hub, tx, letter).await
}
