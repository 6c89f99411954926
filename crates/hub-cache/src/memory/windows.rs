//! The sliding windows of all keys, behind sixteen locks so that busy keys do not wait for each other.
//!
//! Keys come from strangers (addresses), so the number of keys and of logged admissions is bounded. A log that still
//! counts is never dropped to make room, because that would admit more than the limit: new keys are refused instead.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::window::WindowLog;
use crate::{CacheError, Window};

const SHARDS: usize = 16;
/// 262 144 keys in all.
const KEYS_PER_SHARD: usize = 16_384;
/// 8 388 608 logged admissions in all: 64 MiB.
const ADMISSIONS_PER_SHARD: usize = 524_288;
/// The smallest number of keys worth sweeping.
const SWEEP_FROM: usize = 64;
/// A shard that is full of live logs is swept at most once in this many microseconds, or an attacker would choose
/// how much work each refusal costs.
const SWEEP_PAUSE: u64 = 1_000_000;

pub(super) struct Windows {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    logs: HashMap<Box<str>, Log>,
    admissions: usize,
    /// Sweep when this many keys are held.
    sweep_at: usize,
    swept: i64,
}

#[derive(Default)]
struct Log {
    window: WindowLog,
    /// From this moment nothing in the log counts any more.
    idle_at: i64,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: Default::default() }
    }

    pub(super) fn admit(&self, key: &str, now: i64, limit: u32, window: i64) -> Result<Window, CacheError> {
        let number = self.hasher.hash_one(key) % SHARDS as u64;
        let Some(shard) = usize::try_from(number).ok().and_then(|number| self.shards.get(number)) else {
            return Err(CacheError::Full);
        };
        shard.lock().unwrap_or_else(PoisonError::into_inner).admit(key, now, limit, window)
    }
}

impl Shard {
    fn admit(&mut self, key: &str, now: i64, limit: u32, window: i64) -> Result<Window, CacheError> {
        let known = self.logs.contains_key(key);
        if (!known && self.logs.len() >= self.sweep_at.max(SWEEP_FROM)) || self.admissions >= ADMISSIONS_PER_SHARD {
            self.sweep(now);
        }
        if (!known && self.logs.len() >= KEYS_PER_SHARD) || self.admissions >= ADMISSIONS_PER_SHARD {
            return Err(CacheError::Full);
        }
        if !known {
            self.logs.insert(key.into(), Log::default());
        }
        let Some(log) = self.logs.get_mut(key) else { return Err(CacheError::Full) };
        let before = log.window.len();
        let answer = log.window.admit(now, limit, window);
        self.admissions = (self.admissions + log.window.len()).saturating_sub(before);
        log.idle_at = log.window.newest().unwrap_or(now).saturating_add(window);
        Ok(answer)
    }

    /// Drops the logs in which nothing counts any more.
    fn sweep(&mut self, now: i64) {
        if self.logs.len() >= KEYS_PER_SHARD && self.swept.abs_diff(now) < SWEEP_PAUSE {
            return;
        }
        self.swept = now;
        self.logs.retain(|_, log| log.idle_at > now);
        self.admissions = self.logs.values().map(|log| log.window.len()).sum();
        self.sweep_at = (self.logs.len() * 2).min(KEYS_PER_SHARD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_is_refused_not_forgotten_and_room_comes_back_with_time() {
        let windows = Windows::new();
        assert!(windows.admit("victim", 0, 1, 1_000).unwrap().allowed);
        let refused = (0..SHARDS * KEYS_PER_SHARD * 2)
            .filter(|number| matches!(windows.admit(&number.to_string(), 0, 1, 1_000), Err(CacheError::Full)))
            .count();
        assert!(refused >= SHARDS * KEYS_PER_SHARD, "{refused} refused");
        assert!(!windows.admit("victim", 0, 1, 1_000).unwrap().allowed);
        assert!(windows.admit("newcomer", 2_000_000, 1, 1_000).unwrap().allowed);
    }

    #[test]
    fn idle_keys_are_swept_long_before_the_bound() {
        let windows = Windows::new();
        for number in 0..100_000_i64 {
            windows.admit(&number.to_string(), number * 1_000, 1, 1_000).unwrap();
        }
        let held: usize = windows.shards.iter().map(|shard| shard.lock().unwrap().logs.len()).sum();
        assert!(held <= SHARDS * (SWEEP_FROM + 1), "{held} held");
    }
}
