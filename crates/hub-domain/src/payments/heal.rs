//! What keeps payments right when something was lost: events that never arrived, checkouts that never ended, accounts that are even again.

use std::sync::Arc;
use std::time::Duration;

use hub_clients::pay::PayError;
use hub_store::jobs::NewJob;
use hub_store::{StoreError, jobs, orders, reversals, webhooks};
use hub_types::JobId;
use serde_json::json;

use super::HEAL;
use super::receive::keep;
use crate::Hub;
use crate::credits::thaw;

/// How far back events are asked for: as long as Stripe itself tries to deliver one.
const WINDOW: Duration = Duration::from_hours(72);
/// Pause between two rounds, whatever the number of processes, in seconds.
const ROUND: i64 = 600;
/// The most the provider may take for all its pages; well within the lease of a job.
const PATIENCE: Duration = Duration::from_secs(25);
/// Age at which an order that was never opened, or belongs to the sandbox, has expired.
const EXPIRY: Duration = Duration::from_hours(24);
/// How long events that were worked off are kept, to tell a repetition; providers repeat for days.
const KEEP: Duration = Duration::from_hours(90 * 24);
/// Accounts looked at in one transaction.
const BATCH: i64 = 100;

/// Enqueues the next round, once per round for all processes. Where nobody takes payments any more, only as long as an account is frozen
/// for one.
pub async fn schedule(hub: &Hub) -> Result<(), StoreError> {
    if hub.payments.name().is_none() {
        let mut tx = hub.store.read().await?;
        if !reversals::any_frozen(&mut tx).await? {
            return Ok(());
        }
    }
    let now = hub.clock.now();
    let job = NewJob {
        id: JobId::new(&hub.clock),
        kind: HEAL,
        payload: json!({}),
        dedupe_key: Some(format!("{HEAL}:{}", now.timestamp() / ROUND)),
        run_at: now,
        max_attempts: 3,
    };
    let mut tx = hub.store.write().await?;
    jobs::enqueue(&mut tx, job).await?;
    tx.commit().await
}

/// One round. A provider that does not answer is a warning: the next round asks for the same time again.
pub(crate) async fn heal(hub: &Hub) -> Result<(), StoreError> {
    if let Ok(provider) = hub.payments.provider().map(Arc::clone) {
        let asked = tokio::time::timeout(PATIENCE, provider.recent_events(hub.clock.now() - WINDOW)).await;
        let late =
            || PayError::Unavailable { message: "it took too long to list events".to_owned(), retry_after: None };
        match asked.unwrap_or_else(|_| Err(late())) {
            Err(error) => tracing::warn!(provider = provider.name(), %error, "lost events cannot be looked for"),
            Ok(events) => {
                let mut found = 0;
                for event in &events {
                    found += usize::from(keep(hub, provider.name(), event).await?);
                }
                if found > 0 {
                    tracing::info!(provider = provider.name(), events = found, "found events that had not arrived");
                }
            }
        }
    }
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    orders::expire(&mut tx, now - EXPIRY, now).await?;
    tx.commit().await?;
    thaw_all(hub).await
}

/// Deletes events that were worked off long ago.
pub(crate) async fn forget_old(hub: &Hub) -> Result<(), StoreError> {
    let mut tx = hub.store.write().await?;
    webhooks::prune(&mut tx, hub.clock.now() - KEEP).await?;
    tx.commit().await
}

/// Lets accounts spend again that a payment froze and that owe nothing any more: a finished call gave back what it held.
async fn thaw_all(hub: &Hub) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let mut tx = hub.store.write().await?;
        let users = reversals::frozen(&mut tx, after, BATCH).await?;
        for user in &users {
            thaw::if_even(hub, &mut tx, *user).await?;
        }
        tx.commit().await?;
        after = users.last().copied();
        if after.is_none() {
            return Ok(());
        }
    }
}
