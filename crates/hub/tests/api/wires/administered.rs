//! What administrators say of the wires and tools of a provider: checked as in the settings, acted on by every process without a restart, and
//! taken back with `null`.

use std::time::Duration;

use axum::http::Method;
use hub_domain::inference::Wire;
use hub_testkit::{Builder, Pair, TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::speaker::Speaker;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const COMPLETIONS: &str = "/v1/completions";
/// What a provider says on each path; spaces show whether bytes passed.
const SAID: [(&str, &str); 3] = [
    (
        CHAT,
        r#"{"id":"c","created":7,"model":"m","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#,
    ),
    (
        RESPONSES,
        r#"{ "id":"resp_1",  "object":"response","status":"completed","output":[],"usage":{"input_tokens":2,"output_tokens":1}}"#,
    ),
    (
        COMPLETIONS,
        r#"{ "id":"cmpl-1",  "choices":[{"text":"Hi","index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#,
    ),
];
/// A newer model, which OpenAI itself reaches by chat and responses.
const GPT: &str = "gpt-4o-mini";

fn builder(pair: Pair) -> Builder {
    TestHub::builder(pair).settings(|settings| settings.inference.providers_at_private_addresses = true)
}

async fn admin(hub: &TestHub, by: &TestUser, method: Method, path: &str, body: &Value) -> TestResponse {
    let request = hub.request(method, &format!("/api/admin/providers{path}")).bearer(&by.access_token);
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

async fn patch(hub: &TestHub, by: &TestUser, name: &str, body: &Value) -> Value {
    admin(hub, by, Method::PATCH, name, body).await.expect(200).json()
}

/// Adds the provider, with a credential.
async fn add(hub: &TestHub, by: &TestUser, name: &str, body: &Value) -> Value {
    admin(hub, by, Method::PUT, name, body).await.expect(201);
    let secret = json!({ "label": "one", "secret": "sk-added-0123456789" });
    admin(hub, by, Method::POST, &format!("{name}/credentials"), &secret).await.expect(201).json()
}

/// The path on which a response, or an old completion, arrives at the provider.
async fn way(hub: &TestHub, by: &TestUser, provider: &Speaker, path: &str) -> String {
    let body = json!({ "model": GPT, "input": "x" });
    let old = json!({ "model": GPT, "prompt": "x" });
    let body = if path == RESPONSES { body } else { old };
    let answer = hub.post(path).bearer(&by.api_key).json(&body).send().await.expect(200).text();
    let heard = provider.heard().0;
    let said = SAID.iter().find(|(path, _)| *path == heard).unwrap().1;
    assert_eq!(answer == said, heard == path, "what is not carried as chat passes byte for byte: {answer}");
    heard
}

async fn ways(hub: &TestHub, by: &TestUser, provider: &Speaker) -> [String; 2] {
    [way(hub, by, provider, RESPONSES).await, way(hub, by, provider, COMPLETIONS).await]
}

/// The answer to a response that asks the provider to search.
async fn search(hub: &TestHub, by: &TestUser) -> TestResponse {
    let body = json!({ "model": GPT, "input": "x", "max_output_tokens": 50, "tools": [{ "type": "web_search" }] });
    hub.post(RESPONSES).bearer(&by.api_key).json(&body).send().await
}

fn refused(answer: TestResponse) {
    assert_eq!(answer.expect(400).json()["error"]["param"], "tools");
}

on_both_pairs! {
    async fn an_added_provider_is_called_in_the_wires_it_is_said_to_speak_by_every_process(pair: Pair) {
        let provider = Speaker::speaks(SAID).await;
        let hub = builder(pair).start().await;
        let twin = hub.sibling().await;
        for each in [&hub, &twin] {
            each.hub.tasks.spawn(hub_worker::follow_providers(std::sync::Arc::clone(&each.hub)));
        }
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let body = json!({ "kind": "openai", "baseUrl": provider.url, "wires": ["chat"] });
        let added = add(&hub, &boss, "/added", &body).await;
        assert_eq!((&added["wires"], &added["hostedTools"]), (&json!(["chat"]), &json!([])));
        assert_eq!(ways(&hub, &ada, &provider).await, [CHAT, CHAT]);

        let changed = patch(&hub, &boss, "/added", &json!({ "wires": ["responses", "chat"] })).await;
        assert_eq!(changed["wires"], json!(["responses", "chat"]));
        assert_eq!(ways(&hub, &ada, &provider).await, [RESPONSES, CHAT]);
        assert_eq!(provider.credential(), "Bearer sk-added-0123456789");
        let start = Instant::now();
        let asked = json!({ "model": GPT, "input": "x" });
        while twin.post(RESPONSES).bearer(&ada.api_key).json(&asked).send().await.status != 200 || provider.heard().0 != RESPONSES {
            assert!(start.elapsed() < Duration::from_secs(2), "the other process never noticed");
            tokio::task::yield_now().await;
        }

        patch(&twin, &boss, "/added", &json!({ "wires": ["chat", "completions"] })).await;
        assert_eq!(ways(&twin, &ada, &provider).await, [CHAT, COMPLETIONS]);
        // What is not named stays; `null` takes the word back, and then it is called as OpenAI.
        patch(&twin, &boss, "/added", &json!({ "priority": 7 })).await;
        assert_eq!(ways(&twin, &ada, &provider).await, [CHAT, COMPLETIONS]);
        let usual = patch(&twin, &boss, "/added", &json!({ "wires": null })).await;
        assert_eq!((usual.get("wires"), &usual["priority"]), (None, &json!(7)));
        assert_eq!(ways(&twin, &ada, &provider).await, [RESPONSES, CHAT]);
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_compatible_provider_speaks_only_chat_until_somebody_says_otherwise(pair: Pair) {
        let provider = Speaker::speaks(SAID).await;
        let hub = builder(pair).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let body = json!({ "kind": "compatible", "baseUrl": provider.url, "service": "openai" });
        let added = admin(&hub, &boss, Method::PUT, "/local", &body).await.expect(201).json();
        assert_eq!(added.get("wires"), None);
        assert_eq!(ways(&hub, &ada, &provider).await, [CHAT, CHAT]);
        let body = json!({ "kind": "compatible", "baseUrl": provider.url, "service": "openai", "wires": ["chat", "responses", "completions"] });
        admin(&hub, &boss, Method::PUT, "/local", &body).await.expect(200);
        assert_eq!(ways(&hub, &ada, &provider).await, [RESPONSES, COMPLETIONS]);
        hub.finish().await;
    }

    async fn a_provider_runs_the_tools_that_an_administrator_names(pair: Pair) {
        let provider = Speaker::speaks(SAID).await;
        let hub = builder(pair).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let body = |tools: &Value| json!({ "kind": "openai", "baseUrl": provider.url, "hostedTools": tools });
        let added = add(&hub, &boss, "/added", &body(&json!(["web_search"]))).await;
        assert_eq!(added["hostedTools"], json!(["web_search"]));
        search(&hub, &ada).await.expect(200);
        assert_eq!(provider.heard().0, RESPONSES);
        for nothing in [json!([]), json!(null), json!(["code_interpreter"])] {
            patch(&hub, &boss, "/added", &json!({ "hostedTools": nothing })).await;
            refused(search(&hub, &ada).await);
            patch(&hub, &boss, "/added", &json!({ "hostedTools": ["code_interpreter", "web_search"] })).await;
            patch(&hub, &boss, "/added", &json!({ "priority": 7, "wires": null })).await;
            search(&hub, &ada).await.expect(200);
        }
        // Written anew it has what is named anew.
        admin(&hub, &boss, Method::PUT, "/added", &body(&Value::Null)).await.expect(200);
        refused(search(&hub, &ada).await);
        assert_eq!(provider.calls(), 4);
        hub.finish().await;
    }

    async fn a_provider_of_the_settings_keeps_what_they_say_where_an_administrator_says_nothing(pair: Pair) {
        let provider = Speaker::speaks(SAID).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).settings(|settings| {
            let provider = &mut settings.providers[0];
            provider.api_key = Some("sk-of-the-settings-0123".into());
            provider.wires = Some(vec![Wire::Chat]);
            provider.hosted_tools = vec!["web_search".to_owned()];
        }).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let kept = patch(&hub, &boss, "/openai", &json!({ "priority": 7 })).await;
        assert_eq!((&kept["wires"], &kept["hostedTools"]), (&json!(["chat"]), &json!(["web_search"])));
        assert_eq!(ways(&hub, &ada, &provider).await, [CHAT, CHAT]);

        let changed = patch(&hub, &boss, "/openai", &json!({ "wires": ["chat", "responses"] })).await;
        assert_eq!((&changed["hostedTools"], &changed["credentials"][0]["last4"]), (&json!(["web_search"]), &json!("0123")));
        assert_eq!(ways(&hub, &ada, &provider).await, [RESPONSES, CHAT]);
        search(&hub, &ada).await.expect(200);
        assert_eq!(provider.credential(), "Bearer sk-of-the-settings-0123");
        patch(&hub, &boss, "/openai", &json!({ "hostedTools": [] })).await;
        refused(search(&hub, &ada).await);
        assert_eq!(ways(&hub, &ada, &provider).await, [RESPONSES, CHAT]);
        // Another process, or this one after a restart, knows it too.
        let twin = hub.sibling().await;
        refused(search(&twin, &ada).await);
        assert_eq!(ways(&twin, &ada, &provider).await, [RESPONSES, CHAT]);
        twin.finish().await;

        patch(&hub, &boss, "/openai", &json!({ "hostedTools": null })).await;
        search(&hub, &ada).await.expect(200);
        let back = patch(&hub, &boss, "/openai", &json!({ "wires": null })).await;
        assert_eq!((&back["wires"], &back["hostedTools"]), (&json!(["chat"]), &json!(["web_search"])));
        assert_eq!(ways(&hub, &ada, &provider).await, [CHAT, CHAT]);

        let trail = hub.get("/api/admin/audit?action=provider.updated").bearer(&boss.access_token).send().await.expect(200).text();
        for change in [r#""wires":["chat","responses"]"#, r#""hostedTools":[]"#, r#""wires":null"#] {
            assert!(trail.contains(change), "{trail}");
        }
        assert!(!trail.contains("0123"), "{trail}");
        hub.finish().await;
    }

    async fn what_does_not_fit_is_refused_by_its_field_and_changes_nothing(pair: Pair) {
        let hub = TestHub::builder(pair).anthropic("claude", "https://a.example").start().await;
        let boss = hub.admin().await;
        let with = |kind: &str, field: &str, value: &Value| json!({ "kind": kind, "baseUrl": "https://a.example/v1", field: value });
        let before = admin(&hub, &boss, Method::PUT, "/fine", &with("compatible", "wires", &json!(["chat"]))).await.expect(201).json();
        let many: Vec<String> = (0..21).map(|n| format!("tool_{n}")).collect();
        for (field, value, at, said) in [
            ("wires", json!([]), "wires", "chat"),
            ("wires", json!(["completions"]), "wires", "chat or responses"),
            ("wires", json!(["chat", "responses", "chat"]), "wires", "once"),
            ("wires", json!(["chat", "embeddings"]), "wires[1]", "one of chat, responses, completions"),
            ("wires", json!(["Chat"]), "wires[0]", "one of"),
            ("wires", json!("chat"), "wires", "a list"),
            ("hostedTools", json!(["Web Search"]), "hostedTools", "a-z"),
            ("hostedTools", json!([""]), "hostedTools", "1 to 64"),
            ("hostedTools", json!(["x".repeat(65)]), "hostedTools", "1 to 64"),
            ("hostedTools", json!(many), "hostedTools", "at most 20"),
            ("hostedTools", json!([7]), "hostedTools[0]", "a string"),
        ] {
            for (method, body) in [(Method::PUT, with("compatible", field, &value)), (Method::PATCH, json!({ field: value }))] {
                let error = admin(&hub, &boss, method, "/fine", &body).await.expect(400).json();
                let detail = &error["error"]["details"][0];
                assert_eq!((&error["error"]["code"], &detail["field"]), (&json!("VALIDATION_ERROR"), &json!(at)), "{error}");
                assert!(detail["message"].as_str().unwrap().contains(said), "{error}");
            }
        }
        // Messages are Anthropic's only wire, and the sandbox has none.
        admin(&hub, &boss, Method::PUT, "/other", &with("anthropic", "wires", &json!(["chat"]))).await.expect(400);
        for (field, value, names) in [("wires", json!(["chat"]), &["/claude", "/sandbox"][..]), ("hostedTools", json!(["web_search"]), &["/sandbox"])] {
            for name in names {
                let refused = admin(&hub, &boss, Method::PATCH, name, &json!({ field: value })).await.expect(400).json();
                assert_eq!(refused["error"]["details"][0]["field"], field);
                admin(&hub, &boss, Method::PATCH, name, &json!({ field: null })).await.expect(200);
            }
        }
        admin(&hub, &boss, Method::PATCH, "/nobody", &json!({ "wires": ["chat"] })).await.expect(404);
        let listed = admin(&hub, &boss, Method::GET, "", &Value::Null).await.expect(200).json();
        let listed = listed["providers"].as_array().unwrap();
        assert!(listed.iter().all(|each| each["name"] != "other"), "{listed:?}");
        assert_eq!(listed.iter().find(|each| each["name"] == "fine"), Some(&before));
        hub.finish().await;
    }
}
