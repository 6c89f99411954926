//! The calls themselves: pages of the log, and the export that is made of them.

use hub_store::usage_logs::{self as store, Call, Filter};
use hub_types::{Caller, Timestamp, UsageId};
use serde_json::json;
use uuid::Uuid;

use super::find::Finder;
use super::range::Asked;
use super::scope::check_word;
use super::{Scope, UsageError, Zone};
use crate::audit::{self, Event};
use crate::{Hub, Origin, access};

/// Rows of an export read at a time.
const EXPORT_PAGE: i64 = 500;
/// Calls are found up to this far in the future: the clocks of several processes differ a little.
const AHEAD: chrono::Duration = chrono::Duration::days(1);

/// A place in the log: calls before it, from new to old, come next.
pub type Position = (Timestamp, UsageId);

/// Which calls; the default is all one may see, however old.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Whose, and which.
    pub scope: Scope,
    /// From when to when; without an end it has none.
    pub asked: Asked,
    /// `completed`, `cancelled`, `failed` or `expired`.
    pub status: Option<String>,
}

/// Up to `limit` calls before `before`, newest first.
pub async fn logs(
    hub: &Hub,
    caller: &Caller,
    query: &LogQuery,
    before: Option<Position>,
    limit: i64,
) -> Result<Vec<Call>, UsageError> {
    let (filter, to) = checked(caller, query)?;
    let mut start = before.unwrap_or_else(|| (hub.clock.now() + AHEAD, UsageId(Uuid::max())));
    if let Some(to) = to {
        // No id is below the nil one, so this position stands for the moment itself, exclusive.
        start = start.min((to, UsageId(Uuid::nil())));
    }
    let Some(finder) = Finder::of(&filter) else {
        let mut tx = hub.store.read().await?;
        return Ok(store::list(&mut tx, &filter, start, None, limit).await?);
    };
    let mut tx = hub.store.snapshot().await?;
    // The position's own moment is in the range: other calls may have begun in it.
    let ranges = finder.ranges(&mut tx, start.0 + chrono::Duration::microseconds(1), limit).await?;
    Ok(store::list(&mut tx, &filter, start, Some(&ranges), limit).await?)
}

/// Checks an export. Who takes out other people's calls leaves a row in the audit trail. The rows come from [`export_page`].
pub async fn begin_export(hub: &Hub, caller: &Caller, origin: &Origin, query: &LogQuery) -> Result<Zone, UsageError> {
    let (filter, _) = checked(caller, query)?;
    if filter.user != Some(caller.user) {
        let event = Event::new("usage.exported").by(caller).on("usage", "").about(filter.user.unwrap_or(caller.user));
        let event = event.details(json!({
            "user": filter.user, "key": filter.key, "model": filter.model, "provider": filter.provider, "status": filter.status,
            "from": query.asked.from, "to": query.asked.to, "tz": query.asked.zone,
        }));
        let mut tx = hub.store.write().await?;
        audit::record(hub, &mut tx, origin, event).await?;
        tx.commit().await?;
    }
    Zone::named(query.asked.zone.as_deref())
}

/// The next calls of an export, newest first; none at its end. An export may run long, so the caller's rights are asked each time.
pub async fn export_page(
    hub: &Hub,
    caller: &Caller,
    query: &LogQuery,
    before: Option<Position>,
) -> Result<Vec<Call>, UsageError> {
    let caller = access::recheck(hub, caller).await?;
    logs(hub, &caller, query, before, EXPORT_PAGE).await
}

/// The filter with its subject, and the end of the range.
fn checked(caller: &Caller, query: &LogQuery) -> Result<(Filter, Option<Timestamp>), UsageError> {
    let user = query.scope.subject(caller)?;
    query.scope.check()?;
    check_word("status", query.status.as_deref())?;
    let known = |status: &str| matches!(status, "completed" | "cancelled" | "failed" | "expired");
    if query.status.as_deref().is_some_and(|status| !known(status)) {
        return Err(UsageError::Invalid {
            field: "status",
            message: "must be completed, cancelled, failed or expired",
        });
    }
    let (from, to) = query.asked.ends(Zone::named(query.asked.zone.as_deref())?)?;
    let Scope { key, provider, model, .. } = query.scope.clone();
    Ok((Filter { user, key, model, provider, status: query.status.clone(), from }, to))
}
