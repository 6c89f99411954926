//! The caller's request limit as three response headers. Counting is not done here.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::whole_seconds;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Where a caller stands in one window of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// Requests allowed per window.
    pub limit: u32,
    /// Requests left in this window.
    pub remaining: u32,
    /// Time until the window is full again.
    pub reset: Duration,
}

impl LimitState {
    /// Writes `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds, rounded up).
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(whole_seconds(self.reset)));
    }

    /// Like [`write`](Self::write), unless a more exact limit was already written.
    pub(crate) fn write_if_absent(self, headers: &mut HeaderMap) {
        if !headers.contains_key(LIMIT) {
            self.write(headers);
        }
    }
}
