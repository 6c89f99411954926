//! All members share the operator's account at a provider: no wire reaches what is kept there, and none makes it pay for tools of its own.

use hub_testkit::{TestHub, on_both_pairs};
use hub_types::Credits;
use serde_json::{Value, json};

use super::speaker::Speaker;
use super::upstream::Upstream;
use super::{CLAUDE, ask, chat, messages};

const GPT: &str = "gpt-4o-mini";

fn user(content: &Value) -> Value {
    json!({ "messages": [{ "role": "user", "content": content }] })
}

on_both_pairs! {
    async fn what_is_kept_in_the_shared_account_is_reached_by_no_wire(pair) {
        let (one, other) = (Speaker::says([""; 0]).await, Upstream::start().await);
        let hub = TestHub::builder(pair).openai("openai", &one.url).anthropic("up", &other.url).start().await;
        let ada = hub.user("ada").await;
        let file = json!({ "type": "file", "file_id": "file_1" });
        for (more, place) in [
            (user(&json!([{ "type": "image", "source": file }])), "messages[0]"),
            (user(&json!([{ "type": "document", "source": file }])), "messages[0]"),
            (user(&json!([{ "type": "container_upload", "file_id": "file_1" }])), "messages[0]"),
            (user(&json!([{ "type": "tool_result", "tool_use_id": "t", "content": [{ "type": "image", "source": file }] }])), "messages[0]"),
            (json!({ "container": "container_1" }), "container"),
            (json!({ "container": { "id": "container_1" } }), "container"),
        ] {
            for path in ["/v1/messages", "/v1/messages/count_tokens"] {
                let error = hub.post(path).bearer(&ada.api_key).json(&ask(CLAUDE, "x", &more)).send().await.expect(400).json();
                assert!(error["error"]["message"].as_str().unwrap().contains(place), "{error}");
            }
        }
        for (more, place) in [
            (user(&json!([{ "type": "file", "file": { "file_id": "file-1" } }])), "messages[0]"),
            (json!({ "messages": [{ "role": "assistant", "audio": { "id": "audio_1" } }] }), "messages[0]"),
            (json!({ "tools": [{ "type": "file_search", "vector_store_ids": ["vs_1"] }] }), "tools[0]"),
            (json!({ "store": true }), "store"),
        ] {
            for model in [GPT, CLAUDE] {
                let error = chat(&hub, &ada, &ask(model, "x", &more)).await.expect(400).json();
                assert_eq!(error["error"]["param"], place, "{error}");
            }
        }
        assert_eq!((one.calls(), other.heard()), (0, Value::Null));
        // A tool of the caller's may have any argument.
        let asked = json!({ "messages": [
            { "role": "user", "content": "x" },
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "t", "name": "f", "input": { "file_id": "mine" } }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "y" }] }] });
        messages(&hub, &ada, &ask(CLAUDE, "x", &asked)).await.expect(200);
        hub.finish().await;
    }

    async fn tools_that_a_provider_runs_are_refused_on_every_wire_unless_they_are_named(pair) {
        let whole = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
        let (one, other) = (Speaker::says([whole; 2]).await, Upstream::start().await);
        let builder = || TestHub::builder(pair).openai("openai", &one.url).anthropic("up", &other.url);
        let search = json!({ "tools": [{ "type": "web_search_20260209", "name": "web_search" }] });
        let by_messages = [search.clone(), json!({ "mcp_servers": [{ "type": "url", "url": "https://a.b", "name": "x" }] }), json!({ "container": {} })];
        let by_chat = [json!({ "web_search_options": {} }), json!({ "plugins": [{ "id": "web" }] }), json!({ "tools": [{ "type": "web_search" }] })];
        let hub = builder().start().await;
        let ada = hub.user("ada").await;
        for more in &by_messages {
            let error = messages(&hub, &ada, &ask(CLAUDE, "hello", more)).await.expect(400).json();
            assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
        }
        for more in &by_chat {
            let error = chat(&hub, &ada, &ask(GPT, "hello", more)).await.expect(400).json();
            assert_eq!(error["error"]["code"], "VALIDATION_ERROR", "{error}");
        }
        assert_eq!((one.calls(), other.heard()), (0, Value::Null));
        // Those the caller runs need no word.
        let own = json!({ "tools": [{ "name": "f", "input_schema": { "type": "object" } }, { "type": "bash_20250124", "name": "bash" }] });
        messages(&hub, &ada, &ask(CLAUDE, "hello", &own)).await.expect(200);
        let own = json!({ "tools": [{ "type": "function", "function": { "name": "f" } }, { "type": "custom", "custom": { "name": "c" } }] });
        chat(&hub, &ada, &ask(GPT, "hello", &own)).await.expect(200);
        hub.finish().await;

        let hub = builder().settings(|settings| {
            settings.providers[0].hosted_tools = vec!["web_search_options".to_owned()];
            settings.providers[1].hosted_tools = vec!["web_search".to_owned()];
        });
        let hub = hub.start().await;
        // What it reads nobody can bound: a whole context window is held.
        let bob = hub.user_with_credits("bob", Credits::from_micro(1_000_000_000)).await;
        messages(&hub, &bob, &ask(CLAUDE, "hello", &search)).await.expect(200);
        chat(&hub, &bob, &ask(GPT, "hello", &by_chat[0])).await.expect(200);
        chat(&hub, &bob, &ask(GPT, "hello", &by_chat[1])).await.expect(400);
        hub.finish().await;
    }
}
