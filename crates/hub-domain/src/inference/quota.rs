//! Tokens per minute and calls at the same time: of the key's line and of the user, as was set for them or for their role. Exact across processes, because they are
//! counted in the shared cache; while that is gone each process counts for itself.
//!
//! A call reserves the most tokens it may use and, when it is over, counts what it used for a minute. What a dying process reserved ends
//! with the lease of its hold. Without such limits nothing is asked and nothing is kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hub_cache::{Cache, Share};
use hub_types::{Caller, HoldId};

use super::queue::Place;
use crate::Hub;

/// How long used tokens count.
const WINDOW: Duration = Duration::from_mins(1);

/// A limit of calls that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// `tokens_per_minute` or `concurrent_calls`.
    pub gate: &'static str,
    /// `key` or `user`.
    pub scope: &'static str,
    /// The limit.
    pub limit: u32,
    /// What other calls use of it now.
    pub used: u64,
    /// What this call would need at most.
    pub needed: u32,
    /// When it may be worth trying again.
    pub retry_after: Duration,
}

impl Limited {
    /// What is left of the limit.
    pub(super) fn remaining(&self) -> i64 {
        i64::try_from(u64::from(self.limit).saturating_sub(self.used)).unwrap_or(0)
    }
}

/// What one call has of its limits.
#[derive(Debug)]
pub(super) struct Quota {
    holder: String,
    tokens: Vec<Gate>,
    calls: Vec<Gate>,
    /// Reserved in every gate of `tokens`.
    reserved: u32,
    lease: Duration,
    /// Its places in the queues of provider and model.
    places: Mutex<Vec<Place>>,
}

#[derive(Debug)]
struct Gate {
    name: &'static str,
    scope: &'static str,
    key: String,
    limit: u32,
}

impl Quota {
    /// The limits that bind a call of this caller; nothing is taken yet.
    pub(super) fn of(hub: &Hub, caller: &Caller, id: HoldId) -> Self {
        let role = hub.settings.limits.roles.of(caller.tier);
        let line = caller.line.map(|line| (line.id, line.limits));
        let gates = |name: &'static str, of_line: Option<u32>, of_user: u32| {
            let key = line.zip(of_line).map(|((line, _), limit)| (format!("{name}:key:{line}"), "key", limit));
            let user = (of_user > 0).then(|| (format!("{name}:user:{}", caller.user), "user", of_user));
            key.into_iter().chain(user).map(|(key, scope, limit)| Gate { name, scope, key, limit }).collect()
        };
        let limits = line.map(|(_, limits)| limits).unwrap_or_default();
        let tokens = caller.limits.tokens_per_minute.unwrap_or(role.tokens_per_minute);
        let calls = caller.limits.concurrent_calls.unwrap_or(role.concurrent_calls);
        Self {
            holder: id.to_string(),
            tokens: gates("tokens_per_minute", limits.tokens_per_minute, tokens),
            calls: gates("concurrent_calls", limits.concurrent_calls, calls),
            reserved: 0,
            lease: hub.settings.credits.lease(),
            places: Mutex::default(),
        }
    }

    /// Takes a place among the calls that run.
    pub(super) async fn enter(&self, hub: &Hub) -> Result<(), Limited> {
        self.take(hub, &self.calls, 1).await
    }

    /// Reserves this many tokens in place of what was reserved before.
    pub(super) async fn reserve(&mut self, hub: &Hub, tokens: i64) -> Result<(), Limited> {
        self.reserved = u32::try_from(tokens.max(0)).unwrap_or(u32::MAX);
        self.take(hub, &self.tokens, self.reserved).await
    }

    /// The most tokens the call may use.
    pub(super) const fn reserved(&self) -> u32 {
        self.reserved
    }

    /// Keeps the places in queues until the call is over.
    pub(super) fn stand(&self, places: Vec<Place>) {
        *self.places() = places;
    }

    /// Hands the places in queues out; they are given back unless somebody keeps them.
    pub(super) fn stood(&self) -> Vec<Place> {
        std::mem::take(&mut *self.places())
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was taken for another lease.
    pub(super) async fn renew(&self, hub: &Hub) {
        for (gates, weight) in [(&self.tokens, self.reserved), (&self.calls, 1)] {
            for gate in gates {
                put(hub, &gate.key, &self.holder, weight, self.lease).await;
            }
        }
        let places = self.stood();
        for place in &places {
            place.renew().await;
        }
        self.stand(places);
    }

    /// The call is over: gives its place back and counts the tokens it used.
    pub(super) async fn end(&self, hub: &Hub, tokens: i64) {
        let used = u32::try_from(tokens.max(0)).unwrap_or(u32::MAX);
        for place in self.stood() {
            place.used(used);
        }
        for gate in &self.tokens {
            if used > 0 {
                put(hub, &gate.key, &self.holder, used, WINDOW).await;
            } else {
                give_back(hub, &gate.key, &self.holder).await;
            }
        }
        for gate in &self.calls {
            give_back(hub, &gate.key, &self.holder).await;
        }
    }

    /// All of the gates or none.
    async fn take(&self, hub: &Hub, gates: &[Gate], weight: u32) -> Result<(), Limited> {
        for (index, gate) in gates.iter().enumerate() {
            let Some(share) = take(hub, gate, &self.holder, weight, self.lease).await.filter(|share| !share.allowed)
            else {
                continue;
            };
            for taken in gates.iter().take(index + 1) {
                give_back(hub, &taken.key, &self.holder).await;
            }
            return Err(Limited {
                gate: gate.name,
                scope: gate.scope,
                limit: gate.limit,
                used: share.used,
                needed: weight,
                // Calls give their places back when they end, mostly long before their lease.
                retry_after: if gate.name == "concurrent_calls" { Duration::from_secs(1) } else { share.reset },
            });
        }
        Ok(())
    }
}

/// `None`: neither cache can tell; the call goes on, as with the windows of requests.
async fn take(hub: &Hub, gate: &Gate, holder: &str, weight: u32, lease: Duration) -> Option<Share> {
    let take = async |cache: &Cache| cache.take_share(&gate.key, holder, weight, gate.limit, lease).await;
    match take(&hub.cache).await {
        Ok(share) => Some(share),
        Err(error) => {
            tracing::warn!(%error, "the cache is gone, limits are counted per process");
            take(&hub.local).await.ok()
        }
    }
}

/// What was counted here while the cache was away is corrected here as well; what cannot be written ends by itself.
async fn put(hub: &Hub, key: &str, holder: &str, weight: u32, ttl: Duration) {
    if hub.cache.put_share(key, holder, weight, ttl).await.is_err() {
        drop(hub.local.put_share(key, holder, weight, ttl).await);
    }
}

async fn give_back(hub: &Hub, key: &str, holder: &str) {
    if hub.cache.drop_share(key, holder).await.is_err() {
        drop(hub.local.drop_share(key, holder).await);
    }
}
