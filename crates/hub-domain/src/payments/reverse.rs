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
use super::standing::Standing;
use crate::audit::{self, Event};
use crate::credits::thaw;
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
            let new = NewReversal { provider, id, payment, kind, state, stamp: 0, amount_minor, currency, at };
            reversals::note(tx, &new).await?;
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
            // Events come in any order: the newest one says how a dispute stands, and of one second the one that is furthest.
            let (state, rank) = match state {
                DisputeState::Inquiry => ("won", 0),
                DisputeState::Open => ("open", 1),
                DisputeState::Lost => ("lost", 2),
                DisputeState::Won => ("won", 3),
            };
            let stamp = seen_at.saturating_mul(4).saturating_add(rank);
            let (id, kind, amount_minor) = (dispute.as_str(), "dispute", *amount_minor);
            let new = NewReversal { provider, id, payment, kind, state, stamp, amount_minor, currency, at };
            reversals::note(tx, &new).await
        }
    }
}

/// Brings ledger, order and account in line with what was taken back of the payment. The payment and its order are locked by the caller.
pub(super) async fn settle(hub: &Hub, tx: &mut Tx, order: &Order, payment: &str) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let before = status(tx, order.user).await?;
    let known = reversals::of_payment(tx, &order.provider, payment).await?;
    let notes = reversals::refund_notes(tx, &order.provider, payment).await?;
    let standing = Standing::of(order, known, &notes);
    for (reversal, due) in &standing.dues {
        move_credits(hub, tx, order, reversal, *due).await?;
    }
    orders::reversed(tx, order.id, standing.status, standing.refunded_minor, now).await?;
    if standing.dues.iter().any(|(reversal, _)| reversal.state == "open") {
        reversals::freeze(tx, order.user, now).await?;
    } else {
        reversals::thaw(tx, order.user, now).await?;
    }
    let after = status(tx, order.user).await?;
    if before == "active" && after == "frozen" {
        let event = Event::new("account.frozen").on("user", &order.user.to_string()).about(order.user);
        audit::record(hub, tx, &Origin::default(), event.details(json!({ "order": order.id }))).await?;
    } else if before == "frozen" && after == "active" {
        thaw::note(hub, tx, order.user).await?;
    }
    Ok(())
}

/// Posts the difference between what the reversal took and what it is due.
async fn move_credits(
    hub: &Hub,
    tx: &mut Tx,
    order: &Order,
    reversal: &Reversal,
    due: Credits,
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
    let posting = Posting {
        id: TransactionId::new(&hub.clock),
        user: order.user,
        kind: Kind::Chargeback,
        amount,
        // What a reversal is due may come back to what it was before: a dispute that was won can be lost again. So its movements count.
        key: format!("{}:{}:move-{}", order.provider, reversal.id, reversal.moves + 1),
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

async fn status(tx: &mut Tx, user: UserId) -> Result<String, StoreError> {
    Ok(accounts::get(tx, user).await?.map(|account| account.status).unwrap_or_default())
}
