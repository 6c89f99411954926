//! Promo codes: made, redeemed by as many as may, and silent about what exists.

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{NewMember, TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

/// Makes a code as the administrator.
pub(crate) async fn make(hub: &TestHub, admin: &TestUser, body: &Value) -> Value {
    hub.post("/api/promo-codes").bearer(&admin.access_token).json(body).send().await.expect(201).json()
}

pub(crate) async fn redeem(hub: &TestHub, user: &TestUser, code: &str) -> TestResponse {
    hub.post("/api/credits/redeem").bearer(&user.access_token).json(&json!({ "code": code })).send().await
}

pub(crate) async fn balance(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json()
}

/// What a refusal says, without what differs in every answer.
pub(crate) fn said(answer: &TestResponse) -> (u16, Value, Value) {
    let error = &answer.json()["error"];
    (answer.status.as_u16(), error["code"].clone(), error["message"].clone())
}

on_both_pairs! {
    async fn a_code_is_made_found_changed_and_redeemed(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let made = make(&hub, &admin, &json!({ "code": "welcome-10", "credits": 10.5, "maxUses": 2 })).await;
        assert_eq!((&made["code"], &made["credits"], &made["usedCount"]), (&json!("WELCOME-10"), &json!(10.5), &json!(0)));
        let again = hub.post("/api/promo-codes").bearer(&admin.access_token).json(&json!({ "code": "Welcome-10", "credits": 1 }));
        again.send().await.expect(409);

        let done = redeem(&hub, &ada, " welcome-10 ").await.expect(200).json();
        assert_eq!((&done["success"], &done["credits"], &done["newBalance"]), (&json!(true), &json!(10.5), &json!(110.5)));
        let path = format!("/api/promo-codes/{}", made["id"].as_str().unwrap());
        let found = hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json();
        assert_eq!(found["usedCount"], 1);
        let who = hub.get(&format!("{path}/redemptions")).bearer(&admin.access_token).send().await.expect(200).json();
        assert_eq!(who["redemptions"][0]["userId"], ada.id.to_string());
        assert_eq!(who["redemptions"][0]["transactionId"], done["transactionId"]);
        let row = hub.get("/api/credits/transactions?kind=promo").bearer(&ada.access_token).send().await.json();
        assert_eq!((&row["transactions"][0]["amount"], &row["total"]), (&json!(10.5), &json!(1)));

        let patch = |body: Value| hub.patch(&path).bearer(&admin.access_token).json(&body).send();
        assert_eq!(patch(json!({ "maxUses": 5 })).await.expect(200).json()["maxUses"], 5);
        patch(json!({ "maxUses": 4 })).await.expect(400);
        patch(json!({ "credits": 1000 })).await.expect(400);
        let unlimited = patch(json!({ "maxUses": null, "active": false, "expiresAt": "2027-01-01T00:00:00Z" })).await.expect(200).json();
        assert_eq!((&unlimited["maxUses"], &unlimited["active"]), (&Value::Null, &json!(false)));
        patch(json!({ "maxUses": 5 })).await.expect(400);
        hub.finish().await;
    }

    async fn a_batch_is_listed_by_pages_and_exported_whole(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        make(&hub, &admin, &json!({ "code": "OTHER", "credits": 1 })).await;
        let body = json!({ "batch": "spring", "count": 1201, "credits": 5 });
        let made = hub.post("/api/promo-codes/batches/codes").bearer(&admin.access_token).json(&body).send().await.expect(201).json();
        let codes: Vec<&str> = made["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
        assert_eq!((codes.len(), &made["batch"]), (1201, &json!("SPRING")));
        assert!(codes.iter().all(|code| code.starts_with("SPRING-") && code.len() == 26));

        redeem(&hub, &ada, &codes[7].to_lowercase()).await.expect(200);
        let second = redeem(&hub, &admin, codes[7]).await.expect(404);
        assert_eq!(second.error_code(), "PROMO_CODE_INVALID");

        let list = |query: String| hub.get(&format!("/api/promo-codes?limit=100{query}")).bearer(&admin.access_token).send();
        let (mut seen, mut next) = (0, String::new());
        loop {
            let page = list(format!("&batch=spring{next}")).await.expect(200).json();
            assert_eq!(page["total"], 1201);
            seen += page["promoCodes"].as_array().unwrap().len();
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
        assert_eq!(seen, 1201);
        assert_eq!(list("&q=other".to_owned()).await.json()["total"], 1);
        assert_eq!(list("&active=false".to_owned()).await.json()["total"], 0);
        list("&offset=1".to_owned()).await.expect(400);

        let csv = hub.get("/api/promo-codes/export.csv?batch=SPRING").bearer(&admin.access_token).send().await.expect(200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert_eq!(csv.text().lines().count(), 1202);
        assert_eq!(csv.text().lines().filter(|line| line.contains(",5,1,1,1,true,")).count(), 1);
        let audit = hub.get("/api/admin/audit?action=promo.").bearer(&admin.access_token).send().await.json();
        let actions: Vec<&str> = audit["entries"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["promo.exported", "promo.redeemed", "promo.batch_created", "promo.created"]);
        hub.finish().await;
    }

    async fn a_batch_has_at_most_ten_thousand_codes_and_they_are_made_at_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let batch = |count: u32, name: &'static str| {
            let body = json!({ "batch": name, "count": count, "credits": 1 });
            hub.post("/api/promo-codes/batches/codes").bearer(&admin.access_token).json(&body).send()
        };
        for (count, name) in [(0, "GOOD"), (10_001, "GOOD"), (1, "abc"), (1, "much too long a prefix"), (1, "=1+1")] {
            batch(count, name).await.expect(400);
        }
        assert_eq!(batch(10_000, "GOOD").await.expect(201).json()["count"], 10_000);
        hub.finish().await;
    }

    async fn twenty_people_want_a_code_for_five(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let admin = hub.admin().await;
        make(&hub, &admin, &json!({ "code": "FIRST-FIVE", "credits": 3, "maxUses": 5 })).await;
        let mut people = Vec::new();
        for n in 0..20 {
            people.push(hub.user(&format!("user{n}")).await);
        }
        let attempts = people.iter().enumerate().map(|(n, user)| redeem(if n % 2 == 0 { &hub } else { &sibling }, user, "first-five"));
        let answers = join_all(attempts).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 5);
        assert_eq!(answers.iter().filter(|answer| answer.error_code() == "PROMO_CODE_INVALID").count(), 15);
        let list = hub.get("/api/promo-codes").bearer(&admin.access_token).send().await.json();
        assert_eq!(list["promoCodes"][0]["usedCount"], 5);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn a_code_may_be_used_as_often_as_it_says(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        make(&hub, &admin, &json!({ "code": "THRICE", "credits": 1, "maxUsesPerUser": 3 })).await;
        let answers = join_all((0..20).map(|_| redeem(&hub, &ada, "thrice"))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
        assert_eq!(balance(&hub, &ada).await["balance"], 103);
        hub.finish().await;
    }

    async fn a_code_that_is_too_much_for_the_balance_is_not_used_and_says_why(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        make(&hub, &admin, &json!({ "code": "MUCH", "credits": 1000, "maxUses": 1 })).await;
        hub.grant(ada.id, Credits::whole(999_999_500)).await;
        let refused = redeem(&hub, &ada, "much").await.expect(409);
        assert_eq!(refused.error_code(), "CONFLICT");
        assert!(refused.text().contains("1000000000 credits"), "{}", refused.text());
        let list = hub.get("/api/promo-codes").bearer(&admin.access_token).send().await.json();
        assert_eq!(list["promoCodes"][0]["usedCount"], 0);
        let spent = json!({ "userId": ada.id, "amount": 1000, "reason": "spent" });
        hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&spent).send().await.expect(200);
        redeem(&hub, &ada, "much").await.expect(200);
        hub.finish().await;
    }

    async fn a_code_meant_for_others_looks_like_none(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let manager = hub.member(NewMember { name: "boss", role: "manager", credits: Credits::ZERO }).await;
        make(&hub, &admin, &json!({ "code": "MANAGERS", "credits": 1, "roles": ["manager"] })).await;
        make(&hub, &admin, &json!({ "code": "COLLEAGUES", "credits": 1, "domains": ["Example.COM"] })).await;
        make(&hub, &admin, &json!({ "code": "ELSEWHERE", "credits": 1, "domains": ["example.org", "ample.com"] })).await;
        let unknown = said(&redeem(&hub, &ada, "NEVER-WAS").await);
        assert_eq!(said(&redeem(&hub, &ada, "MANAGERS").await), unknown);
        assert_eq!(said(&redeem(&hub, &ada, "ELSEWHERE").await), unknown);
        redeem(&hub, &manager, "MANAGERS").await.expect(200);
        redeem(&hub, &ada, "COLLEAGUES").await.expect(200);
        let list = hub.get("/api/promo-codes?q=MANAGERS").bearer(&admin.access_token).send().await.json();
        assert_eq!(list["promoCodes"][0]["usedCount"], 1, "a refusal is no use");
        hub.finish().await;
    }

    async fn guesses_are_counted_even_when_they_come_at_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        make(&hub, &admin, &json!({ "code": "TREASURE", "credits": 1 })).await;
        let guesses: Vec<String> = (0..40).map(|n| format!("GUESS-{n}")).collect();
        let answers = join_all(guesses.iter().map(|guess| redeem(&hub, &ada, guess))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 404).count(), 30);
        let refused = redeem(&hub, &ada, "TREASURE").await.expect(429);
        assert!(refused.header("retry-after").parse::<u32>().unwrap() <= 900);
        redeem(&hub, &bob, "TREASURE").await.expect(200);
        hub.advance(Duration::minutes(16));
        let mut ada = ada;
        hub.sign_in(&mut ada).await;
        redeem(&hub, &ada, "TREASURE").await.expect(200);
        hub.finish().await;
    }

    async fn nonsense_makes_no_code(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        for body in [
            json!({ "code": "OK-CODE", "credits": 0 }),
            json!({ "code": "OK-CODE", "credits": -1 }),
            json!({ "code": "abc", "credits": 1 }),
            json!({ "code": "has space", "credits": 1 }),
            json!({ "code": "=CMD()", "credits": 1 }),
            json!({ "code": "OK-CODE", "credits": 1, "maxUses": 0 }),
            json!({ "code": "OK-CODE", "credits": 1, "maxUsesPerUser": 0 }),
            json!({ "code": "OK-CODE", "credits": 1, "creditsExpireDays": 0 }),
            json!({ "code": "OK-CODE", "credits": 1, "startsAt": "2027-01-02T00:00:00Z", "expiresAt": "2027-01-01T00:00:00Z" }),
            json!({ "code": "OK-CODE", "credits": 1, "domains": ["ada@example.com"] }),
            json!({ "code": "OK-CODE", "credits": 1, "surprise": 1 }),
        ] {
            let refused = hub.post("/api/promo-codes").bearer(&admin.access_token).json(&body).send().await;
            assert_eq!(refused.status, 400, "{body}");
        }
        hub.finish().await;
    }
}
