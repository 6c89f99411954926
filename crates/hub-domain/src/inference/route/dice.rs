//! Randomness for routes and pauses: fast, repeatable from its seed, and good for nothing secret.

use std::sync::atomic::{AtomicU64, Ordering};

/// Adds up to every 64-bit number once before it repeats (SplitMix64).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of numbers that the same seed repeats.
#[derive(Debug)]
pub(in super::super) struct Dice(AtomicU64);

impl Dice {
    /// Begins at `seed`.
    pub(in super::super) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number from 0 up to, but not including, `end`; 0 for an `end` of 0.
    pub(in super::super) fn below(&self, end: u64) -> u64 {
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let scaled = (u128::from(mixed) * u128::from(end)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_every_face_comes_up() {
        let (one, other) = (Dice::new(7), Dice::new(7));
        let mut seen = [0_u32; 6];
        for _ in 0..600 {
            let face = one.below(6);
            assert_eq!(face, other.below(6));
            seen[usize::try_from(face).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (60..140).contains(count)), "{seen:?}");
        assert_eq!(one.below(0), 0);
    }
}
