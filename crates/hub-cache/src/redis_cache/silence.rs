//! What is remembered of a server that does not answer: for a while nobody waits for it.
//!
//! A network that swallows packets lets every operation run into its deadline, and a request has several. So once nothing at all came back
//! during one whole operation, the next ones fail at once; after a pause one of them asks again, and the others wait for what it finds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::DEADLINE;

/// How long nobody asks a server that was silent.
const PAUSE: Duration = Duration::from_secs(1);

/// The silence of one server, if it is silent.
pub(super) struct Silence {
    start: Instant,
    /// When something last came back, in milliseconds from the start.
    answered: AtomicU64,
    /// Until when nobody asks; 0 while it answers.
    until: AtomicU64,
}

/// The right to ask, with the moment it was given.
#[derive(Clone, Copy)]
pub(super) struct Asked(u64);

impl Silence {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), answered: AtomicU64::new(0), until: AtomicU64::new(0) }
    }

    /// `None`: the server was silent a moment ago, or somebody is finding out whether it still is.
    pub(super) fn ask(&self) -> Option<Asked> {
        let (now, until) = (self.now(), self.until.load(Ordering::Relaxed));
        if until == 0 {
            return Some(Asked(now));
        }
        let found_out = now + millis(DEADLINE + PAUSE);
        let ours = now >= until
            && self.until.compare_exchange(until, found_out, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        ours.then_some(Asked(now))
    }

    /// Something came back, be it a refusal.
    pub(super) fn heard(&self) {
        self.answered.store(self.now(), Ordering::Relaxed);
        self.until.store(0, Ordering::Relaxed);
    }

    /// Nothing came back for as long as an operation may take.
    pub(super) fn not_heard(&self, Asked(asked): Asked) {
        // If somebody else heard something meanwhile, it is not the server that is silent.
        if self.answered.load(Ordering::Relaxed) <= asked {
            self.until.store(self.now() + millis(PAUSE), Ordering::Relaxed);
        }
    }

    /// Milliseconds from the start, never 0.
    fn now(&self) -> u64 {
        millis(self.start.elapsed()).saturating_add(1)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
