//! Deletes calls that are older than the operator wants to keep. Off unless it was asked for. The sums stay.

use chrono::{Datelike, NaiveTime};
use hub_store::StoreError;
use hub_store::usage_rollup::{self, QUARTER};

use crate::Hub;

/// Rows deleted per transaction, so that the deletion never holds others up.
const BATCH: i64 = 1000;
/// Transactions per round; what is left over goes in the next one.
const ROUNDS: usize = 100;

/// Deletes the months of UTC that ended more than `usage.keep_days` ago; nothing when that is 0. On PostgreSQL they are dropped, which
/// costs nothing however many calls they hold.
pub(crate) async fn delete_old(hub: &Hub) -> Result<(), StoreError> {
    let days = hub.settings.usage.keep_days;
    if days == 0 {
        return Ok(());
    }
    let oldest = (hub.clock.now() - chrono::Duration::days(i64::from(days))).date_naive();
    let month = oldest.with_day(1).unwrap_or(oldest).and_time(NaiveTime::MIN).and_utc();
    let mut tx = hub.store.write().await?;
    usage_rollup::let_go(&mut tx, month.timestamp().div_euclid(QUARTER)).await?;
    let state = usage_rollup::state(&mut tx).await?;
    tx.commit().await?;
    if state.kept_from == 0 {
        return Ok(());
    }
    let before = usage_rollup::start_of(state.kept_from)?;
    let months = hub.store.drop_usage_months(before).await?;
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let mut tx = hub.store.write().await?;
        let deleted = usage_rollup::delete_before(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        rows += deleted;
        if deleted < BATCH.unsigned_abs() {
            break;
        }
    }
    if months > 0 || rows > 0 {
        tracing::info!(months, rows, %before, "old calls were deleted");
    }
    Ok(())
}
