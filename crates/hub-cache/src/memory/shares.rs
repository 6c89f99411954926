//! Shares of limits, by key and holder. Only callers with such a limit are here, so one lock is enough.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::stamp::expiry;
use crate::{CacheError, Share, share};

/// Shares in all; each is one running call, or one of the last minute.
const MOST: usize = 262_144;

#[derive(Default)]
pub(super) struct Shares(Mutex<Table>);

#[derive(Default)]
struct Table {
    keys: HashMap<Box<str>, HashMap<Box<str>, Held>>,
    count: usize,
}

#[derive(Clone, Copy)]
struct Held {
    /// Microseconds since 1970.
    end: i64,
    weight: u32,
}

impl Shares {
    pub(super) fn take(
        &self,
        key: &str,
        holder: &str,
        (weight, limit): (u32, u32),
        ttl: Duration,
        now: i64,
    ) -> Result<Share, CacheError> {
        let mut table = self.lock();
        table.sweep(key, now);
        let held = table.keys.get(key).into_iter().flatten().filter(|(other, _)| ***other != *holder);
        let others = held.map(|(_, held)| (held.end, held.weight)).collect();
        let answer = share::judge(others, now, weight, limit);
        if answer.allowed {
            table.put(key, holder, Held { end: expiry(now, ttl), weight }, now)?;
        }
        Ok(answer)
    }

    pub(super) fn put(
        &self,
        key: &str,
        holder: &str,
        weight: u32,
        ttl: Duration,
        now: i64,
    ) -> Result<(), CacheError> {
        self.lock().put(key, holder, Held { end: expiry(now, ttl), weight }, now)
    }

    pub(super) fn drop(&self, key: &str, holder: &str) {
        let mut table = self.lock();
        let Some(held) = table.keys.get_mut(key) else { return };
        let gone = usize::from(held.remove(holder).is_some());
        if held.is_empty() {
            table.keys.remove(key);
        }
        table.count -= gone;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn put(&mut self, key: &str, holder: &str, share: Held, now: i64) -> Result<(), CacheError> {
        if self.count >= MOST {
            let keys: Vec<Box<str>> = self.keys.keys().cloned().collect();
            keys.iter().for_each(|key| self.sweep(key, now));
            if self.count >= MOST {
                return Err(CacheError::Full);
            }
        }
        let new = self.keys.entry(key.into()).or_default().insert(holder.into(), share).is_none();
        self.count += usize::from(new);
        Ok(())
    }

    /// Forgets the shares of one key that have ended.
    fn sweep(&mut self, key: &str, now: i64) {
        let Some(held) = self.keys.get_mut(key) else { return };
        let before = held.len();
        held.retain(|_, share| share.end > now);
        self.count -= before - held.len();
        if held.is_empty() {
            self.keys.remove(key);
        }
    }
}
