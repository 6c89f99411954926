//! When the maps may forget an entry: real time, for collecting garbage only. Whether an entry still counts is asked of the hub's clock.

use std::time::{Duration, Instant};

use moka::Expiry;

/// An entry that knows how long its map may keep it at most.
pub(super) trait Kept {
    /// In real time, from the moment it was put.
    fn keep(&self) -> Duration;
}

/// Every put starts a new life.
pub(super) struct Garbage;

impl<V: Kept> Expiry<String, V> for Garbage {
    fn expire_after_create(&self, _: &String, entry: &V, _: Instant) -> Option<Duration> {
        Some(entry.keep())
    }

    fn expire_after_update(&self, _: &String, entry: &V, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.keep())
    }
}
