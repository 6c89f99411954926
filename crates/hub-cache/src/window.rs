//! The sliding window, as a log of admissions: the rule alone, without storage.
//!
//! An admission at `t` counts during the half-open span `[t, t + window)`. A call is admitted when fewer than `limit`
//! admissions count at that moment, so no span of one window's length ever holds more than `limit`. There is no
//! burst at an edge, because there are no edges. The Redis script in `redis_cache/admit.lua` is the same rule.

use std::collections::VecDeque;
use std::time::Duration;

/// The answer of [`crate::Cache::admit`], ready for the `RateLimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whether this call was admitted (and recorded). A refused call is not recorded and costs nothing.
    pub allowed: bool,
    /// Admissions allowed in any one window.
    pub limit: u32,
    /// Admissions left at this moment, after this call.
    pub remaining: u32,
    /// Until the oldest counted admission leaves the window and a place becomes free: what `Retry-After` should say
    /// to a refused caller. Never more than the window.
    pub reset: Duration,
}

impl Window {
    /// From the raw numbers both engines produce: admissions counted now, and the microseconds until a place is free.
    pub(crate) fn new(allowed: bool, limit: u32, used: usize, reset_micros: i64, window_micros: i64) -> Self {
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        let reset = u64::try_from(reset_micros.clamp(0, window_micros)).unwrap_or(0);
        Self { allowed, limit, remaining: limit.saturating_sub(used), reset: Duration::from_micros(reset) }
    }
}

/// The admissions of one key that may still count, oldest first.
#[derive(Debug, Default)]
pub(crate) struct WindowLog {
    times: VecDeque<i64>,
}

impl WindowLog {
    /// Admits or refuses a call at `now`. All times are microseconds; `window` is at least 1.
    ///
    /// A clock that steps back a little (it is kept in step with the database's) must not open a gap: an admission
    /// is never written earlier than the one before it. One that steps back by a window or more leaves admissions in
    /// a future that no longer counts; they are dropped, or the key would stay blocked until that future came.
    pub(crate) fn admit(&mut self, now: i64, limit: u32, window: i64) -> Window {
        while self.times.front().is_some_and(|at| at.saturating_add(window) <= now) {
            self.times.pop_front();
        }
        while self.times.back().is_some_and(|at| *at >= now.saturating_add(window)) {
            self.times.pop_back();
        }
        let allowed = u32::try_from(self.times.len()).is_ok_and(|used| used < limit);
        if allowed {
            self.times.push_back(self.times.back().map_or(now, |last| now.max(*last)));
        }
        let reset = self.times.front().map_or(window, |oldest| oldest.saturating_add(window) - now);
        Window::new(allowed, limit, self.times.len(), reset, window)
    }

    /// How many admissions are held.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The newest admission, if any.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.times.back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_free_exactly_one_window_after_it_was_taken() {
        let mut log = WindowLog::default();
        assert!(log.admit(100, 1, 10).allowed);
        let refused = log.admit(109, 1, 10);
        assert_eq!((refused.allowed, refused.remaining, refused.reset), (false, 0, Duration::from_micros(1)));
        assert!(log.admit(110, 1, 10).allowed);
    }

    #[test]
    fn a_clock_that_steps_back_opens_no_gap() {
        let mut log = WindowLog::default();
        assert!(log.admit(100, 2, 10).allowed);
        assert!(log.admit(95, 2, 10).allowed);
        assert!(!log.admit(109, 2, 10).allowed, "the second admission counts from 100, not from 95");
        assert!(log.admit(110, 2, 10).allowed);
    }

    #[test]
    fn a_clock_that_was_far_ahead_does_not_block_the_key_for_that_long() {
        let mut log = WindowLog::default();
        assert!(log.admit(1_000_000, 1, 10).allowed);
        assert!(log.admit(100, 1, 10).allowed);
    }

    #[test]
    fn a_limit_of_zero_admits_nobody() {
        let refused = WindowLog::default().admit(100, 0, 10);
        assert_eq!(refused, Window { allowed: false, limit: 0, remaining: 0, reset: Duration::from_micros(10) });
    }
}
