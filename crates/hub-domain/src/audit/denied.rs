//! A row for a call that was refused for want of a permission. Somebody who goes on trying must not be able to fill the trail: there
//! is at most one row a minute per account and permission (or route).

use std::time::Duration;

use hub_types::{Acting, Email, Permission, UserId};
use serde_json::json;

use super::{Event, record};
use crate::{Hub, Origin};

/// One row in this time.
const WINDOW: Duration = Duration::from_mins(1);

/// A call that was answered 403.
#[derive(Debug, Clone, Copy)]
pub struct DeniedCall<'a> {
    /// Whose credential.
    pub user: UserId,
    /// The account's address.
    pub email: &'a Email,
    /// Who truly acted, where that is not the account itself.
    pub acting: Option<&'a Acting>,
    /// What was lacking, where that is why.
    pub permission: Option<Permission>,
    /// The HTTP method.
    pub method: &'a str,
    /// The path as the route is written; never what stood in its variables.
    pub route: &'a str,
}

/// Writes the row, unless one like it was written within the minute. The answer to the caller is 403 in any case, so what fails here
/// is logged.
pub async fn record_denied(hub: &Hub, origin: &Origin, call: &DeniedCall<'_>) {
    let route = format!("{} {}", call.method, call.route);
    let target = call.permission.map_or(("route", route.as_str()), |permission| ("permission", permission.name()));
    let who = call.acting.map_or(call.user, |acting| acting.user);
    let key = format!("audit-denied:{who}:{}", target.1);
    let counted = match hub.cache.admit(&key, 1, WINDOW).await {
        Ok(counted) => Ok(counted),
        // Counted per process while the cache is gone: still bounded.
        Err(_) => hub.local.admit(&key, 1, WINDOW).await,
    };
    if !counted.is_ok_and(|counted| counted.allowed) {
        return;
    }
    let event = Event::new("access.denied").failed().on(target.0, target.1);
    let event = match call.acting {
        Some(acting) => event.by_acting(acting, call.user),
        None => event.by_user(call.user, call.email),
    };
    let event = event.about(call.user).details(json!({ "method": call.method, "route": call.route }));
    let written = async {
        let mut tx = hub.store.write().await?;
        record(hub, &mut tx, origin, event).await?;
        tx.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "a refused call could not be written to the audit trail");
    }
}
