//! Payments taken back: refunds, in whole or in part, those that failed, and disputes.
//!
//! What a payment still owes is computed from all that is known about it, so events may come in any order and any number. Credits go back
//! in proportion to the money, and never more of them than were bought.

use hub_clients::pay::{Change, DisputeState, PaymentEvent};
use hub_store::ledger::{Kind, Posting};
use hub_store::orders::{self, Order};
use hub_store::reversals::{self, NewReversal, RefundNote, Reversal};
use hub_store::{StoreError, Tx, accounts, users};
use hub_types::{Credits, Timestamp, TransactionId, UserId};
use serde_json::json;

use super::apply::Verdict;
use super::mails;
use crate::audit::{self, Event};
use crate::{Hub, Origin};

/// Notes a refund, one that failed, or a dispute. One whose payment is not known yet waits for it.
pub(super) async fn note(hub: &Hub, tx: &mut Tx, provider: &str, event: &PaymentEvent) -> Result<Verdict, StoreError> {
    let at = hub.clock.now();
    let (payment, currency) = match &event.change {
        Change::Checkout(_) => return Ok(Ok(())),
        Change::Refund { payment, currency, .. }
        | Change::RefundFailed { payment, currency, .. }
        | Change::Dispute { payment, currency, .. } => (payment, currency),
    };
    reversals::lock_payment(tx, provider, payment, at).await?;
    let order = match orders::of_payment(tx, provider, payment).await? {
        Some(id) => orders::lock(tx, id).await?,
        None => None,
    };
    if order.as_ref().is_some_and(|order| order.currency != *currency) {
        return Ok(Err("the currency is not the order's"));
    }
    write_down(tx, provider, event, at).await?;
    if let Some(order) = order {
        settle(hub, tx, &order, payment).await?;
    }
    Ok(Ok(()))
}

async fn write_down(tx: &mut Tx, provider: &str, event: &PaymentEvent, at: Timestamp) -> Result<(), StoreError> {
    let seen_at = event.created;
    match &event.change {
        Change::Checkout(_) => Ok(()),
        Change::Refund { charge, payment, amount_minor, currency } => {
            let amount_minor = *amount_minor;
            let (id, kind, state) = (charge.as_str(), "refund", "lost");
            reversals::note(tx, &NewReversal { provider, id, payment, kind, state, amount_minor, currency, at })
                .await?;
            let note = RefundNote { charge: charge.clone(), seen_at, refunded_minor: amount_minor, failed_minor: 0 };
            // The sum and its time are the name: another event that says the same is no news.
            let name = format!("{charge}:{seen_at}:{amount_minor}");
            reversals::note_refund(tx, provider, &name, payment, &note).await
        }
        Change::RefundFailed { refund, charge, payment, amount_minor, .. } => {
            let note = RefundNote { charge: charge.clone(), seen_at, refunded_minor: 0, failed_minor: *amount_minor };
            reversals::note_refund(tx, provider, refund, payment, &note).await
        }
        Change::Dispute { dispute, payment, amount_minor, currency, state } => {
            let state = match state {
                DisputeState::Open => "open",
                DisputeState::Lost => "lost",
                DisputeState::Won => "won",
            };
            let (id, kind, amount_minor) = (dispute.as_str(), "dispute", *amount_minor);
            reversals::note(tx, &NewReversal { provider, id, payment, kind, state, amount_minor, currency, at }).await
        }
    }
}

/// How much of a charge reached the buyer, and how much of its refunds came back, whatever order the notes came in.
///
/// A sum told after a failure lacks the refund that failed, so all refunds ever made are the largest of the sums with what had failed by
/// then. Of a failure in the same second the sum is taken not to know.
fn refunded(charge: &str, told: i64, notes: &[RefundNote]) -> (i64, i64) {
    let notes = || notes.iter().filter(|note| note.charge == charge);
    let failed = |before: i64| -> i64 {
        notes().filter(|note| note.seen_at < before).map(|note| note.failed_minor).fold(0, i64::saturating_add)
    };
    let sums = notes().filter(|note| note.failed_minor == 0);
    let ever = sums.map(|note| note.refunded_minor.saturating_add(failed(note.seen_at))).fold(told, i64::max);
    let back = failed(i64::MAX);
    (ever.saturating_sub(back).max(0), back)
}

/// Brings ledger, order and account in line with what was taken back of the payment. The payment and its order are locked by the caller.
pub(super) async fn settle(hub: &Hub, tx: &mut Tx, order: &Order, payment: &str) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let before = status(tx, order.user).await?;
    let known = reversals::of_payment(tx, &order.provider, payment).await?;
    // One noted before its order was known may be in another currency; it is not this payment's.
    let mut known: Vec<Reversal> = known.into_iter().filter(|reversal| reversal.currency == order.currency).collect();
    let notes = reversals::refund_notes(tx, &order.provider, payment).await?;
    let mut came_back = 0;
    for refund in known.iter_mut().filter(|reversal| reversal.kind == "refund") {
        let (reached, failed) = refunded(&refund.id, refund.amount_minor, &notes);
        refund.amount_minor = reached;
        came_back += failed;
    }
    let mut left = order.credits().micro();
    for reversal in &known {
        let due = if reversal.state == "won" { 0 } else { share(order, reversal.amount_minor).min(left) };
        left -= due;
        move_credits(hub, tx, order, reversal, Credits::from_micro(due), came_back).await?;
    }
    let refunded = known.iter().filter(|reversal| reversal.kind == "refund").map(|reversal| reversal.amount_minor);
    let refunded = refunded.sum::<i64>().min(order.price_minor);
    let disputed = known.iter().any(|reversal| reversal.kind == "dispute" && reversal.state != "won");
    let word = if disputed {
        "disputed"
    } else if refunded >= order.price_minor {
        "refunded"
    } else {
        "paid"
    };
    orders::reversed(tx, order.id, word, refunded, now).await?;
    if known.iter().any(|reversal| reversal.state == "open") {
        reversals::freeze(tx, order.user, now).await?;
    } else {
        reversals::thaw(tx, order.user, now).await?;
    }
    let after = status(tx, order.user).await?;
    if before == "active" && after == "frozen" {
        let event = Event::new("account.frozen").on("user", &order.user.to_string()).about(order.user);
        audit::record(hub, tx, &Origin::default(), event.details(json!({ "order": order.id }))).await?;
    } else if before == "frozen" && after == "active" {
        thawed(hub, tx, order.user).await?;
    }
    Ok(())
}

/// Writes down that an account may spend again.
pub(super) async fn thawed(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<(), StoreError> {
    let event = Event::new("account.thawed").on("user", &user.to_string()).about(user);
    audit::record(hub, tx, &Origin::default(), event).await
}

/// Posts the difference between what the reversal took and what it is due.
async fn move_credits(
    hub: &Hub,
    tx: &mut Tx,
    order: &Order,
    reversal: &Reversal,
    due: Credits,
    came_back: i64,
) -> Result<(), StoreError> {
    let amount = Credits::from_micro(reversal.taken().micro() - due.micro());
    if amount == Credits::ZERO {
        return Ok(());
    }
    let what = match (reversal.kind.as_str(), amount.is_positive()) {
        ("refund", true) => "Refund that failed",
        ("refund", false) => "Refund",
        _ => "Dispute",
    };
    // What a reversal is due never comes back to an earlier amount: refunds grow, disputes shrink. Only refunds that fail take it back, and
    // their sum grows.
    let mut key = format!("{}:{}:{}", order.provider, reversal.id, due.micro());
    if came_back > 0 {
        key = format!("{key}:{came_back}");
    }
    let posting = Posting {
        id: TransactionId::new(&hub.clock),
        user: order.user,
        kind: Kind::Chargeback,
        amount,
        key,
        request_hash: None,
        hold: None,
        actor: None,
        reason: format!("{what}: {}", order.name),
        metadata: json!({ "order": order.id, "amountMinor": reversal.amount_minor, "currency": reversal.currency,
                          "state": reversal.state }),
        at: hub.clock.now(),
    };
    let row = reversals::post(tx, &order.provider, &reversal.id, due, &posting).await?;
    let row = row.ok_or(StoreError::Corrupt("an order without an account"))?;
    let details = json!({ "credits": amount, "kind": reversal.kind, "state": reversal.state, "amountMinor": reversal.amount_minor,
                          "currency": reversal.currency, "provider": order.provider, "transaction": row.id });
    let event = if amount.is_positive() { Event::new("payment.restored") } else { Event::new("payment.reversed") };
    let event = event.on("order", &order.id.to_string()).about(order.user).details(details);
    audit::record(hub, tx, &Origin::default(), event).await?;
    let owner = users::by_id(tx, order.user).await?.ok_or(StoreError::Corrupt("an order without a buyer"))?;
    mails::moved(hub, tx, &owner.email, order, amount).await
}

/// The credits that this much of the price bought, in micro-credits, rounded down.
fn share(order: &Order, amount_minor: i64) -> i64 {
    let (credits, amount) = (order.credits().micro(), amount_minor.clamp(0, order.price_minor));
    let part = i128::from(credits) * i128::from(amount) / i128::from(order.price_minor.max(1));
    i64::try_from(part).unwrap_or(credits)
}

async fn status(tx: &mut Tx, user: UserId) -> Result<String, StoreError> {
    Ok(accounts::get(tx, user).await?.map(|account| account.status).unwrap_or_default())
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
        let cases: [(&[RefundNote], (i64, i64)); 6] = [
            (&[told(1, 300)], (300, 0)),
            (&[told(1, 300), failure(5, 300)], (0, 300)),
            // Made again after the failure: Stripe's sum is that of the second one alone.
            (&[told(1, 1_000), failure(5, 1_000), told(9, 1_000)], (1_000, 1_000)),
            (&[told(1, 300), told(2, 500), failure(5, 300)], (200, 300)),
            (&[told(1, 300), failure(5, 300), told(6, 200), failure(9, 200)], (0, 500)),
            (&[failure(5, 300)], (0, 300)),
        ];
        for (notes, expected) in cases {
            let mut notes = notes.to_vec();
            for _ in 0..notes.len() {
                notes.rotate_left(1);
                let most = notes.iter().map(|note| note.refunded_minor).max().unwrap_or(0);
                assert_eq!(refunded("ch", most, &notes), expected, "{notes:?}");
            }
        }
        assert_eq!(refunded("ch", 500, &[]), (500, 0), "told before notes were kept");
        assert_eq!(refunded("other", 500, &[failure(5, 300)]), (500, 0));
    }
}
