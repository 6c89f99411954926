//! Values with an expiry, in a bounded map. Reading and removing one key is atomic; so is putting if absent.

use std::sync::Arc;
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::garbage::{Garbage, Kept};
use crate::stamp::{expiry, garbage_after};

/// Keys and values together, in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What an entry costs beside its key and value: about what the map itself keeps for it.
const OVERHEAD: usize = 160;

#[derive(Clone)]
struct Value {
    bytes: Arc<[u8]>,
    /// When it expires by the hub's clock, in microseconds since 1970.
    until: i64,
    /// How long the map may keep it at most, in real time.
    keep: Duration,
}

impl Kept for Value {
    fn keep(&self) -> Duration {
        self.keep
    }
}

pub(super) struct Values(Cache<String, Value>);

impl Values {
    pub(super) fn new() -> Self {
        let weight =
            |key: &String, value: &Value| u32::try_from(key.len() + value.bytes.len() + OVERHEAD).unwrap_or(u32::MAX);
        // The default policy may refuse a new entry in favour of a popular old one. A one-time secret is new and is
        // read once, so here the newest always comes in.
        Self(
            Cache::builder()
                .max_capacity(MOST_BYTES)
                .weigher(weight)
                .eviction_policy(EvictionPolicy::lru())
                .expire_after(Garbage)
                .build(),
        )
    }

    pub(super) fn get(&self, key: &str, now: i64) -> Option<Vec<u8>> {
        self.0.get(key).filter(|value| value.until > now).map(|value| value.bytes.to_vec())
    }

    pub(super) fn put(&self, key: &str, value: &[u8], ttl: Duration, now: i64) {
        self.0.insert(key.to_owned(), Value::new(value, ttl, now));
    }

    pub(super) fn delete(&self, key: &str) {
        self.0.invalidate(key);
    }

    pub(super) fn take(&self, key: &str, now: i64) -> Option<Vec<u8>> {
        match self.0.entry_by_ref(key).and_compute_with(|entry| entry.map_or(Op::Nop, |_| Op::Remove)) {
            CompResult::Removed(entry) => {
                let value = entry.into_value();
                (value.until > now).then(|| value.bytes.to_vec())
            }
            _ => None,
        }
    }

    pub(super) fn claim(&self, key: &str, value: &[u8], ttl: Duration, now: i64) -> bool {
        let claimed = self.0.entry_by_ref(key).and_compute_with(|entry| match entry {
            Some(held) if held.value().until > now => Op::Nop,
            _ => Op::Put(Value::new(value, ttl, now)),
        });
        matches!(claimed, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }

    pub(super) fn swap(&self, key: &str, seen: Option<&[u8]>, value: &[u8], ttl: Duration, now: i64) -> bool {
        let swapped = self.0.entry_by_ref(key).and_compute_with(|entry| {
            let live = entry.as_ref().map(moka::Entry::value).filter(|held| held.until > now);
            if live.map(|held| &*held.bytes) == seen { Op::Put(Value::new(value, ttl, now)) } else { Op::Nop }
        });
        matches!(swapped, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }
}

impl Value {
    fn new(bytes: &[u8], ttl: Duration, now: i64) -> Self {
        Self { bytes: bytes.into(), until: expiry(now, ttl), keep: garbage_after(ttl) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_bounded_and_the_newest_value_always_comes_in() {
        let values = Values::new();
        let megabyte = vec![0; 1024 * 1024];
        for number in 0..200 {
            values.put(&format!("key {number}"), &megabyte, Duration::from_mins(1), 0);
            values.0.run_pending_tasks();
            assert!(values.get(&format!("key {number}"), 0).is_some());
        }
        assert!(values.0.weighted_size() <= MOST_BYTES);
        assert!(values.get("key 0", 0).is_none());
    }
}
