//! What the sandbox itself has counted: the other side's truth, against which the hub's bills are checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Running totals of one sandbox; all clones are the same meter.
#[derive(Debug, Clone, Default)]
pub struct SandboxMeter(Arc<Totals>);

#[derive(Debug, Default)]
struct Totals {
    calls: AtomicI64,
    input: AtomicI64,
    output: AtomicI64,
}

impl SandboxMeter {
    /// Calls that began to answer.
    pub fn calls(&self) -> i64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Prompt tokens read by those calls.
    pub fn input(&self) -> i64 {
        self.0.input.load(Ordering::SeqCst)
    }

    /// Completion tokens really produced: of a stream, the words that were asked for.
    pub fn produced(&self) -> i64 {
        self.0.output.load(Ordering::SeqCst)
    }

    pub(super) fn begin(&self, input: i64) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.0.input.fetch_add(input, Ordering::SeqCst);
    }

    pub(super) fn produce(&self, tokens: i64) {
        self.0.output.fetch_add(tokens, Ordering::SeqCst);
    }
}
