//! Logs in a bounded map: lists that only grow at their end, each with an expiry. An append is atomic per key.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::garbage::{Garbage, Kept};
use crate::log::Room;
use crate::stamp::{expiry, garbage_after};

/// Keys and items together, in bytes. The log that was used least recently makes room.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What an item costs beside its bytes, and a log beside its items: about what the map and the list keep for them.
const OVERHEAD: usize = 64;

#[derive(Clone)]
struct Log {
    items: Arc<Mutex<Vec<Bytes>>>,
    length: usize,
    bytes: usize,
    /// When it expires by the hub's clock, in microseconds since 1970.
    until: i64,
    /// How long the map may keep it at most, in real time.
    keep: Duration,
}

impl Kept for Log {
    fn keep(&self) -> Duration {
        self.keep
    }
}

pub(super) struct Logs(Cache<String, Log>);

impl Logs {
    pub(super) fn new() -> Self {
        let weight = |key: &String, log: &Log| {
            u32::try_from(key.len() + log.bytes + (log.length + 2) * OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(
            Cache::builder()
                .max_capacity(MOST_BYTES)
                .weigher(weight)
                .eviction_policy(EvictionPolicy::lru())
                .expire_after(Garbage)
                .build(),
        )
    }

    pub(super) fn append(&self, key: &str, items: &[Bytes], room: Room, now: i64) -> bool {
        let appended = self.0.entry_by_ref(key).and_compute_with(|entry| {
            let held = entry.map(moka::Entry::into_value).filter(|log| log.until > now);
            let (length, bytes) = held.as_ref().map_or((0, 0), |log| (log.length, log.bytes));
            let bytes = bytes + items.iter().map(Bytes::len).sum::<usize>();
            if length != room.at || bytes > room.most_bytes {
                return Op::Nop;
            }
            let list = held.map_or_else(Arc::default, |log| log.items);
            list.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(items);
            Op::Put(Log {
                items: list,
                length: length + items.len(),
                bytes,
                until: expiry(now, room.ttl),
                keep: garbage_after(room.ttl),
            })
        });
        matches!(appended, CompResult::Inserted(_) | CompResult::ReplacedWith(_))
    }

    pub(super) fn read(&self, key: &str, from: usize, most: usize, now: i64) -> Option<Vec<Bytes>> {
        let log = self.0.get(key).filter(|log| log.until > now)?;
        let items = log.items.lock().unwrap_or_else(PoisonError::into_inner);
        Some(items.iter().skip(from).take(most).cloned().collect())
    }

    pub(super) fn drop(&self, key: &str) {
        self.0.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_bounded_and_the_newest_log_always_comes_in() {
        let logs = Logs::new();
        let megabyte = [Bytes::from(vec![0; 1024 * 1024])];
        let room = |at| Room { at, most_bytes: usize::MAX, ttl: Duration::from_mins(1) };
        for number in 0..100 {
            let key = format!("key {number}");
            assert!(logs.append(&key, &megabyte, room(0), 0) && logs.append(&key, &megabyte, room(1), 0));
            logs.0.run_pending_tasks();
            assert_eq!(logs.read(&key, 0, 9, 0).unwrap().len(), 2);
        }
        assert!(logs.0.weighted_size() <= MOST_BYTES);
        assert!(logs.read("key 0", 0, 1, 0).is_none());
        assert!(!logs.append("key 0", &megabyte, room(2), 0), "what was thrown away does not begin in its middle");
    }
}
