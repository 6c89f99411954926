//! Credits for a payment that succeeded, once.

use hub_clients::pay::{Checkout, CheckoutState};
use hub_store::ledger::{self, Kind, Posting};
use hub_store::orders::{self, Order};
use hub_store::{StoreError, Tx, accounts, reversals, users};
use hub_types::{Credits, OrderId, TransactionId};
use serde_json::json;

use super::apply::Verdict;
use super::{invoice, mails, reverse};
use crate::audit::{self, Event};
use crate::{Hub, Origin};

/// A checkout went on.
pub(super) async fn checkout(hub: &Hub, tx: &mut Tx, provider: &str, seen: &Checkout) -> Result<Verdict, StoreError> {
    let now = hub.clock.now();
    let Some(id) = seen.order.as_deref().and_then(|text| text.parse::<OrderId>().ok()) else {
        return Ok(Err("it names no order of this hub"));
    };
    reversals::lock_payment(tx, provider, &seen.payment, now).await?;
    let Some(order) = orders::lock(tx, id).await? else { return Ok(Err("it names no order of this hub")) };
    if let Err(reason) = belongs(tx, provider, &order, seen).await? {
        return Ok(Err(reason));
    }
    let ended = order.status == "failed" || order.status == "expired";
    match seen.state {
        CheckoutState::Paid if order.paid_at.is_some() => {}
        CheckoutState::Paid => return pay(hub, tx, &order, seen).await,
        // Events come in any order: one from before the end is no news.
        CheckoutState::Pending if ended => {}
        CheckoutState::Pending => drop(orders::not_paid(tx, id, "pending", now).await?),
        CheckoutState::Failed => drop(orders::not_paid(tx, id, "failed", now).await?),
        CheckoutState::Expired => drop(orders::not_paid(tx, id, "expired", now).await?),
    }
    Ok(Ok(()))
}

/// Whether this checkout and this payment are the order's own.
async fn belongs(tx: &mut Tx, provider: &str, order: &Order, seen: &Checkout) -> Result<Verdict, StoreError> {
    if order.provider != provider {
        return Ok(Err("the order is paid through another provider"));
    }
    let session = match &order.session {
        Some(session) => *session == seen.session,
        // The answer that would have told us was lost.
        None => orders::by_session(tx, &seen.session).await?.is_none(),
    };
    if !session {
        return Ok(Err("the checkout is another order's"));
    }
    if order.payment.as_ref().is_some_and(|payment| *payment != seen.payment && seen.state == CheckoutState::Paid) {
        return Ok(Err("the order was paid by another payment"));
    }
    let owner = orders::of_payment(tx, provider, &seen.payment).await?;
    Ok(if owner.is_some_and(|owner| owner != order.id) { Err("the payment is another order's") } else { Ok(()) })
}

async fn pay(hub: &Hub, tx: &mut Tx, order: &Order, seen: &Checkout) -> Result<Verdict, StoreError> {
    let now = hub.clock.now();
    if seen.amount_minor != order.price_minor {
        return Ok(Err("the amount is not the order's"));
    }
    if seen.currency != order.currency {
        return Ok(Err("the currency is not the order's"));
    }
    let buyer = users::by_id(tx, order.user).await?.ok_or(StoreError::Corrupt("an order without a buyer"))?;
    let account = accounts::get(tx, order.user).await?.filter(|account| account.status != "closed");
    let Some(account) = account else { return Ok(Err("the credit account is closed: give the money back")) };
    // What comes in between makes the posting below fail; the next attempt finds it here.
    if account.balance.checked_add(order.credits()).is_none_or(|balance| balance > Credits::MAX) {
        return Ok(Err("the credit account has no room for so many credits: give the money back"));
    }
    if !orders::paid(tx, order.id, &seen.session, &seen.payment, now).await? {
        return Ok(Ok(()));
    }
    let number = invoice::issue(hub, tx, order, &buyer).await?;
    let posting = Posting {
        id: TransactionId::new(&hub.clock),
        user: order.user,
        kind: Kind::Purchase,
        amount: order.credits(),
        key: format!("{}:{}", order.provider, seen.payment),
        request_hash: None,
        hold: None,
        actor: None,
        reason: format!("Purchase: {}", order.name),
        metadata: json!({ "order": order.id, "invoice": number, "paidMinor": order.price_minor, "currency": order.currency }),
        at: now,
    };
    let row = ledger::post(tx, &posting).await?.ok_or(StoreError::Corrupt("an account that takes no credits"))?;
    let event = Event::new("payment.credited").on("order", &order.id.to_string()).about(order.user);
    let details = json!({ "credits": order.credits(), "paidMinor": order.price_minor, "currency": order.currency,
                          "provider": order.provider, "payment": seen.payment, "transaction": row.id, "invoice": number });
    audit::record(hub, tx, &Origin::default(), event.details(details)).await?;
    mails::receipt(hub, tx, &buyer.email, order, &number).await?;
    // A refund or a dispute may have been quicker.
    reverse::settle(hub, tx, order, &seen.payment).await?;
    Ok(Ok(()))
}
