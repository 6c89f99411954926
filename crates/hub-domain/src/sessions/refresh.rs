//! Trades a refresh token for new tokens, once. A token used a second time means two parties hold it: the session ends
//! (RFC 9700 §4.14.2).

use hub_store::sessions::{self as store, Rotation, Session};
use hub_store::users::{self, User};
use hub_store::{StoreError, Tx};

use super::{IssueError, RefreshToken, Tokens, issue};
use crate::access::{self, Door};
use crate::audit::{self, Event, clean};
use crate::identity::mails;
use crate::{Hub, Origin};

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not ours, used, ended or of a disabled user. Deliberately one case.
    #[error("the refresh token is not valid")]
    Invalid,
    /// Tokens could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Issue(error.into())
    }
}

/// Gives new tokens for a refresh token and voids it. Its immediate predecessor gives the same successor for a few seconds, so
/// that a client whose answer was lost, or two tabs at once, stay signed in.
pub async fn refresh(hub: &Hub, origin: &Origin, token: &str) -> Result<Tokens, RefreshError> {
    let token = RefreshToken::parse(token).ok_or(RefreshError::Invalid)?;
    let (session, user) = holder(hub, &token).await?;
    let now = hub.clock.now();
    let (user_agent, address) = (clean(&origin.user_agent), clean(&origin.address));
    let to = Rotation {
        counter: token.counter,
        at: now,
        idle_expires_at: session.expires_at.min(now + hub.settings.sessions.idle()),
        user_agent: &user_agent,
        address: &address,
    };
    let mut tx = hub.store.write().await?;
    if let Some(rotated) = store::rotate(&mut tx, session.id, &to).await? {
        let tokens = issue(hub, &mut tx, &user, &rotated).await?;
        tx.commit().await?;
        return Ok(tokens);
    }
    // Somebody swapped it before us, or the session has ended meanwhile.
    let session = store::by_id(&mut tx, session.id).await?.ok_or(RefreshError::Invalid)?;
    if !session.is_live(now) || token.counter >= session.refresh_counter {
        return Err(RefreshError::Invalid);
    }
    let immediate = token.counter + 1 == session.refresh_counter;
    if immediate && now - session.rotated_at <= hub.settings.sessions.grace() {
        let tokens = issue(hub, &mut tx, &user, &session).await?;
        tx.commit().await?;
        return Ok(tokens);
    }
    end_reused(hub, tx, origin, &user, &session).await?;
    Err(RefreshError::Invalid)
}

/// The session and the user behind a genuine token. A forged one changes nothing.
async fn holder(hub: &Hub, token: &RefreshToken) -> Result<(Session, User), RefreshError> {
    let mut tx = hub.store.read().await?;
    let session = store::by_id(&mut tx, token.session).await?.ok_or(RefreshError::Invalid)?;
    if !token.is_genuine(&hub.tokens, &session.refresh_salt) {
        return Err(RefreshError::Invalid);
    }
    let user = users::by_id(&mut tx, session.user_id).await?.filter(User::is_usable).ok_or(RefreshError::Invalid)?;
    Ok((session, user))
}

async fn end_reused(hub: &Hub, mut tx: Tx, origin: &Origin, user: &User, session: &Session) -> Result<(), StoreError> {
    if store::revoke(&mut tx, session.id, user.id, "reuse", hub.clock.now()).await? {
        let event = Event::new("session.reuse_detected").failed().by_user(user.id, &user.email).about(user.id);
        audit::record(hub, &mut tx, origin, event.on("session", &session.id.to_string())).await?;
        mails::session_ended(hub, &mut tx, &user.email, &session.user_agent).await?;
    }
    tx.commit().await?;
    access::forget(hub, vec![Door::Session(session.id)]).await;
    Ok(())
}
