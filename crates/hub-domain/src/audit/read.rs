//! Reading the trail: all of it for those who may, one's own part for everybody.

use hub_store::StoreError;
use hub_store::audit::{self as store, Entry, Filter};
use hub_types::{AuditId, Caller, Permission, Timestamp, UserId};
use serde_json::json;
use uuid::Uuid;

use super::{Event, record};
use crate::access::{self, AccessError};
use crate::rbac::{self, Denied};
use crate::{Hub, Origin};

/// Longest text that is searched for, in characters.
const LONGEST: usize = 100;
/// Rows of an export read at a time.
const EXPORT_PAGE: i64 = 500;
/// Rows are found up to this far in the future: the clocks of several processes differ a little.
const AHEAD: chrono::Duration = chrono::Duration::days(1);

/// A place in the trail: rows before it, from new to old, come next.
pub type Position = (Timestamp, AuditId);

/// Which rows are wanted; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Done by this user.
    pub actor: Option<UserId>,
    /// Concerning this user.
    pub user: Option<UserId>,
    /// Actions that begin so: `auth.` or `auth.login`.
    pub action: Option<String>,
    /// `ok` or `failed`.
    pub outcome: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before, exclusive.
    pub to: Option<Timestamp>,
    /// Stands in the client's address, its `User-Agent` or the actor's e-mail address.
    pub text: Option<String>,
}

/// Why rows are not shown.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The caller lacks `audit:read`.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// An API key cannot see from where its owner signs in.
    #[error("only a signed-in session may do this")]
    NeedsSession,
    /// The caller's credential ended while an export ran.
    #[error("the credential is not valid any more")]
    Unauthenticated,
    /// A filter is out of bounds.
    #[error("{field}: {message}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What is allowed.
        message: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Up to `limit` rows of the whole trail before `before`, newest first. Needs `audit:read`.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    query: &Query,
    before: Option<Position>,
    limit: i64,
) -> Result<Vec<Entry>, AuditError> {
    rbac::require(caller, Permission::AuditRead)?;
    let filter = checked(query)?;
    let mut start = before.unwrap_or_else(|| newest(hub));
    // No id is below the nil one, so this position stands for the moment itself, exclusive.
    start = query.to.map_or(start, |to| start.min((to, AuditId(Uuid::nil()))));
    let mut tx = hub.store.read().await?;
    Ok(store::list(&mut tx, &filter, start, limit).await?)
}

/// Up to `limit` rows that concern the caller, newest first. Who sees the trail of an account sees what was done to it, but not from
/// where somebody else did it: that is theirs.
pub async fn list_own(
    hub: &Hub,
    caller: &Caller,
    before: Option<Position>,
    limit: i64,
) -> Result<Vec<Entry>, AuditError> {
    caller.session().ok_or(AuditError::NeedsSession)?;
    let mut tx = hub.store.read().await?;
    let mut rows = store::of_user(&mut tx, caller.user, before.unwrap_or_else(|| newest(hub)), limit).await?;
    // A failed sign-in has no actor: where it came from is what its owner wants to know.
    for row in rows.iter_mut().filter(|row| row.actor.is_some_and(|actor| actor != caller.user)) {
        row.actor_email.clear();
        row.address.clear();
        row.user_agent.clear();
    }
    Ok(rows)
}

/// Checks an export and leaves a row about it. Needs `audit:read`. The rows come from [`export_page`].
pub async fn begin_export(hub: &Hub, caller: &Caller, origin: &Origin, query: &Query) -> Result<(), AuditError> {
    rbac::require(caller, Permission::AuditRead)?;
    checked(query)?;
    let event = Event::new("audit.exported").by(caller).on("audit", "").about(caller.user);
    let event = event.details(json!({
        "actor": query.actor, "user": query.user, "action": query.action, "outcome": query.outcome,
        "from": query.from, "to": query.to, "q": query.text,
    }));
    let mut tx = hub.store.write().await?;
    record(hub, &mut tx, origin, event).await?;
    Ok(tx.commit().await?)
}

/// The next rows of an export, newest first; none at its end. An export may run long, so the caller's rights are asked each time.
pub async fn export_page(
    hub: &Hub,
    caller: &Caller,
    query: &Query,
    before: Option<Position>,
) -> Result<Vec<Entry>, AuditError> {
    let caller = access::recheck(hub, caller).await.map_err(|error| match error {
        AccessError::Invalid => AuditError::Unauthenticated,
        AccessError::Store(error) => error.into(),
    })?;
    list(hub, &caller, query, before, EXPORT_PAGE).await
}

fn newest(hub: &Hub) -> Position {
    (hub.clock.now() + AHEAD, AuditId(Uuid::max()))
}

fn checked(query: &Query) -> Result<Filter, AuditError> {
    let wrong = |field, message| Err(AuditError::Invalid { field, message });
    let word = |text: &str| {
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_')
    };
    if query.action.as_deref().is_some_and(|action| !word(action)) {
        return wrong("action", "must have 1 to 100 characters of a-z, . and _");
    }
    if query.outcome.as_deref().is_some_and(|outcome| !matches!(outcome, "ok" | "failed")) {
        return wrong("outcome", "must be ok or failed");
    }
    if query.text.as_deref().is_some_and(|text| text.is_empty() || text.chars().count() > LONGEST) {
        return wrong("q", "must have 1 to 100 characters");
    }
    if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
        return wrong("to", "must be after from");
    }
    Ok(Filter {
        actor: query.actor,
        user: query.user,
        action: query.action.clone(),
        outcome: query.outcome.clone(),
        from: query.from,
        text: query.text.clone(),
    })
}
