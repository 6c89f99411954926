//! The check of the money over HTTP: numbers beside the ledger that do not fit it are found, and their owner is named.

use hub_store::ledger::{self, Kind, Posting};
use hub_store::{grants, orders, promo, reversals};
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use hub_types::{Credits, PromoCodeId, TransactionId};
use serde_json::{Value, json};

use crate::credits_flow::{charge, order as send};
use crate::payments::kit;
use crate::promo::make;

/// What the check says, without those who are right: names and culprits.
async fn faults(hub: &TestHub, admin: &TestUser, query: &str) -> Vec<(String, String)> {
    let path = format!("/api/admin/ledger{query}");
    let report = hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found = Vec::new();
    for check in report["checks"].as_array().unwrap() {
        found.extend(check["faults"].as_array().unwrap().iter().map(|fault| (text(&check["name"]), text(fault))));
    }
    assert_eq!(report["clean"], found.is_empty());
    found
}

on_both_pairs! {
    async fn a_lot_that_lost_more_than_its_rows_took_is_named(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let lot = json!({ "userId": ada.id, "amount": 50, "reason": "gift", "category": "promo", "expiresAt": "2026-11-26T10:00:00Z" });
        send(&hub, &admin, "grant", &lot).await.expect(200);
        charge(&hub, &admin, &ada, 20).await;
        let lots = async || {
            let mut tx = hub.hub.store.read().await.unwrap();
            grants::all(&mut tx, ada.id).await.unwrap()
        };
        let stored = lots().await.pop().unwrap();
        let save = async |consumed: i64| {
            let mut tx = hub.hub.store.write().await.unwrap();
            let lot = grants::Lot { consumed, ..stored.clone() };
            grants::save(&mut tx, &lot, hub.clock().now()).await.unwrap();
            tx.commit().await.unwrap();
        };
        assert_eq!(faults(&hub, &admin, "").await, []);
        save(1).await;
        let found = faults(&hub, &admin, "").await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].1.contains(&stored.id.to_string()) && found[0].1.contains("stored 1 consumed"), "{found:?}");
        save(0).await;
        // Worked out and run out: everything still fits.
        hub.advance(chrono::Duration::days(4));
        hub_domain::credits::expire_due(&hub.hub).await.unwrap();
        let ended = lots().await.pop().unwrap();
        assert_eq!((ended.consumed, ended.expired), (20_000_000, 30_000_000));
        hub.finish().await;
    }

    async fn a_code_that_was_used_more_often_than_redeemed_is_named_also_by_the_fast_check(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let made = make(&hub, &admin, &json!({ "code": "COUNTED", "credits": 5 })).await;
        let code: PromoCodeId = made["id"].as_str().unwrap().parse().unwrap();
        let mut tx = hub.hub.store.write().await.unwrap();
        promo::take(&mut tx, "COUNTED", hub.clock().now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let named = ("every promo code was used as often as it was redeemed".to_owned(), "promo code COUNTED: stored 1, computed 0".to_owned());
        assert_eq!(faults(&hub, &admin, "?fast=true").await, std::slice::from_ref(&named));
        assert_eq!(faults(&hub, &admin, "").await, [named]);
        // The row alone is not enough either.
        let posting = Posting {
            id: TransactionId::new(hub.clock()),
            user: ada.id,
            kind: Kind::Promo,
            amount: Credits::whole(5),
            key: "promo:test".to_owned(),
            request_hash: None,
            hold: None,
            actor: None,
            reason: "promo".to_owned(),
            metadata: json!({}),
            at: hub.clock().now(),
        };
        let mut tx = hub.hub.store.write().await.unwrap();
        ledger::post(&mut tx, &posting).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert!(faults(&hub, &admin, "").await.iter().any(|(name, _)| name == "every row of a promo code has its redemption"));
        let mut tx = hub.hub.store.write().await.unwrap();
        promo::redeem(&mut tx, code, ada.id, posting.id, hub.clock().now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        hub.finish().await;
    }

    async fn an_order_and_a_reversal_that_say_too_much_are_named(pair: Pair) {
        let (hub, stripe) = kit::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let ordered = kit::order(&hub, &ada).await;
        kit::pay(&hub, &ordered).await;
        kit::tell(&hub, "evt_r1", "charge.refunded", &kit::charge(&ordered, 200)).await;
        assert_eq!(faults(&hub, &admin, "").await, []);
        let refunded = async |minor: i64| {
            let mut tx = hub.hub.store.write().await.unwrap();
            orders::reversed(&mut tx, ordered.id.parse().unwrap(), "paid", minor, hub.clock().now()).await.unwrap();
            tx.commit().await.unwrap();
        };
        refunded(201).await;
        let found = faults(&hub, &admin, "").await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].1, format!("order {}: stored 201 refunded, computed 200", ordered.id));
        refunded(200).await;
        // More is known of the charge than the ledger took for it, until the next word about it.
        let reversal = ordered.payment.replace("pi_", "ch_");
        let more = reversals::NewReversal {
            provider: "stripe",
            id: &reversal,
            payment: &ordered.payment,
            kind: "refund",
            state: "lost",
            stamp: 0,
            amount_minor: 300,
            currency: "usd",
            at: hub.clock().now(),
        };
        let mut tx = hub.hub.store.write().await.unwrap();
        reversals::note(&mut tx, &more).await.unwrap();
        tx.commit().await.unwrap();
        let found = faults(&hub, &admin, "").await;
        assert!(found.iter().any(|(_, fault)| fault.starts_with(&format!("reversal {reversal} of order"))), "{found:?}");
        kit::tell(&hub, "evt_r2", "charge.refunded", &kit::charge(&ordered, 300)).await;
        kit::finish(hub, &stripe).await;
    }
}
