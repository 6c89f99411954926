//! Payments taken back: refunds, in whole or in part, and disputes.
//!
//! What a payment still owes is computed from all that is known about it, so events may come in any order and any number. Credits go back
//! in proportion to the money, and never more of them than were bought.

use hub_clients::pay::{Change, DisputeState};
use hub_store::ledger::{Kind, Posting};
use hub_store::orders::{self, Order};
use hub_store::reversals::{self, NewReversal, Reversal};
use hub_store::{StoreError, Tx, accounts, users};
use hub_types::{Credits, TransactionId, UserId};
use serde_json::json;

use super::apply::Verdict;
use super::mails;
use crate::audit::{self, Event};
use crate::{Hub, Origin};

/// Notes a refund or a dispute. One whose payment is not known yet waits for it.
pub(super) async fn note(hub: &Hub, tx: &mut Tx, provider: &str, change: &Change) -> Result<Verdict, StoreError> {
    let at = hub.clock.now();
    let new = match change {
        Change::Checkout(_) => return Ok(Ok(())),
        Change::Refund { charge, payment, amount_minor, currency } => NewReversal {
            provider,
            id: charge,
            payment,
            kind: "refund",
            state: "lost",
            amount_minor: *amount_minor,
            currency,
            at,
        },
        Change::Dispute { dispute, payment, amount_minor, currency, state } => NewReversal {
            provider,
            id: dispute,
            payment,
            kind: "dispute",
            state: match state {
                DisputeState::Open => "open",
                DisputeState::Lost => "lost",
                DisputeState::Won => "won",
            },
            amount_minor: *amount_minor,
            currency,
            at,
        },
    };
    reversals::lock_payment(tx, provider, new.payment, at).await?;
    let order = match orders::of_payment(tx, provider, new.payment).await? {
        Some(id) => orders::lock(tx, id).await?,
        None => None,
    };
    if order.as_ref().is_some_and(|order| order.currency != new.currency) {
        return Ok(Err("the currency is not the order's"));
    }
    reversals::note(tx, &new).await?;
    if let Some(order) = order {
        settle(hub, tx, &order, new.payment).await?;
    }
    Ok(Ok(()))
}

/// Brings ledger, order and account in line with what was taken back of the payment. The payment and its order are locked by the caller.
pub(super) async fn settle(hub: &Hub, tx: &mut Tx, order: &Order, payment: &str) -> Result<(), StoreError> {
    let now = hub.clock.now();
    let before = status(tx, order.user).await?;
    let known = reversals::of_payment(tx, &order.provider, payment).await?;
    // One noted before its order was known may be in another currency; it is not this payment's.
    let known: Vec<Reversal> = known.into_iter().filter(|reversal| reversal.currency == order.currency).collect();
    let mut left = order.credits().micro();
    for reversal in &known {
        let due = if reversal.state == "won" { 0 } else { share(order, reversal.amount_minor).min(left) };
        left -= due;
        move_credits(hub, tx, order, reversal, Credits::from_micro(due)).await?;
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
) -> Result<(), StoreError> {
    let amount = Credits::from_micro(reversal.taken().micro() - due.micro());
    if amount == Credits::ZERO {
        return Ok(());
    }
    let what = if reversal.kind == "refund" { "Refund" } else { "Dispute" };
    let posting = Posting {
        id: TransactionId::new(&hub.clock),
        user: order.user,
        kind: Kind::Chargeback,
        amount,
        // What a reversal is due never comes back to an earlier amount: refunds grow, disputes shrink.
        key: format!("{}:{}:{}", order.provider, reversal.id, due.micro()),
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
