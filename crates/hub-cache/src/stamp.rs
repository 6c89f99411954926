//! Time in whole microseconds, and values that carry their own expiry.
//!
//! Every stored value has the moment of its expiry beside it, written by the hub's clock and checked against the
//! hub's clock. The engine's own expiry is later by [`GARBAGE_SLACK`], so it can never decide the question.

use std::time::Duration;

use hub_types::Clock;

/// How long past its expiry a value may lie in the engine before the engine itself throws it away.
pub(crate) const GARBAGE_SLACK: Duration = Duration::from_mins(1);

/// The longest life that is kept, about a year. Longer ones are cut to it: a cache is not an archive.
const LONGEST_LIFE: Duration = Duration::from_hours(366 * 24);

/// Decimal digits of a stamp: enough until the year 2286, and exact in the doubles of Redis scripts.
const DIGITS: usize = 16;
const LATEST: i64 = 9_999_999_999_999_999;

/// Now, in microseconds since 1970, never negative.
pub(crate) fn now_micros(clock: &Clock) -> i64 {
    clock.now().timestamp_micros().clamp(0, LATEST)
}

/// A span in whole microseconds, at most a year.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.min(LONGEST_LIFE).as_micros()).unwrap_or(LATEST)
}

/// The moment a value put now with this life expires.
pub(crate) fn expiry(now: i64, ttl: Duration) -> i64 {
    now.saturating_add(micros(ttl)).min(LATEST)
}

/// After how much real time the engine may drop a value of this life.
pub(crate) fn garbage_after(ttl: Duration) -> Duration {
    ttl.min(LONGEST_LIFE) + GARBAGE_SLACK
}

/// The stored form: sixteen digits of expiry, then the bytes. Readable with `redis-cli` and by scripts.
pub(crate) fn encode(until: i64, value: &[u8]) -> Vec<u8> {
    let mut stored = format!("{until:0DIGITS$}").into_bytes();
    stored.extend_from_slice(value);
    stored
}

/// The value, when the stored form is sound and still alive at `now`.
pub(crate) fn decode(mut stored: Vec<u8>, now: i64) -> Option<Vec<u8>> {
    let until: i64 = std::str::from_utf8(stored.get(..DIGITS)?).ok()?.parse().ok()?;
    (until > now).then(|| stored.split_off(DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_value_reads_back_until_its_last_microsecond() {
        let stored = encode(expiry(1_000, Duration::from_micros(5)), b"value");
        assert_eq!(&stored, b"0000000000001005value");
        assert_eq!(decode(stored.clone(), 1_004).as_deref(), Some(&b"value"[..]));
        assert_eq!(decode(stored, 1_005), None);
    }

    #[test]
    fn what_this_room_did_not_write_is_a_miss() {
        assert_eq!(decode(b"short".to_vec(), 0), None);
        assert_eq!(decode(b"not sixteen digits at all".to_vec(), 0), None);
    }

    #[test]
    fn an_endless_life_is_cut_and_does_not_overflow() {
        assert_eq!(expiry(LATEST, Duration::MAX), LATEST);
        assert_eq!(encode(expiry(0, Duration::MAX), b"").len(), DIGITS);
    }
}
