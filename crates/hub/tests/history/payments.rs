//! Orders that are paid, given back and disputed: signed events in Stripe's form, told twice and in odd order.

use chrono::Duration;
use hub_clients::pay::signature;
use hub_domain::{jobs, payments};
use hub_store::orders::{self, NewOrder};
use hub_testkit::{Pair, TestHub};
use hub_types::{Credits, OrderId};
use serde_json::{Value, json};

use crate::act::until_crash;
use crate::model::{BOUGHT, Dispute, Order, PRICE};
use crate::play::History;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SELLER: &str = "[seller]\nname = 'Heron & Sons'\naddress = ['1 Reed Lane']\n";

/// A hub that takes Stripe's events.
pub(crate) async fn hub(pair: Pair) -> TestHub {
    let builder = TestHub::builder(pair).settings(|settings| {
        settings.stripe.secret_key = Some("sk_test_4eC39HqLyjWDarjtT1zdp7dc".into());
        settings.stripe.webhook_secret = Some(SECRET.into());
        settings.payments = toml::from_str(SELLER).unwrap();
    });
    builder.start().await
}

fn charge(order: &Order, refunded: i64) -> Value {
    json!({
        "id": format!("ch_{}", order.id), "object": "charge", "amount": PRICE, "amount_refunded": refunded, "currency": "usd",
        "payment_intent": format!("pi_{}", order.id), "refunded": refunded == PRICE, "metadata": { "order_id": order.id },
    })
}

fn session(order: &Order) -> Value {
    json!({
        "id": format!("cs_{}", order.id), "object": "checkout.session", "status": "complete", "payment_status": "paid",
        "amount_total": PRICE, "currency": "usd", "payment_intent": format!("pi_{}", order.id), "client_reference_id": order.id,
        "livemode": false, "metadata": { "order_id": order.id }, "mode": "payment",
    })
}

fn dispute(order: &Order, status: &str) -> Value {
    json!({
        "id": format!("dp_{}", order.id), "object": "dispute", "amount": PRICE, "currency": "usd", "status": status,
        "charge": format!("ch_{}", order.id), "payment_intent": format!("pi_{}", order.id), "reason": "fraudulent",
    })
}

impl History {
    /// News about one of somebody's orders, or a new order.
    pub(crate) async fn payment(&mut self, crash: Option<usize>) {
        self.operations += 1;
        let index = self.dice.below(self.accounts.len());
        let count = self.accounts[index].orders.len();
        let recent = count.saturating_sub(4);
        if count == 0 || self.dice.chance(30) {
            return self.order(index).await;
        }
        let number = recent + self.dice.below(count - recent);
        let account = &mut self.accounts[index];
        let order = &mut account.orders[number];
        let (kind, object) = match (self.dice.below(10), order.dispute) {
            (0..2, _) => {
                let refunded = self.dice.between(1, PRICE);
                // What is told is the sum; one that is smaller than it was is late.
                order.refunded = order.refunded.max(refunded);
                ("charge.refunded", charge(order, refunded))
            }
            (2, Dispute::None) if order.paid => {
                order.dispute = Dispute::Open;
                ("charge.dispute.created", dispute(order, "needs_response"))
            }
            (2..6, Dispute::Open) => {
                let won = self.dice.chance(60);
                order.dispute = if won { Dispute::Won } else { Dispute::Lost };
                ("charge.dispute.closed", dispute(order, if won { "won" } else { "lost" }))
            }
            _ => ("checkout.session.completed", session(order)),
        };
        account.news(number, kind == "checkout.session.completed");
        let id = format!("evt_{}", self.operations);
        self.tell(&id, kind, &object, crash).await;
        self.compare(&(kind, object)).await;
    }

    async fn order(&mut self, index: usize) {
        let (hub, user) = (self.hub(), self.accounts[index].user());
        let id = OrderId::new(&hub.clock);
        let mut tx = hub.store.write().await.unwrap();
        let new = NewOrder {
            id,
            user,
            package: "small",
            name: "credits",
            credits: Credits::from_micro(BOUGHT),
            price_minor: PRICE,
            currency: "usd",
            provider: "stripe",
            key: None,
            at: hub.clock.now(),
        };
        assert!(orders::insert(&mut tx, &new).await.unwrap());
        assert!(
            orders::opened(&mut tx, id, &format!("cs_{id}"), "https://example.com", hub.clock.now()).await.unwrap()
        );
        tx.commit().await.unwrap();
        let order = Order { id, paid: false, refunded: 0, dispute: Dispute::None, taken: (0, 0) };
        self.accounts[index].orders.push(order);
    }

    /// The event is told until it is taken, and worked off; a worker that dies leaves it to the next one.
    async fn tell(&self, id: &str, kind: &str, object: &Value, crash: Option<usize>) {
        let event = json!({
            "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": self.hub().clock.now().timestamp(),
            "livemode": false, "type": kind, "data": { "object": object }, "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
        });
        let body = event.to_string();
        let told = async |number: usize| {
            let hub = &self.hubs[number].hub;
            let header = signature::sign(&SECRET.into(), hub.clock.now(), body.as_bytes());
            payments::receive(hub, "stripe", Some(&header), body.as_bytes()).await.unwrap();
        };
        if let Some(polls) = crash {
            until_crash(told(1), polls).await;
        }
        told(0).await;
        if let Some(polls) = crash
            && until_crash(jobs::run_all_due(&self.hubs[1].hub), polls).await.is_none()
        {
            self.hubs[0].advance(Duration::seconds(121));
        }
        jobs::run_all_due(self.hub()).await.unwrap();
    }
}
