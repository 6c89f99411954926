//! Answers that are cut, odd or wrong, and calls that go elsewhere: what the caller is told, and what counts against whom.

use hub_domain::inference::{Alias, Target};
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

use super::speaker::Speaker;
use super::upstream::Upstream;
use super::{CLAUDE, ask, chat, messages, paid};

const GPT: &str = "gpt-4o-mini";
/// A tool call that the limit of tokens has cut off.
const CUT: &str = r#"{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"ci"}}]},"finish_reason":"length"}],"usage":{"prompt_tokens":20,"completion_tokens":9}}"#;

on_both_pairs! {
    async fn a_tool_call_cut_off_by_the_limit_is_told_and_paid_and_says_nothing_against_its_provider(pair) {
        let provider = Speaker::says([CUT; 12]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let asked = ask(GPT, "weather?", &json!({ "tools": [{ "name": "weather", "input_schema": { "type": "object" } }] }));
        let answer = messages(&hub, &ada, &asked).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["stop_reason"], &body["content"][0]["input"]), (&json!("max_tokens"), &json!({ "INVALID_JSON": "{\"ci" })));
        let receipt = paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["usage"]["input"], &receipt["usage"]["output"]), (&json!(20), &json!(9)));
        // Enough of them would have opened the breaker for everybody.
        for _ in 0..11 {
            messages(&hub, &ada, &asked).await.expect(200);
        }
        assert_eq!(provider.calls(), 12);
        hub.finish().await;
    }

    async fn an_answer_we_cannot_tell_is_our_fault_and_is_not_asked_for_elsewhere(pair) {
        let odd = CUT.replace("\"index\":0", "\"index\":-1");
        let answers: Vec<String> = vec![odd; 11].into_iter().chain([CUT.to_owned()]).collect();
        let (provider, other) = (Speaker::says(answers).await, Upstream::start().await);
        let builder = TestHub::builder(pair).openai("openai", &provider.url).anthropic("up", &other.url);
        let hub = builder.settings(|settings| settings.routing.aliases.push(both())).start().await;
        let ada = hub.user("ada").await;
        for _ in 0..11 {
            let error = messages(&hub, &ada, &ask("both", "hello", &json!({}))).await.expect(502).json();
            assert_eq!(error["error"]["details"]["attempts"][0]["outcome"], "untellable", "{error}");
        }
        assert_eq!((provider.calls(), other.heard()), (11, Value::Null));
        messages(&hub, &ada, &ask("both", "hello", &json!({}))).await.expect(200);
        hub.take_errors();
        hub.finish().await;
    }

    async fn signed_thinking_does_not_follow_a_call_to_another_account(pair) {
        let (one, other) = (Speaker::says([""; 0]).await, Upstream::start().await);
        let builder = TestHub::builder(pair).anthropic("first", one.url.trim_end_matches("/v1")).anthropic("up", &other.url);
        let hub = builder.settings(|settings| settings.routing.tries = 1).start().await;
        let ada = hub.user("ada").await;
        let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "Eq" });
        let turns = json!({ "messages": [
            { "role": "user", "content": "a" },
            { "role": "assistant", "content": [thought, { "type": "text", "text": "b" }] },
            { "role": "user", "content": "c" }] });
        let answer = messages(&hub, &ada, &ask(CLAUDE, "", &turns)).await.expect(200);
        assert_eq!((answer.header("x-hub-provider"), one.calls()), ("up", 1));
        assert!(one.heard().1.contains("\"Eq\""), "{}", one.heard().1);
        assert_eq!(other.heard()["messages"][1]["content"], json!([{ "type": "text", "text": "b" }]));
        hub.finish().await;
    }

    async fn a_providers_code_reaches_programs_that_go_by_it(pair) {
        let long = r#"{"error":{"message":"too many tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
        let provider = Speaker::says([long; 2]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let error = chat(&hub, &ada, &ask(GPT, "x", &json!({}))).await.expect(400).json();
        let error = &error["error"];
        assert_eq!((&error["code"], &error["param"], &error["hubCode"]), (&json!("context_length_exceeded"), &json!("messages"), &json!("VALIDATION_ERROR")));
        let error = messages(&hub, &ada, &ask(GPT, "x", &json!({}))).await.expect(400).json();
        assert_eq!((&error["error"]["type"], &error["error"]["code"]), (&json!("invalid_request_error"), &json!("VALIDATION_ERROR")));
        hub.finish().await;
    }

    async fn the_key_of_anthropics_wire_wins_over_a_token_beside_it(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let both = |path: &str| hub.post(path).header("x-api-key", &ada.api_key).bearer(&bob.access_token);
        let answer = both("/v1/messages").json(&ask("sandbox", "hello", &json!({}))).send().await.expect(200);
        paid(&hub, &ada, answer.header("x-hub-receipt")).await;
        both("/v1/chat/completions").json(&ask("sandbox", "hello", &json!({}))).send().await.expect(401);
        hub.finish().await;
    }
}

/// The OpenAI provider first, then Anthropic's.
fn both() -> Alias {
    let target = |service: &str, model: &str, priority| Target {
        service: service.to_owned(),
        model: model.to_owned(),
        priority,
        weight: 1,
    };
    Alias { name: "both".to_owned(), targets: vec![target("openai", GPT, 0), target("claude", CLAUDE, 1)] }
}
