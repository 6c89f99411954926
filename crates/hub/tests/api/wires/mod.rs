//! The wires beside OpenAI's chat: Anthropic's messages in both directions, responses, the old completions, vectors, and the spec's own kinds.

mod account;
mod administered;
mod broken;
mod faithful;
mod native;
mod responses_only;
mod speaker;
mod stand_ins;
mod terms;
mod upstream;

use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

use upstream::{FOR_AN_HOUR, USAGE, Upstream};

const CLAUDE: &str = "claude-sonnet-5-5";

fn ask(model: &str, text: &str, more: &Value) -> Value {
    let mut body = json!({ "model": model, "max_tokens": 100, "messages": [{ "role": "user", "content": text }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn messages(hub: &TestHub, user: &TestUser, body: &Value) -> TestResponse {
    let request = hub.post("/v1/messages").header("x-api-key", &user.api_key).header("anthropic-version", "2026-10-21");
    request.json(body).send().await
}

async fn chat(hub: &TestHub, user: &TestUser, body: &Value) -> TestResponse {
    hub.post("/v1/chat/completions").bearer(&user.api_key).json(body).send().await
}

async fn events(hub: &TestHub, path: &str, user: &TestUser, body: &Value) -> (String, Vec<(String, Value)>) {
    let stream = hub.post(path).bearer(&user.api_key).json(body).stream().await;
    let receipt = stream.headers["x-hub-receipt"].to_str().unwrap().to_owned();
    let read = |data: &str| serde_json::from_str(data).unwrap_or(Value::Null);
    let events = stream.events().await.into_iter().map(|event| (event.event.clone(), read(&event.data))).collect();
    (receipt, events)
}

fn micro(amount: &Value) -> i64 {
    amount.to_string().parse::<Credits>().unwrap().micro()
}

/// The receipt; it must be exactly what left a balance of 100 credits.
async fn paid(hub: &TestHub, user: &TestUser, receipt: &str) -> Value {
    let path = format!("/api/credits/receipts/{receipt}");
    let receipt = hub.get(&path).bearer(&user.access_token).send().await.expect(200).json();
    let left = hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json();
    assert_eq!((micro(&left["balance"]), &left["held"]), (100_000_000 - micro(&receipt["amount"]), &json!(0)));
    receipt
}

/// The receipt names the provider's numbers apart, and each is paid at its own price (USD 2.00, 2.50 and 4.00 for an hour, 0.10, 10.00 a
/// million).
fn classes(receipt: &Value) {
    let usage = &receipt["usage"];
    let names = ["input", "cacheWrite", "cacheWriteLong", "cacheRead", "output"];
    let counted = names.map(|class| usage[class].as_i64().unwrap());
    let short = USAGE[1] - FOR_AN_HOUR;
    assert_eq!(counted, [USAGE[0], short, FOR_AN_HOUR, USAGE[2], USAGE[3]]);
    let exact = USAGE[0] * 200_000_000
        + short * 250_000_000
        + FOR_AN_HOUR * 400_000_000
        + USAGE[2] * 10_000_000
        + USAGE[3] * 1_000_000_000;
    assert_eq!((&receipt["exactCost"], &receipt["usageSource"]), (&json!(exact), &json!("provider")));
    assert_eq!(micro(&receipt["amount"]), (exact + 999_999) / 1_000_000);
}

on_both_pairs! {
    async fn the_sandbox_answers_messages_whole_and_in_pieces(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let answer = messages(&hub, &ada, &ask("sandbox", "hello", &json!({}))).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["type"], &body["role"], &body["stop_reason"]), (&json!("message"), &json!("assistant"), &json!("end_turn")));
        let text = body["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.starts_with("[sandbox] You said: hello"), "{text}");
        assert!(!answer.header("request-id").is_empty());
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["usage"]["input"], &receipt["usage"]["output"]), (&body["usage"]["input_tokens"], &body["usage"]["output_tokens"]));
        assert_eq!(receipt["route"], "/v1/messages");

        let bob = hub.user("bob").await;
        let (receipt, events) = events(&hub, "/v1/messages", &bob, &ask("sandbox", "hello", &json!({ "stream": true }))).await;
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["message_start", "content_block_start", "content_block_delta"]);
        assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
        let said: String = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
        assert_eq!(said, text);
        let receipt = paid(&hub, &bob, &receipt).await;
        let told = &events[events.len() - 2].1["usage"];
        assert_eq!((&receipt["usage"]["input"], &receipt["usage"]["output"]), (&told["input_tokens"], &told["output_tokens"]));
        hub.finish().await;
    }

    async fn models_have_anthropics_form_for_those_who_name_its_version(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let get = async |path: &str| {
            let request = hub.get(path).header("x-api-key", &ada.api_key).header("anthropic-version", "2026-10-21");
            request.send().await.expect(200).json()
        };
        let list = get("/v1/models").await;
        assert_eq!((&list["data"][0]["type"], &list["data"][0]["id"], &list["has_more"]), (&json!("model"), &json!("sandbox"), &json!(false)));
        assert!(list["data"][0]["created_at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(get("/v1/models/sandbox").await, list["data"][0]);
        hub.finish().await;
    }

    async fn errors_of_messages_have_anthropics_shape(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let poor = hub.user_with_credits("poor", Credits::from_micro(1)).await;
        let good = ask("sandbox", "hello", &json!({}));
        let refused = [
            (messages(&hub, &ada, &ask("no-such-model", "x", &json!({}))).await, 404, "not_found_error"),
            (messages(&hub, &ada, &ask("sandbox", "x", &json!({ "temperature": 1 }))).await, 400, "invalid_request_error"),
            (messages(&hub, &ada, &json!({ "model": "sandbox", "messages": [] })).await, 400, "invalid_request_error"),
            (messages(&hub, &poor, &good).await, 402, "billing_error"),
            (hub.post("/v1/messages").header("x-api-key", "sk_wrong").json(&good).send().await, 401, "authentication_error"),
            (hub.post("/v1/messages").bearer(&ada.api_key).header("anthropic-version", "1999").json(&good).send().await, 400, "invalid_request_error"),
        ];
        for (answer, status, kind) in refused {
            let body = answer.expect(status).json();
            assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!(kind)), "{body}");
            assert!(body["request_id"].is_string());
        }
        let older = hub.post("/v1/messages").bearer(&ada.api_key).header("anthropic-version", "2023-06-01");
        older.json(&ask("sandbox", "x", &json!({ "temperature": 1 }))).send().await.expect(200);
        hub.finish().await;
    }

    async fn a_stream_of_messages_that_breaks_off_ends_with_an_error_event(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("sandbox", "sandbox:words=50 sandbox:cut=7 go", &json!({ "stream": true }));
        let (receipt, events) = events(&hub, "/v1/messages", &ada, &body).await;
        let (name, last) = events.last().unwrap();
        assert_eq!((name.as_str(), &last["type"], &last["error"]["type"]), ("error", &json!("error"), &json!("api_error")));
        let receipt = paid(&hub, &ada, &receipt).await;
        assert_eq!((&receipt["usage"]["output"], &receipt["outcome"]), (&json!(7), &json!("failed")));
        hub.finish().await;
    }

    async fn messages_reach_an_anthropic_provider_unchanged_and_its_cache_classes_are_paid_apart(pair: Pair) {
        let provider = Upstream::start().await;
        let hub = TestHub::builder(pair).anthropic("up", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let answer = messages(&hub, &ada, &ask(CLAUDE, "hello", &json!({}))).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["id"], &body["content"][0]["signature"]), (&json!("msg_up"), &json!("Eq")));
        assert_eq!(provider.heard(), ask(CLAUDE, "hello", &json!({})));
        classes(&paid(&hub, &ada, answer.header("x-hub-receipt")).await);

        let bob = hub.user("bob").await;
        let (receipt, events) = events(&hub, "/v1/messages", &bob, &ask(CLAUDE, "hello", &json!({ "stream": true }))).await;
        assert!(events.iter().any(|(name, _)| name == "ping"));
        assert_eq!(events.last().unwrap().0, "message_stop");
        classes(&paid(&hub, &bob, &receipt).await);
        hub.finish().await;
    }

    async fn a_chat_caller_is_served_by_an_anthropic_provider(pair: Pair) {
        let provider = Upstream::start().await;
        let hub = TestHub::builder(pair).anthropic("up", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &ask(CLAUDE, "hello", &json!({ "temperature": 0.3, "stop": "X" }))).await.expect(200);
        assert_eq!(answer.header("x-hub-dropped"), "temperature");
        let body = answer.json();
        assert_eq!((&body["choices"][0]["message"]["content"], &body["choices"][0]["finish_reason"]), (&json!("Hello you"), &json!("stop")));
        assert_eq!(body["usage"]["prompt_tokens"], USAGE[0] + USAGE[1] + USAGE[2]);
        assert_eq!((&provider.heard()["stop_sequences"], &provider.heard()["max_tokens"]), (&json!(["X"]), &json!(100)));
        classes(&paid(&hub, &ada, answer.header("x-hub-receipt")).await);

        let bob = hub.user("bob").await;
        let asked = ask(CLAUDE, "two tools", &json!({ "stream": true, "stream_options": { "include_usage": true },
            "tools": [{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }] }));
        let (receipt, events) = events(&hub, "/v1/chat/completions", &bob, &asked).await;
        let mut calls = [String::new(), String::new()];
        for piece in events.iter().filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["tool_calls"].get(0)) {
            let place = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            calls[place] += piece["function"]["arguments"].as_str().unwrap();
        }
        assert_eq!(calls, [r#"{"city":"Oslo"}"#, r#"{"city":"Rome"}"#]);
        assert_eq!(events[events.len() - 2].1["usage"]["completion_tokens"], USAGE[3]);
        assert_eq!(events[events.len() - 3].1["choices"][0]["finish_reason"], "tool_calls");
        classes(&paid(&hub, &bob, &receipt).await);
        hub.finish().await;
    }

    async fn tools_pictures_and_schemas_of_a_chat_caller_arrive(pair: Pair) {
        let provider = Upstream::start().await;
        let hub = TestHub::builder(pair).anthropic("up", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let call = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": "{}" } });
        let body = json!({
            "model": CLAUDE,
            "messages": [
                { "role": "developer", "content": "Be brief." },
                { "role": "user", "content": "weather?" },
                { "role": "assistant", "content": null, "tool_calls": [call("a"), call("b")] },
                { "role": "tool", "tool_call_id": "a", "content": "sun" },
                { "role": "tool", "tool_call_id": "b", "content": "rain" },
                { "role": "user", "content": [
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }, { "type": "text", "text": "as json" }] },
            ],
            "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": { "type": "object" } } },
        });
        let answer = chat(&hub, &ada, &body).await.expect(200).json();
        assert_eq!(answer["choices"][0]["message"]["content"], "{\"ok\":true}");
        let heard = provider.heard();
        let last: Vec<&Value> = heard["messages"][2]["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
        assert_eq!(last, ["tool_result", "tool_result", "image", "text"]);
        assert_eq!((&heard["system"][0]["text"], &heard["output_config"]["format"]["type"]), (&json!("Be brief."), &json!("json_schema")));
        assert!(heard["max_tokens"].as_i64().unwrap() > 1000, "what the balance pays for where the caller named no limit");
        hub.finish().await;
    }

    async fn failures_of_an_anthropic_provider_cost_what_was_produced(pair: Pair) {
        let provider = Upstream::start().await;
        let hub = TestHub::builder(pair).anthropic("up", &provider.url).start().await;
        let ada = hub.user("ada").await;
        for body in [ask(CLAUDE, "refuse me", &json!({})), ask(CLAUDE, "refuse me", &json!({ "stream": true }))] {
            for answer in [messages(&hub, &ada, &body).await, chat(&hub, &ada, &body).await] {
                let error = answer.expect(400).json();
                assert!(error["error"]["message"].as_str().unwrap().contains("the upstream does not like this"), "{error}");
            }
        }
        assert_eq!(messages(&hub, &ada, &ask(CLAUDE, "too busy", &json!({}))).await.expect(529).json()["error"]["type"], "overloaded_error");
        let left = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.json();
        assert_eq!(left["balance"], 100);
        for path in ["/v1/messages", "/v1/chat/completions"] {
            let bob = hub.user(&format!("bob{}", path.len())).await;
            let (receipt, events) = events(&hub, path, &bob, &ask(CLAUDE, "break off", &json!({ "stream": true }))).await;
            let error = &events.last().unwrap().1["error"];
            let kind = if path == "/v1/messages" { "overloaded_error" } else { "server_error" };
            assert_eq!((&error["type"], &error["message"]), (&json!(kind), &json!("Overloaded just now")), "{error}");
            let receipt = paid(&hub, &bob, &receipt).await;
            let usage = &receipt["usage"];
            assert_eq!((&usage["input"], &usage["cacheRead"], &usage["cacheWriteLong"]), (&json!(USAGE[0]), &json!(USAGE[2]), &json!(FOR_AN_HOUR)));
            assert_eq!(usage["cacheWrite"], USAGE[1] - FOR_AN_HOUR);
            assert_eq!((&receipt["usageSource"], &receipt["outcome"]), (&json!("counted"), &json!("failed")));
        }
        hub.take_errors();
        hub.finish().await;
    }

    async fn tokens_are_counted_for_nothing(pair: Pair) {
        let provider = Upstream::start().await;
        let hub = TestHub::builder(pair).anthropic("up", &provider.url).start().await;
        let poor = hub.user_with_credits("poor", Credits::from_micro(1)).await;
        let count = async |model: &str| {
            let body = json!({ "model": model, "messages": [{ "role": "user", "content": "one two three" }] });
            hub.post("/v1/messages/count_tokens").bearer(&poor.api_key).json(&body).send().await.expect(200).json()
        };
        assert_eq!(count(CLAUDE).await, json!({ "input_tokens": 123 }));
        assert_eq!(count("sandbox").await, json!({ "input_tokens": 7 }));
        hub.finish().await;
    }

    async fn a_provider_that_hangs_is_not_waited_for_to_count_and_one_that_is_left_alone_is_not_asked(pair: Pair) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (seen, mut serving) = (std::sync::Arc::clone(&asked), tokio::task::JoinSet::new());
        serving.spawn(async move {
            let mut open = Vec::new();
            loop {
                open.push(listener.accept().await.unwrap());
                seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
        let hub = TestHub::builder(pair).anthropic("up", &url).settings(|settings| {
            settings.providers.last_mut().unwrap().first_byte_seconds = 1;
            (settings.routing.tries, settings.routing.breaker.calls) = (1, 1);
        });
        let hub = hub.start().await;
        let ada = hub.user("ada").await;
        let count = async || {
            let body = json!({ "model": CLAUDE, "messages": [{ "role": "user", "content": "one two three" }] });
            let counted = hub.post("/v1/messages/count_tokens").bearer(&ada.api_key).json(&body).send().await.expect(200);
            counted.json()["input_tokens"].as_i64().unwrap()
        };
        let estimate = count().await;
        assert!(estimate > 0);
        messages(&hub, &ada, &ask(CLAUDE, "hello", &json!({ "stream": true }))).await.expect(502);
        let before = asked.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!((count().await, asked.load(std::sync::atomic::Ordering::SeqCst)), (estimate, before));
        hub.take_errors();
        hub.finish().await;
    }

    async fn vectors_are_paid_by_their_input(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let embed = async |body: &Value| hub.post("/v1/embeddings").bearer(&ada.api_key).json(body).send().await;
        let answer = embed(&json!({ "model": "sandbox-embedding", "input": ["one two", "three ".repeat(98)], "dimensions": 8 })).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["object"], &body["usage"]["prompt_tokens"]), (&json!("list"), &json!(100)));
        assert_eq!(body["data"][1]["embedding"].as_array().unwrap().len(), 8);
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["usage"]["input"], &receipt["usage"]["output"], &receipt["exactCost"]), (&json!(100), &json!(0), &json!(100 * 2_000_000)));
        let packed = embed(&json!({ "model": "sandbox-embedding", "input": "one", "encoding_format": "base64" })).await.expect(200);
        assert!(packed.json()["data"][0]["embedding"].is_string());
        for bad in [json!({ "model": "sandbox-embedding" }), json!({ "model": "sandbox-embedding", "input": [] })] {
            embed(&bad).await.expect(400);
        }
        embed(&json!({ "model": "sandbox", "input": "x" })).await.expect(404);
        hub.take_errors();
        hub.finish().await;
    }

    async fn old_completions_are_served_by_chat(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let complete = async |body: &Value| hub.post("/v1/completions").bearer(&ada.api_key).json(body).send().await;
        let answer = complete(&json!({ "model": "sandbox", "prompt": "sandbox:words=5 go", "max_tokens": 9 })).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["object"], &body["choices"][0]["finish_reason"]), (&json!("text_completion"), &json!("stop")));
        assert_eq!(body["choices"][0]["text"].as_str().unwrap().split(' ').count(), 5);
        assert_eq!(paid(&hub, &ada, answer.header("x-hub-receipt")).await["usage"]["output"], 5);
        let (_, events) = events(&hub, "/v1/completions", &ada, &json!({ "model": "sandbox", "prompt": "sandbox:words=5 go", "stream": true })).await;
        let text: String = events.iter().filter_map(|(_, chunk)| chunk["choices"][0]["text"].as_str()).collect();
        assert_eq!(json!(text), body["choices"][0]["text"]);
        complete(&json!({ "model": "sandbox", "prompt": ["a", "b"] })).await.expect(400);
        hub.finish().await;
    }

    async fn responses_are_served_by_chat_and_keep_nothing(pair: Pair) {
        let provider = Upstream::start().await;
        let hub = TestHub::builder(pair).anthropic("up", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let respond = async |body: &Value| hub.post("/v1/responses").bearer(&ada.api_key).json(body).send().await;
        let answer = respond(&json!({ "model": CLAUDE, "instructions": "Be brief.", "input": "hello", "max_output_tokens": 50 })).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["object"], &body["status"], &body["store"]), (&json!("response"), &json!("completed"), &json!(false)));
        assert_eq!((&body["output"][1]["content"][0]["text"], &body["usage"]["output_tokens"]), (&json!("Hello you"), &json!(USAGE[3])));
        assert_eq!(provider.heard()["system"][0]["text"], "Be brief.");
        classes(&paid(&hub, &ada, answer.header("x-hub-receipt")).await);

        let bob = hub.user("bob").await;
        let tools = json!([{ "type": "function", "name": "weather", "parameters": { "type": "object" } }]);
        let asked = json!({ "model": CLAUDE, "input": "two tools", "tools": tools, "max_output_tokens": 50, "stream": true });
        let (receipt, events) = events(&hub, "/v1/responses", &bob, &asked).await;
        assert_eq!(events[0].0, "response.created");
        let numbers: Vec<u64> = events.iter().map(|(_, event)| event["sequence_number"].as_u64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
        let (name, last) = events.last().unwrap();
        assert_eq!((name.as_str(), &last["response"]["usage"]["output_tokens"]), ("response.completed", &json!(USAGE[3])));
        let calls: Vec<&Value> = last["response"]["output"].as_array().unwrap().iter().filter_map(|item| item.get("arguments")).collect();
        assert_eq!(calls, [&json!(r#"{"city":"Oslo"}"#), &json!(r#"{"city":"Rome"}"#)]);
        classes(&paid(&hub, &bob, &receipt).await);
        for (name, value) in [("previous_response_id", json!("resp_1")), ("store", json!(true)), ("background", json!(true))] {
            let mut asked = json!({ "model": CLAUDE, "input": "x" });
            asked[name] = value;
            assert_eq!(respond(&asked).await.expect(400).json()["error"]["param"], name);
        }
        hub.finish().await;
    }

    async fn the_specs_own_protocol_knows_all_three_kinds(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let send = async |path: &str, body: &Value| hub.post(path).bearer(&ada.access_token).json(body).send().await;
        let completion = json!({ "id": "r1", "type": "completion", "provider": "auto", "model": "sandbox", "prompt": "hello", "stream": false });
        let answer = send("/api/mcp/completion", &completion).await.expect(200).json();
        assert!(answer["data"].as_str().unwrap().starts_with("[sandbox] You said: hello"));
        let embedding = json!({ "id": "r2", "type": "embedding", "provider": "auto", "model": "sandbox-embedding", "prompt": "hello", "stream": false });
        let answer = send("/api/mcp/embedding", &embedding).await.expect(200).json();
        let vector: Vec<f64> = serde_json::from_str(answer["data"].as_str().unwrap()).unwrap();
        assert_eq!((vector.len(), &answer["usage"]["totalTokens"]), (64, &json!(1)));
        for (path, body) in [("/api/mcp/completion", &embedding), ("/api/mcp/embedding", &completion), ("/api/mcp/chat", &embedding)] {
            send(path, body).await.expect(400);
        }
        let mut claude = completion.clone();
        claude["provider"] = json!("claude");
        send("/api/mcp/completion", &claude).await.expect(404);
        hub.finish().await;
    }

    async fn nobody_without_credits_reaches_a_provider_by_any_billable_route(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let poor = hub.user_with_credits("poor", Credits::from_micro(0)).await;
        let matrix: Value = serde_json::from_str(include_str!("../access_matrix.json")).unwrap();
        let document = hub.get("/api/openapi.json").send().await.expect(200).json();
        // Free by decision: counting tokens.
        let free = ["/v1/messages/count_tokens"];
        let mut tried = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            let calls = path.starts_with("/v1/") || path.starts_with("/api/mcp/");
            if !calls || operations.get("post").is_none() || free.contains(&path.as_str()) {
                continue;
            }
            let body = &matrix[format!("POST {path}")]["body"];
            let answer = hub.post(path).bearer(&poor.api_key).json(body).send().await;
            assert_eq!(answer.status, 402, "{path}: {}", answer.text());
            tried += 1;
        }
        assert!(tried >= 8, "{tried}");
        assert_eq!(hub.sandbox().calls(), 0);
        hub.finish().await;
    }
}
