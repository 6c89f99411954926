//! Opens a session for somebody who has just proven who they are, and makes the tokens of a session.

use hub_store::sessions::{self as store, NewSession, Session};
use hub_store::users::User;
use hub_store::{StoreError, Tx, roles};
use hub_types::{AuditId, SessionId, random_bytes};

use super::{Claims, TokenError, Tokens, UserView};
use crate::audit::clean;
use crate::{Hub, Origin};

/// Why tokens could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing failed.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// A new session and the sessions that ended because there were too many.
pub(crate) struct Opened {
    pub(crate) tokens: Tokens,
    pub(crate) session: SessionId,
    pub(crate) ended: Vec<SessionId>,
}

/// Opens a session in the caller's transaction. Its id is new at every sign-in, so none can be planted beforehand.
pub(crate) async fn open(hub: &Hub, tx: &mut Tx, user: &User, origin: &Origin) -> Result<Opened, IssueError> {
    let (now, settings) = (hub.clock.now(), &hub.settings.sessions);
    let id = SessionId::new(&hub.clock);
    let salt = random_bytes::<16>();
    let (user_agent, address) = (clean(&origin.user_agent), clean(&origin.address));
    let expires_at = now + settings.absolute();
    let new = NewSession {
        id,
        user: user.id,
        salt: &salt,
        at: now,
        idle_expires_at: expires_at.min(now + settings.idle()),
        expires_at,
        user_agent: &user_agent,
        address: &address,
    };
    store::insert(tx, &new).await?;
    let ended = store::revoke_oldest(tx, user.id, settings.per_user.max(1), now).await?;
    let idle = (new.idle_expires_at - now).num_seconds();
    let tokens = make(hub, tx, user, id, (0, &salt), idle).await?;
    Ok(Opened { tokens, session: id, ended })
}

/// The tokens of a session as it stands.
pub(crate) async fn issue(hub: &Hub, tx: &mut Tx, user: &User, session: &Session) -> Result<Tokens, IssueError> {
    let ends = session.idle_expires_at.min(session.expires_at);
    let left = (ends - hub.clock.now()).num_seconds();
    make(hub, tx, user, session.id, (session.refresh_counter, &session.refresh_salt), left).await
}

async fn make(
    hub: &Hub,
    tx: &mut Tx,
    user: &User,
    session: SessionId,
    (counter, salt): (i64, &[u8]),
    refresh_expires_in: i64,
) -> Result<Tokens, IssueError> {
    let now = hub.clock.now();
    let view = UserView {
        id: user.id,
        email: user.email.clone(),
        name: user.name.clone(),
        roles: roles::names_of(tx, user.id).await?,
        permissions: roles::permissions_of(tx, user.id).await?,
        verified: user.verified,
    };
    let access = hub.settings.sessions.access();
    // Any unique name will do for `jti`; it is not looked up.
    let jti = AuditId::new(&hub.clock).to_string();
    let mut claims = Claims::new(user.id, session, user.auth_version, now, now + access, jti);
    view.email.as_str().clone_into(&mut claims.email);
    claims.roles.clone_from(&view.roles);
    claims.permissions.clone_from(&view.permissions);
    Ok(Tokens {
        access_token: hub.tokens.sign(&claims)?,
        refresh_token: hub.tokens.refresh_token(session, counter, salt),
        expires_in: access.num_seconds(),
        refresh_expires_in,
        user: view,
    })
}
