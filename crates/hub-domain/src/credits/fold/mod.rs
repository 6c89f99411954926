//! The folding writer: movements that are asked for at the same time share one commit. Nobody waits for company: whoever finds the
//! writer idle starts it at once, and whoever comes while it commits is in the next batch. What each caller is told is what some
//! serial order of the movements would have told him; a movement is answered only after its commit.
//!
//! An account always goes to the same lane, so one batch at a time touches it; lanes run side by side. This is an optimisation of one
//! process and never the guard: other processes are kept out by the row locks of the batch.

mod batch;
mod book;
mod hope;
mod open;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use hub_store::StoreError;
use hub_store::fold_once::Direct;
use hub_store::holds::{End, NewHold};
use hub_store::ledger::{Posting, Transaction};
use hub_types::{HoldId, UserId};
use tokio::sync::oneshot;

pub(super) use book::Refusal;

use self::open::OpenHolds;
use super::hold::HoldError;
use super::settle::{Charge, Settled};
use crate::Hub;

/// Movements in one commit at most.
const BATCH: usize = 256;
/// Movements waiting in one lane at most; more are refused as if the database were away.
const QUEUE: usize = 4096;
/// Batches under way at the same time on PostgreSQL. SQLite has one writer.
const LANES: usize = 2;

/// Something that is to happen to an account.
#[cfg_attr(test, derive(Clone))]
enum Movement {
    /// A row is posted.
    Post(Box<Posting>),
    /// A call begins: its worst case is set aside.
    Begin(Box<NewHold>),
    /// A call ends: its hold is resolved, charged or given back, with receipt and usage row.
    End(Box<Charge>, End),
}

impl Movement {
    fn user(&self) -> UserId {
        match self {
            Self::Post(posting) => posting.user,
            Self::Begin(hold) => hold.user,
            Self::End(charge, _) => charge.user,
        }
    }
}

/// What became of a movement.
enum Done {
    /// The row, posted now or when its key was first used.
    Posted(Transaction),
    /// The account does not allow it; nothing was changed.
    Refused(Refusal),
    /// The amount is set aside.
    Begun,
    /// The account or a budget does not allow it; nothing was changed.
    NotBegun(Box<HoldError>),
    /// The hold is resolved.
    Ended(Settled),
    /// The hold was not open; nothing was changed.
    NotOpen,
}

type Answer = Result<Done, StoreError>;

const WRONG: StoreError = StoreError::Writer("gave a wrong answer");

/// A movement and who waits for its answer.
struct Waiting {
    movement: Movement,
    answer: oneshot::Sender<Answer>,
}

/// The writer of one process.
#[derive(Default)]
pub struct Writer {
    lanes: [Arc<Lane>; LANES],
    direct: Direct,
    open: Arc<OpenHolds>,
}

#[derive(Default)]
struct Lane(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// A task is taking batches from this lane.
    running: bool,
}

impl Writer {
    /// Posts; answers when it is durable, refused or failed. After a failure the caller may repeat: the key keeps it from happening
    /// twice.
    pub(super) async fn post(&self, hub: &Hub, posting: Posting) -> Result<Result<Transaction, Refusal>, StoreError> {
        match self.fold(hub, Movement::Post(Box::new(posting))).await? {
            Done::Posted(row) => Ok(Ok(row)),
            Done::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(WRONG),
        }
    }

    /// Sets the amount of a hold aside; answers when that is durable, refused or failed. After a failure the same hold may be asked for
    /// again: it is opened once.
    pub(super) async fn hold(&self, hub: &Hub, hold: NewHold) -> Result<Result<(), HoldError>, StoreError> {
        match self.fold(hub, Movement::Begin(Box::new(hold))).await? {
            Done::Begun => Ok(Ok(())),
            Done::NotBegun(error) => Ok(Err(*error)),
            _ => Err(WRONG),
        }
    }

    /// The hold was changed in a transaction of its own, and is read again when it ends.
    pub(super) fn forget(&self, hold: HoldId) {
        self.open.forget(hold);
    }

    /// Ends a call. `None` when its hold is not open (any more); nothing was changed then.
    pub(super) async fn end(&self, hub: &Hub, charge: Charge, end: End) -> Result<Option<Settled>, StoreError> {
        match self.fold(hub, Movement::End(Box::new(charge), end)).await? {
            Done::Ended(settled) => Ok(Some(settled)),
            Done::NotOpen => Ok(None),
            _ => Err(WRONG),
        }
    }

    async fn fold(&self, hub: &Hub, movement: Movement) -> Answer {
        let lanes = if hub.store.is_shared() { LANES } else { 1 };
        let lane = &self.lanes[lane_of(movement.user(), lanes)];
        let (answer, answered) = oneshot::channel();
        if lane.push(Waiting { movement, answer })? {
            let (direct, open) = (self.direct.clone(), Arc::clone(&self.open));
            let work = batch::Work { store: hub.store.clone(), clock: hub.clock.clone(), direct, open };
            hub.tasks.spawn(drain(Arc::clone(lane), work));
        }
        answered.await.unwrap_or(Err(StoreError::Writer("stopped in the middle of a batch")))
    }
}

impl Lane {
    /// Queues; `true` when the caller has to start the lane.
    fn push(&self, waiting: Waiting) -> Result<bool, StoreError> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.len() >= QUEUE {
            return Err(StoreError::Writer("has too many movements waiting"));
        }
        queue.waiting.push_back(waiting);
        Ok(!std::mem::replace(&mut queue.running, true))
    }

    /// The next batch, in the order of arrival; `None` ends the lane until somebody starts it again.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.waiting.len().min(BATCH);
        queue.running = count > 0;
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }
}

/// Takes batches until none is left. Runs as a tracked task: a caller who goes away cannot stop it half way.
async fn drain(lane: Arc<Lane>, work: batch::Work) {
    let mut ended = Ended { lane: &lane, well: false };
    loop {
        // Those who were just answered, or are on their way, may queue first; alone this costs nothing.
        tokio::task::yield_now().await;
        let Some(batch) = lane.take() else { break };
        Box::pin(work.run(batch)).await;
    }
    ended.well = true;
}

/// Lets a lane whose task died be started again. Those who were waiting are told so by their dropped channels.
struct Ended<'a> {
    lane: &'a Lane,
    well: bool,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if !self.well {
            let mut queue = self.lane.0.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.clear();
            queue.running = false;
        }
    }
}

fn lane_of(user: UserId, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    usize::try_from(hasher.finish() % (lanes as u64)).unwrap_or(0)
}
