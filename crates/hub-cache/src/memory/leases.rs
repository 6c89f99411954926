//! Leases: who holds which piece of work, and until when. There are few of them, so one lock is enough.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::CacheError;
use crate::stamp::expiry;

const MOST_LEASES: usize = 65_536;

#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<Box<str>, Lease>>);

struct Lease {
    owner: Box<str>,
    /// Microseconds since 1970.
    until: i64,
}

impl Leases {
    /// True when the lease was free, had run out, or was this owner's already; it then runs for `ttl` from now.
    pub(super) fn take(&self, key: &str, owner: &str, ttl: Duration, now: i64) -> Result<bool, CacheError> {
        let mut leases = self.lock();
        if leases.get(key).is_some_and(|held| held.until > now && *held.owner != *owner) {
            return Ok(false);
        }
        if leases.len() >= MOST_LEASES && !leases.contains_key(key) {
            leases.retain(|_, lease| lease.until > now);
            if leases.len() >= MOST_LEASES {
                return Err(CacheError::Full);
            }
        }
        leases.insert(key.into(), Lease { owner: owner.into(), until: expiry(now, ttl) });
        Ok(true)
    }

    /// True when this owner still holds the lease; it then runs for `ttl` from now.
    pub(super) fn renew(&self, key: &str, owner: &str, ttl: Duration, now: i64) -> bool {
        match self.lock().get_mut(key) {
            Some(held) if held.until > now && *held.owner == *owner => {
                held.until = expiry(now, ttl);
                true
            }
            _ => false,
        }
    }

    /// Frees the lease if this owner holds it.
    pub(super) fn release(&self, key: &str, owner: &str) {
        let mut leases = self.lock();
        if leases.get(key).is_some_and(|held| *held.owner == *owner) {
            leases.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
