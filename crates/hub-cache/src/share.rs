//! Shares of a limit: each holder has so much of it until a moment. The rule alone, without storage.
//!
//! A share counts until it ends. A holder is admitted when its weight fits beside the shares of all others that count at that moment.
//! With weight 1 this is a ceiling for things that run at once; with a size as weight and an end one window after the fact it is a
//! sliding window of sizes. The Redis script in `redis_cache/share.lua` is the same rule.

use std::time::Duration;

/// The answer of [`crate::Cache::take_share`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whether the holder has its share now. A refused one costs nothing.
    pub allowed: bool,
    /// What may be held in all.
    pub limit: u32,
    /// What is held at this moment, after this call.
    pub used: u64,
    /// For a refused holder: until enough of what is held has ended, if nothing is renewed and nothing new comes.
    pub reset: Duration,
}

impl Share {
    /// From the raw numbers both engines produce.
    pub(crate) fn new(allowed: bool, limit: u32, used: u64, reset_micros: i64) -> Self {
        Self { allowed, limit, used, reset: Duration::from_micros(u64::try_from(reset_micros).unwrap_or(0)) }
    }

    /// What is left of the limit.
    pub fn remaining(&self) -> u64 {
        u64::from(self.limit).saturating_sub(self.used)
    }
}

/// Judges a holder of `weight` beside the live shares of the others, each `(end, weight)`; all times are microseconds.
pub(crate) fn judge(mut others: Vec<(i64, u32)>, now: i64, weight: u32, limit: u32) -> Share {
    let used: u64 = others.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let (weight, most) = (u64::from(weight), u64::from(limit));
    if used + weight <= most {
        return Share::new(true, limit, used + weight, 0);
    }
    others.sort_unstable();
    let (mut left, mut reset) = (used, 0);
    for (end, freed) in others {
        left -= u64::from(freed);
        reset = end - now;
        if left + weight <= most {
            break;
        }
    }
    Share::new(false, limit, used, reset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_when_enough_will_have_ended() {
        let others = vec![(300, 5), (100, 2), (200, 3)];
        assert_eq!(judge(others.clone(), 50, 0, 10), Share::new(true, 10, 10, 0));
        assert_eq!(judge(others.clone(), 50, 1, 10), Share::new(false, 10, 10, 50));
        assert_eq!(judge(others.clone(), 50, 5, 10), Share::new(false, 10, 10, 150));
        assert_eq!(judge(others, 50, 11, 10), Share::new(false, 10, 10, 250));
    }
}
