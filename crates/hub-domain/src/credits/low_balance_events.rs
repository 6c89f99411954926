//! A balance that became low, as the open connections of its owner are told, in whatever process they end.
//!
//! The word of the cache can be lost, and then nobody says it again: mail and webhook are the ones that are kept.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use hub_types::{Caller, Credits, Permission, Timestamp, TransactionId, UserId};
use serde::{Deserialize, Serialize};

use crate::{Hub, access};

/// A balance fell below the owner's threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LowBalance {
    /// The row of the ledger that crossed it: the same crossing is told with the same id.
    pub transaction_id: TransactionId,
    /// Balance right after it.
    pub balance: Credits,
    /// The threshold.
    pub low_balance_at: Credits,
    /// When.
    pub created_at: Timestamp,
}

/// Tells the owner's connections.
pub(super) async fn publish(hub: &Hub, owner: UserId, event: &LowBalance) {
    let message = serde_json::to_vec(event).unwrap_or_default();
    if let Err(error) = hub.cache.publish(&channel(owner), &message).await {
        tracing::warn!(%error, "a low balance is not told to open connections");
    }
}

/// What the caller's own account is told from now on; `None` where the caller may not see its balance, or without a cache.
pub async fn low_balances(hub: &Hub, caller: &Caller) -> Option<BoxStream<'static, LowBalance>> {
    if !caller.may(Permission::CreditsRead) {
        return None;
    }
    let messages = hub.cache.subscribe(&channel(caller.user)).await.ok()?;
    Some(messages.filter_map(async |message| serde_json::from_slice(&message).ok()).boxed())
}

/// True while the caller may still see its balance.
pub async fn may_be_told(hub: &Hub, caller: &Caller) -> bool {
    access::recheck(hub, caller).await.is_ok_and(|now| now.may(Permission::CreditsRead))
}

fn channel(owner: UserId) -> String {
    format!("balance-low:{owner}")
}
