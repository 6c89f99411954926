//! A call that goes on at another provider: its hold pins the other price, and grows when the other is dearer.

use hub_store::StoreError;
use hub_store::holds::{self, Route};
use hub_types::{Credits, HoldId, PriceId};

use super::hold::Checkpoint;
use crate::Hub;

/// Where a hold goes.
#[derive(Debug, Clone)]
pub(crate) struct Reroute<'a> {
    /// Which.
    pub(crate) hold: HoldId,
    /// Service word of the provider.
    pub(crate) service: &'a str,
    /// The provider.
    pub(crate) provider: &'a str,
    /// Its price.
    pub(crate) price: PriceId,
    /// The most the call may cost there. A hold never shrinks.
    pub(crate) amount: Credits,
    /// What the sweeper needs to know from now on.
    pub(crate) checkpoint: &'a Checkpoint,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rerouted {
    /// The hold is the other provider's.
    Yes,
    /// The account or a budget does not allow as much; so much is held, as before.
    Short(Credits),
    /// The hold is no longer this process's.
    Lost,
}

/// Moves the hold, in one transaction with whatever more is set aside for it.
pub(crate) async fn reroute(hub: &Hub, to: &Reroute<'_>) -> Result<Rerouted, StoreError> {
    let checkpoint = serde_json::to_value(to.checkpoint).map_err(|_| StoreError::Corrupt("a checkpoint"))?;
    let route = Route {
        owner: &hub.instance,
        service: to.service,
        provider: to.provider,
        price: to.price,
        checkpoint: &checkpoint,
        at: hub.clock.now(),
    };
    // What the writer remembers of the hold is not true any more, whatever becomes of this.
    hub.ledger.forget(to.hold);
    let mut tx = hub.store.write().await?;
    let Some(hold) = holds::get(&mut tx, to.hold).await? else {
        tx.rollback().await?;
        return Ok(Rerouted::Lost);
    };
    let more = to.amount.checked_sub(hold.amount).filter(|more| more.is_positive()).unwrap_or_default();
    match holds::reroute(&mut tx, &hold, more, &route).await? {
        holds::Rerouted::Yes => {
            tx.commit().await?;
            Ok(Rerouted::Yes)
        }
        holds::Rerouted::Short => {
            tx.rollback().await?;
            Ok(Rerouted::Short(hold.amount))
        }
        holds::Rerouted::Lost => {
            tx.rollback().await?;
            Ok(Rerouted::Lost)
        }
    }
}
