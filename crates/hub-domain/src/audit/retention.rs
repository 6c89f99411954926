//! Deletes rows that are older than the operator wants to keep. Off unless it was asked for.

use hub_store::{StoreError, audit as store};

use crate::Hub;

/// Rows deleted per transaction, so that the deletion never holds others up.
const BATCH: i64 = 1000;
/// Transactions per round; what is left over goes in the next one.
const ROUNDS: usize = 100;

/// Deletes rows older than `audit.keep_days`; nothing when that is 0. On PostgreSQL whole months are dropped at once, which costs
/// nothing however many rows they hold.
pub(crate) async fn delete_old(hub: &Hub) -> Result<(), StoreError> {
    let days = hub.settings.audit.keep_days;
    if days == 0 {
        return Ok(());
    }
    let before = hub.clock.now() - chrono::Duration::days(i64::from(days));
    let months = hub.store.drop_audit_months(before).await?;
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let mut tx = hub.store.write().await?;
        let deleted = store::delete_before(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        rows += deleted;
        if deleted < BATCH.unsigned_abs() {
            break;
        }
    }
    if months > 0 || rows > 0 {
        tracing::info!(months, rows, %before, "old audit rows were deleted");
    }
    Ok(())
}
