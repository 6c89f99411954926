//! Responses and old completions at a provider that speaks them: bytes pass unchanged both ways, are paid for, and reach nothing that the
//! account there keeps.

use hub::config::sections::TokensField;
use hub_domain::inference::{Alias, Target, Wire};
use hub_testkit::{Builder, Pair, TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::speaker::Speaker;
use super::upstream::Upstream;
use super::{CLAUDE, micro, paid};

/// USD 0.15 and 0.60 a million, 0.075 from the cache.
pub(super) const GPT: &str = "gpt-4o-mini";
const WHOLE: &str = "{ \"id\":\"resp_1\",\r\n\"object\":\"response\",\"status\":\"completed\", \"x_new\": {\"b\":1,\"a\":[ 1,2 ]},\"error\":null,\"output\":[{\"type\":\"x_item\",\"v\":1},{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"h\\u00e9llo\"}]}],\"usage\":{\"input_tokens\":40,\"input_tokens_details\":{\"cached_tokens\":10},\"output_tokens\":25,\"output_tokens_details\":{\"reasoning_tokens\":20},\"total_tokens\":65}}\r\n";
const CREATED: &str = "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{ \"id\":\"resp_1\"},\"sequence_number\":0}\r\n\r\n";
const DELTA: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"12345678\",\"x_new\":[ ],\"sequence_number\":1}\n\n";
const UNKNOWN: &str = "event: response.x_new\ndata: {\"type\":\"response.x_new\",\"v\" : [1]}\n\n";
const COMPLETED: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":40,\"input_tokens_details\":{\"cached_tokens\":10},\"output_tokens\":25,\"output_tokens_details\":{\"reasoning_tokens\":20}}},\"sequence_number\":2}\n\n";
const UNPAID: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[],\"usage\":null},\"sequence_number\":2}\n\n";
const FAILED: &str = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"inner words\"}}}\n\n";

async fn respond(hub: &TestHub, user: &TestUser, body: impl Into<String>) -> TestResponse {
    hub.post("/v1/responses")
        .bearer(&user.api_key)
        .header("content-type", "application/json")
        .body(body.into())
        .send()
        .await
}

async fn complete(hub: &TestHub, user: &TestUser, body: impl Into<String>) -> TestResponse {
    hub.post("/v1/completions")
        .bearer(&user.api_key)
        .header("content-type", "application/json")
        .body(body.into())
        .send()
        .await
}

/// What `WHOLE` and `COMPLETED` report, at the price of the model.
pub(super) fn reported(receipt: &Value) {
    let usage = &receipt["usage"];
    let counted = ["input", "cacheRead", "output", "reasoning"].map(|class| usage[class].as_i64().unwrap());
    assert_eq!((counted, &receipt["usageSource"]), ([30, 10, 5, 20], &json!("provider")));
    let exact = 30 * 15_000_000 + 10 * 7_500_000 + 25 * 60_000_000;
    assert_eq!((&receipt["exactCost"], micro(&receipt["amount"])), (&json!(exact), (exact + 999_999) / 1_000_000));
}

/// `both` is answered by the OpenAI provider, and should that fail by Anthropic's.
pub(super) fn both(pair: Pair, one: &Speaker, other: &Upstream) -> Builder {
    TestHub::builder(pair).openai("openai", &one.url).anthropic("up", &other.url).settings(|settings| {
        settings.routing.tries = 1;
        let target = |service: &str, model: &str, priority| Target {
            service: service.to_owned(),
            model: model.to_owned(),
            priority,
            weight: 1,
        };
        let targets = vec![target("openai", GPT, 0), target("claude", CLAUDE, 1)];
        settings.routing.aliases.push(Alias { name: "both".to_owned(), targets });
    })
}

on_both_pairs! {
    async fn responses_pass_byte_for_byte_both_ways_and_are_paid(pair: Pair) {
        let stream = format!("{CREATED}{DELTA}{UNKNOWN}{COMPLETED}");
        let provider = Speaker::says([WHOLE, stream.as_str()]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let asked = r#"{ "x-odd": {"b" : 1.50, "a":"\u00e9"}, "model":"gpt-4o-mini","store":false,"max_output_tokens":50, "include":["reasoning.encrypted_content"],"input":[ {"type":"reasoning","encrypted_content":"gAAA","summary":[]},{"role":"user","content":"hi"} ],"tools":[{"type":"custom","name":"c"}]}"#;
        let answer = respond(&hub, &ada, asked).await.expect(200);
        assert_eq!((answer.text(), provider.heard()), (WHOLE.to_owned(), ("/v1/responses".to_owned(), asked.to_owned())));
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!(receipt["route"], "/v1/responses");
        reported(&receipt);

        let bob = hub.user("bob").await;
        let answer = respond(&hub, &bob, r#"{"model":"gpt-4o-mini","input":"hi","stream":true,"max_output_tokens":50}"#).await.expect(200);
        assert_eq!(answer.text(), stream);
        assert_eq!(provider.heard().1, r#"{"model":"gpt-4o-mini","input":"hi","stream":true,"max_output_tokens":50,"store":false}"#);
        reported(&paid(&hub, &bob, answer.header("x-hub-receipt")).await);
        hub.finish().await;
    }

    async fn nothing_kept_at_the_provider_is_reached_or_left_there(pair: Pair) {
        let provider = Speaker::says([""; 0]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let refused = [
            (json!({ "previous_response_id": "resp_1" }), "previous_response_id"),
            (json!({ "conversation": "conv_1" }), "conversation"),
            (json!({ "prompt": { "id": "pmpt_1" } }), "prompt"),
            (json!({ "store": true }), "store"),
            (json!({ "background": true }), "background"),
            (json!({ "input": [{ "type": "item_reference", "id": "msg_1" }] }), "input[0]"),
            (json!({ "input": [{ "id": "msg_1" }] }), "input[0]"),
            (json!({ "input": [{ "role": "user", "content": [{ "type": "input_file", "file_id": "file-1" }] }] }), "input[0]"),
            (json!({ "tools": [{ "type": "file_search", "vector_store_ids": ["vs_1"] }] }), "tools[0]"),
            (json!({ "tools": [{ "type": "code_interpreter", "container": "cntr_1" }] }), "tools[0]"),
            (json!({ "tools": [{ "type": "web_search" }] }), "tools"),
        ];
        for (fields, param) in refused {
            for stream in [false, true] {
                let mut body = json!({ "model": GPT, "input": "x", "stream": stream });
                for (name, value) in fields.as_object().unwrap() {
                    body[name] = value.clone();
                }
                let error = respond(&hub, &ada, body.to_string()).await.expect(400).json();
                assert_eq!((&error["error"]["param"], &error["error"]["type"]), (&json!(param), &json!("invalid_request_error")), "{error}");
            }
        }
        assert_eq!(provider.calls(), 0);
        // Others' kept responses have no address here either.
        hub.get("/v1/responses/resp_1").bearer(&ada.api_key).send().await.expect(404);
        hub.finish().await;
    }

    async fn tools_the_operator_allows_are_run_by_the_provider(pair: Pair) {
        let provider = Speaker::says([WHOLE]).await;
        let builder = TestHub::builder(pair).openai("openai", &provider.url);
        let hub = builder.settings(|settings| settings.providers[0].hosted_tools = vec!["web_search".to_owned()]).start().await;
        let ada = hub.user("ada").await;
        let body = json!({ "model": GPT, "input": "x", "max_output_tokens": 50, "tools": [{ "type": "web_search" }] });
        let answer = respond(&hub, &ada, body.to_string()).await.expect(200);
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        // Its window, 128 000 tokens, is the most it can be made to read.
        assert_eq!(micro(&receipt["held"]), (128_000 * 15_000_000 + 50 * 60_000_000) / 1_000_000, "{receipt}");
        reported(&receipt);
        hub.finish().await;
    }

    async fn a_response_goes_elsewhere_in_other_words_until_it_has_begun(pair: Pair) {
        let (one, other) = (Speaker::says([format!("{CREATED}{FAILED}")]).await, Upstream::start().await);
        let hub = both(pair, &one, &other).start().await;
        let ada = hub.user("ada").await;
        let answer = respond(&hub, &ada, r#"{"model":"both","input":"hello","stream":true,"max_output_tokens":50}"#).await.expect(200);
        assert_eq!((answer.header("x-hub-provider"), one.calls()), ("up", 1));
        let text = answer.text();
        assert!(text.contains("event: response.completed") && text.contains("Hello you") && !text.contains("resp_1"), "{text}");
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        let outcomes: Vec<&Value> = receipt["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
        assert_eq!(outcomes, ["unavailable", "ok"]);
        hub.finish().await;
    }

    async fn a_response_that_fails_after_it_has_begun_ends_as_its_provider_says_and_is_paid_as_reported_or_counted(pair: Pair) {
        let error = r#"{"type":"error","code":"rate_limit_exceeded","message":"not so fast","param":null,"sequence_number":7}"#;
        let error = format!("event: error\ndata: {error}\n\n");
        let reported = FAILED.replace("\"status\"", "\"usage\":{\"input_tokens\":40,\"output_tokens\":25},\"status\"");
        let streams = [FAILED, error.as_str(), &reported].map(|last| format!("{CREATED}{DELTA}{last}"));
        let (one, other) = (Speaker::says(streams.clone()).await, Upstream::start().await);
        let hub = both(pair, &one, &other).start().await;
        let asked = r#"{"model":"both","input":"12345678","stream":true,"max_output_tokens":50}"#;
        let failed = async |name: &str| {
            let user = hub.user(name).await;
            let answer = respond(&hub, &user, asked).await.expect(200);
            let receipt = paid(&hub, &user, answer.header("x-hub-receipt")).await;
            assert_eq!(receipt["outcome"], "failed");
            (answer.text(), receipt)
        };
        let (text, receipt) = failed("ada").await;
        assert_eq!(text, streams[0]);
        assert_eq!((&receipt["usageSource"], &receipt["usage"]["output"]), (&json!("counted"), &json!(2)));

        let (text, receipt) = failed("bob").await;
        let last = text.strip_prefix(&format!("{CREATED}{DELTA}event: error\ndata: ")).unwrap_or_else(|| panic!("{text}"));
        let event: Value = serde_json::from_str(last.trim_end()).unwrap();
        assert_eq!((&event["type"], &event["code"], &event["sequence_number"]), (&json!("error"), &json!("rate_limit_exceeded"), &json!(2)));
        assert!(event["message"] == "not so fast" && event["param"].is_null(), "{text}");
        assert_eq!((&receipt["usageSource"], &receipt["usage"]["output"]), (&json!("counted"), &json!(2)));

        let (text, receipt) = failed("eve").await;
        assert_eq!(text, streams[2]);
        let usage = &receipt["usage"];
        assert_eq!((&receipt["usageSource"], &usage["input"], &usage["output"]), (&json!("provider"), &json!(40), &json!(25)));
        assert_eq!(other.heard(), Value::Null);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_response_whose_provider_tells_no_usage_is_counted(pair: Pair) {
        let provider = Speaker::says([format!("{CREATED}{DELTA}{DELTA}{UNPAID}")]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let answer = respond(&hub, &ada, r#"{"model":"gpt-4o-mini","input":"12345678","stream":true,"max_output_tokens":50}"#).await.expect(200);
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["outcome"], &receipt["usageSource"], &receipt["usage"]["output"]), (&json!("completed"), &json!("counted"), &json!(4)));
        assert!(receipt["usage"]["input"].as_i64().unwrap() >= 2);
        hub.finish().await;
    }

    async fn a_response_under_a_key_of_the_caller_is_made_once(pair: Pair) {
        let stream = format!("{CREATED}{DELTA}{COMPLETED}");
        let provider = Speaker::says([WHOLE, stream.as_str()]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let body = |stream: bool| json!({ "model": GPT, "input": "x", "stream": stream });
        let ask = async |key: &str, stream: bool| {
            let request = hub.post("/v1/responses").bearer(&ada.api_key).header("idempotency-key", key);
            request.json(&body(stream)).send().await.expect(200)
        };
        for (key, stream) in [("one", false), ("two", true)] {
            let (first, again) = (ask(key, stream).await, ask(key, stream).await);
            assert_eq!((first.text(), first.header("x-hub-receipt")), (again.text(), again.header("x-hub-receipt")));
        }
        assert_eq!(provider.calls(), 2);
        hub.finish().await;
    }

    async fn old_completions_pass_byte_for_byte_both_ways_and_are_paid(pair: Pair) {
        let whole = "{ \"object\":\"text_completion\",\"choices\":[{\"text\":\"Say x: x\",\"index\":0,\"logprobs\":{\"tokens\":[ ]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n";
        let chunk = |index: u8| format!("data: {{\"choices\":[{{\"index\":{index},\"text\":\"four\",\"finish_reason\":\"length\"}}]}}\n\n");
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":4}}\n\n";
        let (first, second) = (chunk(0), chunk(1));
        let stream = format!("{first}{second}{usage}data: [DONE]\n\n");
        let provider = Speaker::says([whole, stream.as_str(), stream.as_str()]).await;
        let builder = TestHub::builder(pair).openai("openai", &provider.url);
        let all = vec![Wire::Chat, Wire::Responses, Wire::Completions];
        let hub = builder.settings(|settings| settings.providers[0].wires = Some(all)).start().await;
        let ada = hub.user("ada").await;
        let asked = r#"{"model":"gpt-4o-mini", "prompt":[1,2,3],"echo":true,"logprobs":5,"suffix":"","x-odd":[1.50],"max_tokens":7}"#;
        let answer = complete(&hub, &ada, asked).await.expect(200);
        assert_eq!((answer.text(), provider.heard()), (whole.to_owned(), ("/v1/completions".to_owned(), asked.to_owned())));
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["usage"]["input"], &receipt["usage"]["output"]), (&json!(3), &json!(1)));

        let bob = hub.user("bob").await;
        let answer = complete(&hub, &bob, r#"{"model":"gpt-4o-mini","prompt":[[1],[2]],"stream":true}"#).await.expect(200);
        assert_eq!(answer.text(), format!("{first}{second}data: [DONE]\n\n"), "nobody asked for usage");
        assert_eq!(provider.heard().1, r#"{"model":"gpt-4o-mini","prompt":[[1],[2]],"stream":true,"max_tokens":16,"stream_options":{"include_usage":true}}"#);
        let receipt = paid(&hub, &bob, answer.header("x-hub-receipt")).await;
        assert_eq!(micro(&receipt["held"]), (2 * 15_000_000 + 32 * 60_000_000) / 1_000_000, "two tokens in, two answers of sixteen");
        let eve = hub.user("eve").await;
        let body = r#"{"model":"gpt-4o-mini","prompt":["a","b"],"stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(complete(&hub, &eve, body).await.expect(200).text(), stream);
        hub.finish().await;
    }

    async fn a_provider_that_speaks_only_chat_is_asked_in_chat(pair: Pair) {
        let chat = r#"{"id":"chatcmpl-1","created":7,"model":"m","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
        let provider = Speaker::says([chat; 4]).await;
        for older in [false, true] {
            let builder = TestHub::builder(pair).openai("openai", &provider.url);
            let hub = builder.settings(|settings| {
                if older {
                    settings.providers[0].max_tokens_field = TokensField::MaxTokens;
                } else {
                    settings.providers[0].wires = Some(vec![Wire::Chat]);
                }
            });
            let hub = hub.start().await;
            let ada = hub.user("ada").await;
            let answer = respond(&hub, &ada, r#"{"model":"gpt-4o-mini","input":"x"}"#).await.expect(200).json();
            assert_eq!((&answer["object"], provider.heard().0.as_str()), (&json!("response"), "/v1/chat/completions"));
            let answer = complete(&hub, &ada, r#"{"model":"gpt-4o-mini","prompt":"x"}"#).await.expect(200).json();
            assert_eq!((&answer["object"], provider.heard().0.as_str()), (&json!("text_completion"), "/v1/chat/completions"));
            complete(&hub, &ada, r#"{"model":"gpt-4o-mini","prompt":[1]}"#).await.expect(400);
            hub.finish().await;
        }
        assert_eq!(provider.calls(), 4);
    }

    async fn openais_newer_models_are_reached_by_chat_and_its_older_ones_by_completions(pair: Pair) {
        let chat = r#"{"id":"chatcmpl-1","created":7,"model":"m","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
        let old = r#"{"id":"cmpl-1","choices":[{"index":0,"text":"Hi","finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
        let provider = Speaker::says([chat, old]).await;
        let price = json!({ "service": "openai", "model": "davinci-002", "input": 200, "output": 200, "max_output_tokens": 4096 });
        let builder = TestHub::builder(pair).openai("openai", &provider.url);
        let hub = builder.settings(|settings| settings.pricing.models.push(serde_json::from_value(price).unwrap())).start().await;
        let ada = hub.user("ada").await;
        for (model, path) in [(GPT, "/v1/chat/completions"), ("davinci-002", "/v1/completions")] {
            let answer = complete(&hub, &ada, json!({ "model": model, "prompt": "x" }).to_string()).await.expect(200).json();
            assert_eq!((&answer["choices"][0]["text"], provider.heard().0.as_str()), (&json!("Hi"), path));
        }
        assert!(provider.heard().1.contains(r#""max_tokens":16"#), "{}", provider.heard().1);
        hub.finish().await;
    }
}
