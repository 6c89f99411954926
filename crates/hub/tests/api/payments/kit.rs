//! A hub that sells through the Stripe of these tests, orders, and signed events in Stripe's form.

use hub::config::Settings;
use hub_clients::pay::signature;
use hub_domain::payments;
use hub_store::{audit, jobs};
use hub_testkit::{Pair, TestHub, TestResponse, TestUser};
use hub_types::AuditId;
use serde_json::{Value, json};

use super::stripe::{KEY, Stripe};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The price of the small package, in cents.
pub(crate) const PRICE: i64 = 1_000;

const PAYMENTS: &str = "
    [seller]
    name = 'Heron & Sons'
    address = ['1 Reed Lane', 'Marsh <Town>']
    vat_id = 'DE123456789'
    vat_basis_points = 1900
    [[packages]]
    id = 'small'
    name = '500 credits'
    credits = 500
    price_minor = 1000
    currency = 'usd'
    [[packages]]
    id = 'large'
    name = '9000 credits'
    credits = 9000
    price_minor = 15000
    currency = 'eur'
";

/// A hub that sells through `stripe`.
pub(crate) async fn hub_with(pair: Pair, stripe: &Stripe, change: impl FnOnce(&mut Settings)) -> TestHub {
    let builder = TestHub::builder(pair).settings(|settings| {
        settings.stripe.secret_key = Some(KEY.into());
        settings.stripe.webhook_secret = Some(SECRET.into());
        settings.stripe.base_url = stripe.url().to_owned();
        settings.payments = toml::from_str(PAYMENTS).unwrap();
        change(settings);
    });
    builder.start().await
}

pub(crate) async fn start(pair: Pair) -> (TestHub, Stripe) {
    let stripe = Stripe::start().await;
    (hub_with(pair, &stripe, |_| ()).await, stripe)
}

/// What `finish` does, and the other side has nothing to complain about.
pub(crate) async fn finish(hub: TestHub, stripe: &Stripe) {
    assert_eq!(stripe.inner().complaints, Vec::<String>::new());
    hub.finish().await;
}

/// An order of the small package, as the buyer has it.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) id: String,
    pub(crate) session: String,
    pub(crate) payment: String,
}

/// Orders the small package.
pub(crate) async fn order(hub: &TestHub, who: &TestUser) -> Ordered {
    let body = json!({ "packageId": "small" });
    let opened =
        hub.post("/api/credits/checkout").bearer(&who.access_token).json(&body).send().await.expect(200).json();
    let session = opened["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let payment = session.replace("cs_", "pi_");
    Ordered { id: opened["orderId"].as_str().unwrap().to_owned(), session, payment }
}

/// An event about `object`, now.
pub(crate) fn event(hub: &TestHub, id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": hub.clock().now().timestamp(),
        "livemode": false, "type": kind, "data": { "object": object }, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
    })
}

/// The session of an order as Stripe tells it once it is paid.
pub(crate) fn session(order: &Ordered) -> Value {
    json!({
        "id": order.session, "object": "checkout.session", "status": "complete", "payment_status": "paid", "amount_total": PRICE,
        "currency": "usd", "payment_intent": order.payment, "client_reference_id": order.id, "livemode": false,
        "metadata": { "order_id": order.id }, "mode": "payment",
        "customer_details": { "email": "ada@example.com", "address": { "country": "DE" } },
    })
}

/// A charge of an order of which this much was given back.
pub(crate) fn charge(order: &Ordered, refunded: i64) -> Value {
    json!({
        "id": order.payment.replace("pi_", "ch_"), "object": "charge", "amount": PRICE, "amount_refunded": refunded, "currency": "usd",
        "payment_intent": order.payment, "refunded": refunded == PRICE, "metadata": { "order_id": order.id },
    })
}

/// A refund of an order.
pub(crate) fn refund(order: &Ordered, id: &str, amount: i64, status: &str) -> Value {
    json!({
        "id": id, "object": "refund", "amount": amount, "currency": "usd", "status": status, "payment_intent": order.payment,
        "charge": order.payment.replace("pi_", "ch_"), "failure_reason": if status == "failed" { "expired_or_canceled_card" } else { "" },
    })
}

/// A dispute over the whole price.
pub(crate) fn dispute(order: &Ordered, status: &str) -> Value {
    json!({
        "id": order.payment.replace("pi_", "dp_"), "object": "dispute", "amount": PRICE, "currency": "usd", "status": status,
        "charge": order.payment.replace("pi_", "ch_"), "payment_intent": order.payment, "reason": "fraudulent",
    })
}

/// Posts a signed event, without running jobs.
pub(crate) async fn post(hub: &TestHub, event: &Value) -> TestResponse {
    let body = event.to_string();
    let header = signature::sign(&SECRET.into(), hub.clock().now(), body.as_bytes());
    post_signed(hub, &header, &body).await
}

pub(crate) async fn post_signed(hub: &TestHub, header: &str, body: &str) -> TestResponse {
    let request = hub.post("/api/webhooks/stripe").header("stripe-signature", header);
    request.header("content-type", "application/json; charset=utf-8").body(body.to_owned()).send().await
}

/// Posts a signed event and works it off.
pub(crate) async fn tell(hub: &TestHub, id: &str, kind: &str, object: &Value) {
    let answer = post(hub, &event(hub, id, kind, object)).await.expect(200).json();
    assert_eq!(answer, json!({ "received": true }));
    hub.run_jobs().await;
}

/// Tells that the order is paid.
pub(crate) async fn pay(hub: &TestHub, order: &Ordered) {
    let id = order.payment.replace("pi_", "evt_paid_");
    tell(hub, &id, "checkout.session.completed", &session(order)).await;
}

/// A round of healing, as the worker would begin it.
pub(crate) async fn heal(hub: &TestHub) {
    payments::schedule(&hub.hub).await.unwrap();
    hub.run_jobs().await;
    let mut tx = hub.hub.store.read().await.unwrap();
    assert_eq!(jobs::counts(&mut tx).await.unwrap(), (0, 0));
}

/// The order as its buyer sees it.
pub(crate) async fn shown(hub: &TestHub, who: &TestUser, order: &Ordered) -> Value {
    let path = format!("/api/credits/orders/{}", order.id);
    hub.get(&path).bearer(&who.api_key).send().await.expect(200).json()
}

pub(crate) async fn status(hub: &TestHub, who: &TestUser, order: &Ordered) -> String {
    shown(hub, who, order).await["status"].as_str().unwrap().to_owned()
}

/// The balance, in whole credits.
pub(crate) async fn balance(hub: &TestHub, who: &TestUser) -> i64 {
    hub.get("/api/credits/balance").bearer(&who.api_key).send().await.expect(200).json()["balance"].as_i64().unwrap()
}

/// Amounts of the rows of this kind in whole credits, newest first.
pub(crate) async fn rows(hub: &TestHub, who: &TestUser, kind: &str) -> Vec<i64> {
    let path = format!("/api/credits/transactions?limit=100&kind={kind}");
    let page = hub.get(&path).bearer(&who.api_key).send().await.expect(200).json();
    page["transactions"].as_array().unwrap().iter().map(|row| row["amount"].as_i64().unwrap()).collect()
}

/// Rows of the trail with this action, newest first: what they tell.
pub(crate) async fn trail(hub: &TestHub, action: &str) -> Vec<Value> {
    let mut tx = hub.hub.store.read().await.unwrap();
    let end = hub.clock().now() + chrono::Duration::days(1);
    let rows = audit::list(&mut tx, &audit::Filter::default(), (end, AuditId::new(hub.clock())), 200).await.unwrap();
    rows.into_iter().filter(|row| row.action == action).map(|row| row.details).collect()
}
