//! What an event says, cut down to what a rule needs. The rest (addresses, cards) is not even kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EventError;

/// Longest id that is taken from an event, in bytes.
const LONGEST_ID: usize = 200;

/// Something that happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEvent {
    /// The provider's id of it; the same event may come many times.
    pub id: String,
    /// The provider's word, such as `checkout.session.completed`.
    pub kind: String,
    /// When, in seconds of Unix time.
    pub created: i64,
    /// True for real money.
    pub live: bool,
    /// The connected account it is about; `None` for our own.
    pub account: Option<String>,
    /// What happened.
    pub change: Change,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Change {
    /// A checkout went on.
    Checkout(Checkout),
    /// Money was given back; `amount_minor` is the sum of all refunds of the charge.
    Refund {
        /// The charge.
        charge: String,
        /// Its payment.
        payment: String,
        /// Refunded so far.
        amount_minor: i64,
        /// ISO 4217, lower case.
        currency: String,
    },
    /// A refund did not reach the buyer: its money is back here.
    RefundFailed {
        /// The refund.
        refund: String,
        /// The charge it was of.
        charge: String,
        /// The payment.
        payment: String,
        /// How much it was.
        amount_minor: i64,
        /// ISO 4217, lower case.
        currency: String,
    },
    /// The buyer's bank takes the money back, or stopped doing so.
    Dispute {
        /// The dispute.
        dispute: String,
        /// The payment.
        payment: String,
        /// What is disputed.
        amount_minor: i64,
        /// ISO 4217, lower case.
        currency: String,
        /// How it stands.
        state: DisputeState,
    },
}

/// A checkout as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The provider's id of it.
    pub session: String,
    /// Our id of the order, as we gave it.
    pub order: Option<String>,
    /// The payment; the session's own id where it has none.
    pub payment: String,
    /// What was paid or is to be paid.
    pub amount_minor: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// How it stands.
    pub state: CheckoutState,
}

/// How a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckoutState {
    /// The money is there.
    Paid,
    /// The buyer is through, the money is on its way.
    Pending,
    /// The money did not come.
    Failed,
    /// Nobody paid in time.
    Expired,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisputeState {
    /// Only asked about: no money has moved.
    Inquiry,
    /// Not decided; the money is gone for now.
    Open,
    /// The money is gone for good.
    Lost,
    /// The money is back.
    Won,
}

/// Reads an event. `None`: about nothing that concerns an order.
pub(super) fn parse(body: &[u8]) -> Result<Option<PaymentEvent>, EventError> {
    let event: Value = serde_json::from_slice(body).map_err(|_| EventError::Unreadable)?;
    from_json(&event)
}

/// The same from JSON, such as an item of a list.
pub(super) fn from_json(event: &Value) -> Result<Option<PaymentEvent>, EventError> {
    let kind = event["type"].as_str().ok_or(EventError::Unreadable)?;
    // Thin events belong to another interface.
    if event["object"] != "event" {
        return Ok(None);
    }
    let object = &event["data"]["object"];
    let change = match kind {
        "checkout.session.completed" => match object["payment_status"].as_str() {
            Some("paid") => checkout(object, CheckoutState::Paid)?,
            _ => checkout(object, CheckoutState::Pending)?,
        },
        "checkout.session.async_payment_succeeded" => checkout(object, CheckoutState::Paid)?,
        "checkout.session.async_payment_failed" => checkout(object, CheckoutState::Failed)?,
        "checkout.session.expired" => checkout(object, CheckoutState::Expired)?,
        "charge.refunded" => Change::Refund {
            charge: id(&object["id"])?,
            payment: id(&object["payment_intent"]).or_else(|_| id(&object["id"]))?,
            amount_minor: amount(&object["amount_refunded"])?,
            currency: currency(object)?,
        },
        // The same is told in up to three ways, depending on the account's settings.
        "refund.failed" | "refund.updated" | "charge.refund.updated" => match object["status"].as_str() {
            Some("failed" | "canceled") => refund_failed(object)?,
            _ => return Ok(None),
        },
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => dispute(kind, object)?,
        _ => return Ok(None),
    };
    Ok(Some(PaymentEvent {
        id: id(&event["id"])?,
        kind: kind.to_owned(),
        created: event["created"].as_i64().ok_or(EventError::Unreadable)?,
        live: event["livemode"].as_bool().ok_or(EventError::Unreadable)?,
        account: if event["account"].is_null() { None } else { Some(id(&event["account"])?) },
        change,
    }))
}

fn checkout(session: &Value, state: CheckoutState) -> Result<Change, EventError> {
    let name = id(&session["id"])?;
    let order = id(&session["client_reference_id"]).or_else(|_| id(&session["metadata"]["order_id"]));
    Ok(Change::Checkout(Checkout {
        order: order.ok(),
        payment: id(&session["payment_intent"]).unwrap_or_else(|_| name.clone()),
        session: name,
        amount_minor: amount(&session["amount_total"])?,
        currency: currency(session)?,
        state,
    }))
}

fn refund_failed(refund: &Value) -> Result<Change, EventError> {
    let charge = id(&refund["charge"])?;
    Ok(Change::RefundFailed {
        refund: id(&refund["id"])?,
        payment: id(&refund["payment_intent"]).unwrap_or_else(|_| charge.clone()),
        charge,
        amount_minor: amount(&refund["amount"])?,
        currency: currency(refund)?,
    })
}

fn dispute(kind: &str, object: &Value) -> Result<Change, EventError> {
    let state = match (kind, object["status"].as_str()) {
        // Where the money is counts more than what the dispute is called.
        ("charge.dispute.funds_withdrawn", Some("won" | "lost")) => DisputeState::Lost,
        ("charge.dispute.funds_withdrawn", _) => DisputeState::Open,
        ("charge.dispute.funds_reinstated", _) | (_, Some("won" | "warning_closed" | "prevented")) => DisputeState::Won,
        (_, Some("warning_needs_response" | "warning_under_review")) => DisputeState::Inquiry,
        (_, Some("lost")) | ("charge.dispute.closed", Some(_)) => DisputeState::Lost,
        _ => DisputeState::Open,
    };
    Ok(Change::Dispute {
        dispute: id(&object["id"])?,
        payment: id(&object["payment_intent"]).or_else(|_| id(&object["charge"]))?,
        amount_minor: amount(&object["amount"])?,
        currency: currency(object)?,
        state,
    })
}

/// An id, or the id of an object that was expanded in its place.
fn id(value: &Value) -> Result<String, EventError> {
    let text = value.as_str().or_else(|| value["id"].as_str()).ok_or(EventError::Unreadable)?;
    let fits = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(EventError::Unreadable) }
}

fn amount(value: &Value) -> Result<i64, EventError> {
    value.as_i64().filter(|amount| *amount >= 0).ok_or(EventError::Unreadable)
}

fn currency(object: &Value) -> Result<String, EventError> {
    let text = object["currency"].as_str().unwrap_or_default();
    let fits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if fits { Ok(text.to_ascii_lowercase()) } else { Err(EventError::Unreadable) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, object: &Value) -> Value {
        json!({ "id": "evt_1", "object": "event", "created": 5, "livemode": false, "type": kind, "data": { "object": object } })
    }

    #[test]
    fn a_checkout_is_paid_only_where_it_says_so() {
        let session = |status: &str| {
            json!({ "id": "cs_1", "payment_status": status, "amount_total": 1000, "currency": "USD", "payment_intent": null,
                    "client_reference_id": "o" })
        };
        for (kind, status, expected) in [
            ("checkout.session.completed", "paid", CheckoutState::Paid),
            ("checkout.session.completed", "unpaid", CheckoutState::Pending),
            ("checkout.session.completed", "no_payment_required", CheckoutState::Pending),
            ("checkout.session.async_payment_succeeded", "paid", CheckoutState::Paid),
            ("checkout.session.async_payment_failed", "unpaid", CheckoutState::Failed),
            ("checkout.session.expired", "unpaid", CheckoutState::Expired),
        ] {
            let Change::Checkout(read) = from_json(&event(kind, &session(status))).unwrap().unwrap().change else {
                panic!()
            };
            assert_eq!(
                (read.state, read.currency.as_str(), read.payment.as_str()),
                (expected, "usd", "cs_1"),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_concerns_no_order_is_passed_over_and_nonsense_is_unreadable() {
        assert_eq!(from_json(&event("payment_intent.succeeded", &json!({ "id": "pi_1" }))), Ok(None));
        assert_eq!(from_json(&json!({ "object": "v2.core.event", "type": "x" })), Ok(None));
        assert_eq!(parse(b"{"), Err(EventError::Unreadable));
        for object in
            [json!({}), json!({ "id": "cs_1", "amount_total": -1, "currency": "usd" }), json!({ "id": "a b" })]
        {
            assert_eq!(
                from_json(&event("checkout.session.completed", &object)),
                Err(EventError::Unreadable),
                "{object}"
            );
        }
    }

    #[test]
    fn a_refund_that_failed_is_heard_in_each_of_its_ways_and_any_other_news_of_it_is_not() {
        let refund = |status: &str| json!({ "id": "re_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": 5, "currency": "USD", "status": status });
        let failed = Change::RefundFailed {
            refund: "re_1".to_owned(),
            charge: "ch_1".to_owned(),
            payment: "pi_1".to_owned(),
            amount_minor: 5,
            currency: "usd".to_owned(),
        };
        for kind in ["refund.failed", "refund.updated", "charge.refund.updated"] {
            assert_eq!(from_json(&event(kind, &refund("failed"))).unwrap().unwrap().change, failed, "{kind}");
            assert_eq!(from_json(&event(kind, &refund("canceled"))).unwrap().unwrap().change, failed, "{kind}");
            assert_eq!(from_json(&event(kind, &refund("succeeded"))), Ok(None), "{kind}");
        }
    }

    #[test]
    fn a_dispute_is_what_became_of_the_money() {
        let object = |status: &str| json!({ "id": "dp_1", "payment_intent": "pi_1", "amount": 5, "currency": "eur", "status": status });
        for (kind, status, expected) in [
            ("created", "warning_needs_response", DisputeState::Inquiry),
            ("updated", "warning_under_review", DisputeState::Inquiry),
            ("closed", "warning_closed", DisputeState::Won),
            ("created", "needs_response", DisputeState::Open),
            ("updated", "under_review", DisputeState::Open),
            ("funds_withdrawn", "needs_response", DisputeState::Open),
            ("funds_withdrawn", "lost", DisputeState::Lost),
            ("closed", "lost", DisputeState::Lost),
            ("closed", "something new", DisputeState::Lost),
            ("updated", "won", DisputeState::Won),
            ("funds_reinstated", "lost", DisputeState::Won),
        ] {
            let kind = format!("charge.dispute.{kind}");
            let Change::Dispute { state, .. } = from_json(&event(&kind, &object(status))).unwrap().unwrap().change
            else {
                panic!()
            };
            assert_eq!(state, expected, "{kind} {status}");
        }
    }

    #[test]
    fn an_event_survives_the_inbox() {
        let charge =
            json!({ "id": "ch_1", "payment_intent": { "id": "pi_1" }, "amount_refunded": 5, "currency": "eur" });
        let read = from_json(&event("charge.refunded", &charge)).unwrap().unwrap();
        let stored = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<PaymentEvent>(stored).unwrap(), read);
    }
}
