//! Moments that all processes should know of: kept in the cache, remembered here for a second, so that a call costs no round trip.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hub_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Hub;

/// For how long what another process did may go unnoticed.
const MEMORY: chrono::Duration = chrono::Duration::seconds(1);

/// Something lasts until a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Until {
    pub(in super::super) until: Timestamp,
}

impl Until {
    /// How long still; `None` when it is over.
    pub(in super::super) fn left(self, now: Timestamp) -> Option<Duration> {
        (self.until - now).to_std().ok().filter(|left| !left.is_zero())
    }
}

/// What the cache said, and when it was asked; one entry for each provider and credential, and as many for pauses.
#[derive(Debug, Default)]
pub(in super::super) struct Memory(Mutex<HashMap<String, (Timestamp, Option<Until>)>>);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Timestamp, Option<Until>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known under this key, at most a second old.
pub(in super::super) async fn get(hub: &Hub, key: &str) -> Option<Until> {
    let now = hub.clock.now();
    let known = hub.routing.memory.lock().get(key).copied();
    if let Some((at, found)) = known
        && now - at < MEMORY
    {
        return found;
    }
    let found = match hub.cache.get_json::<Until>(key).await {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "the cache is gone, breakers are this process's own");
            hub.local.get_json(key).await.ok().flatten()
        }
    };
    hub.routing.memory.lock().insert(key.to_owned(), (now, found));
    found
}

/// Tells everybody.
pub(in super::super) async fn put(hub: &Hub, key: &str, until: Until, ttl: Duration) {
    hub.routing.memory.lock().insert(key.to_owned(), (hub.clock.now(), Some(until)));
    // Whom the cache does not tell finds out by calls that fail.
    if hub.cache.put_json(key, &until, ttl).await.is_err() {
        drop(hub.local.put_json(key, &until, ttl).await);
    }
}

/// Takes it back.
pub(in super::super) async fn forget(hub: &Hub, key: &str) {
    hub.routing.memory.lock().insert(key.to_owned(), (hub.clock.now(), None));
    release(hub, key).await;
}

/// Takes the key for `ttl` when nobody has it.
pub(super) async fn claim(hub: &Hub, key: &str, ttl: Duration) -> bool {
    match hub.cache.claim(key, hub.instance.as_bytes(), ttl).await {
        Ok(ours) => ours,
        // What no cache can tell stops no call.
        Err(_) => hub.local.claim(key, hub.instance.as_bytes(), ttl).await.unwrap_or(true),
    }
}

/// Gives a claimed key back.
pub(super) async fn release(hub: &Hub, key: &str) {
    if hub.cache.delete(key).await.is_err() {
        drop(hub.local.delete(key).await);
    }
}
