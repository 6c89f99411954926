//! Renewing the leases of running calls, and noting what they have consumed.
//!
//! Every call asks for it every few seconds. With a commit for each, thousands of streams kept SQLite's one writer so busy that calls which
//! wanted to begin or to be paid for waited until they gave up, with a 503. So renewals that are asked for at the same time share one
//! commit (see `lane`).
//!
//! Never changes a balance. A renewal that failed may be asked for again; the lease is longer than the time between two.

use std::sync::Arc;

use hub_store::{Store, StoreError, holds};
use hub_types::{Credits, HoldId, Timestamp};
use serde_json::Value;

use super::Checkpoint;
use super::lane::{self, Lane};
use crate::Hub;

/// Renewals that wait at most, far more than calls can run; more are refused as if the database were away.
const QUEUE: usize = 65_536;

/// Renews the lease and notes what was consumed so far. `false`: the hold is lost, the call must stop.
pub async fn checkpoint(hub: &Hub, id: HoldId, data: &Checkpoint) -> Result<bool, StoreError> {
    let accrued = data.unit_prices.cost(&data.usage).map_or(Credits::ZERO, |cost| cost.amount);
    let until = hub.clock.now() + hub.settings.credits.lease();
    let data = serde_json::to_value(data).map_err(|_| StoreError::Corrupt("a checkpoint"))?;
    let write = || {
        let (store, owner) = (hub.store.clone(), Arc::<str>::from(hub.instance.as_str()));
        move |batch| run(store.clone(), Arc::clone(&owner), batch)
    };
    hub.renewals.0.ask(&hub.tasks, QUEUE, Renewal { id, accrued, data, until }, write).await
}

/// The renewals of one process.
#[derive(Default)]
pub struct Renewals(Arc<Lane<Renewal, bool>>);

struct Renewal {
    id: HoldId,
    accrued: Credits,
    data: Value,
    until: Timestamp,
}

async fn run(store: Store, owner: Arc<str>, mut batch: Vec<lane::Waiting<Renewal, bool>>) {
    // The order in which everybody locks holds.
    batch.sort_by_key(|waiting| waiting.what.id);
    let (renewals, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.what, one.answer)).unzip();
    match write(&store, &owner, &renewals).await {
        Ok(ours) => {
            for (answer, ours) in answers.into_iter().zip(ours) {
                drop(answer.send(Ok(ours)));
            }
        }
        Err(error) => lane::fail(answers, error),
    }
}

async fn write(store: &Store, owner: &str, renewals: &[Renewal]) -> Result<Vec<bool>, StoreError> {
    let mut tx = store.write().await?;
    let mut ours = Vec::with_capacity(renewals.len());
    for Renewal { id, accrued, data, until } in renewals {
        ours.push(holds::checkpoint(&mut tx, *id, owner, *accrued, data, *until).await?);
    }
    tx.commit().await?;
    Ok(ours)
}
