//! Budgets of a line of keys, of a user and by role: exact in every process, released by whatever ends a call.

use chrono::Duration;
use futures::future::join_all;
use hub_domain::credits::sweep_all;
use hub_store::budgets::Charge;
use hub_store::holds::NewHold;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

async fn chat(hub: &TestHub, credential: &str) -> TestResponse {
    let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "how are you" }] });
    hub.post("/v1/chat/completions").bearer(credential).json(&body).send().await
}

/// What such a call costs; the sandbox's bound is exact.
async fn price(hub: &TestHub) -> Credits {
    let probe = hub.user("probe").await;
    chat(hub, &probe.api_key).await.expect(200).header("x-hub-credits").parse().unwrap()
}

fn times(price: Credits, calls: i64) -> Credits {
    Credits::from_micro(price.micro() * calls)
}

async fn key(hub: &TestHub, user: &TestUser, budget: &Value) -> Value {
    let body = json!({ "name": "budget", "budget": budget });
    hub.post("/api/keys").bearer(&user.access_token).json(&body).send().await.expect(201).json()
}

async fn standing(hub: &TestHub, user: &TestUser, key: &Value) -> Value {
    let path = format!("/api/keys/{}", key["id"].as_str().unwrap());
    hub.get(&path).bearer(&user.access_token).send().await.expect(200).json()["budget"].clone()
}

async fn set(hub: &TestHub, admin: &TestUser, user: &TestUser, budgets: &Value) -> Value {
    let path = format!("/api/credits/budgets/{}", user.id);
    let request = hub.put(&path).bearer(&admin.access_token).json(&json!({ "budgets": budgets }));
    request.send().await.expect(200).json()
}

fn count(answers: &[TestResponse], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

on_both_pairs! {
    async fn two_hundred_calls_on_a_key_budget_for_fifty_in_three_processes(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let price = price(&hub).await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, &json!({ "amount": times(price, 50), "period": "day" })).await;
        let secret = made["key"].as_str().unwrap();
        let (second, third) = (hub.sibling().await, hub.sibling().await);
        let hubs = [&hub, &second, &third];
        let answers = join_all((0..200).map(|n| chat(hubs[n % 3], secret))).await;
        assert_eq!((count(&answers, 200), count(&answers, 402)), (50, 150));
        let spent = standing(&hub, &ada, &made).await;
        assert_eq!((&spent["spent"], &spent["held"], &spent["available"]), (&json!(times(price, 50)), &json!(0), &json!(0)));

        let refused = chat(&hub, secret).await.expect(402);
        assert_eq!(refused.error_code(), "BUDGET_EXCEEDED");
        assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
        let details = refused.json()["error"]["details"].clone();
        assert_eq!(
            (&details["gate"], &details["scope"], &details["period"], &details["needed"]),
            (&json!("budget"), &json!("key"), &json!("day"), &json!(price))
        );
        assert_eq!((&details["limit"], &details["resetsAt"]), (&json!(times(price, 50)), &json!("2026-11-24T00:00:00Z")));
        chat(&hub, &ada.api_key).await.expect(200);
        third.finish().await;
        second.finish().await;
        hub.finish().await;
    }

    async fn rotating_a_key_does_not_renew_its_budget(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let price = price(&hub).await;
        let ada = hub.user("ada").await;
        let old = key(&hub, &ada, &json!({ "amount": times(price, 3), "period": "total" })).await;
        chat(&hub, old["key"].as_str().unwrap()).await.expect(200);
        let path = format!("/api/keys/{}/rotate", old["id"].as_str().unwrap());
        let new = hub.post(&path).bearer(&ada.access_token).json(&json!({})).send().await.expect(201).json();
        let secrets = [old["key"].as_str().unwrap(), new["key"].as_str().unwrap()];
        let answers = join_all((0..20).map(|n| chat(&hub, secrets[n % 2]))).await;
        assert_eq!((count(&answers, 200), count(&answers, 402)), (2, 18));
        // A larger budget acts at once, and what was spent still counts.
        let path = format!("/api/keys/{}", new["id"].as_str().unwrap());
        let larger = json!({ "budget": { "amount": times(price, 4), "period": "total" } });
        hub.patch(&path).bearer(&ada.access_token).json(&larger).send().await.expect(200);
        chat(&hub, secrets[0]).await.expect(200);
        chat(&hub, secrets[1]).await.expect(402);
        hub.finish().await;
    }

    async fn all_budgets_apply_together_and_a_refusal_takes_from_none(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let price = price(&hub).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let budgets = json!([{ "amount": times(price, 10), "period": "day" }, { "amount": times(price, 5), "period": "month" }]);
        let shown = set(&hub, &admin, &ada, &budgets).await;
        assert_eq!(shown["budgets"].as_array().unwrap().len(), 2);
        let made = key(&hub, &ada, &json!({ "amount": times(price, 8), "period": "month" })).await;
        let answers = join_all((0..30).map(|_| chat(&hub, made["key"].as_str().unwrap()))).await;
        assert_eq!((count(&answers, 200), count(&answers, 402)), (5, 25));
        let short = answers.iter().find(|answer| answer.status == 402).unwrap().json();
        assert_eq!((&short["error"]["details"]["scope"], &short["error"]["details"]["period"]), (&json!("user"), &json!("month")));
        assert_eq!(standing(&hub, &ada, &made).await["spent"], json!(times(price, 5)));
        // The access token spends from the user's budget as well.
        chat(&hub, &ada.access_token).await.expect(402);
        let path = format!("/api/credits/budgets/{}", ada.id);
        let own = hub.get(&path).bearer(&ada.access_token).send().await.expect(200).json();
        for state in own["budgets"].as_array().unwrap() {
            assert_eq!((&state["spent"], &state["held"], &state["source"]), (&json!(times(price, 5)), &json!(0), &json!("user")));
        }
        // An administrator's deduction is no call: it does not count.
        let deduct = json!({ "userId": ada.id, "amount": 1, "reason": "fee" });
        hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&deduct).send().await.expect(200);
        assert_eq!(hub.get(&path).bearer(&ada.access_token).send().await.json(), own);
        set(&hub, &admin, &ada, &json!([])).await;
        chat(&hub, &ada.access_token).await.expect(200);
        hub.finish().await;
    }

    async fn the_highest_role_gives_the_budget_unless_the_user_has_an_own_one(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let price = price(&hub).await;
        hub.finish().await;
        let hub = TestHub::builder(pair).settings(|settings| settings.limits.roles.user.credits_per_day = times(price, 2));
        let hub = hub.start().await;
        let (ada, boss, admin) = (hub.user("ada").await, hub.manager().await, hub.admin().await);
        let answers = join_all((0..10).map(|_| chat(&hub, &ada.api_key))).await;
        assert_eq!((count(&answers, 200), count(&answers, 402)), (2, 8));
        for _ in 0..4 {
            chat(&hub, &boss.api_key).await.expect(200);
        }
        let path = format!("/api/credits/budgets/{}", ada.id);
        let shown = hub.get(&path).bearer(&boss.access_token).send().await.expect(200).json();
        assert_eq!((&shown["budgets"][0]["source"], &shown["budgets"][0]["available"]), (&json!("role"), &json!(0)));
        set(&hub, &admin, &ada, &json!([{ "amount": times(price, 3), "period": "day" }])).await;
        chat(&hub, &ada.api_key).await.expect(200);
        chat(&hub, &ada.api_key).await.expect(402);
        // The next day is another window.
        hub.advance(Duration::hours(14));
        chat(&hub, &ada.api_key).await.expect(200);
        hub.finish().await;
    }

    async fn only_administrators_set_budgets_and_others_do_not_see_them(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve, admin) = (hub.user("ada").await, hub.user("eve").await, hub.admin().await);
        let path = format!("/api/credits/budgets/{}", ada.id);
        let body = json!({ "budgets": [{ "amount": 1, "period": "day" }] });
        for user in [&ada, &eve] {
            hub.put(&path).bearer(&user.access_token).json(&body).send().await.expect(403);
        }
        hub.get(&path).bearer(&eve.access_token).send().await.expect(404);
        for bad in [
            json!({}),
            json!({ "budgets": [{ "amount": -1, "period": "day" }] }),
            json!({ "budgets": [{ "amount": 1, "period": "day" }, { "amount": 2, "period": "day" }] }),
            json!({ "budgets": [{ "amount": 1, "period": "week" }] }),
        ] {
            hub.put(&path).bearer(&admin.access_token).json(&bad).send().await.expect(400);
        }
        set(&hub, &admin, &ada, &json!([{ "amount": 0, "period": "total" }])).await;
        chat(&hub, &ada.api_key).await.expect(402);
        hub.finish().await;
    }

    async fn a_call_over_midnight_gives_back_to_the_day_it_took_from(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, &json!({ "amount": 50, "period": "day" })).await;
        hub.advance(Duration::hours(14) - Duration::seconds(1));
        let body = json!({ "model": "sandbox", "stream": true, "messages": [{ "role": "user", "content": "sandbox:words=20 go" }] });
        let stream = hub.post("/v1/chat/completions").bearer(made["key"].as_str().unwrap()).json(&body).stream().await;
        let mut ada = ada;
        hub.advance(Duration::seconds(2));
        hub.sign_in(&mut ada).await;
        stream.events().await;
        let today = standing(&hub, &ada, &made).await;
        assert_eq!((&today["spent"], &today["held"]), (&json!(0), &json!(0)));
        assert_eq!(today["resetsAt"], "2026-11-25T00:00:00Z");
        // `finish` verifies that yesterday's window has spent what the call cost and holds nothing.
        hub.finish().await;
    }

    async fn a_swept_hold_gives_its_budgets_back(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, &json!({ "amount": 20, "period": "total" })).await;
        let price = hub.hub.prices.current("sandbox", "sandbox", hub.clock().now()).unwrap();
        let checkpoint = hub_domain::credits::Checkpoint {
            route: "/v1/chat/completions".into(),
            upstream_model: "sandbox".into(),
            unit_prices: price.units.clone(),
            usage: hub_types::TokenUsage::default(),
            attempts: 1,
        };
        let now = hub.clock().now();
        let window = format!("key:{}:total", made["line"].as_str().unwrap());
        for _ in 0..4 {
            let lost = NewHold {
                id: hub_types::HoldId::new(hub.clock()),
                user: ada.id,
                api_key: None,
                request_id: "lost".into(),
                kind: "chat",
                amount: Credits::whole(4),
                price: price.id,
                service: "sandbox".into(),
                provider: "sandbox".into(),
                model: "sandbox".into(),
                owner: "a process that is gone".into(),
                checkpoint: serde_json::to_value(&checkpoint).unwrap(),
                lease_until: now + Duration::seconds(60),
                budgets: vec![Charge { window: window.clone(), period_start: now, limit: Credits::whole(20) }],
                at: now,
            };
            hub_domain::credits::hold(&hub.hub, &lost).await.unwrap();
        }
        assert_eq!(standing(&hub, &ada, &made).await["available"], 4);
        hub.advance(Duration::seconds(61));
        let sibling = hub.sibling().await;
        join_all((0..20).map(|n| sweep_all(if n % 2 == 0 { &hub.hub } else { &sibling.hub }))).await;
        let after = standing(&hub, &ada, &made).await;
        assert_eq!((&after["held"], &after["spent"], &after["available"]), (&json!(0), &json!(0), &json!(20)));
        sibling.finish().await;
        hub.finish().await;
    }
}
