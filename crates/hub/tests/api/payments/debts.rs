//! Whatever pays a debt lets the account spend again, in the same moment.

use hub_domain::payments;
use hub_store::reversals;
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

use super::kit::{balance, dispute, finish, order, pay, start, tell, trail};

async fn chat(hub: &TestHub, who: &TestUser) -> u16 {
    let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] });
    hub.post("/v1/chat/completions").bearer(&who.api_key).json(&body).send().await.status.as_u16()
}

async fn send(hub: &TestHub, who: &TestUser, what: &str, body: &Value) -> Value {
    hub.post(&format!("/api/credits/{what}")).bearer(&who.access_token).json(body).send().await.expect(200).json()
}

on_both_pairs! {
    async fn whatever_pays_a_debt_lets_the_account_spend_at_once(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let admin = hub.admin().await;
        let code = json!({ "code": "RESCUE", "credits": 500, "maxUsesPerUser": 1 });
        hub.post("/api/promo-codes").bearer(&admin.access_token).json(&code).send().await.expect(201);
        for way in ["redeem", "grant", "lot", "adjust", "refund"] {
            let who = hub.user(way).await;
            let ordered = order(&hub, &who).await;
            pay(&hub, &ordered).await;
            let charge = send(&hub, &admin, "deduct", &json!({ "userId": who.id, "amount": 550, "reason": "spent" })).await;
            tell(&hub, &format!("evt_{way}"), "charge.dispute.closed", &dispute(&ordered, "lost")).await;
            assert_eq!((balance(&hub, &who).await, chat(&hub, &who).await), (-450, 403), "{way}");
            // Part of it is not enough.
            send(&hub, &admin, "grant", &json!({ "userId": who.id, "amount": 1, "reason": "a little" })).await;
            assert_eq!(chat(&hub, &who).await, 403, "{way}");
            let given = json!({ "userId": who.id, "amount": 500, "reason": "paid" });
            match way {
                "redeem" => send(&hub, &who, "redeem", &json!({ "code": "rescue" })).await,
                "lot" => {
                    let lot = json!({ "userId": who.id, "amount": 500, "reason": "paid", "category": "bonus", "expiresAt": "2026-12-01T00:00:00Z" });
                    send(&hub, &admin, "grant", &lot).await
                }
                "refund" => send(&hub, &admin, "refund", &json!({ "transactionId": charge["transactionId"], "reason": "paid" })).await,
                _ => send(&hub, &admin, way, &given).await,
            };
            assert_eq!(chat(&hub, &who).await, 200, "{way}");
        }
        assert_eq!(trail(&hub, "account.thawed").await.len(), 5);
        finish(hub, &stripe).await;
    }

    async fn credits_alone_do_not_end_an_open_dispute(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        tell(&hub, "evt_open", "charge.dispute.created", &dispute(&ordered, "needs_response")).await;
        hub.grant(ada.id, Credits::whole(1000)).await;
        assert_eq!(chat(&hub, &ada).await, 403);
        finish(hub, &stripe).await;
    }

    async fn an_account_thaws_also_where_nobody_takes_payments_any_more(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.payments.sandbox = Some(false)).start().await;
        assert_eq!(hub.hub.payments.name(), None);
        let ada = hub.user("ada").await;
        let mut tx = hub.hub.store.write().await.unwrap();
        assert!(reversals::freeze(&mut tx, ada.id, hub.clock().now()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(chat(&hub, &ada).await, 403);
        payments::schedule(&hub.hub).await.unwrap();
        hub.run_jobs().await;
        assert_eq!(chat(&hub, &ada).await, 200);
        hub.finish().await;
    }
}
