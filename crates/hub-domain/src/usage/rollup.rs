//! Adding usage up while it comes in. Any number of workers may do it.

use hub_store::StoreError;
use hub_store::usage_rollup::{self, DAY, QUARTER, State};

use crate::Hub;

/// A quarter is closed this long after it began, when most of its calls have ended. A later one costs adding its quarter up again.
const CLOSE_AFTER: chrono::Duration = chrono::Duration::minutes(45);
/// Quarters that are added up again in one transaction.
const AGAIN: i64 = 20;

/// Closes the quarters that are due, a day per transaction at most, and adds up again those that calls came too late for.
pub async fn roll_up(hub: &Hub) -> Result<(), StoreError> {
    let due = (hub.clock.now() - CLOSE_AFTER).timestamp().div_euclid(QUARTER) + 1;
    let mut state = read(hub).await?;
    if state.closing < due {
        let mut tx = hub.store.write().await?;
        usage_rollup::begin_closing(&mut tx, due).await?;
        tx.commit().await?;
        state.closing = due;
    }
    while state.closed < state.closing {
        let to = next(hub, state).await?;
        let mut tx = hub.store.write().await?;
        if !usage_rollup::close(&mut tx, state.closed, to).await? {
            // Another worker is at it.
            break;
        }
        tx.commit().await?;
        state.closed = to;
    }
    loop {
        let mut tx = hub.store.write().await?;
        let quarters = usage_rollup::again(&mut tx, AGAIN).await?;
        tx.commit().await?;
        if quarters == 0 {
            return Ok(());
        }
        tracing::debug!(quarters, "usage that came late was added up");
    }
}

/// Up to where the next transaction adds up: to the end of a day, or at first to the day of the oldest call.
async fn next(hub: &Hub, state: State) -> Result<i64, StoreError> {
    let mut day = state.closed * QUARTER / DAY + 1;
    if state.closed == 0 {
        let mut tx = hub.store.read().await?;
        let oldest = usage_rollup::oldest(&mut tx).await?.unwrap_or_else(|| hub.clock.now());
        day = oldest.timestamp().div_euclid(DAY).max(1);
    }
    Ok((day * DAY / QUARTER).min(state.closing))
}

async fn read(hub: &Hub) -> Result<State, StoreError> {
    let mut tx = hub.store.read().await?;
    usage_rollup::state(&mut tx).await
}
