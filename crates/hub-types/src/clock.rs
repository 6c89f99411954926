//! Time as a value that is passed in. The house never reads the wall clock elsewhere.
//!
//! The running hub keeps its clock in step with the database's (see `Clock::follow`), so that two processes with
//! skewed machines agree on leases, windows and expiry.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, DurationRound, TimeDelta, Utc};

/// A moment in UTC, cut to whole microseconds: what both databases can store without change.
pub type Timestamp = DateTime<Utc>;

/// Where the time comes from: the machine (corrected by an offset) or, in tests, a hand that is moved.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock plus an offset in microseconds learned from the database.
    System(Arc<AtomicI64>),
    /// Microseconds since 1970; stands still until `advance` is called. All clones move together.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock, not yet corrected.
    pub fn system() -> Self {
        Self::System(Arc::default())
    }

    /// A clock that stands at `at` until it is advanced.
    pub fn fixed(at: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at.timestamp_micros())))
    }

    /// A fixed clock from RFC 3339 text; text that is no time stands for 1970. For tests.
    pub fn fixed_at(rfc3339: &str) -> Self {
        Self::fixed(DateTime::parse_from_rfc3339(rfc3339).map_or(DateTime::UNIX_EPOCH, |at| at.to_utc()))
    }

    /// Now, in UTC, in whole microseconds.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System(offset) => {
                #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
                let machine = Utc::now();
                truncate_to_micros(machine + TimeDelta::microseconds(offset.load(Ordering::Relaxed)))
            }
            Self::Fixed(micros) => from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// Corrects a system clock so that `now()` equals `reference` at this moment; a fixed clock is left alone.
    pub fn follow(&self, reference: Timestamp) {
        if let Self::System(offset) = self {
            let gap = (reference - self.now()).num_microseconds().unwrap_or(0);
            offset.fetch_add(gap, Ordering::Relaxed);
        }
    }

    /// Moves a fixed clock forward; a system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Fixed(micros) = self {
            micros.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }
}

/// Cuts a time to whole microseconds. PostgreSQL keeps no more, and a value must compare equal after a round trip.
pub fn truncate_to_micros(at: Timestamp) -> Timestamp {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

fn from_micros(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_all_its_clones_with_it() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let twin = clock.clone();
        clock.advance(Duration::seconds(90));
        assert_eq!(twin.now().to_rfc3339(), "2026-11-23T10:01:30+00:00");
    }

    #[test]
    fn a_system_clock_follows_its_reference() {
        let clock = Clock::system();
        let ahead = clock.now() + Duration::hours(1);
        clock.follow(ahead);
        assert!((clock.now() - ahead).num_seconds().abs() < 5);
    }
}
