//! What a signed-in person can do with their sessions: see them, end one, end the others, sign out.

use hub_store::sessions::{self as store, Session};
use hub_store::{StoreError, users};
use hub_types::{Caller, SessionId, Timestamp, UserId};

use super::{RefreshToken, impersonate};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::{Hub, Origin};

/// Sessions shown at most.
const MOST: i64 = 100;

/// One signed-in device, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The session.
    pub id: SessionId,
    /// What the client called itself.
    pub user_agent: String,
    /// Where it last refreshed from.
    pub address: String,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// Last refresh.
    pub last_used_at: Timestamp,
    /// When it ends at the latest if nothing happens.
    pub expires_at: Timestamp,
    /// True for the session that asks.
    pub current: bool,
}

/// Which sessions a sign-out ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogoutScope {
    /// The one in use.
    #[default]
    This,
    /// All but the one in use.
    Others,
    /// All.
    All,
}

/// Why a session is not shown or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// An API key cannot see or end sessions.
    #[error("only a signed-in session may do this")]
    NeedsSession,
    /// No credential points at a session.
    #[error("no valid credential")]
    Unauthenticated,
    /// No such live session of this user.
    #[error("no such session")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The caller's live sessions, last used first.
pub async fn list(hub: &Hub, caller: &Caller) -> Result<Vec<Device>, SessionError> {
    let current = caller.session().ok_or(SessionError::NeedsSession)?;
    let mut tx = hub.store.read().await?;
    let live = store::live_of(&mut tx, caller.user, hub.clock.now(), MOST).await?;
    let device = |session: Session| Device {
        id: session.id,
        user_agent: session.user_agent,
        address: session.address,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.idle_expires_at.min(session.expires_at),
        current: session.id == current,
    };
    // Where an administrator sits is not the owner's to know; the mail told that somebody looks.
    Ok(live.into_iter().filter(|session| session.actor().is_none()).map(device).collect())
}

/// Ends one of the caller's sessions; somebody else's is not found.
pub async fn revoke(hub: &Hub, caller: &Caller, origin: &Origin, id: SessionId) -> Result<(), SessionError> {
    caller.session().ok_or(SessionError::NeedsSession)?;
    let mut tx = hub.store.write().await?;
    if !store::revoke(&mut tx, id, caller.user, "revoked", hub.clock.now()).await? {
        return Err(SessionError::NotFound);
    }
    let event = Event::new("session.revoked").by(caller).on("session", &id.to_string()).about(caller.user);
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    access::forget(hub, vec![Door::Session(id)]).await;
    Ok(())
}

/// Signs out. The session is the one of the access token or, where that has run out, of a genuine refresh token, old or new.
pub async fn logout(
    hub: &Hub,
    caller: Option<&Caller>,
    origin: &Origin,
    refresh_token: Option<&str>,
    scope: LogoutScope,
) -> Result<(), SessionError> {
    if let Some((caller, session)) = caller.and_then(|caller| Some((caller, caller.impersonation()?))) {
        return impersonate::end(hub, caller, origin, session).await;
    }
    let (user, session) = subject(hub, caller, refresh_token).await?;
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    let ended = match scope {
        LogoutScope::This => {
            if store::revoke(&mut tx, session, user, "logout", now).await? {
                vec![session]
            } else {
                Vec::new()
            }
        }
        LogoutScope::Others => store::revoke_all(&mut tx, user, Some(session), "logout", now).await?,
        LogoutScope::All => store::revoke_all(&mut tx, user, None, "logout", now).await?,
    };
    if let (false, Some(user)) = (ended.is_empty(), users::by_id(&mut tx, user).await?) {
        let event = Event::new("auth.logout").by_user(user.id, &user.email).on("session", &session.to_string());
        let details = serde_json::json!({ "sessions": ended.len() });
        audit::record(hub, &mut tx, origin, event.about(user.id).details(details)).await?;
    }
    tx.commit().await?;
    access::forget(hub, ended.into_iter().map(Door::Session).collect()).await;
    Ok(())
}

async fn subject(
    hub: &Hub,
    caller: Option<&Caller>,
    refresh_token: Option<&str>,
) -> Result<(UserId, SessionId), SessionError> {
    if let Some(caller) = caller {
        return Ok((caller.user, caller.session().ok_or(SessionError::NeedsSession)?));
    }
    let token = refresh_token.and_then(RefreshToken::parse).ok_or(SessionError::Unauthenticated)?;
    let mut tx = hub.store.read().await?;
    let session = store::by_id(&mut tx, token.session).await?;
    let session = session.filter(|session| token.is_genuine(&hub.tokens, &session.refresh_salt));
    let session = session.ok_or(SessionError::Unauthenticated)?;
    Ok((session.user_id, session.id))
}
