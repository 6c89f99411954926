//! What a call would cost, caps on what it may cost, margins by role, and prices of finer classes.

use hub_domain::credits::{Period, recompute};
use hub_store::receipts;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::{Budget, BudgetPeriod, Credits, HoldId};
use serde_json::{Value, json};

use crate::openai_stub::Stub;

fn ask(model: &str, text: &str, more: &Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": text }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn quote(hub: &TestHub, user: &TestUser, body: &Value) -> Value {
    hub.post("/api/credits/quote").bearer(&user.access_token).json(body).send().await.expect(200).json()
}

async fn call(hub: &TestHub, user: &TestUser, cap: Option<&str>, body: &Value) -> TestResponse {
    let request = hub.post("/v1/chat/completions").bearer(&user.api_key);
    let request = if let Some(cap) = cap { request.header("x-max-credits", cap) } else { request };
    request.json(body).send().await
}

async fn receipt(hub: &TestHub, user: &TestUser, answer: &TestResponse) -> Value {
    let path = format!("/api/credits/receipts/{}", answer.header("x-hub-receipt"));
    hub.get(&path).bearer(&user.access_token).send().await.expect(200).json()
}

fn micro(amount: &Value) -> i64 {
    amount.to_string().parse::<Credits>().unwrap().micro()
}

fn month() -> Period {
    let at = |text: &str| text.parse().unwrap();
    Period { from: at("2026-11-01T00:00:00Z"), to: at("2026-12-01T00:00:00Z") }
}

on_both_pairs! {
    async fn a_quote_is_what_the_call_then_holds(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("sandbox", "sandbox:words=50 go", &json!({ "max_tokens": 200 }));
        let quoted = quote(&hub, &ada, &json!({ "request": body, "outputTokens": 50 })).await;
        let answer = call(&hub, &ada, None, &body).await.expect(200);
        let receipt = receipt(&hub, &ada, &answer).await;
        assert_eq!((&quoted["worstCase"], &quoted["priceId"]), (&receipt["held"], &receipt["priceId"]));
        assert_eq!(quoted["unitPrices"], receipt["unitPrices"]);
        assert_eq!((&quoted["service"], &quoted["affordable"], &quoted["boundBy"]), (&json!("sandbox"), &json!(true), &json!("balance")));
        assert_eq!(quoted["typical"], receipt["amount"], "the sandbox says exactly as many words as it was asked for");
        // The other wires go to the same arithmetic.
        let messages = json!({ "request": ask("sandbox", "sandbox:words=50 go", &json!({ "max_tokens": 200 })), "route": "messages" });
        assert_eq!(quote(&hub, &ada, &messages).await["worstCase"], quoted["worstCase"]);
        let vectors = json!({ "request": { "model": "sandbox-embedding", "input": "a b c" }, "route": "embeddings" });
        assert_eq!(quote(&hub, &ada, &vectors).await["outputLimit"], 0);
        hub.finish().await;
    }

    async fn a_quote_by_numbers_says_what_is_affordable(pair: Pair) {
        let hub = TestHub::start(pair).await;
        // The sandbox costs 15 micro-credits a prompt token and 60 a word.
        let ada = hub.user_with_credits("ada", Credits::from_micro(2000)).await;
        let quoted = quote(&hub, &ada, &json!({ "model": "sandbox", "inputTokens": 10, "outputTokens": 20 })).await;
        assert_eq!((micro(&quoted["typical"]), micro(&quoted["worstCase"])), (150 + 1200, 150 + 16_384 * 60));
        assert_eq!((&quoted["affordable"], &quoted["affordableOutputTokens"]), (&json!(true), &json!(1850 / 60)));
        let capped = json!({ "model": "sandbox", "inputTokens": 10, "maxCredits": 0.0006, "provider": "sandbox" });
        let quoted = quote(&hub, &ada, &capped).await;
        // Seven words are of no use to anybody.
        assert_eq!((&quoted["affordable"], &quoted["affordableOutputTokens"], &quoted["boundBy"]), (&json!(false), &json!(7), &json!("cap")));
        for (wrong, status) in [
            (json!({ "model": "no-such-model", "inputTokens": 1 }), 404),
            (json!({ "model": "sandbox", "inputTokens": 1, "provider": "openai" }), 404),
            (json!({ "model": "sandbox" }), 400),
            (json!({ "model": "sandbox", "inputTokens": -1 }), 400),
            (json!({ "model": "sandbox", "inputTokens": 1, "maxCredits": 0 }), 400),
            (json!({ "request": { "model": "sandbox", "messages": "none" } }), 400),
            (json!({ "request": ask("sandbox", "x", &json!({})), "model": "sandbox" }), 400),
        ] {
            hub.post("/api/credits/quote").bearer(&ada.access_token).json(&wrong).send().await.expect(status);
        }
        hub.finish().await;
    }

    async fn a_prompt_that_does_not_fit_is_said_to_and_nothing_typical_is_above_the_worst_case(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        // The sandbox takes 128 000 tokens and answers with at most 16 384.
        let by_numbers = |input: i64, output: i64| json!({ "model": "sandbox", "inputTokens": input, "outputTokens": output });
        for (input, fits) in [(128_000, true), (128_001, false), (200_000, false)] {
            let quoted = quote(&hub, &ada, &by_numbers(input, 50_000)).await;
            assert_eq!((&quoted["fits"], &quoted["affordable"]), (&json!(fits), &json!(fits)), "{quoted}");
            assert_eq!((&quoted["inputTokens"], &quoted["outputLimit"]), (&json!(input), &json!(16_384)), "nothing is cut in silence");
            assert_eq!(quoted["affordableOutputTokens"], if fits { 16_384 } else { 0 });
            assert_eq!(micro(&quoted["worstCase"]), input * 15 + 16_384 * 60);
            assert_eq!(micro(&quoted["typical"]), micro(&quoted["worstCase"]), "no answer is longer than the limit");
        }
        // A call as it would be sent: its tokens are an estimate, so it is let through, and the provider says what it thinks.
        for (words, fits) in [(10, true), (300_000, false)] {
            let body = ask("sandbox", &"word ".repeat(words), &json!({ "max_tokens": 20 }));
            let quoted = quote(&hub, &ada, &json!({ "request": body, "outputTokens": 1_000 })).await;
            assert_eq!((&quoted["fits"], &quoted["affordable"]), (&json!(fits), &json!(true)), "{quoted}");
            assert!(micro(&quoted["typical"]) <= micro(&quoted["worstCase"]), "{quoted}");
        }
        hub.finish().await;
    }

    async fn a_cap_shortens_the_answer_or_refuses_and_says_why(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let long = ask("sandbox", "sandbox:words=500 go", &json!({}));
        let answer = call(&hub, &ada, Some("0.003"), &long).await.expect(200);
        let limit: i64 = answer.header("x-hub-max-tokens").parse().unwrap();
        let paid = receipt(&hub, &ada, &answer).await;
        assert!((16..50).contains(&limit) && micro(&paid["held"]) <= 3000, "{limit} {paid}");
        assert_eq!(paid["usage"]["output"], limit);

        let refused = call(&hub, &ada, Some("0.0003"), &long).await.expect(402).json();
        let details = &refused["error"]["details"];
        assert_eq!((&details["gate"], &details["available"]), (&json!("cap"), &json!(0.0003)));
        assert_eq!(micro(&details["missing"]), micro(&details["needed"]) - 300);
        // A length that the caller named is not changed.
        let named = ask("sandbox", "sandbox:words=500 go", &json!({ "max_tokens": 400 }));
        call(&hub, &ada, Some("0.003"), &named).await.expect(402);
        call(&hub, &ada, Some("1"), &named).await.expect(200);
        for wrong in ["0", "-1", "much"] {
            call(&hub, &ada, Some(wrong), &long).await.expect(400);
        }
        // The same in the spec's protocol; of two caps the lower one counts.
        let protocol = json!({ "id": "1", "type": "chat", "model": "sandbox", "maxCredits": 0.0003,
            "messages": [{ "role": "user", "content": "sandbox:words=500 go" }] });
        let post = |path: &str| hub.post(path).bearer(&ada.api_key);
        post("/api/mcp/chat").header("x-max-credits", "5").json(&protocol).send().await.expect(402);
        post("/v1/messages").header("x-max-credits", "0.0003").json(&named).send().await.expect(402);
        post("/v1/responses").header("x-max-credits", "0.0003").json(&json!({ "model": "sandbox", "input": "hi" })).send().await.expect(402);
        post("/v1/completions").header("x-max-credits", "0.0003").json(&json!({ "model": "sandbox", "prompt": "hi" })).send().await.expect(402);
        let vectors = json!({ "model": "sandbox-embedding", "input": "a b c" });
        post("/v1/embeddings").header("x-max-credits", "0.000001").json(&vectors).send().await.expect(402);
        post("/v1/embeddings").header("x-max-credits", "0.01").json(&vectors).send().await.expect(200);
        hub.finish().await;
    }

    async fn a_cap_refuses_where_answers_are_not_shortened(pair: Pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| settings.credits.when_short = hub_domain::credits::WhenShort::Refuse)
            .start()
            .await;
        let ada = hub.user("ada").await;
        call(&hub, &ada, Some("0.003"), &ask("sandbox", "sandbox:words=500 go", &json!({}))).await.expect(402);
        let quoted = quote(&hub, &ada, &json!({ "model": "sandbox", "inputTokens": 10, "maxCredits": 0.003 })).await;
        assert_eq!(quoted["affordable"], false);
        hub.finish().await;
    }

    async fn a_refusal_says_when_to_come_back(pair: Pair) {
        use hub_store::user_budgets;
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let budget = Budget { amount: Credits::from_micro(30_000), period: BudgetPeriod::Day };
        let mut tx = hub.hub.store.write().await.unwrap();
        user_budgets::replace(&mut tx, ada.id, &[budget], hub.clock().now()).await.unwrap();
        tx.commit().await.unwrap();
        let spend = ask("sandbox", "sandbox:words=300 go", &json!({ "max_tokens": 300 }));
        call(&hub, &ada, None, &spend).await.expect(200);
        let refused = call(&hub, &ada, None, &spend).await.expect(402);
        // Tests begin at ten in the morning; the day's budget begins again at midnight.
        assert_eq!(refused.header("retry-after"), (14 * 3600).to_string());
        let details = &refused.json()["error"]["details"];
        assert_eq!((&details["gate"], &details["resetsAt"]), (&json!("budget"), &json!("2026-11-24T00:00:00Z")));
        assert_eq!(micro(&details["missing"]), micro(&details["needed"]) - micro(&details["available"]));
        let quoted = quote(&hub, &ada, &json!({ "model": "sandbox", "inputTokens": 10 })).await;
        assert_eq!(quoted["boundBy"], "budget");

        let bob = hub.user_with_credits("bob", Credits::from_micro(1)).await;
        let refused = call(&hub, &bob, None, &spend).await.expect(402);
        let header = refused.headers.get("retry-after");
        assert!(header.is_none(), "waiting does not help");
        assert_eq!(refused.json()["error"]["details"]["gate"], "balance");
        hub.finish().await;
    }

    async fn a_margin_is_paid_by_its_roles_and_computes_again(pair: Pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| settings.pricing.margins = [("user".to_owned(), 50), ("manager".to_owned(), 20)].into())
            .start()
            .await;
        let (ada, max, admin) = (hub.user("ada").await, hub.manager().await, hub.admin().await);
        let body = ask("sandbox", "sandbox:words=100 go", &json!({}));
        let price = |permille: i64, receipt: &Value| {
            let exact = receipt["usage"]["input"].as_i64().unwrap() * 15_000_000 + receipt["usage"]["output"].as_i64().unwrap() * 60_000_000;
            exact * (1000 + permille) / 1000
        };
        let paid = receipt(&hub, &ada, &call(&hub, &ada, None, &body).await.expect(200)).await;
        assert_eq!(paid["unitPrices"]["marginPermille"], 500);
        assert_eq!((&paid["exactCost"], &paid["unitPrices"]["input"]), (&json!(price(500, &paid)), &json!(15_000_000)));
        let quoted = quote(&hub, &ada, &json!({ "request": body, "outputTokens": 100 })).await;
        assert_eq!((&quoted["worstCase"], &quoted["typical"]), (&paid["held"], &paid["amount"]));

        hub.grant(max.id, Credits::whole(1)).await;
        let paid = receipt(&hub, &max, &call(&hub, &max, None, &body).await.expect(200)).await;
        assert_eq!(paid["exactCost"], price(200, &paid));
        hub.grant(admin.id, Credits::whole(1)).await;
        let paid = receipt(&hub, &admin, &call(&hub, &admin, None, &body).await.expect(200)).await;
        assert_eq!((&paid["exactCost"], paid["unitPrices"].get("marginPermille")), (&json!(price(0, &paid)), None));
        let found = recompute(&hub.hub.store, &hub.hub.prices, month()).await.unwrap();
        assert_eq!((found.receipts, found.differences), (3, 0), "{:?}", found.named);
        hub.finish().await;
    }

    async fn sound_and_pictures_are_paid_at_their_own_prices(pair: Pair) {
        let stub = Stub::start().await;
        let price = json!({ "input": 10, "output": 20, "cache_read": 1, "input_audio": 100, "output_audio": 200, "input_image": 40 });
        let hub = stub.hub(pair, price).start().await;
        let ada = hub.user("ada").await;
        let usage = json!({ "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": { "cached_tokens": 10, "audio_tokens": 30, "image_tokens": 20 },
            "completion_tokens_details": { "audio_tokens": 15 } });
        let answer = call(&hub, &ada, None, &ask("stub", &format!("usage {usage}"), &json!({}))).await.expect(200);
        let paid = receipt(&hub, &ada, &answer).await;
        let counted = &paid["usage"];
        let classes = ["input", "cacheRead", "inputAudio", "inputImage", "output", "outputAudio"].map(|name| counted[name].as_i64().unwrap());
        assert_eq!(classes, [40, 10, 30, 20, 35, 15]);
        assert_eq!(micro(&paid["amount"]), 40 * 10 + 10 + 30 * 100 + 20 * 40 + 35 * 20 + 15 * 200);
        // The usage log sums them up in the classes that everybody knows.
        let log = hub.get("/api/usage/logs").bearer(&ada.access_token).send().await.expect(200).json();
        assert!(log.to_string().contains("\"stub\""), "{log}");
        let summary = hub.get("/api/usage/summary").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(summary["totals"]["tokens"], 150, "{summary}");
        let found = recompute(&hub.hub.store, &hub.hub.prices, month()).await.unwrap();
        assert_eq!((found.receipts, found.differences), (1, 0), "{:?}", found.named);
        hub.finish().await;
    }

    async fn a_digit_changed_in_a_stored_receipt_is_found_and_named(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let mut ids = Vec::new();
        for words in [3, 30, 300] {
            let body = ask("sandbox", &format!("sandbox:words={words} go"), &json!({}));
            let answer = call(&hub, &ada, None, &body).await.expect(200);
            ids.push(serde_json::from_value::<HoldId>(json!(answer.header("x-hub-receipt"))).unwrap());
        }
        let stored = async |change: i64| {
            let mut tx = hub.hub.store.write().await.unwrap();
            let mut receipt = receipts::get(&mut tx, ids[1]).await.unwrap().unwrap();
            receipt.amount = Credits::from_micro(receipt.amount.micro() + change);
            receipts::put(&mut tx, &receipt).await.unwrap();
            tx.commit().await.unwrap();
        };
        let verified = async || {
            let answer = hub.get("/api/admin/ledger").bearer(&admin.access_token).send().await;
            answer.expect(200).text()
        };
        let name = ids[1].to_string();
        assert!(!verified().await.contains(&name));
        stored(100).await;
        let found = recompute(&hub.hub.store, &hub.hub.prices, month()).await.unwrap();
        assert_eq!((found.receipts, found.differences, found.named.len()), (3, 1, 1));
        assert!(found.named[0].contains(&name), "{:?}", found.named);
        assert!(verified().await.contains(&name));
        stored(-100).await;
        hub.finish().await;
    }
}
