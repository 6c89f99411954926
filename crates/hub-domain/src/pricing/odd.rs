//! What looks like a slip of the pen in a price: nothing at all, far too much, or a leap. Forbids nothing; whoever means it may say so.

use super::compare::{Pair, Unit};
use super::units::UnitPrices;

/// Credits per million tokens above which a price is taken for a slip of the pen: 1 000 dollars.
const DEAR: i64 = 1_000 * super::CREDITS_PER_USD * 1_000_000;
/// Credits per call above which the same holds: 100 dollars.
const DEAR_REQUEST: i64 = 100 * super::CREDITS_PER_USD * 1_000_000;
/// Credits per second of video above which the same holds: 10 dollars.
const DEAR_SECOND: i64 = 10 * super::CREDITS_PER_USD * 1_000_000;
/// Multipliers that are usual, in thousandths: a tenth to ten times.
const LEAST_PERMILLE: i64 = 100;
/// See `LEAST_PERMILLE`.
const MOST_PERMILLE: i64 = 10_000;
/// A price that becomes this many times dearer or cheaper is unusual.
const LEAP: i128 = 10;

/// What is odd about these prices, in words. Numbers that stay as they are were somebody's decision already.
pub(super) fn oddities(units: &UnitPrices, pairs: &[Pair]) -> Vec<String> {
    let mut odd: Vec<String> = pairs.iter().filter_map(oddity).collect();
    let videos = pairs.iter().filter(|pair| pair.unit == Unit::Second && pair.charged.is_none());
    odd.extend(
        videos
            .filter(|pair| pair.to == Some(0) && units.request == 0)
            .map(|pair| format!("{} would be free", pair.field)),
    );
    if units.input == 0
        && units.output == 0
        && units.request == 0
        && units.video_second.values().all(|price| *price == 0)
    {
        odd.push("calls would be free".to_owned());
    }
    odd
}

/// What is odd about one number.
fn oddity(pair: &Pair) -> Option<String> {
    let Pair { field, unit, charged, would_charge, .. } = pair;
    if charged == would_charge {
        return None;
    }
    let to = (*would_charge)?;
    let dearest = match unit {
        Unit::Million => Some(DEAR),
        Unit::Call => Some(DEAR_REQUEST),
        Unit::Second => Some(DEAR_SECOND),
        Unit::Permille | Unit::Tokens => None,
    };
    if let Some(dearest) = dearest.filter(|dearest| to > *dearest) {
        return Some(format!("{field} is above {} credits", unit.show(dearest)));
    }
    if *unit == Unit::Permille && !(LEAST_PERMILLE..=MOST_PERMILLE).contains(&to) {
        return Some(format!("{field} is not within {LEAST_PERMILLE} to {MOST_PERMILLE} thousandths"));
    }
    let from = charged.filter(|from| *from > 0)?;
    let (old, new) = (unit.show(from), unit.show(to));
    if to == 0 {
        return Some(format!("{field} falls from {old} credits to nothing"));
    }
    let (small, large) = (i128::from(from.min(to)), i128::from(from.max(to)));
    let said = if dearest.is_some() { " credits" } else { "" };
    (to > 0 && large > small * LEAP).then(|| format!("{field} leaps from {old} to {new}{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(unit: Unit, charged: Option<i64>, would_charge: i64) -> Option<String> {
        let (from, to) = (charged, Some(would_charge));
        oddity(&Pair { field: "x".to_owned(), unit, from, to, charged, would_charge: to })
    }

    #[test]
    fn a_leap_is_unusual_and_a_step_is_not() {
        assert_eq!(odd(Unit::Million, Some(10), 100), None);
        for unit in [Unit::Million, Unit::Call, Unit::Second, Unit::Tokens] {
            assert!(odd(unit, Some(10), 101).is_some_and(|odd| odd.contains("leaps")));
            assert!(odd(unit, Some(101), 10).is_some_and(|odd| odd.contains("leaps")));
        }
        assert_eq!(odd(Unit::Million, None, 101), None);
    }

    #[test]
    fn a_fall_to_nothing_is_a_leap_too() {
        assert_eq!(odd(Unit::Million, Some(60_000_000), 0), Some("x falls from 60 credits to nothing".to_owned()));
        assert_eq!(odd(Unit::Million, Some(0), 0), None);
        assert_eq!(odd(Unit::Million, None, 0), None, "what a provider gives away may be free");
    }

    #[test]
    fn every_unit_has_its_own_bounds() {
        for (unit, last) in [(Unit::Million, DEAR), (Unit::Call, DEAR_REQUEST), (Unit::Second, DEAR_SECOND)] {
            assert_eq!(odd(unit, None, last), None);
            assert!(odd(unit, None, last + 1).is_some_and(|odd| odd.contains("above")));
            assert_eq!(odd(unit, Some(last + 1), last + 1), None, "it was so already");
        }
        for (permille, is_odd) in [(99, true), (100, false), (10_000, false), (10_001, true)] {
            assert_eq!(odd(Unit::Permille, None, permille).is_some(), is_odd, "{permille}");
        }
        assert!(odd(Unit::Permille, Some(500), 6_000).is_some());
    }
}
