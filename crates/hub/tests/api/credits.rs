//! Balance, history, deductions, grants, receipts, and the ledger check.

use futures::future::join_all;
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

fn deduction(user: &impl std::fmt::Display, amount: &Value) -> Value {
    json!({ "userId": user.to_string(), "amount": amount, "reason": "sora2_video_generation", "metadata": { "duration": 30 } })
}

on_both_pairs! {
    async fn a_balance_reads_as_in_the_spec(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user_with_credits("ada", Credits::whole(1000)).await;
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(balance["userId"], ada.id.to_string());
        assert_eq!((&balance["balance"], &balance["currency"]), (&json!(1000), &json!("credits")));
        assert_eq!((&balance["held"], &balance["available"]), (&json!(0), &json!(1000)));
        assert!(balance["lastUpdated"].as_str().unwrap().starts_with("2026-11-23T10:00:00"));
        hub.finish().await;
    }

    async fn a_deduction_reads_as_in_the_spec_and_shows_in_the_history(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::whole(1000)).await, hub.admin().await);
        let done = hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(&ada.id, &json!(100))).send().await;
        let done = done.expect(200).json();
        assert_eq!((&done["success"], &done["newBalance"]), (&json!(true), &json!(900)));

        let history = hub.get("/api/credits/transactions?limit=10&offset=0").bearer(&ada.access_token).send().await.expect(200).json();
        let row = &history["transactions"][0];
        assert_eq!(row["id"], done["transactionId"]);
        assert_eq!((&row["amount"], &row["type"], &row["reason"]), (&json!(-100), &json!("debit"), &json!("sora2_video_generation")));
        assert_eq!(row["metadata"]["duration"], 30);
        assert_eq!((&history["total"], &history["hasMore"]), (&json!(2), &json!(false)));
        hub.finish().await;
    }

    async fn a_fraction_of_a_credit_is_exact(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::whole(1)).await, hub.admin().await);
        let done = hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(&ada.id, &json!(0.1))).send().await;
        assert_eq!(done.expect(200).json()["newBalance"], json!(0.9));
        let done = hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(&ada.id, &json!(0.000_001))).send().await;
        assert_eq!(done.expect(200).json()["newBalance"], json!(0.899_999));
        hub.finish().await;
    }

    async fn rba_03_only_who_may_can_deduct_and_grant(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, manager) = (hub.user("ada").await, hub.manager().await);
        for token in [&ada.access_token, &ada.api_key, &manager.access_token] {
            hub.post("/api/credits/deduct").bearer(token).json(&deduction(&ada.id, &json!(1))).send().await.expect(403);
            let grant = json!({ "userId": ada.id, "amount": 5, "reason": "gift" });
            hub.post("/api/credits/grant").bearer(token).json(&grant).send().await.expect(403);
            hub.get("/api/admin/ledger").bearer(token).send().await.expect(403);
        }
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.json();
        assert_eq!(balance["balance"], 100);
        hub.finish().await;
    }

    async fn rba_03_amounts_that_are_none_are_refused_and_change_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let bodies = ["0", "-1", "0.0000001", "\"10\"", "1e309", "9007199254740993", "9223372036854775807", "9223372036854775808", "null", "[1]"];
        for amount in bodies {
            let body = format!(r#"{{"userId":"{}","amount":{amount},"reason":"x"}}"#, ada.id);
            let request = hub.post("/api/credits/deduct").bearer(&admin.access_token).header("content-type", "application/json");
            let refused = request.body(body).send().await.expect(400);
            assert_eq!(refused.error_code(), "VALIDATION_ERROR", "{amount}");
        }
        let rest = [
            json!({ "userId": ada.id, "reason": "x" }),
            json!({ "userId": ada.id, "amount": 1, "reason": "" }),
            json!({ "userId": ada.id, "amount": 1, "reason": "x".repeat(201) }),
            json!({ "userId": "not-an-id", "amount": 1, "reason": "x" }),
            json!({ "userId": ada.id, "amount": 1, "reason": "x", "metadata": { "big": "x".repeat(20_000) } }),
            json!({ "userId": ada.id, "amount": 1, "reason": "x", "surprise": true }),
        ];
        for body in rest {
            hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&body).send().await.expect(400);
        }
        let history = hub.get("/api/credits/transactions").bearer(&ada.access_token).send().await.json();
        assert_eq!(history["total"], 1);
        hub.finish().await;
    }

    async fn more_than_there_is_cannot_be_deducted(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let refused = hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(&ada.id, &json!(100.000_001))).send().await;
        let refused = refused.expect(402);
        assert_eq!(refused.error_code(), "INSUFFICIENT_CREDITS");
        assert_eq!(refused.json()["error"]["details"], json!({ "needed": 100.000_001, "available": 100 }));
        let stranger = hub_types::UserId::new(hub.clock());
        hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(&stranger, &json!(1))).send().await.expect(404);
        hub.finish().await;
    }

    async fn fifty_repetitions_of_one_deduction_deduct_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let body = deduction(&ada.id, &json!(7));
        let send = || hub.post("/api/credits/deduct").bearer(&admin.access_token).header("idempotency-key", "order-7").json(&body).send();
        let answers: Vec<Value> = join_all((0..50).map(|_| send())).await.into_iter().map(|done| done.expect(200).json()).collect();
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
        assert_eq!(answers[0]["newBalance"], 93);

        let other = deduction(&ada.id, &json!(8));
        let clash = hub.post("/api/credits/deduct").bearer(&admin.access_token).header("idempotency-key", "order-7").json(&other).send().await;
        assert_eq!(clash.expect(409).error_code(), "IDEMPOTENCY_CONFLICT");
        hub.finish().await;
    }

    async fn one_key_string_of_two_accounts_are_two_deductions(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        for user in [&ada, &bob] {
            let request = hub.post("/api/credits/deduct").bearer(&admin.access_token).header("idempotency-key", "same");
            let done = request.json(&deduction(&user.id, &json!(40))).send().await.expect(200);
            assert_eq!(done.json()["newBalance"], 60);
        }
        hub.finish().await;
    }

    async fn parallel_deductions_never_overshoot(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let body = deduction(&ada.id, &json!(3));
        let send = |n: usize| {
            let hub = if n.is_multiple_of(2) { &hub } else { &sibling };
            hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&body).send()
        };
        let answers = join_all((0..60).map(send)).await;
        let taken = answers.iter().filter(|answer| answer.status == 200).count();
        assert!(answers.iter().all(|answer| [200, 402].contains(&answer.status.as_u16())));
        assert_eq!(taken, 33);
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.json();
        assert_eq!(balance["balance"], 1);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn history_pages_by_cursor_and_by_offset_without_gaps(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        for _ in 0..24 {
            hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduction(&ada.id, &json!(1))).send().await.expect(200);
        }
        let page = |query: String| hub.get(&format!("/api/credits/transactions?limit=10{query}")).bearer(&ada.access_token).send();
        let (mut by_cursor, mut next) = (Vec::new(), String::new());
        loop {
            // What all rows come to is counted for the first page.
            let told = if next.is_empty() { json!([25, 100, 24]) } else { json!([null, null, null]) };
            let found = page(next).await.expect(200).json();
            assert_eq!(json!([found["total"], found["credited"], found["debited"]]), told);
            by_cursor.extend(found["transactions"].as_array().unwrap().iter().map(|row| row["id"].clone()));
            let Some(cursor) = found["nextCursor"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        let mut by_offset = Vec::new();
        for offset in [0, 10, 20] {
            let found = page(format!("&offset={offset}")).await.expect(200).json();
            assert_eq!(found["total"], 25);
            by_offset.extend(found["transactions"].as_array().unwrap().iter().map(|row| row["id"].clone()));
        }
        assert_eq!((by_cursor.len(), &by_cursor), (25, &by_offset));
        let grants = page("&kind=grant".to_owned()).await.json();
        assert_eq!(grants["total"], 1);
        page("&kind=theft".to_owned()).await.expect(400);
        hub.finish().await;
    }

    async fn rba_02_other_peoples_money_does_not_exist(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, manager) = (hub.user("ada").await, hub.user("bob").await, hub.manager().await);
        for path in ["balance", "transactions"] {
            let path = format!("/api/credits/{path}?userId={}", ada.id);
            hub.get(&path).bearer(&bob.access_token).send().await.expect(404);
            hub.get(&path).bearer(&manager.access_token).send().await.expect(200);
        }
        hub.finish().await;
    }

    async fn a_grant_is_audited_and_repeatable(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let body = json!({ "userId": ada.id, "amount": 50, "reason": "sorry for the outage" });
        let send = || hub.post("/api/credits/grant").bearer(&admin.access_token).header("idempotency-key", "g1").json(&body).send();
        let (first, second) = (send().await.expect(200).json(), send().await.expect(200).json());
        assert_eq!(first, second);
        assert_eq!((&first["balanceAfter"], &first["kind"]), (&json!(150), &json!("grant")));
        let report = hub.get("/api/admin/ledger").bearer(&admin.access_token).send().await.expect(200).json();
        assert_eq!(report["clean"], true);
        hub.finish().await;
    }
}
