//! Reading a log: what is there from a place on, then what comes, to the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use hub_cache::CacheError;
use hub_types::{Caller, Permission};
use tokio::time::{Instant, sleep};

use super::entry::{Entry, Preface};
use super::{EventId, Form, log_key, reader_key};
use crate::access::{self, AccessError};
use crate::rbac::Denied;
use crate::{Hub, rbac};

/// Entries read at once.
const BATCH: usize = 128;
/// Without a word about growth a reader looks this often.
const LOOK: Duration = Duration::from_secs(1);
/// While it waits, the credential is asked about this often.
const RECHECK: Duration = Duration::from_millis(1500);
/// Looks in vain after which a place beyond the end, or a cache that does not answer, ends the reading.
const MOST_VAIN: u32 = 10;

/// Why a stream is not read again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The caller lacks the permission.
    #[error("the caller may not call models")]
    Denied(#[from] Denied),
    /// There is no such stream of this caller, or its time is over.
    #[error("there is no such stream")]
    NotFound,
    /// It was larger than what is kept, or the cache lost it.
    #[error("the stream is not kept any more")]
    Lost,
    /// The cache does not answer.
    #[error("the cache failed")]
    Cache(#[from] CacheError),
}

/// A stream that is read again.
pub struct Followed {
    /// What was known of it at the start.
    pub preface: Preface,
    /// The events after the place that was asked for. It ends with the stream, or earlier when the process stops or the log is lost; the
    /// reader then asks again from where it is.
    pub events: BoxStream<'static, Bytes>,
}

/// Reads the caller's own stream from after this event on, on whatever process it runs.
pub async fn follow(hub: &Arc<Hub>, caller: &Caller, after: EventId, form: Form) -> Result<Followed, ResumeError> {
    rbac::require(caller, Permission::InferenceCreate)?;
    let key = log_key(after.stream);
    let head = hub.cache.read_log(&key, 0, 2).await?.unwrap_or_default();
    let mut head = head.iter().map(Entry::decode);
    let Some(Some(Entry::Preface(preface))) = head.next() else { return Err(ResumeError::NotFound) };
    let preface: Preface = serde_json::from_slice(&preface).map_err(|_| ResumeError::NotFound)?;
    if preface.user != caller.user || preface.form != form {
        return Err(ResumeError::NotFound);
    }
    if matches!(head.next(), Some(Some(Entry::Lost))) {
        return Err(ResumeError::Lost);
    }
    let reader = Reader {
        hub: Arc::clone(hub),
        after,
        // Without messages it still looks by itself.
        growth: hub.cache.subscribe(&key).await.ok(),
        key,
        caller: caller.clone(),
        checked: Instant::now(),
        at: usize::try_from(after.number).unwrap_or(usize::MAX).saturating_add(1),
        ready: VecDeque::new(),
        ended: false,
        vain: 0,
        seen: None,
    };
    let events = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) }).boxed();
    Ok(Followed { preface, events })
}

struct Reader {
    hub: Arc<Hub>,
    after: EventId,
    key: String,
    caller: Caller,
    /// When the caller was last known to be one.
    checked: Instant,
    growth: Option<BoxStream<'static, Vec<u8>>>,
    /// Place of the next entry in the log; the preface is at 0.
    at: usize,
    ready: VecDeque<Entry>,
    ended: bool,
    vain: u32,
    /// When the recorder was last told that somebody reads.
    seen: Option<Instant>,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.at += 1;
                self.ended = entry.ends();
                match entry {
                    Entry::Event(bytes) | Entry::Last(bytes) => return Some(bytes),
                    Entry::Preface(_) | Entry::Cut | Entry::Lost => return None,
                }
            }
            if self.ended {
                return None;
            }
            self.say_so().await;
            if self.is_revoked().await {
                return None;
            }
            self.forget_words();
            // The entry before is read, too: it tells a place at the end from one beyond it.
            match self.hub.cache.read_log(&self.key, self.at - 1, BATCH + 1).await {
                Ok(None) => return None,
                Ok(Some(items)) if items.is_empty() => self.vain += 1,
                Err(_) => self.vain += 1,
                Ok(Some(items)) => {
                    self.vain = 0;
                    let mut entries = items.iter().map(Entry::decode);
                    if entries.next()??.ends() {
                        return None;
                    }
                    self.ready = entries.collect::<Option<_>>()?;
                }
            }
            if self.vain >= MOST_VAIN {
                return None;
            }
            if self.ready.is_empty() && !self.wait().await {
                return None;
            }
        }
    }

    /// What was told up to now is seen by the next look.
    fn forget_words(&mut self) {
        if let Some(growth) = &mut self.growth {
            while let Some(Some(_)) = growth.next().now_or_never() {}
        }
    }

    /// Waits for growth. `false`: this process stops.
    async fn wait(&mut self) -> bool {
        let grown = async {
            match &mut self.growth {
                Some(growth) => growth.next().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.hub.tasks.stop().cancelled() => return false,
            () = sleep(LOOK) => {}
            there = grown => if !there {
                self.growth = None;
            },
        }
        true
    }

    /// True when the credential of this reading was taken back. What nobody can tell ends nothing.
    async fn is_revoked(&mut self) -> bool {
        if self.checked.elapsed() < RECHECK {
            return false;
        }
        self.checked = Instant::now();
        matches!(access::recheck(&self.hub, &self.caller).await, Err(AccessError::Invalid))
    }

    /// Tells the recorder now and then that somebody reads, so that it goes on.
    async fn say_so(&mut self) {
        let grace = self.hub.settings.inference.resume_grace().max(Duration::from_secs(1));
        if self.seen.is_some_and(|seen| seen.elapsed() < grace / 3) {
            return;
        }
        self.seen = Some(Instant::now());
        let _ = self.hub.cache.put(&reader_key(self.after.stream), b"", grace).await;
    }
}
