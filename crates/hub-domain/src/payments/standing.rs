//! What an order comes to once payments were taken back: computed from all that is known of its payment, in whatever order it came.
//!
//! Numbers only: no database, no clock. Whoever settles an order and whoever checks it later ask the same question.

use hub_store::orders::Order;
use hub_store::reversals::{RefundNote, Reversal};
use hub_types::Credits;

/// What is to be true of a paid order.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// `paid`, `refunded` or `disputed`.
    pub(crate) status: &'static str,
    /// What was refunded, in the smallest unit of the currency; never more than the price.
    pub(crate) refunded_minor: i64,
    /// What was taken back, and the credits that are due for each; refunds before disputes. Together never more than were bought.
    pub(crate) dues: Vec<(Reversal, Credits)>,
}

impl Standing {
    /// From everything taken back of the payment, refunds first, and what was told about refunds.
    pub(crate) fn of(order: &Order, known: Vec<Reversal>, notes: &[RefundNote]) -> Self {
        let mut left = order.credits().micro();
        let mut dues = Vec::new();
        // One noted before its order was known may be in another currency; it is not this payment's.
        for mut reversal in known.into_iter().filter(|reversal| reversal.currency == order.currency) {
            if reversal.kind == "refund" {
                reversal.amount_minor = refunded(&reversal.id, reversal.amount_minor, notes);
            }
            let due = if reversal.state == "won" { 0 } else { share(order, reversal.amount_minor).min(left) };
            left -= due;
            dues.push((reversal, Credits::from_micro(due)));
        }
        let refunds = dues.iter().filter(|(reversal, _)| reversal.kind == "refund");
        let refunded_minor = refunds.map(|(reversal, _)| reversal.amount_minor).sum::<i64>().min(order.price_minor);
        let disputed = dues.iter().any(|(reversal, _)| reversal.kind == "dispute" && reversal.state != "won");
        let status = if disputed {
            "disputed"
        } else if refunded_minor >= order.price_minor {
            "refunded"
        } else {
            "paid"
        };
        Self { status, refunded_minor, dues }
    }
}

/// How much of a charge reached the buyer, whatever order the notes came in.
///
/// A sum told after a failure lacks the refund that failed, so all refunds ever made are the largest of the sums with what had failed by
/// then. Of a failure in the same second the sum is taken not to know.
fn refunded(charge: &str, told: i64, notes: &[RefundNote]) -> i64 {
    let notes = || notes.iter().filter(|note| note.charge == charge);
    let failed = |before: i64| -> i64 {
        notes().filter(|note| note.seen_at < before).map(|note| note.failed_minor).fold(0, i64::saturating_add)
    };
    let sums = notes().filter(|note| note.failed_minor == 0);
    let ever = sums.map(|note| note.refunded_minor.saturating_add(failed(note.seen_at))).fold(told, i64::max);
    ever.saturating_sub(failed(i64::MAX)).max(0)
}

/// The credits that this much of the price bought, in micro-credits, rounded down.
fn share(order: &Order, amount_minor: i64) -> i64 {
    let (credits, amount) = (order.credits().micro(), amount_minor.clamp(0, order.price_minor));
    let part = i128::from(credits) * i128::from(amount) / i128::from(order.price_minor.max(1));
    i64::try_from(part).unwrap_or(credits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seen_at: i64, refunded_minor: i64) -> RefundNote {
        RefundNote { charge: "ch".to_owned(), seen_at, refunded_minor, failed_minor: 0 }
    }

    fn failure(seen_at: i64, failed_minor: i64) -> RefundNote {
        RefundNote { charge: "ch".to_owned(), seen_at, refunded_minor: 0, failed_minor }
    }

    #[test]
    fn refunds_that_failed_are_not_taken_whatever_order_they_are_told_in() {
        let cases: [(&[RefundNote], i64); 6] = [
            (&[told(1, 300)], 300),
            (&[told(1, 300), failure(5, 300)], 0),
            // Made again after the failure: Stripe's sum is that of the second one alone.
            (&[told(1, 1_000), failure(5, 1_000), told(9, 1_000)], 1_000),
            (&[told(1, 300), told(2, 500), failure(5, 300)], 200),
            (&[told(1, 300), failure(5, 300), told(6, 200), failure(9, 200)], 0),
            (&[failure(5, 300)], 0),
        ];
        for (notes, expected) in cases {
            let mut notes = notes.to_vec();
            for _ in 0..notes.len() {
                notes.rotate_left(1);
                let most = notes.iter().map(|note| note.refunded_minor).max().unwrap_or(0);
                assert_eq!(refunded("ch", most, &notes), expected, "{notes:?}");
            }
        }
        assert_eq!(refunded("ch", 500, &[]), 500, "told before notes were kept");
        assert_eq!(refunded("other", 500, &[failure(5, 300)]), 500);
    }
}
