//! A call's place in a line: waiting first, then running. It is given back when it is dropped, whatever became of the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hub_types::HoldId;

use super::keeper::Keeper;
use super::line::{Rules, Step};
use crate::Hub;

/// See the module.
pub(in crate::inference) struct Place {
    hub: Arc<Hub>,
    keeper: Arc<Keeper>,
    id: HoldId,
    rules: Rules,
    used: AtomicU32,
}

impl Place {
    pub(super) fn new(hub: &Arc<Hub>, keeper: &Arc<Keeper>, id: HoldId, rules: Rules) -> Self {
        let (hub, keeper) = (Arc::clone(hub), Arc::clone(keeper));
        Self { hub, keeper, id, rules, used: AtomicU32::new(0) }
    }

    /// Whether it is a place in this line.
    pub(super) fn is_in(&self, keeper: &Arc<Keeper>) -> bool {
        Arc::ptr_eq(&self.keeper, keeper)
    }

    /// The provider took the call that passed after its pause. Says how many still wait, where that is known.
    pub(in crate::inference) async fn taken(&self) -> Option<usize> {
        self.keeper.step(&self.hub, Step::Taken(self.id), self.rules).await.map(|answer| answer.waiting)
    }

    /// The call still runs.
    pub(in crate::inference) async fn renew(&self) {
        // Should this fail, the next one may be in time.
        let _ = self.keeper.step(&self.hub, Step::Renew(self.id), self.rules).await;
    }

    /// What the call used, to be counted when it gives its place back.
    pub(in crate::inference) fn used(&self, tokens: u32) {
        self.used.store(tokens, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (hub, keeper, rules) = (Arc::clone(&self.hub), Arc::clone(&self.keeper), self.rules);
        let end = Step::End(self.id, self.used.load(Ordering::Relaxed));
        // Should this fail, the place ends with its lease.
        self.hub.tasks.spawn(async move { keeper.step(&hub, end, rules).await.map(drop) });
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Place({} {})", self.keeper.scope, self.keeper.name)
    }
}
