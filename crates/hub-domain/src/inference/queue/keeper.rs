//! Keeps one line in the shared cache, so that all processes stand in the same one. The steps of many calls of a process are done together:
//! read once, step by step, written if nobody else wrote in between. While the shared cache is gone each process keeps its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hub_cache::{Cache, CacheError};
use hub_types::HoldId;
use tokio::sync::oneshot;

use super::line::{Line, Rules, Standing, Step};
use crate::Hub;
use crate::inference::measure;

/// Tries to write before the cache is taken for gone: each failure means that another process succeeded.
const TRIES: usize = 100;
/// How long a line nobody uses is kept: longer than anything in it counts.
const KEPT: Duration = Duration::from_mins(30);

/// A step that waits to be done, and who wants to know what came of it.
type Pending = (Step, Rules, oneshot::Sender<Answer>);

/// What came of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) standing: Standing,
    /// The ceiling that stops the call, and the microseconds until it lets something pass, where that is known.
    pub(super) ceiling: Option<(&'static str, Option<i64>)>,
    /// How many wait.
    pub(super) waiting: usize,
}

/// One line, as this process uses it.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Whose: `provider` or `model`; or `pause`, of a provider and credential.
    pub(super) scope: &'static str,
    /// Its name.
    pub(super) name: String,
    pending: Mutex<Vec<Pending>>,
    busy: tokio::sync::Mutex<()>,
}

impl Keeper {
    pub(super) fn new(scope: &'static str, name: &str) -> Self {
        Self { scope, name: name.to_owned(), pending: Mutex::default(), busy: tokio::sync::Mutex::default() }
    }

    /// Does a step; `None` when no cache could. A step may be done twice: each says how things are, not how they change.
    pub(super) async fn step(&self, hub: &Hub, step: Step, rules: Rules) -> Option<Answer> {
        for _ in 0..3 {
            let (sender, mut answer) = oneshot::channel();
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).push((step, rules, sender));
            // Whoever comes first does the steps of all; the others find theirs done.
            let turn = self.busy.lock().await;
            if answer.is_empty() && !answer.is_terminated() {
                let batch = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
                self.work(hub, batch).await;
            }
            drop(turn);
            if let Ok(answer) = answer.try_recv() {
                return Some(answer);
            }
        }
        None
    }

    async fn work(&self, hub: &Hub, batch: Vec<Pending>) {
        let done = match self.on(hub, &hub.cache, &batch).await {
            Err(error) => {
                tracing::warn!(%error, "the cache is gone, queues are kept per process");
                self.on(hub, &hub.local, &batch).await
            }
            done => done,
        };
        let Ok((answers, called)) = done else { return };
        for ((.., sender), answer) in batch.into_iter().zip(answers) {
            // Nobody listens any more: then nobody needs to know.
            let _ = sender.send(answer);
        }
        for id in called {
            // Who is not reached looks again by itself.
            drop(hub.cache.publish(&channel(id), b"called").await);
        }
    }

    async fn on(&self, hub: &Hub, cache: &Cache, batch: &[Pending]) -> Result<(Vec<Answer>, Vec<HoldId>), CacheError> {
        let key = format!("line:{}:{}", self.scope, self.name);
        for _ in 0..TRIES {
            let seen = cache.get(&key).await?;
            let mut line: Line = seen.as_deref().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
            let now = hub.clock.now().timestamp_micros();
            line.sweep(now);
            let mut called = Vec::new();
            let answers = batch.iter().map(|(step, rules, _)| {
                let standing = line.step(*step, rules, now, &mut called);
                let tokens = if let Step::Ask(asking) = step { asking.tokens } else { 0 };
                let ceiling = line.blocked_by(tokens, rules);
                let ceiling = ceiling.map(|ceiling| (ceiling, line.frees(ceiling, now)));
                Answer { standing, ceiling, waiting: line.counts().0 }
            });
            let answers = answers.collect();
            let text = serde_json::to_vec(&line).map_err(CacheError::Encode)?;
            if seen.as_ref() == Some(&text) || cache.swap(&key, seen.as_deref(), &text, KEPT).await? {
                measure::queue(self.scope, &self.name, line.counts());
                return Ok((answers, called));
            }
        }
        Err(CacheError::Timeout)
    }
}

/// Where a waiting call hears that it was called.
pub(super) fn channel(id: HoldId) -> String {
    format!("queue:{id}")
}

/// The lines this process has used; as many as there are providers and models with ceilings, and providers and credentials.
#[derive(Debug, Default)]
pub(crate) struct Keepers(Mutex<Vec<Arc<Keeper>>>);

impl Keepers {
    pub(super) fn of(&self, scope: &'static str, name: &str) -> Arc<Keeper> {
        let mut keepers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keepers.iter().find(|keeper| keeper.scope == scope && keeper.name == name) {
            return Arc::clone(known);
        }
        let keeper = Arc::new(Keeper::new(scope, name));
        keepers.push(Arc::clone(&keeper));
        keeper
    }
}
