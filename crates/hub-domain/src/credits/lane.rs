//! A queue that is emptied in batches, so that what is asked for at the same time shares one commit. Nobody waits for company: whoever
//! finds nobody writing has the writing begin at once, and whoever comes while it runs is in the next batch. Order of arrival is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_store::StoreError;
use tokio::sync::oneshot;

use crate::Tasks;

/// Entries in one batch at most.
const BATCH: usize = 256;

/// Something asked for, and who waits for its answer.
pub(super) struct Waiting<T, A> {
    /// What is asked for.
    pub(super) what: T,
    /// Dropped without a word when the writing dies.
    pub(super) answer: oneshot::Sender<Result<A, StoreError>>,
}

/// One queue. At most one task takes batches from it at a time.
pub(super) struct Lane<T, A>(Mutex<Queue<T, A>>);

struct Queue<T, A> {
    waiting: VecDeque<Waiting<T, A>>,
    /// A task is taking batches.
    running: bool,
}

impl<T, A> Default for Lane<T, A> {
    fn default() -> Self {
        Self(Mutex::new(Queue { waiting: VecDeque::new(), running: false }))
    }
}

impl<T: Send + 'static, A: Send + 'static> Lane<T, A> {
    /// Queues and waits for the answer. At most `room` may wait; more are refused as if the database were away. `run` makes what writes one
    /// batch, and is asked for it only when nobody is writing. That is a tracked task: a caller who goes away cannot stop it half way.
    pub(super) async fn ask<R, W>(
        self: &Arc<Self>,
        tasks: &Tasks,
        room: usize,
        what: T,
        run: impl FnOnce() -> R,
    ) -> Result<A, StoreError>
    where
        R: Fn(Vec<Waiting<T, A>>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        if self.push(Waiting { what, answer }, room)? {
            tasks.spawn(drain(Arc::clone(self), run()));
        }
        answered.await.unwrap_or(Err(StoreError::Writer("stopped in the middle of a batch")))
    }

    /// Queues; `true` when the caller has to start the writing.
    fn push(&self, waiting: Waiting<T, A>, room: usize) -> Result<bool, StoreError> {
        let mut queue = self.lock();
        if queue.waiting.len() >= room {
            return Err(StoreError::Writer("has too much waiting"));
        }
        queue.waiting.push_back(waiting);
        Ok(!std::mem::replace(&mut queue.running, true))
    }

    /// The next batch; `None` ends the writing until somebody starts it again.
    fn take(&self) -> Option<Vec<Waiting<T, A>>> {
        let mut queue = self.lock();
        let count = queue.waiting.len().min(BATCH);
        queue.running = count > 0;
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }
}

impl<T, A> Lane<T, A> {
    fn lock(&self) -> MutexGuard<'_, Queue<T, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells everybody that it failed.
pub(super) fn fail<A>(answers: Vec<oneshot::Sender<Result<A, StoreError>>>, error: StoreError) {
    let shared = Arc::new(error);
    for answer in answers {
        drop(answer.send(Err(StoreError::Shared(Arc::clone(&shared)))));
    }
}

/// Takes batches until none is left.
async fn drain<T: Send + 'static, A: Send + 'static, W: Future<Output = ()> + Send>(
    lane: Arc<Lane<T, A>>,
    run: impl Fn(Vec<Waiting<T, A>>) -> W + Send,
) {
    let mut ended = Ended { lane: &lane, well: false };
    loop {
        // Those who were just answered, or are on their way, may queue first; alone this costs nothing.
        tokio::task::yield_now().await;
        let Some(batch) = lane.take() else { break };
        Box::pin(run(batch)).await;
    }
    ended.well = true;
}

/// Lets the writing be started again when its task has died. Those who were waiting are told so by their dropped channels.
struct Ended<'a, T, A> {
    lane: &'a Lane<T, A>,
    well: bool,
}

impl<T, A> Drop for Ended<'_, T, A> {
    fn drop(&mut self) {
        if !self.well {
            let mut queue = self.lane.lock();
            queue.waiting.clear();
            queue.running = false;
        }
    }
}
