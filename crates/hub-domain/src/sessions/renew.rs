//! New tokens for a session that goes on after a change which voided its old ones.

use hub_store::Tx;
use hub_store::sessions::{self as store, Rotation};
use hub_store::users::User;
use hub_types::SessionId;

use super::{IssueError, Tokens, issue};
use crate::audit::clean;
use crate::{Hub, Origin};

/// Refreshes that may come between, at most.
const TRIES: usize = 5;

/// New tokens in the caller's transaction; the refresh token the session had is replaced. `None` when the session has ended.
pub(crate) async fn renew(
    hub: &Hub,
    tx: &mut Tx,
    user: &User,
    id: SessionId,
    origin: &Origin,
) -> Result<Option<Tokens>, IssueError> {
    let now = hub.clock.now();
    let (user_agent, address) = (clean(&origin.user_agent), clean(&origin.address));
    for _ in 0..TRIES {
        let Some(session) = store::by_id(tx, id).await?.filter(|session| session.is_live(now)) else {
            return Ok(None);
        };
        let to = Rotation {
            counter: session.refresh_counter,
            at: now,
            idle_expires_at: session.expires_at.min(now + hub.settings.sessions.idle()),
            user_agent: &user_agent,
            address: &address,
        };
        // A refresh of the same session may come between; then its counter is the one to go on from.
        if let Some(rotated) = store::rotate(tx, id, &to).await? {
            return issue(hub, tx, user, &rotated).await.map(Some);
        }
    }
    Ok(None)
}
