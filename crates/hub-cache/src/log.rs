//! Logs: lists that only grow at their end. What an append asks for, on both engines.

use std::time::Duration;

/// Where an append may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many items the log has now; with another number in it nothing is appended. 0 begins a log.
    pub at: usize,
    /// The most bytes that all its items may have together.
    pub most_bytes: usize,
    /// Life of the whole log from now on.
    pub ttl: Duration,
}
