//! Ending the calls whose process died: when a hold's lease has run out, what its last checkpoint says was consumed is charged,
//! and the rest goes back (credits.md §2.6). Any number of processes may sweep.

use hub_store::budgets;
use hub_store::holds::{self, End, Hold};
use hub_store::{StoreError, Tx};
use hub_types::{Timestamp, UsageSource};
use serde_json::json;

use super::hold::Checkpoint;
use super::settle::{Charge, Outcome, Owed, settle_open};
use crate::Hub;

/// Holds resolved in one transaction at most.
const BATCH: i64 = 50;

/// Resolves holds whose lease has run out, one batch; returns how many.
pub async fn sweep(hub: &Hub) -> Result<usize, StoreError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    // Budget windows are locked before the holds. A hold with a budget that came due between the two statements waits for the next sweep.
    let foreseen = holds::due_budgets(&mut tx, now, BATCH).await?;
    budgets::lock(&mut tx, foreseen.iter().flat_map(|(_, charged)| charged)).await?;
    let mut due = holds::due(&mut tx, now, BATCH).await?;
    due.retain(|hold| hold.budgets.is_empty() || foreseen.iter().any(|(id, _)| *id == hold.id));
    // One order of accounts for all sweepers, or two batches could wait for each other.
    due.sort_by_key(|hold| hold.user);
    let mut resolved = 0;
    for hold in &due {
        resolved += usize::from(resolve(hub, &mut tx, hold, now).await?);
    }
    tx.commit().await?;
    if resolved > 0 {
        tracing::warn!(holds = resolved, "resolved holds whose process did not finish them");
    }
    Ok(resolved)
}

/// Sweeps until nothing is due.
pub async fn sweep_all(hub: &Hub) -> Result<(), StoreError> {
    while sweep(hub).await? > 0 {}
    Ok(())
}

async fn resolve(hub: &Hub, tx: &mut Tx, hold: &Hold, now: Timestamp) -> Result<bool, StoreError> {
    let Ok(checkpoint) = serde_json::from_value::<Checkpoint>(hold.checkpoint.clone()) else {
        return Err(StoreError::Corrupt("the checkpoint of a hold"));
    };
    let charge = Charge {
        hold: hold.id,
        user: hold.user,
        route: checkpoint.route,
        upstream_model: checkpoint.upstream_model,
        upstream_id: None,
        units: checkpoint.unit_prices,
        usage: checkpoint.usage,
        source: if hold.accrued.is_positive() { UsageSource::Checkpoint } else { UsageSource::None },
        outcome: Outcome::Expired,
        attempts: json!([{ "provider": hold.provider, "outcome": "expired" }]),
        attempt_count: checkpoint.attempts,
        latency_ms: (now - hold.created_at).num_milliseconds(),
        first_token_ms: None,
    };
    let owed = if hold.accrued.is_positive() { Owed::of(&charge, hold) } else { Owed::NOTHING };
    Ok(settle_open(hub, tx, hold, &charge, owed, End::Expired, now).await?.is_some())
}
