//! Chat calls: what they answer, what they cost, and what becomes of the money when something goes wrong.

use chrono::Duration;
use futures::future::join_all;
use hub_domain::credits::sweep_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

fn ask(text: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": text }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn chat(hub: &TestHub, user: &TestUser, body: &Value) -> TestResponse {
    hub.post("/v1/chat/completions").bearer(&user.api_key).json(body).send().await
}

async fn balance(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json()
}

async fn receipt(hub: &TestHub, user: &TestUser, id: &str) -> Value {
    hub.get(&format!("/api/credits/receipts/{id}")).bearer(&user.access_token).send().await.expect(200).json()
}

/// Micro-credits, from a decimal amount in JSON.
fn micro(amount: &Value) -> i64 {
    amount.to_string().parse::<Credits>().unwrap().micro()
}

/// Waits until the calls that nobody listens to any more are settled.
async fn settled(hub: &TestHub, user: &TestUser) -> Value {
    for _ in 0..2000 {
        let found = balance(hub, user).await;
        if found["held"] == 0 {
            return found;
        }
        tokio::task::yield_now().await;
    }
    panic!("credits are still held");
}

on_both_pairs! {
    async fn a_whole_answer_is_paid_by_exactly_its_receipt_which_computes_again(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &ask("hello there", &json!({}))).await.expect(200);
        let body = answer.json();
        assert!(body["choices"][0]["message"]["content"].as_str().unwrap().starts_with("[sandbox] You said: hello there"));

        let receipt = receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
        let (usage, prices) = (&receipt["usage"], &receipt["unitPrices"]);
        let class = |name: &str| usage[name].as_i64().unwrap() * prices[name].as_i64().unwrap();
        let exact: i64 = ["input", "cacheRead", "cacheWrite", "output", "reasoning"].iter().map(|name| class(name)).sum();
        assert_eq!(receipt["exactCost"], exact);
        assert_eq!(micro(&receipt["amount"]), (exact + 999_999) / 1_000_000);
        assert_eq!(usage["input"], body["usage"]["prompt_tokens"]);
        assert_eq!(usage["output"], body["usage"]["completion_tokens"]);
        assert_eq!((&receipt["usageSource"], &receipt["outcome"]), (&json!("provider"), &json!("completed")));
        assert_eq!(receipt["held"], receipt["amount"], "the sandbox's bound is exact");

        let left = balance(&hub, &ada).await;
        assert_eq!(micro(&left["balance"]), 100_000_000 - micro(&receipt["amount"]));
        assert_eq!(answer.header("x-hub-credits"), receipt["amount"].to_string());
        hub.finish().await;
    }

    async fn a_stream_is_paid_for_before_its_end_mark(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("sandbox:words=20 go", &json!({ "stream": true, "stream_options": { "include_usage": true } }));
        let stream = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).stream().await;
        let id = stream.headers["x-hub-receipt"].to_str().unwrap().to_owned();
        let events = stream.events().await;
        assert_eq!(events.last().unwrap().data, "[DONE]");
        let usage: Value = serde_json::from_str(&events[events.len() - 2].data).unwrap();
        assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(20)));
        let receipt = receipt(&hub, &ada, &id).await;
        assert_eq!(receipt["usage"]["output"], 20);
        let left = balance(&hub, &ada).await;
        assert_eq!((micro(&left["balance"]), &left["held"]), (100_000_000 - micro(&receipt["amount"]), &json!(0)));
        hub.finish().await;
    }

    async fn the_usage_chunk_comes_only_to_whom_asked_for_it(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("hi", &json!({ "stream": true }));
        let events = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).stream().await.events().await;
        for event in &events[..events.len() - 1] {
            let chunk: Value = serde_json::from_str(&event.data).unwrap();
            assert_eq!(chunk["choices"].as_array().unwrap().len(), 1, "{chunk}");
        }
        hub.finish().await;
    }

    async fn two_hundred_calls_on_credits_for_fifty(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let body = ask("how are you", &json!({}));
        let first = hub.user("probe").await;
        let price = chat(&hub, &first, &body).await.expect(200).header("x-hub-credits").parse::<Credits>().unwrap();
        let ada = hub.user_with_credits("ada", Credits::from_micro(price.micro() * 50)).await;
        let (second, third) = (hub.sibling().await, hub.sibling().await);
        let hubs = [&hub, &second, &third];
        let answers = join_all((0..200).map(|n| chat(hubs[n % 3], &ada, &body))).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(200), count(402)), (50, 150));
        let left = balance(&hub, &ada).await;
        assert_eq!((&left["balance"], &left["held"]), (&json!(0), &json!(0)));
        let short = answers.iter().find(|answer| answer.status == 402).unwrap().json();
        assert_eq!((&short["error"]["code"], &short["error"]["type"]), (&json!("INSUFFICIENT_CREDITS"), &json!("insufficient_quota")));
        third.finish().await;
        second.finish().await;
        hub.finish().await;
    }

    async fn a_caller_who_hangs_up_pays_for_what_was_produced(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("sandbox:words=5000 sandbox:delay=1 go", &json!({ "stream": true }));
        let mut stream = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).stream().await;
        let id = stream.headers["x-hub-receipt"].to_str().unwrap().to_owned();
        for _ in 0..10 {
            stream.event().await.unwrap();
        }
        drop(stream);
        let left = settled(&hub, &ada).await;
        let receipt = receipt(&hub, &ada, &id).await;
        let produced = hub.sandbox().produced();
        assert_eq!((&receipt["outcome"], receipt["usage"]["output"].as_i64().unwrap()), (&json!("cancelled"), produced));
        assert!((9..5000).contains(&produced), "{produced}");
        assert_eq!(micro(&left["balance"]), 100_000_000 - micro(&receipt["amount"]));
        hub.finish().await;
    }

    async fn what_the_provider_did_not_answer_costs_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for (failure, status, code) in [
            ("400", 400, "sandbox_failure"),
            ("401", 502, "ALL_PROVIDERS_FAILED"),
            ("429", 429, "ALL_PROVIDERS_FAILED"),
            ("500", 502, "ALL_PROVIDERS_FAILED"),
            ("timeout", 502, "ALL_PROVIDERS_FAILED"),
        ] {
            for stream in [false, true] {
                let body = ask(&format!("sandbox:fail={failure}"), &json!({ "stream": stream }));
                let refused = chat(&hub, &ada, &body).await.expect(status);
                assert_eq!(refused.error_code(), code, "{failure}");
            }
        }
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_stream_that_breaks_off_ends_with_an_error_and_is_paid_as_far_as_it_came(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("sandbox:words=50 sandbox:cut=7 go", &json!({ "stream": true }));
        let stream = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).stream().await;
        let id = stream.headers["x-hub-receipt"].to_str().unwrap().to_owned();
        let events = stream.events().await;
        let last: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
        assert_eq!(last["error"]["code"], "PROVIDER_ERROR");
        assert!(events.iter().all(|event| event.data != "[DONE]"));
        let receipt = receipt(&hub, &ada, &id).await;
        assert_eq!((&receipt["usage"]["output"], &receipt["usageSource"], &receipt["outcome"]), (&json!(7), &json!("counted"), &json!("failed")));
        hub.finish().await;
    }

    async fn usage_that_was_not_reported_is_counted(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &ask("sandbox:words=12 sandbox:no-usage go", &json!({}))).await.expect(200);
        let receipt = receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["usage"]["output"], &receipt["usageSource"]), (&json!(12), &json!("counted")));
        hub.finish().await;
    }

    async fn an_answer_is_shortened_to_what_the_balance_pays_for_unless_the_caller_named_a_length(pair: Pair) {
        let hub = TestHub::start(pair).await;
        // The sandbox costs 15 micro-credits a prompt token and 60 a word: this pays for the prompt and about 30 words.
        let ada = hub.user_with_credits("ada", Credits::from_micro(2000)).await;
        let answer = chat(&hub, &ada, &ask("sandbox:words=500 go", &json!({}))).await.expect(200);
        let limit: i64 = answer.header("x-hub-max-tokens").parse().unwrap();
        let body = answer.json();
        assert_eq!((&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]), (&json!("length"), &json!(limit)));
        let bob = hub.user_with_credits("bob", Credits::from_micro(2000)).await;
        let refused = chat(&hub, &bob, &ask("sandbox:words=500 go", &json!({ "max_tokens": 400 }))).await.expect(402);
        let details = &refused.json()["error"]["details"];
        assert_eq!(details["available"], json!(0.002));
        assert!(micro(&details["needed"]) > 24_000);
        hub.finish().await;
    }

    async fn requests_that_are_none_are_refused_before_anything_is_held(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let bodies = [
            ("{", 400, "VALIDATION_ERROR"),
            ("[]", 400, "VALIDATION_ERROR"),
            (r#"{"model":"sandbox"}"#, 400, "VALIDATION_ERROR"),
            (r#"{"model":"sandbox","messages":[]}"#, 400, "VALIDATION_ERROR"),
            (r#"{"model":"sandbox","messages":[{"role":"king","content":"x"}]}"#, 400, "VALIDATION_ERROR"),
            (r#"{"model":"sandbox","messages":[{"role":"user","content":"x"}],"max_tokens":-1}"#, 400, "VALIDATION_ERROR"),
            (r#"{"model":"sandbox","messages":[{"role":"user","content":"x"}],"stream":"yes"}"#, 400, "VALIDATION_ERROR"),
            (r#"{"model":"no-such-model","messages":[{"role":"user","content":"x"}]}"#, 404, "MODEL_NOT_FOUND"),
            (r#"{"model":"gpt-6.2-sol","messages":[{"role":"user","content":"x"}]}"#, 404, "MODEL_NOT_FOUND"),
        ];
        for (body, status, code) in bodies {
            let request = hub.post("/v1/chat/completions").bearer(&ada.api_key).header("content-type", "application/json");
            let refused = request.body(body).send().await.expect(status);
            assert_eq!(refused.error_code(), code, "{body}");
            assert!(refused.json()["error"]["requestId"].is_string());
        }
        let plain = hub.post("/v1/chat/completions").bearer(&ada.api_key).header("content-type", "text/plain").body("hi").send().await;
        plain.expect(415);
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        hub.finish().await;
    }

    async fn models_are_those_that_can_be_called_now(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let list = hub.get("/v1/models").bearer(&ada.api_key).send().await.expect(200).json();
        assert_eq!(list["data"][0]["id"], "sandbox");
        assert_eq!(list["data"][1]["id"], "sandbox-embedding");
        assert_eq!((list["data"].as_array().unwrap().len(), &list["data"][0]["owned_by"]), (2, &json!("sandbox")));
        hub.get("/v1/models/sandbox").bearer(&ada.api_key).send().await.expect(200);
        hub.get("/v1/models/gpt-6.2-sol").bearer(&ada.api_key).send().await.expect(404);
        hub.finish().await;
    }

    async fn the_specs_own_protocol_answers_whole_and_in_pieces(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = json!({
            "id": "r1", "type": "chat", "provider": "auto", "model": "sandbox", "stream": false, "maxTokens": 50,
            "messages": [{ "role": "user", "content": "hello" }],
        });
        let whole = hub.post("/api/mcp/chat").bearer(&ada.access_token).json(&body).send().await.expect(200).json();
        assert_eq!((&whole["id"], &whole["type"]), (&json!("r1"), &json!("completion")));
        assert!(whole["data"].as_str().unwrap().starts_with("[sandbox] You said: hello"));
        let usage = &whole["usage"];
        assert_eq!(usage["totalTokens"], usage["promptTokens"].as_i64().unwrap() + usage["completionTokens"].as_i64().unwrap());
        assert_eq!((&whole["metadata"]["model"], &whole["metadata"]["provider"]), (&json!("sandbox"), &json!("sandbox")));
        let receipt = receipt(&hub, &ada, whole["metadata"]["receiptId"].as_str().unwrap()).await;
        assert_eq!((&receipt["amount"], &receipt["route"]), (&usage["credits"], &json!("/api/mcp/chat")));

        let mut streamed = body.clone();
        streamed["stream"] = json!(true);
        let events = hub.post("/api/mcp/chat").bearer(&ada.access_token).json(&streamed).stream().await.events().await;
        let frames: Vec<Value> = events.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
        let text: String = frames.iter().filter(|frame| frame["type"] == "chunk").map(|frame| frame["data"].as_str().unwrap()).collect();
        assert_eq!(text, whole["data"].as_str().unwrap());
        let last = frames.last().unwrap();
        assert_eq!((&last["type"], &last["usage"]["credits"]), (&json!("done"), &usage["credits"]));

        for bad in [
            json!({ "id": "r", "type": "chat", "model": "sandbox", "prompt": "x" }),
            json!({ "id": "r", "type": "completion", "model": "sandbox", "messages": [{ "role": "user", "content": "x" }] }),
            json!({ "id": "", "type": "completion", "model": "sandbox", "prompt": "x" }),
            json!({ "id": "r", "type": "completion", "model": "sandbox", "prompt": "x", "surprise": 1 }),
            json!({ "id": "r", "type": "completion", "model": "sandbox", "prompt": "x", "maxTokens": 0 }),
        ] {
            hub.post("/api/mcp/chat").bearer(&ada.access_token).json(&bad).send().await.expect(400);
        }
        let elsewhere = json!({ "id": "r", "type": "completion", "provider": "claude", "model": "sandbox", "prompt": "x" });
        hub.post("/api/mcp/chat").bearer(&ada.access_token).json(&elsewhere).send().await.expect(404);
        hub.finish().await;
    }

    async fn res_06_a_call_whose_process_died_is_settled_at_its_last_checkpoint(pair: Pair) {
        use hub_domain::credits::{Checkpoint, hold};
        use hub_store::holds::{self, NewHold};
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let (parts, now) = (&hub.hub, hub.clock().now());
        let price = parts.prices.current("sandbox", "sandbox", now).unwrap();
        let mut checkpoint = Checkpoint {
            route: "/v1/chat/completions".into(),
            upstream_model: "sandbox".into(),
            unit_prices: price.units.clone(),
            usage: hub_types::TokenUsage::default(),
            attempts: 1,
        };
        let new = |checkpoint: &Checkpoint| NewHold {
            id: hub_types::HoldId::new(hub.clock()),
            user: ada.id,
            api_key: None,
            request_id: "dead".into(),
            kind: "chat",
            amount: Credits::whole(1),
            price: price.id,
            service: "sandbox".into(),
            provider: "sandbox".into(),
            model: "sandbox".into(),
            owner: "a process that is gone".into(),
            checkpoint: serde_json::to_value(checkpoint).unwrap(),
            lease_until: now + Duration::seconds(60),
            budgets: Vec::new(),
            at: now,
        };
        let (silent, talking) = (new(&checkpoint), new(&checkpoint));
        hold(parts, &silent).await.unwrap();
        hold(parts, &talking).await.unwrap();
        checkpoint.usage = hub_types::TokenUsage { input: 10, output: 100, ..Default::default() };
        let cost = price.units.cost(&checkpoint.usage).unwrap().amount;
        let mut tx = parts.store.write().await.unwrap();
        let data = serde_json::to_value(&checkpoint).unwrap();
        assert!(holds::checkpoint(&mut tx, talking.id, "a process that is gone", cost, &data, now + Duration::seconds(60)).await.unwrap());
        tx.commit().await.unwrap();

        sweep_all(parts).await.unwrap();
        assert_eq!(balance(&hub, &ada).await["held"], 2, "the lease has not ended");
        hub.advance(Duration::seconds(61));
        let mut ada = ada;
        hub.sign_in(&mut ada).await;
        join_all((0..20).map(|_| sweep_all(parts))).await;
        let left = balance(&hub, &ada).await;
        assert_eq!((micro(&left["balance"]), &left["held"]), (100_000_000 - cost.micro(), &json!(0)));
        let swept = receipt(&hub, &ada, &talking.id.to_string()).await;
        assert_eq!((&swept["outcome"], &swept["usageSource"]), (&json!("expired"), &json!("checkpoint")));
        hub.finish().await;
    }
}
