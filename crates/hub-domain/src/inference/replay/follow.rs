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
use crate::inference::standing::allows;
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

/// Why a reading ends before the stream's last event. Whoever reads must be told: half an answer that ends well looks like a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The stream itself was ended before its last event: its call was hung up on.
    #[error("the stream was ended before its last event")]
    Cut,
    /// It was larger than what is kept, or the cache lost it.
    #[error("the stream is not kept any more")]
    Lost,
    /// The stream has no event at the place that was asked for.
    #[error("the stream has no such event")]
    Beyond,
    /// The cache does not answer.
    #[error("the stream cannot be read now")]
    Away,
    /// This process stops; another one goes on reading.
    #[error("this process stops")]
    Stopping,
    /// The reader's credential was taken back, or may no longer read this.
    #[error("the reader may not read the stream any more")]
    Revoked,
}

/// Why a stream is not read again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The caller lacks the permission.
    #[error("the caller may not call models")]
    Denied(#[from] Denied),
    /// There is no such stream of this caller, its model is not for the caller's key, or its time is over.
    #[error("there is no such stream")]
    NotFound,
    /// Nothing of it can be read.
    #[error("nothing of the stream can be read")]
    Interrupted(#[from] Interrupted),
    /// The cache does not answer.
    #[error("the cache failed")]
    Cache(#[from] CacheError),
}

/// A stream that is read again.
pub struct Followed {
    /// What was known of it at the start.
    pub preface: Preface,
    /// The events after the place that was asked for. It ends after the stream's last event, or with the reason why it ends earlier. Of a
    /// socket's stream whose last event the reader has already, it is that event once more: every request ends with one.
    pub events: BoxStream<'static, Result<Bytes, Interrupted>>,
}

/// Reads the caller's own stream from after this event on, on whatever process it runs.
pub async fn follow(hub: &Arc<Hub>, caller: &Caller, after: EventId, form: Form) -> Result<Followed, ResumeError> {
    rbac::require(caller, Permission::InferenceCreate)?;
    let key = log_key(after.stream);
    let head = hub.cache.read_log(&key, 0, 1).await?.unwrap_or_default();
    let Some(Some(Entry::Preface(preface))) = head.first().map(Entry::decode) else {
        return Err(ResumeError::NotFound);
    };
    let preface: Preface = serde_json::from_slice(&preface).map_err(|_| ResumeError::NotFound)?;
    if preface.user != caller.user || preface.form != form || !allows(caller, &preface.model) {
        return Err(ResumeError::NotFound);
    }
    let mut reader = Reader {
        hub: Arc::clone(hub),
        after,
        // Without messages it still looks by itself.
        growth: hub.cache.subscribe(&key).await.ok(),
        key,
        caller: caller.clone(),
        model: preface.model.clone(),
        form,
        checked: Instant::now(),
        at: usize::try_from(after.number).unwrap_or(usize::MAX).saturating_add(1),
        ready: VecDeque::new(),
        ended: false,
        vain: 0,
        seen: None,
    };
    // What is known to be no answer is refused, as long as nothing has been said.
    reader.look().await?;
    match reader.ready.front() {
        Some(Entry::Cut) => return Err(Interrupted::Cut.into()),
        Some(Entry::Lost) => return Err(Interrupted::Lost.into()),
        _ => {}
    }
    let events = stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.event().await {
            Ok(event) => event.map(|event| (Ok(event), Some(reader))),
            Err(interrupted) => Some((Err(interrupted), None)),
        }
    });
    Ok(Followed { preface, events: events.boxed() })
}

struct Reader {
    hub: Arc<Hub>,
    after: EventId,
    key: String,
    caller: Caller,
    /// The model of the call.
    model: String,
    form: Form,
    /// When the caller was last known to be one.
    checked: Instant,
    growth: Option<BoxStream<'static, Vec<u8>>>,
    /// Place of the next entry in the log; the preface is at 0.
    at: usize,
    ready: VecDeque<Entry>,
    /// Nothing comes after what is ready.
    ended: bool,
    vain: u32,
    /// When the recorder was last told that somebody reads.
    seen: Option<Instant>,
}

impl Reader {
    /// The next event; `None` after the last one.
    async fn event(&mut self) -> Result<Option<Bytes>, Interrupted> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.at += 1;
                return match entry {
                    Entry::Event(bytes) => Ok(Some(bytes)),
                    Entry::Last(bytes) => {
                        self.ended = true;
                        Ok(Some(bytes))
                    }
                    Entry::Cut => Err(Interrupted::Cut),
                    Entry::Preface(_) | Entry::Lost => Err(Interrupted::Lost),
                };
            }
            if self.ended {
                return Ok(None);
            }
            self.say_so().await;
            if self.is_revoked().await {
                return Err(Interrupted::Revoked);
            }
            self.forget_words();
            self.look().await?;
            if self.ready.is_empty() && !self.ended && !self.wait().await {
                return Err(Interrupted::Stopping);
            }
        }
    }

    /// Reads what there is now. The entry before is read, too: it tells a place at the end from one beyond it.
    async fn look(&mut self) -> Result<(), Interrupted> {
        let items = match self.hub.cache.read_log(&self.key, self.at - 1, BATCH + 1).await {
            Ok(items) => items.ok_or(Interrupted::Lost)?,
            Err(_) => return self.in_vain(Interrupted::Away),
        };
        let entries = items.iter().map(Entry::decode).collect::<Option<VecDeque<_>>>();
        let mut entries = entries.ok_or(Interrupted::Lost)?;
        match entries.pop_front() {
            None => {
                // A log that was given up meanwhile is shorter than it was.
                let head = self.hub.cache.read_log(&self.key, 1, 1).await.ok().flatten().unwrap_or_default();
                if matches!(head.first().map(Entry::decode), Some(Some(Entry::Lost))) {
                    return Err(Interrupted::Lost);
                }
                return self.in_vain(Interrupted::Beyond);
            }
            Some(Entry::Lost) => return Err(Interrupted::Lost),
            Some(Entry::Cut) => return Err(Interrupted::Beyond),
            Some(last @ Entry::Last(_)) => {
                self.ended = true;
                if self.form == Form::Socket {
                    self.ready.push_back(last);
                }
            }
            Some(Entry::Preface(_) | Entry::Event(_)) => self.ready = entries,
        }
        self.vain = 0;
        Ok(())
    }

    /// Counts a look that showed nothing; after too many of them the reading ends for this reason.
    fn in_vain(&mut self, why: Interrupted) -> Result<(), Interrupted> {
        self.vain += 1;
        if self.vain < MOST_VAIN { Ok(()) } else { Err(why) }
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

    /// True when the credential of this reading was taken back, or is no longer for this. What nobody can tell ends nothing.
    async fn is_revoked(&mut self) -> bool {
        if self.checked.elapsed() < RECHECK {
            return false;
        }
        self.checked = Instant::now();
        match access::recheck(&self.hub, &self.caller).await {
            Ok(now) => !now.may(Permission::InferenceCreate) || !allows(&now, &self.model),
            Err(AccessError::Invalid) => true,
            Err(AccessError::Store(_)) => false,
        }
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
