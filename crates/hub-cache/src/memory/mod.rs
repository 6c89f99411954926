//! The cache in this process's own memory: for the embedded hub, which is one process.
//!
//! It must never grow without bound: values are evicted, least recently used first, beyond a fixed weight; windows
//! and leases are refused with [`CacheError::Full`] rather than forgotten while they still count.

mod garbage;
mod leases;
mod logs;
mod shares;
mod values;
mod windows;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use hub_types::Clock;

use crate::channels::Channels;
use crate::stamp::{micros, now_micros};
use crate::{CacheError, Room, Share, Window};

/// The in-process engine. A clone is another handle on the same state. Use it through [`crate::Cache`].
#[derive(Clone)]
pub struct MemoryCache(Arc<Parts>);

struct Parts {
    clock: Clock,
    values: values::Values,
    windows: windows::Windows,
    leases: leases::Leases,
    logs: logs::Logs,
    shares: shares::Shares,
    channels: Channels,
}

impl MemoryCache {
    pub(crate) fn new(clock: Clock) -> Self {
        Self(Arc::new(Parts {
            clock,
            values: values::Values::new(),
            windows: windows::Windows::new(),
            leases: leases::Leases::default(),
            logs: logs::Logs::new(),
            shares: shares::Shares::default(),
            channels: Channels::default(),
        }))
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.values.get(key, self.now())
    }

    pub(crate) fn put(&self, key: &str, value: &[u8], ttl: Duration) {
        self.0.values.put(key, value, ttl, self.now());
    }

    pub(crate) fn delete(&self, key: &str) {
        self.0.values.delete(key);
    }

    pub(crate) fn take(&self, key: &str) -> Option<Vec<u8>> {
        self.0.values.take(key, self.now())
    }

    pub(crate) fn claim(&self, key: &str, value: &[u8], ttl: Duration) -> bool {
        self.0.values.claim(key, value, ttl, self.now())
    }

    pub(crate) fn swap(&self, key: &str, seen: Option<&[u8]>, value: &[u8], ttl: Duration) -> bool {
        self.0.values.swap(key, seen, value, ttl, self.now())
    }

    pub(crate) fn admit(&self, key: &str, limit: u32, window: Duration) -> Result<Window, CacheError> {
        self.0.windows.admit(key, self.now(), limit, micros(window).max(1))
    }

    pub(crate) fn take_share(
        &self,
        key: &str,
        holder: &str,
        weight_and_limit: (u32, u32),
        ttl: Duration,
    ) -> Result<Share, CacheError> {
        self.0.shares.take(key, holder, weight_and_limit, ttl, self.now())
    }

    pub(crate) fn put_share(&self, key: &str, holder: &str, weight: u32, ttl: Duration) -> Result<(), CacheError> {
        self.0.shares.put(key, holder, weight, ttl, self.now())
    }

    pub(crate) fn drop_share(&self, key: &str, holder: &str) {
        self.0.shares.drop(key, holder);
    }

    pub(crate) fn lease(&self, key: &str, owner: &str, ttl: Duration) -> Result<bool, CacheError> {
        self.0.leases.take(key, owner, ttl, self.now())
    }

    pub(crate) fn renew(&self, key: &str, owner: &str, ttl: Duration) -> bool {
        self.0.leases.renew(key, owner, ttl, self.now())
    }

    pub(crate) fn release(&self, key: &str, owner: &str) {
        self.0.leases.release(key, owner);
    }

    pub(crate) fn append(&self, key: &str, items: &[Bytes], room: Room) -> bool {
        self.0.logs.append(key, items, room, self.now())
    }

    pub(crate) fn read_log(&self, key: &str, from: usize, most: usize) -> Option<Vec<Bytes>> {
        self.0.logs.read(key, from, most, self.now())
    }

    pub(crate) fn drop_log(&self, key: &str) {
        self.0.logs.drop(key);
    }

    pub(crate) fn publish(&self, channel: &str, message: &[u8]) {
        self.0.channels.publish(channel, Bytes::copy_from_slice(message));
    }

    pub(crate) fn subscribe(&self, channel: &str) -> Result<BoxStream<'static, Vec<u8>>, CacheError> {
        self.0.channels.subscribe(channel)
    }

    fn now(&self) -> i64 {
        now_micros(&self.0.clock)
    }
}
