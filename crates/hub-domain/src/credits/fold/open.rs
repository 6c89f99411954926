//! The holds that this process opened and has not ended, as they were opened: who ends one needs not read it first. A help and never the
//! truth: the statement that resolves a hold checks that it is still open and still the same, and otherwise the hold is read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hub_store::holds::Hold;
use hub_types::HoldId;

/// Holds kept at most. Those whose end never comes, because the sweeper took them, are thrown out with the others when it is reached.
const KEPT: usize = 50_000;

#[derive(Default)]
pub(super) struct OpenHolds(Mutex<HashMap<HoldId, Hold>>);

impl OpenHolds {
    /// Keeps a hold that was opened. One with budgets is not worth it: it is read when its windows are locked.
    pub(super) fn remember(&self, hold: Hold) {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if holds.len() >= KEPT {
            holds.clear();
        }
        holds.insert(hold.id, hold);
    }

    /// The hold as it was opened, if it is known.
    pub(super) fn get(&self, id: HoldId) -> Option<Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(super) fn forget(&self, id: HoldId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
