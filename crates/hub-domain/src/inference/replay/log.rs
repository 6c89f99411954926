//! Writing a log: a task of its own that takes what has come meanwhile and appends it at once, so that a slow cache costs fewer and larger
//! appends instead of a slower stream.

use std::sync::Arc;
use std::time::Duration;

use hub_cache::Room;
use hub_types::HoldId;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::entry::{Entry, Preface};
use super::log_key;
use crate::Hub;

/// Events that may wait for the cache. Beyond it the log is given up, not the stream.
const WAITING: usize = 1024;
/// Events appended at once.
const BATCH: usize = 128;
/// Life of a log while its stream runs: so long a reader waits for one whose process died.
const LIVE: Duration = Duration::from_mins(1);
/// A stream that is silent prolongs its log this often.
const RENEW: Duration = Duration::from_secs(20);

/// The recorder's end of a log.
pub(super) struct Log {
    entries: Option<mpsc::Sender<Entry>>,
    /// Bytes that still fit into the log; what does not is not kept waiting for it either.
    left: usize,
}

impl Log {
    /// Begins the log of a stream. Without a cache, or where the settings keep nothing, there is none.
    pub(super) async fn begin(hub: &Arc<Hub>, stream: HoldId, preface: &Preface) -> Self {
        if hub.settings.inference.resume().is_zero() {
            return Self::none();
        }
        let first = Entry::preface(preface);
        let mut writer = Writer { hub: Arc::clone(hub), key: log_key(stream), at: 0 };
        if !writer.append(std::slice::from_ref(&first), LIVE).await {
            return Self::none();
        }
        let (entries, received) = mpsc::channel(WAITING);
        hub.tasks.spawn(writer.run(first, received));
        Self { entries: Some(entries), left: hub.settings.inference.resume_max_bytes }
    }

    const fn none() -> Self {
        Self { entries: None, left: 0 }
    }

    /// True while the stream can be read again.
    pub(super) const fn kept(&self) -> bool {
        self.entries.is_some()
    }

    /// Notes an event. Never waits.
    pub(super) fn push(&mut self, entry: Entry) {
        let Some(entries) = &self.entries else { return };
        let left = self.left.checked_sub(entry.len());
        if left.is_none() || entries.try_send(entry).is_err() {
            self.entries = None;
        }
        self.left = left.unwrap_or_default();
    }
}

/// The task's side.
struct Writer {
    hub: Arc<Hub>,
    key: String,
    /// Items in the log.
    at: usize,
}

impl Writer {
    async fn run(mut self, preface: Entry, mut entries: mpsc::Receiver<Entry>) {
        let mut batch = Vec::new();
        loop {
            batch.clear();
            let ended = match timeout(RENEW, entries.recv_many(&mut batch, BATCH)).await {
                // The recorder gave up, or died, without an end.
                Ok(0) => return self.give_up(preface).await,
                Ok(_) => batch.last().is_some_and(Entry::ends),
                Err(_) => false,
            };
            let life = if ended { self.hub.settings.inference.resume() } else { LIVE };
            if !self.append(&batch, life).await {
                return self.give_up(preface).await;
            }
            if ended {
                return;
            }
        }
    }

    /// Appends and tells readers. `false`: the log has no room, is gone, or the cache does not answer.
    async fn append(&mut self, entries: &[Entry], life: Duration) -> bool {
        let items: Vec<_> = entries.iter().map(Entry::encode).collect();
        let most_bytes = self.hub.settings.inference.resume_max_bytes;
        let room = Room { at: self.at, most_bytes, ttl: life };
        match self.hub.cache.append(&self.key, &items, room).await {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                tracing::warn!(key = self.key, %error, "a stream cannot be kept");
                return false;
            }
        }
        self.at += items.len();
        // A lost message costs readers a second: they look by themselves, too.
        let _ = self.hub.cache.publish(&self.key, b"").await;
        true
    }

    /// Leaves only the word that there is nothing to read any more.
    async fn give_up(mut self, preface: Entry) {
        let life = self.hub.settings.inference.resume();
        if self.hub.cache.drop_log(&self.key).await.is_ok() {
            self.at = 0;
            self.append(&[preface, Entry::Lost], life).await;
        }
    }
}
