//! Whether the parts of this process answer, asked at most once a second however often somebody wants to know.

use std::sync::Arc;
use std::time::Duration;

use hub_domain::Hub;
use hub_gateway::{HealthCheck, HealthReport};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(1);

/// A check of this hub's parts.
pub(crate) fn check(hub: Arc<Hub>) -> HealthCheck {
    let last: Arc<Mutex<Option<(Instant, HealthReport)>>> = Arc::default();
    Arc::new(move || {
        let (hub, last) = (Arc::clone(&hub), Arc::clone(&last));
        Box::pin(async move {
            let mut last = last.lock().await;
            let accepting = !hub.tasks.stop().is_cancelled();
            if let Some((_, report)) = last.filter(|(at, _)| at.elapsed() < FRESH) {
                return HealthReport { accepting, ..report };
            }
            let (database, cache) = tokio::join!(hub.store.ping(), hub.cache.ping());
            let report = HealthReport { database: database.is_ok(), cache: cache.is_ok(), accepting };
            *last = Some((Instant::now(), report));
            report
        })
    })
}
