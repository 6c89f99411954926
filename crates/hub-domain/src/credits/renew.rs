//! Renewing the leases of running calls, and noting what they have consumed.
//!
//! Every call asks for it every few seconds. With a commit for each, thousands of streams kept SQLite's one writer so busy that calls which
//! wanted to begin or to be paid for waited until they gave up, with a 503. So renewals that are asked for at the same time share one
//! commit. Nobody waits for company: whoever finds nobody writing begins at once, and who comes meanwhile is in the next commit.
//!
//! Never changes a balance. A renewal that failed may be asked for again; the lease is longer than the time between two.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_store::{Store, StoreError, holds};
use hub_types::{Credits, HoldId, Timestamp};
use serde_json::Value;
use tokio::sync::oneshot;

use super::Checkpoint;
use crate::Hub;

/// Renewals in one commit at most.
const BATCH: usize = 256;
/// Renewals that wait at most, far more than calls can run; more are refused as if the database were away.
const QUEUE: usize = 65_536;

/// Renews the lease and notes what was consumed so far. `false`: the hold is lost, the call must stop.
pub async fn checkpoint(hub: &Hub, id: HoldId, data: &Checkpoint) -> Result<bool, StoreError> {
    let accrued = data.unit_prices.cost(&data.usage).map_or(Credits::ZERO, |cost| cost.amount);
    let until = hub.clock.now() + hub.settings.credits.lease();
    let data = serde_json::to_value(data).map_err(|_| StoreError::Corrupt("a checkpoint"))?;
    let (answer, answered) = oneshot::channel();
    if hub.renewals.push(Waiting { renewal: Renewal { id, accrued, data, until }, answer })? {
        let (queue, store, owner) = (Arc::clone(&hub.renewals.0), hub.store.clone(), hub.instance.clone());
        hub.tasks.spawn(drain(queue, store, owner));
    }
    answered.await.unwrap_or(Err(StoreError::Writer("stopped in the middle of a batch")))
}

/// The renewals of one process.
#[derive(Default)]
pub struct Renewals(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// A task is taking batches.
    running: bool,
}

struct Renewal {
    id: HoldId,
    accrued: Credits,
    data: Value,
    until: Timestamp,
}

type Answer = Result<bool, StoreError>;

/// A renewal and who waits for its answer.
struct Waiting {
    renewal: Renewal,
    answer: oneshot::Sender<Answer>,
}

impl Renewals {
    /// Queues; `true` when the caller has to start the writing.
    fn push(&self, waiting: Waiting) -> Result<bool, StoreError> {
        let mut queue = lock(&self.0);
        if queue.waiting.len() >= QUEUE {
            return Err(StoreError::Writer("has too many renewals waiting"));
        }
        queue.waiting.push_back(waiting);
        Ok(!std::mem::replace(&mut queue.running, true))
    }
}

/// Takes batches until none is left. Runs as a tracked task: a caller who goes away cannot stop it half way.
async fn drain(queue: Arc<Mutex<Queue>>, store: Store, owner: String) {
    let mut ended = Ended { queue: &queue, well: false };
    loop {
        // Those who are on their way may queue first; alone this costs nothing.
        tokio::task::yield_now().await;
        let Some(batch) = take(&queue) else { break };
        run(&store, &owner, batch).await;
    }
    ended.well = true;
}

/// The next batch; `None` ends the writing until somebody starts it again.
fn take(queue: &Mutex<Queue>) -> Option<Vec<Waiting>> {
    let mut queue = lock(queue);
    let count = queue.waiting.len().min(BATCH);
    queue.running = count > 0;
    (count > 0).then(|| queue.waiting.drain(..count).collect())
}

async fn run(store: &Store, owner: &str, mut batch: Vec<Waiting>) {
    // The order in which everybody locks holds.
    batch.sort_by_key(|waiting| waiting.renewal.id);
    let (renewals, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.renewal, one.answer)).unzip();
    match write(store, owner, &renewals).await {
        Ok(ours) => {
            for (answer, ours) in answers.into_iter().zip(ours) {
                drop(answer.send(Ok(ours)));
            }
        }
        Err(error) => {
            let shared = Arc::new(error);
            for answer in answers {
                drop(answer.send(Err(StoreError::Shared(Arc::clone(&shared)))));
            }
        }
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

/// Lets the writing be started again when its task has died. Those who were waiting are told so by their dropped channels.
struct Ended<'a> {
    queue: &'a Mutex<Queue>,
    well: bool,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if !self.well {
            let mut queue = lock(self.queue);
            queue.waiting.clear();
            queue.running = false;
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
