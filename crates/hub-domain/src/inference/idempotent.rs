//! Calls with the caller's own key: a repetition gets the answer of the first, or its live stream, and only one call is made and paid.
//!
//! The row in the database decides who calls, so money does not depend on the cache. Who holds the row renews a lease; when its process dies
//! the lease runs out and a repetition calls again, while the sweeper settles what the first call had consumed. A call that was not charged
//! gives the key back. Answers are sealed at rest.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_store::StoreError;
use hub_store::idempotency::{self, Answer, Held, NewClaim, Stored};
use hub_types::{Caller, HoldId, Permission, UserId, random_bytes};
use tokio::time::{Instant, interval_at, sleep};

use super::replay::Ended;
use super::{InferenceError, standing};
use crate::sessions::sha256;
use crate::{Hub, rbac};

/// Pauses between looks at a call that somebody else runs: the first, and the longest.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_secs(1);
/// The longest pause between tries to store an answer while the database is away, and how often it is tried: for about a day.
const MOST_PAUSE: Duration = Duration::from_secs(20);
const TRIES: u32 = 4_000;

/// What the caller names by its key.
#[derive(Debug, Clone)]
pub struct Act {
    key: String,
    route: &'static str,
    model: String,
    fingerprint: [u8; 32],
}

impl Act {
    /// The act of sending this body, which asks for this model, to this route.
    pub fn new(key: String, route: &'static str, model: &str, body: &[u8]) -> Self {
        Self { key, route, model: model.to_owned(), fingerprint: sha256(body) }
    }
}

/// What is to be done about an act.
pub enum Begun {
    /// It is the first: call, and end the claim.
    Ours(Claim),
    /// It was answered.
    Answered(Kept),
    /// It is being answered by this stream.
    Streaming(HoldId),
    /// It is being done, and cannot be read along.
    Running,
    /// The key names another act.
    Conflict,
}

/// An answer as it was given.
#[derive(Debug, Clone)]
pub struct Kept {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The receipt of the call.
    pub receipt: HoldId,
    /// The body; `None` when it was too large to be kept.
    pub body: Option<Bytes>,
}

/// Begins an act: of any number of repetitions, in any number of processes, one gets the claim. The others wait for its answer, or its
/// stream, as long as the settings say.
pub async fn begin(hub: &Arc<Hub>, caller: &Caller, act: &Act) -> Result<Begun, InferenceError> {
    rbac::require(caller, Permission::InferenceCreate)?;
    // The keys of one person share their answers, so each is asked what it may use before it is told of one.
    if !standing::allows(caller, &act.model) {
        return Err(InferenceError::ModelNotFound { model: act.model.clone() });
    }
    let until = Instant::now() + hub.settings.inference.repetition();
    loop {
        let begun = attempt(hub, caller, act).await?;
        if !matches!(begun, Begun::Running) || !has_moved(hub, caller.user, &act.key, until).await? {
            return Ok(begun);
        }
    }
}

/// Waits until something became of a running act: an answer, a stream, its key given back or its lease run out. `false`: not in time.
async fn has_moved(hub: &Hub, user: UserId, key: &str, until: Instant) -> Result<bool, StoreError> {
    let mut pause = SOON;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LATER);
        let mut tx = hub.store.read().await?;
        let stored = idempotency::get(&mut tx, user, key).await?;
        let runs = |stored: &Stored| {
            let lease = stored.lease_until.is_some_and(|until| until > hub.clock.now());
            stored.answer.is_none() && stored.hold.is_none() && lease
        };
        if !stored.as_ref().is_some_and(runs) {
            return Ok(true);
        }
    }
}

async fn attempt(hub: &Arc<Hub>, caller: &Caller, act: &Act) -> Result<Begun, InferenceError> {
    let owner = format!("{}:{}", hub.instance, hex::encode(random_bytes::<8>()));
    let at = hub.clock.now();
    let new = NewClaim {
        user: caller.user,
        key: &act.key,
        route: act.route,
        body_hash: &act.fingerprint,
        owner: &owner,
        lease_until: at + hub.settings.credits.lease(),
        at,
        expires_at: at + hub.settings.inference.idempotency(),
    };
    let kept = is_kept(hub, caller.user, &act.key).await;
    let mut tx = hub.store.write().await?;
    if !kept && idempotency::claim(&mut tx, &new).await? {
        tx.commit().await?;
        return Ok(Begun::Ours(Claim { hub: Arc::clone(hub), user: caller.user, key: act.key.clone(), owner }));
    }
    // It may have been given back just now; the caller comes again.
    let Some(stored) = idempotency::get(&mut tx, caller.user, &act.key).await? else { return Ok(Begun::Running) };
    if stored.route != act.route || stored.body_hash != act.fingerprint {
        return Ok(Begun::Conflict);
    }
    Ok(match (stored.answer, stored.hold) {
        (Some(answer), _) => Begun::Answered(open(hub, caller.user, &act.key, answer)),
        (None, Some(stream)) => Begun::Streaming(stream),
        (None, None) => Begun::Running,
    })
}

fn open(hub: &Hub, user: UserId, key: &str, answer: Answer) -> Kept {
    let body = answer.body.and_then(|sealed| match hub.sealer.open(&context(user, key), &sealed) {
        Ok(body) => Some(Bytes::from(body)),
        Err(error) => {
            tracing::warn!(hold = %answer.hold, %error, "a kept answer does not open");
            None
        }
    });
    let status = u16::try_from(answer.status).unwrap_or(500);
    Kept { status, headers: answer.headers, receipt: answer.hold, body }
}

/// Whether a call under this key runs whose process could not renew its claim in the database.
async fn is_kept(hub: &Hub, user: UserId, key: &str) -> bool {
    let key = kept_key(user, key);
    match hub.cache.get(&key).await {
        Ok(kept) => kept.is_some(),
        Err(_) => matches!(hub.local.get(&key).await, Ok(Some(_))),
    }
}

/// Where a claim is kept while the database is away. What the caller calls it does not go into the cache.
fn kept_key(user: UserId, key: &str) -> String {
    format!("idempotency-kept:{user}:{}", hex::encode(sha256(key.as_bytes())))
}

/// What a sealed answer is bound to.
fn context(user: UserId, key: &str) -> String {
    format!("idempotency:{user}:{key}")
}

/// The right to make the call. Dropped without an end, as when the process dies, it runs out with its lease.
pub struct Claim {
    hub: Arc<Hub>,
    user: UserId,
    key: String,
    owner: String,
}

impl Claim {
    /// Waits for the call, keeping the claim meanwhile.
    pub async fn keep<T>(&self, call: impl Future<Output = T> + Send) -> T {
        let every = (self.hub.settings.credits.lease() / 3).max(Duration::from_millis(100));
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Beside the call, which must not wait for a database that is away.
        let renewals = async {
            loop {
                ticks.tick().await;
                let renewed = self.renew().await;
                if renewed.is_err() {
                    self.keep_in_cache().await;
                }
                self.log("renewed", renewed);
            }
        };
        tokio::select! {
            done = call => done,
            done = renewals => done,
        }
    }

    /// Holds the claim where other processes see it while the database, which has its row, is away: the row's lease may have run out when
    /// the database is back, and the call may be running, or its settle waiting.
    async fn keep_in_cache(&self) {
        let (key, life) = (kept_key(self.user, &self.key), self.hub.settings.credits.lease());
        if self.hub.cache.put(&key, self.owner.as_bytes(), life).await.is_err() {
            drop(self.hub.local.put(&key, self.owner.as_bytes(), life).await);
        }
    }

    /// Lets repetitions read this stream along.
    pub async fn stream(&self, stream: HoldId) {
        self.log("noted", self.note(stream).await);
    }

    /// Stores the answer, sealed.
    pub async fn finish(self, answer: Kept) {
        let most = self.hub.settings.inference.idempotency_max_bytes;
        let body = answer.body.filter(|body| body.len() <= most);
        let sealed = body.map(|body| self.hub.sealer.seal(&context(self.user, &self.key), &body)).transpose();
        let body = sealed.unwrap_or_else(|error| {
            tracing::error!(hold = %answer.receipt, %error, "an answer cannot be sealed and is not kept");
            None
        });
        let (status, headers) = (i32::from(answer.status), answer.headers);
        let answer = Answer { hold: answer.receipt, status, headers, body };
        match self.store(&answer).await {
            Err(error) if error.is_unavailable() => {
                tracing::warn!(hold = %answer.hold, %error, "an answer waits for the database to be kept");
                let tasks = self.hub.tasks.clone();
                tasks.spawn(self.finish_later(answer));
            }
            done => self.log("finished", done),
        }
    }

    /// Stores the answer when the database is back: it is paid for, and must not be made again.
    async fn finish_later(self, answer: Answer) {
        let pause = MOST_PAUSE.min(self.hub.settings.credits.lease() / 3);
        for _ in 0..TRIES {
            self.keep_in_cache().await;
            tokio::select! {
                () = self.hub.tasks.stop().cancelled() => break,
                () = sleep(pause) => {}
            }
            match self.store(&answer).await {
                Err(error) if error.is_unavailable() => {}
                done => return self.log("finished", done),
            }
        }
        tracing::error!(hold = %answer.hold, "an answer is not kept: the database was away for too long, or the process ends");
    }

    /// The call gave no answer: nothing was charged and the key goes back, unless nobody knows.
    pub async fn failed(self, error: &InferenceError) {
        if matches!(error, InferenceError::Lost) { self.leave() } else { self.release().await }
    }

    /// The call was a stream that ended so; `answer` is what is kept of it.
    pub async fn ended(self, ended: Ended, answer: Kept) {
        match ended {
            Ended::Answered => self.finish(answer).await,
            Ended::Free => self.release().await,
            Ended::Unknown => self.leave(),
        }
    }

    /// Gives the key back: nothing was charged, and a repetition calls again.
    async fn release(self) {
        self.log("given back", self.give_back().await);
        let key = kept_key(self.user, &self.key);
        drop(self.hub.cache.delete(&key).await);
        drop(self.hub.local.delete(&key).await);
    }

    /// Leaves the key taken: the call may have been charged, and nobody here will know. A repetition calls again once the lease has run out,
    /// as after the death of a process.
    pub fn leave(self) {
        tracing::warn!(user = %self.user, "whether an idempotent call was charged is not known; its key stays taken until its lease runs out");
    }

    async fn renew(&self) -> Result<bool, StoreError> {
        let until = self.hub.clock.now() + self.hub.settings.credits.lease();
        let mut tx = self.hub.store.write().await?;
        let ours = idempotency::renew(&mut tx, self.held(), until).await?;
        tx.commit().await?;
        Ok(ours)
    }

    async fn note(&self, stream: HoldId) -> Result<bool, StoreError> {
        let mut tx = self.hub.store.write().await?;
        let ours = idempotency::note_stream(&mut tx, self.held(), stream).await?;
        tx.commit().await?;
        Ok(ours)
    }

    async fn store(&self, answer: &Answer) -> Result<bool, StoreError> {
        let mut tx = self.hub.store.write().await?;
        let ours = idempotency::finish(&mut tx, self.held(), answer).await?;
        tx.commit().await?;
        Ok(ours)
    }

    async fn give_back(&self) -> Result<bool, StoreError> {
        let mut tx = self.hub.store.write().await?;
        let ours = idempotency::release(&mut tx, self.held()).await?;
        tx.commit().await?;
        Ok(ours)
    }

    fn held(&self) -> Held<'_> {
        Held { user: self.user, key: &self.key, owner: &self.owner }
    }

    /// The call goes on whatever becomes of its key: it is paid for.
    fn log(&self, what: &'static str, result: Result<bool, StoreError>) {
        match result {
            Ok(true) => {}
            Ok(false) => tracing::warn!(user = %self.user, what, "an idempotent call was taken over meanwhile"),
            Err(error) => tracing::warn!(user = %self.user, what, %error, "the key of a call could not be updated"),
        }
    }
}
