//! The acceptance checks of the credit engine that are tried over HTTP; each test has the number of its check.

use chrono::Duration;
use futures::future::join_all;
use hub_domain::credits::{self, Charge, Checkpoint, Outcome, expire_due, sweep_all};
use hub_store::holds::{self, End, NewHold, Opened};
use hub_store::ledger::{self, Kind, Posting};
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use hub_types::{Credits, HoldId, TokenUsage, TransactionId, UsageSource};
use serde_json::{Value, json};

use crate::credits_flow::{charge, order};
use crate::openai_stub::{SENTENCES, Stub};
use crate::promo::{balance, make, redeem, said};

fn a_hold(hub: &TestHub, user: &TestUser, credits: i32) -> NewHold {
    let now = hub.clock().now();
    NewHold {
        id: HoldId::new(hub.clock()),
        user: user.id,
        api_key: None,
        request_id: HoldId::new(hub.clock()).to_string(),
        kind: "chat",
        amount: Credits::whole(credits),
        price: hub.hub.prices.current("sandbox", "sandbox", now).unwrap().id,
        service: "sandbox".into(),
        provider: "sandbox".into(),
        model: "sandbox".into(),
        owner: "a call".into(),
        checkpoint: json!({}),
        lease_until: now + Duration::days(30),
        budgets: Vec::new(),
        at: now,
    }
}

/// Sets credits aside as a running call does.
async fn hold(hub: &TestHub, user: &TestUser, credits: i32) -> HoldId {
    let new = a_hold(hub, user, credits);
    let mut tx = hub.hub.store.write().await.unwrap();
    assert_eq!(holds::open(&mut tx, &new).await.unwrap(), Opened::Yes);
    tx.commit().await.unwrap();
    new.id
}

async fn void(hub: &TestHub, user: &TestUser, id: HoldId) {
    let mut tx = hub.hub.store.write().await.unwrap();
    assert!(holds::release(&mut tx, id, user.id, End::Voided, hub.clock().now()).await.unwrap());
    tx.commit().await.unwrap();
}

fn usage(hub: &TestHub, user: &TestUser, credits: i32, hold: Option<HoldId>) -> Posting {
    let id = TransactionId::new(hub.clock());
    Posting {
        id,
        user: user.id,
        kind: Kind::Usage,
        amount: Credits::whole(-credits),
        key: format!("test:{id}"),
        request_hash: None,
        hold,
        actor: None,
        reason: "chat".to_owned(),
        metadata: json!({}),
        at: hub.clock().now(),
    }
}

/// A call under way, as its checkpoint tells, under a lease of a minute.
async fn running(hub: &TestHub, user: &TestUser, credits: i32) -> HoldId {
    let now = hub.clock().now();
    let price = hub.hub.prices.current("sandbox", "sandbox", now).unwrap();
    let checkpoint = Checkpoint {
        route: "/v1/chat/completions".into(),
        upstream_model: "sandbox".into(),
        unit_prices: price.units.clone(),
        usage: TokenUsage::default(),
        attempts: 1,
    };
    let new = NewHold {
        checkpoint: serde_json::to_value(&checkpoint).unwrap(),
        lease_until: now + Duration::seconds(60),
        ..a_hold(hub, user, credits)
    };
    credits::hold(&hub.hub, &new).await.unwrap();
    new.id
}

/// The end of a call that said so many words, at 60 micro-credits each.
fn ended(hub: &TestHub, user: &TestUser, hold: HoldId, words: i64) -> Charge {
    let price = hub.hub.prices.current("sandbox", "sandbox", hub.clock().now()).unwrap();
    Charge {
        hold,
        user: user.id,
        route: "/v1/chat/completions".into(),
        upstream_model: "sandbox".into(),
        upstream_id: None,
        units: price.units.clone(),
        usage: TokenUsage { output: words, ..TokenUsage::default() },
        source: UsageSource::Provider,
        outcome: Outcome::Completed,
        attempts: json!([]),
        attempt_count: 1,
        latency_ms: 1,
        first_token_ms: None,
    }
}

async fn standing(hub: &TestHub, user: &TestUser) -> (i64, Value) {
    let found = balance(hub, user).await;
    (found["balance"].to_string().parse::<Credits>().unwrap().micro(), found["held"].clone())
}

async fn transactions(hub: &TestHub, user: &TestUser, query: &str) -> Value {
    hub.get(&format!("/api/credits/transactions?{query}")).bearer(&user.access_token).send().await.expect(200).json()
}

async fn raw(hub: &TestHub, admin: &TestUser, what: &str, body: impl Into<Vec<u8>>) -> hub_testkit::TestResponse {
    let request = hub.post(&format!("/api/credits/{what}")).bearer(&admin.access_token);
    request.header("content-type", "application/json").body(body.into()).send().await
}

on_both_pairs! {
    async fn credit_06_a_hold_ends_once_and_never_above_its_amount(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let parts = &hub.hub;
        let whole = 100_000_000;

        let first = running(&hub, &ada, 2).await;
        let charge = ended(&hub, &ada, first, 100);
        let settled = join_all((0..20).map(|_| credits::settle(parts, &charge))).await;
        assert!(settled.iter().all(|one| one.as_ref().unwrap().amount.micro() == 6000), "each is told the same");
        credits::void(parts, &charge).await.unwrap();
        let more = credits::settle(parts, &ended(&hub, &ada, first, 5000)).await.unwrap();
        assert_eq!(more.amount.micro(), 6000, "settled is settled");
        assert_eq!(standing(&hub, &ada).await, (whole - 6000, json!(0)));

        let second = running(&hub, &ada, 2).await;
        credits::void(parts, &ended(&hub, &ada, second, 0)).await.unwrap();
        let late = credits::settle(parts, &ended(&hub, &ada, second, 100)).await.unwrap();
        assert_eq!((late.amount, standing(&hub, &ada).await), (Credits::ZERO, (whole - 6000, json!(0))), "void is void");

        let third = running(&hub, &ada, 1).await;
        let most = credits::settle(parts, &ended(&hub, &ada, third, 1_000_000)).await.unwrap();
        assert_eq!(most.amount, Credits::whole(1), "never above the hold");
        let fourth = running(&hub, &ada, 1).await;
        let nothing = credits::settle(parts, &ended(&hub, &ada, fourth, 0)).await.unwrap();
        assert_eq!((nothing.amount, nothing.balance), (Credits::ZERO, None), "nothing is charged for nothing");
        assert_eq!(standing(&hub, &ada).await, (whole - 6000 - 1_000_000, json!(0)));
        assert_eq!(transactions(&hub, &ada, "kind=usage").await["total"], 2);

        let unknown = HoldId::new(hub.clock());
        assert!(credits::settle(parts, &ended(&hub, &ada, unknown, 1)).await.is_err());
        let unknown = hub.get(&format!("/api/credits/receipts/{unknown}")).bearer(&ada.access_token).send().await;
        unknown.expect(404);
        hub.get(&format!("/api/credits/receipts/{first}")).bearer(&bob.access_token).send().await.expect(404);
        assert_eq!(standing(&hub, &bob).await, (whole, json!(0)));
        hub.finish().await;
    }

    async fn credit_09_a_lease_that_ends_gives_back_and_a_late_settle_acts_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let hold = running(&hub, &ada, 40).await;
        sweep_all(&hub.hub).await.unwrap();
        assert_eq!(balance(&hub, &ada).await["held"], 40, "the lease has not ended");
        hub.advance(Duration::seconds(61));
        hub.sign_in(&mut ada).await;
        join_all((0..10).map(|_| sweep_all(&hub.hub))).await;
        assert_eq!(standing(&hub, &ada).await, (100_000_000, json!(0)), "nothing was consumed as far as is known");
        // The process was not dead, only slow: what it owes is charged now, once.
        let charge = ended(&hub, &ada, hold, 100);
        join_all((0..20).map(|_| credits::settle(&hub.hub, &charge))).await;
        assert_eq!(standing(&hub, &ada).await, (100_000_000 - 6000, json!(0)));
        assert_eq!(transactions(&hub, &ada, "kind=usage").await["total"], 1);
        let receipt = hub.get(&format!("/api/credits/receipts/{hold}")).bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&receipt["amount"], &receipt["outcome"]), (&json!(0.006), &json!("completed")));
        hub.finish().await;
    }

    async fn credit_09_a_late_settle_takes_what_there_is_and_says_what_it_did_not_get(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let late = running(&hub, &ada, 40).await;
        hub.advance(Duration::seconds(61));
        hub.sign_in(&mut ada).await;
        sweep_all(&hub.hub).await.unwrap();
        let other = hold(&hub, &ada, 99).await;
        // It owes 1.2 credits, and 1 is not promised to others.
        let charge = ended(&hub, &ada, late, 20_000);
        join_all((0..20).map(|_| credits::settle(&hub.hub, &charge))).await;
        assert_eq!(standing(&hub, &ada).await, (99_000_000, json!(99)));
        let receipt = hub.get(&format!("/api/credits/receipts/{late}")).bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&receipt["amount"], &receipt["uncollected"]), (&json!(1), &json!(0.2)));
        assert_eq!((&receipt["usage"]["output"], &receipt["outcome"]), (&json!(20_000), &json!("completed")));
        let log = hub.get("/api/usage/logs").bearer(&ada.access_token).send().await.expect(200).json();
        assert!(log.to_string().contains("20000"), "{log}");
        void(&hub, &ada, other).await;
        hub.finish().await;
    }

    async fn credit_09_a_late_settle_of_an_empty_account_is_written_down(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let late = running(&hub, &ada, 40).await;
        hub.advance(Duration::seconds(61));
        hub.sign_in(&mut ada).await;
        sweep_all(&hub.hub).await.unwrap();
        let other = hold(&hub, &ada, 100).await;
        let settled = credits::settle(&hub.hub, &ended(&hub, &ada, late, 100)).await.unwrap();
        assert_eq!((settled.amount, settled.uncollected), (Credits::ZERO, Credits::from_micro(6_000)));
        let receipt = hub.get(&format!("/api/credits/receipts/{late}")).bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&receipt["amount"], &receipt["uncollected"], &receipt["usage"]["output"]), (&json!(0), &json!(0.006), &json!(100)));
        void(&hub, &ada, other).await;
        // What comes in later does not pay for it: it is over.
        credits::settle(&hub.hub, &ended(&hub, &ada, late, 100)).await.unwrap();
        assert_eq!(standing(&hub, &ada).await, (100_000_000, json!(0)));
        hub.finish().await;
    }

    async fn credit_11_a_provider_that_reports_nothing_is_counted(pair: Pair) {
        let stub = Stub::start().await;
        let hub = stub.hub(pair, json!({ "input": 10, "output": 20 })).start().await;
        let ada = hub.user("ada").await;
        for stream in [false, true] {
            let body = json!({ "model": "stub", "stream": stream, "messages": [{ "role": "user", "content": "silent" }] });
            let answer = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).send().await.expect(200);
            let path = format!("/api/credits/receipts/{}", answer.header("x-hub-receipt"));
            let receipt = hub.get(&path).bearer(&ada.access_token).send().await.expect(200).json();
            let (counted, true_count) = (receipt["usage"]["output"].as_i64().unwrap(), i64::try_from(SENTENCES * 10).unwrap());
            assert_eq!(receipt["usageSource"], "counted");
            assert!((counted - true_count).abs() * 100 <= true_count * 15, "{counted} for {true_count}");
        }
        hub.finish().await;
    }

    async fn credit_13_a_provider_that_fails_before_the_first_token_costs_nothing(pair: Pair) {
        let stub = Stub::start().await;
        let hub = stub.hub(pair, json!({ "input": 10, "output": 20 })).start().await;
        let ada = hub.user("ada").await;
        for (text, stream) in [("fail", false), ("fail", true), ("fail at once", true)] {
            let body = json!({ "model": "stub", "stream": stream, "messages": [{ "role": "user", "content": text }] });
            let answer = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).send().await;
            assert!(answer.status.is_server_error() || answer.text().contains("error"), "{}", answer.text());
            assert_eq!(standing(&hub, &ada).await, (100_000_000, json!(0)), "{text}");
        }
        assert_eq!(transactions(&hub, &ada, "kind=usage").await["total"], 0);
        hub.take_errors();
        hub.finish().await;
    }

    async fn no_balance_grows_above_the_largest(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::MAX).await, hub.admin().await);
        let grant = json!({ "userId": ada.id, "amount": 1, "reason": "too much" });
        for what in ["grant", "adjust"] {
            let refused = order(&hub, &admin, what, &grant).await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], "amount", "{what} {}", refused.text());
        }
        charge(&hub, &admin, &ada, 1).await;
        order(&hub, &admin, "grant", &grant).await.expect(200);
        assert!(hub.take_errors().is_empty());
        hub.finish().await;
    }

    async fn budget_windows_of_past_periods_are_forgotten(pair: Pair) {
        use hub_store::budgets;
        use hub_store::budgets::Charge as Window;
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let now = hub.clock().now();
        let names = ["day:2026-11-23", "month:2026-11", "total"].map(|name| format!("user:{}:{name}", ada.id));
        let windows = names.each_ref().map(|name| Window { window: name.clone(), period_start: now, limit: Credits::whole(9) });
        let id = HoldId::new(hub.clock());
        let new = NewHold { id, budgets: windows.to_vec(), ..a_hold(&hub, &ada, 5) };
        credits::hold(&hub.hub, &new).await.unwrap();
        hub.advance(Duration::days(94));
        let standing = async || {
            let mut tx = hub.hub.store.read().await.unwrap();
            budgets::standing(&mut tx, &names).await.unwrap().len()
        };
        hub_domain::jobs::upkeep(&hub.hub).await.unwrap();
        assert_eq!(standing().await, 3, "something is held of them");
        credits::void(&hub.hub, &ended(&hub, &ada, id, 0)).await.unwrap();
        hub_domain::jobs::upkeep(&hub.hub).await.unwrap();
        assert_eq!(standing().await, 1, "a total never ends");
        hub.finish().await;
    }

    async fn credit_07_held_funds_are_not_spendable(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let running = hold(&hub, &ada, 80).await;
        let body = json!({ "userId": ada.id, "amount": 30, "reason": "service" });
        order(&hub, &admin, "deduct", &body).await.expect(402);
        order(&hub, &admin, "adjust", &json!({ "userId": ada.id, "amount": -30, "reason": "service" })).await.expect(402);
        let standing = balance(&hub, &ada).await;
        assert_eq!((&standing["balance"], &standing["held"], &standing["spendable"]), (&json!(100), &json!(80), &json!(20)));
        void(&hub, &ada, running).await;
        assert_eq!(order(&hub, &admin, "deduct", &body).await.expect(200).json()["newBalance"], 70);
        hub.finish().await;
    }

    async fn credit_15_a_charge_is_given_back_once_and_only_a_charge(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        let paid = charge(&hub, &admin, &ada, 40).await["transactionId"].clone();
        let whole = json!({ "transactionId": paid, "reason": "it failed" });

        let more = json!({ "transactionId": paid, "amount": 40.000_001, "reason": "it failed" });
        order(&hub, &admin, "refund", &more).await.expect(409);
        let others = json!({ "transactionId": paid, "userId": bob.id, "reason": "it failed" });
        order(&hub, &admin, "refund", &others).await.expect(404);
        hub.post("/api/credits/refund").bearer(&ada.access_token).json(&whole).send().await.expect(403);

        let attempts = (0..20).map(|n| order(if n % 2 == 0 { &hub } else { &sibling }, &admin, "refund", &whole));
        let answers = join_all(attempts).await;
        let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!((done.len(), answers.iter().filter(|answer| answer.status == 409).count()), (1, 19));
        let refund = done[0].json();
        assert_eq!((&refund["amount"], &refund["kind"], &refund["actorId"]), (&json!(40), &json!("refund"), &json!(admin.id)));

        let again = json!({ "transactionId": refund["id"], "reason": "a refund of a refund" });
        order(&hub, &admin, "refund", &again).await.expect(409);
        let grant = transactions(&hub, &ada, "kind=grant").await["transactions"][0]["id"].clone();
        order(&hub, &admin, "refund", &json!({ "transactionId": grant, "reason": "no charge" })).await.expect(409);
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        assert_eq!(transactions(&hub, &ada, "kind=refund").await["total"], 1);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn credit_17_a_code_gives_once_per_person_and_refusals_reveal_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        let made = make(&hub, &admin, &json!({ "code": "ONCE", "credits": 10 })).await;
        let answers = join_all((0..20).map(|_| redeem(&hub, &ada, "once"))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        let rest = answers.iter().filter(|answer| answer.status == 409 && answer.error_code() == "PROMO_CODE_REDEEMED");
        assert_eq!(rest.count(), 19);
        assert_eq!(balance(&hub, &ada).await["balance"], 110);

        make(&hub, &admin, &json!({ "code": "EXPIRED", "credits": 1, "expiresAt": "2026-11-23T10:00:00Z" })).await;
        make(&hub, &admin, &json!({ "code": "LATER", "credits": 1, "startsAt": "2026-11-24T00:00:00Z" })).await;
        make(&hub, &admin, &json!({ "code": "INACTIVE", "credits": 1 })).await;
        make(&hub, &admin, &json!({ "code": "USED-UP", "credits": 1, "maxUses": 1 })).await;
        make(&hub, &admin, &json!({ "code": "FOR-MANAGERS", "credits": 1, "roles": ["manager"] })).await;
        redeem(&hub, &admin, "used-up").await.expect(200);
        let list = hub.get("/api/promo-codes?q=INACTIVE").bearer(&admin.access_token).send().await.json();
        let path = format!("/api/promo-codes/{}", list["promoCodes"][0]["id"].as_str().unwrap());
        hub.patch(&path).bearer(&admin.access_token).json(&json!({ "active": false })).send().await.expect(200);
        let unknown = said(&redeem(&hub, &bob, "NEVER-WAS-ONE").await);
        assert_eq!((unknown.0, &unknown.1), (404, &json!("PROMO_CODE_INVALID")));
        for code in ["EXPIRED", "LATER", "INACTIVE", "USED-UP", "FOR-MANAGERS", "", "x", "' OR 1=1 --"] {
            assert_eq!(said(&redeem(&hub, &bob, code).await), unknown, "{code}");
        }
        // What somebody did themselves they may know, also of a code that no longer works.
        let path = format!("/api/promo-codes/{}", made["id"].as_str().unwrap());
        hub.patch(&path).bearer(&admin.access_token).json(&json!({ "active": false })).send().await.expect(200);
        redeem(&hub, &ada, "Once").await.expect(409);
        assert_eq!(said(&redeem(&hub, &bob, "Once").await), unknown);
        hub.finish().await;
    }

    async fn credit_18_only_amounts_are_amounts(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let paid = charge(&hub, &admin, &ada, 10).await["transactionId"].clone();
        let never = [
            "0", "0.0000001", "1.0000000001", "\"10\"", "1e309", "-1e309", "NaN", "Infinity", "9007199254740992", "9007199254740993",
            "9223372036854775807", "9223372036854775808", "1000000000.000001", "true", "[1]", "{}", "01", "+1", ".5", "1.",
        ];
        let field = |what: &str, amount: &str| match what {
            "refund" => format!(r#"{{"transactionId":{paid},"amount":{amount},"reason":"x"}}"#),
            _ => format!(r#"{{"userId":"{}","amount":{amount},"reason":"x"}}"#, ada.id),
        };
        for what in ["deduct", "grant", "adjust", "refund"] {
            for amount in never {
                let refused = raw(&hub, &admin, what, field(what, amount)).await;
                assert_eq!((refused.status.as_u16(), refused.error_code().as_str()), (400, "VALIDATION_ERROR"), "{what} {amount}");
            }
        }
        for what in ["deduct", "grant", "refund"] {
            raw(&hub, &admin, what, field(what, "-1")).await.expect(400);
        }
        for what in ["deduct", "grant", "adjust"] {
            raw(&hub, &admin, what, format!(r#"{{"userId":"{}","reason":"x"}}"#, ada.id)).await.expect(400);
        }
        for amount in never {
            let body = format!(r#"{{"credits":{amount}}}"#);
            let request = hub.post("/api/promo-codes").bearer(&admin.access_token).header("content-type", "application/json");
            assert_eq!(request.body(body).send().await.status, 400, "{amount}");
        }
        assert_eq!(transactions(&hub, &ada, "").await["total"], 2);

        // Fractions are amounts here: six digits, exactly.
        raw(&hub, &admin, "deduct", field("deduct", "1.5")).await.expect(200);
        raw(&hub, &admin, "deduct", field("deduct", "0.000001")).await.expect(200);
        assert_eq!(balance(&hub, &ada).await["balance"], json!(88.499_999));
        // The account's own limit holds where the amount alone would fit.
        raw(&hub, &admin, "adjust", field("adjust", "1000000000")).await.expect(400);
        assert_eq!(balance(&hub, &ada).await["balance"], json!(88.499_999));
        hub.finish().await;
    }

    async fn credit_20_metadata_is_kept_exactly_or_refused(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let with = |metadata: &str| {
            let head = format!(r#"{{"userId":"{}","amount":1,"reason":"x","metadata":"#, ada.id);
            [head.as_bytes(), metadata.as_bytes(), b"}"].concat()
        };
        let mut broken = with(r#"{"a":"?"}"#);
        let place = broken.iter().rposition(|byte| *byte == b'?').unwrap();
        broken[place] = 0xff;
        let refused = [
            with(&format!(r#"{{"big":"{}"}}"#, "x".repeat(1024 * 1024))),
            with(&format!(r#"{{"big":"{}"}}"#, "x".repeat(17 * 1024))),
            with(&format!(r#"{{"deep":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000))),
            with(r#"{"nul":"a\u0000b"}"#),
            with("{\"nul\":\"a\0b\"}"),
            with("[1]"),
            with("\"text\""),
            broken,
        ];
        for body in refused {
            let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
            let answer = raw(&hub, &admin, "deduct", body).await;
            assert!([400, 413].contains(&answer.status.as_u16()), "{}: {shown}", answer.status);
        }
        let kept = [
            r#"{"sql":"'; DROP TABLE credit_transactions; --","like":"%_!"}"#,
            r#"{"text":"Zoë \ud83e\udd84 \u202e \\n \"quoted\" </script>","":"empty name"}"#,
            r#"{"numbers":[0,-1,1.5,9007199254740993,1e-7],"null":null,"nested":{"a":{"b":[[[{}]]]}}}"#,
        ];
        for metadata in kept {
            let done = raw(&hub, &admin, "deduct", with(metadata)).await.expect(200).json();
            let page = transactions(&hub, &ada, "limit=1").await;
            let expected: Value = serde_json::from_str(metadata).unwrap();
            assert_eq!((&page["transactions"][0]["id"], &page["transactions"][0]["metadata"]), (&done["transactionId"], &expected));
        }
        let csv = hub.get("/api/credits/transactions/export.csv").bearer(&ada.access_token).send().await.expect(200);
        assert_eq!(csv.text().lines().count(), 5);
        hub.finish().await;
    }

    async fn credit_23_one_clock_decides_for_all_processes(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let (mut ada, mut admin) = (hub.user("ada").await, hub.admin().await);
        make(&hub, &admin, &json!({ "code": "TODAY", "credits": 1, "maxUsesPerUser": 9, "expiresAt": "2026-11-23T12:00:00Z" })).await;
        let running = hold(&hub, &ada, 10).await;
        let first = charge(&hub, &admin, &ada, 1).await["transactionId"].clone();
        hub.advance(Duration::days(-1));
        hub.sign_in(&mut ada).await;
        hub.sign_in(&mut admin).await;
        let second = charge(&sibling, &admin, &ada, 1).await["transactionId"].clone();
        redeem(&sibling, &ada, "today").await.expect(200);
        hub.advance(Duration::days(1) + Duration::minutes(119));
        hub.sign_in(&mut ada).await;
        redeem(&hub, &ada, "today").await.expect(200);
        hub.advance(Duration::minutes(1));
        for process in [&hub, &sibling] {
            assert_eq!(redeem(process, &ada, "today").await.error_code(), "PROMO_CODE_REDEEMED");
        }
        sweep_all(&sibling.hub).await.unwrap();
        assert_eq!(balance(&hub, &ada).await["held"], 10, "the lease has not ended");
        // Newest first is the order of posting, whatever the clock said.
        let rows = transactions(&hub, &ada, "kind=usage").await;
        assert_eq!((&rows["transactions"][0]["id"], &rows["transactions"][1]["id"]), (&second, &first));
        void(&hub, &ada, running).await;
        sibling.finish().await;
        hub.finish().await;
    }

    async fn credit_27_history_grows_under_the_reader_and_nobody_edits_it(pair: Pair) {
        const APPENDED: usize = 2000;
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user_with_credits("ada", Credits::whole(10_000)).await, hub.admin().await);
        for _ in 0..30 {
            charge(&hub, &admin, &ada, 1).await;
        }
        let append = async {
            for _ in 0..APPENDED / 100 {
                let mut tx = hub.hub.store.write().await.unwrap();
                for _ in 0..100 {
                    ledger::post(&mut tx, &usage(&hub, &ada, 1, None)).await.unwrap().unwrap();
                }
                tx.commit().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let walk = async {
            let (mut seen, mut next) = (Vec::new(), String::new());
            loop {
                let page = transactions(&hub, &ada, &format!("limit=7{next}")).await;
                seen.extend(page["transactions"].as_array().unwrap().iter().map(|row| row["balanceAfter"].as_i64().unwrap()));
                let Some(cursor) = page["nextCursor"].as_str() else { return seen };
                next = format!("&cursor={cursor}");
            }
        };
        let ((), seen) = tokio::join!(append, walk);
        // Each row took one credit, so the balances of a walk without gap or repetition rise one by one up to the first grant.
        assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seen:?}");
        assert_eq!(seen.last(), Some(&10_000));
        assert_eq!(transactions(&hub, &ada, "").await["total"], APPENDED + 31);

        let id = transactions(&hub, &ada, "limit=1").await["transactions"][0]["id"].as_str().unwrap().to_owned();
        for path in ["/api/credits/transactions".to_owned(), format!("/api/credits/transactions/{id}"), format!("/api/credits/receipts/{id}")] {
            for request in [hub.put(&path), hub.patch(&path), hub.delete(&path), hub.post(&path)] {
                let refused = request.bearer(&admin.access_token).json(&json!({ "amount": 1 })).send().await;
                assert!([404, 405].contains(&refused.status.as_u16()), "{path}: {}", refused.status);
            }
        }
        for reason in [Value::Null, json!(""), json!("   ")] {
            order(&hub, &admin, "adjust", &json!({ "userId": ada.id, "amount": 1, "reason": reason })).await.expect(400);
        }
        let row = order(&hub, &admin, "adjust", &json!({ "userId": ada.id, "amount": 1, "reason": "counted" })).await.expect(200).json();
        assert_eq!(row["actorId"], admin.id.to_string());
        let audit = hub.get("/api/admin/audit?action=credits.adjusted").bearer(&admin.access_token).send().await.json();
        let entry = &audit["entries"][0];
        assert_eq!((&entry["actorId"], &entry["details"]["reason"]), (&json!(admin.id), &json!("counted")));
        hub.finish().await;
    }

    async fn credit_28_what_is_left_of_a_promotion_expires_and_purchases_stay(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, admin) = (hub.user_with_credits("ada", Credits::ZERO).await, hub.admin().await);
        let purchase = json!({ "userId": ada.id, "amount": 100, "reason": "bought", "category": "purchase" });
        order(&hub, &admin, "grant", &purchase).await.expect(200);
        let promo = json!({ "userId": ada.id, "amount": 100, "reason": "autumn", "category": "promo", "expiresAt": "2026-11-30T10:00:00Z" });
        order(&hub, &admin, "grant", &promo).await.expect(200);
        charge(&hub, &admin, &ada, 60).await;
        hub.advance(Duration::days(7) - Duration::seconds(1));
        expire_due(&hub.hub).await.unwrap();
        hub.sign_in(&mut ada).await;
        assert_eq!(balance(&hub, &ada).await["balance"], 140);

        // A call that began in time holds nearly everything: what it may need stays.
        let running = hold(&hub, &ada, 130).await;
        hub.advance(Duration::seconds(1));
        expire_due(&hub.hub).await.unwrap();
        let standing = balance(&hub, &ada).await;
        assert_eq!((&standing["balance"], &standing["held"], &standing["spendable"]), (&json!(130), &json!(130), &json!(0)));
        void(&hub, &ada, running).await;
        expire_due(&hub.hub).await.unwrap();
        expire_due(&hub.hub).await.unwrap();
        let rows = transactions(&hub, &ada, "kind=expiry").await;
        assert_eq!((&rows["total"], &rows["debited"]), (&json!(2), &json!(40)), "10 at once, 30 when the call had ended");
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        let left = hub.get("/api/credits/grants").bearer(&ada.access_token).send().await.json();
        assert_eq!((&left["total"], &left["grants"][0]["category"], &left["grants"][0]["remaining"]), (&json!(1), &json!("purchase"), &json!(100)));
        hub.finish().await;
    }

    async fn credit_28_without_running_calls_there_is_one_row(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, admin) = (hub.user_with_credits("ada", Credits::ZERO).await, hub.admin().await);
        for (category, end) in [("promo", json!("2026-11-30T10:00:00Z")), ("purchase", Value::Null)] {
            let body = json!({ "userId": ada.id, "amount": 100, "reason": "x", "category": category, "expiresAt": end });
            order(&hub, &admin, "grant", &body).await.expect(200);
        }
        charge(&hub, &admin, &ada, 60).await;
        hub.advance(Duration::days(8));
        hub.sign_in(&mut ada).await;
        expire_due(&hub.hub).await.unwrap();
        let rows = transactions(&hub, &ada, "kind=expiry").await;
        assert_eq!((&rows["total"], &rows["transactions"][0]["amount"]), (&json!(1), &json!(-40)));
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        hub.finish().await;
    }

    async fn credit_28_a_call_that_began_in_time_is_paid_from_the_promotion(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, admin) = (hub.user_with_credits("ada", Credits::whole(50)).await, hub.admin().await);
        let promo = json!({ "userId": ada.id, "amount": 100, "reason": "x", "category": "promo", "expiresAt": "2026-11-23T11:00:00Z" });
        order(&hub, &admin, "grant", &promo).await.expect(200);
        let running = hold(&hub, &ada, 120).await;
        hub.advance(Duration::hours(2));
        hub.sign_in(&mut ada).await;
        expire_due(&hub.hub).await.unwrap();
        assert_eq!(balance(&hub, &ada).await["balance"], 120);
        credits::settle(&hub.hub, &ended(&hub, &ada, running, 1_000_000)).await.unwrap();
        expire_due(&hub.hub).await.unwrap();
        // 30 ran out at once, 60 paid for the call, the last 10 ran out after it: the 50 without an end are whole.
        assert_eq!(balance(&hub, &ada).await["balance"], 50);
        assert_eq!(transactions(&hub, &ada, "kind=expiry").await["debited"], 40);
        hub.finish().await;
    }
}
