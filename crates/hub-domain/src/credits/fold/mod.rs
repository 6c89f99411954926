//! The folding writer: movements that are asked for at the same time share one commit (see `lane`). What each caller is told is what some
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

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use hub_store::StoreError;
use hub_store::fold_once::Direct;
use hub_store::holds::{End, NewHold};
use hub_store::ledger::{Posting, Transaction};
use hub_types::{HoldId, UserId};

pub(super) use book::Refusal;

use self::open::OpenHolds;
use super::hold::HoldError;
use super::lane::{self, Lane};
use super::settle::{Charge, Settled};
use crate::Hub;

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
type Waiting = lane::Waiting<Movement, Done>;

/// The writer of one process.
#[derive(Default)]
pub struct Writer {
    lanes: [Arc<Lane<Movement, Done>>; LANES],
    direct: Direct,
    open: Arc<OpenHolds>,
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
        let work = || {
            let (direct, open) = (self.direct.clone(), Arc::clone(&self.open));
            let work = Arc::new(batch::Work { store: hub.store.clone(), clock: hub.clock.clone(), direct, open });
            move |batch| Arc::clone(&work).run(batch)
        };
        lane.ask(&hub.tasks, QUEUE, movement, work).await
    }
}

fn lane_of(user: UserId, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    usize::try_from(hasher.finish() % (lanes as u64)).unwrap_or(0)
}
