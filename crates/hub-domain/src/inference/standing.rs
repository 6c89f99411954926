//! Whether the caller of a running stream may still make it: a credential that was taken back ends what runs on it, whatever the wire.

use std::time::Duration;

use hub_types::{Caller, Permission};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::Hub;
use crate::access::{self, AccessError};

/// How often it is asked. With the time of one look a change acts within two seconds.
const EVERY: Duration = Duration::from_millis(1500);
/// How long one look may take; a stream never waits longer for it, and the next look decides.
const LOOK: Duration = Duration::from_millis(250);

/// Asks now and then, for one stream.
pub(super) struct Standing<'a> {
    caller: &'a Caller,
    model: &'a str,
    looks: Interval,
}

impl<'a> Standing<'a> {
    /// Of this caller, who uses this model.
    pub(super) fn of(caller: &'a Caller, model: &'a str) -> Self {
        let mut looks = interval_at(Instant::now() + EVERY, EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { caller, model, looks }
    }

    /// Comes when it is time to look. Can be dropped and asked for again.
    pub(super) async fn due(&mut self) {
        self.looks.tick().await;
    }

    /// True when the credential no longer counts, or no longer for this. What nobody can tell is not a loss: a database that is away must
    /// not break every stream.
    pub(super) async fn is_lost(&self, hub: &Hub) -> bool {
        match timeout(LOOK, access::recheck(hub, self.caller)).await {
            Ok(Ok(now)) => !now.may(Permission::InferenceCreate) || !allows(&now, self.model),
            Ok(Err(AccessError::Invalid)) => true,
            Ok(Err(AccessError::Store(_))) | Err(_) => false,
        }
    }
}

/// True where the caller's list of models, if there is one, names this one.
pub(super) fn allows(caller: &Caller, model: &str) -> bool {
    caller.models.is_empty() || caller.models.iter().any(|name| name == model)
}
