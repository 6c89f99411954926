//! The shortest way through everything: an account, a key, a call, a bill.

use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

async fn balance(hub: &TestHub, key: &str) -> f64 {
    let body = hub.get("/api/credits/balance").bearer(key).send().await.expect(200).json();
    body["balance"].as_f64().expect("a number")
}

fn question(stream: bool) -> Value {
    json!({ "model": "sandbox", "stream": stream, "messages": [{ "role": "user", "content": "Hello" }] })
}

on_both_pairs! {
    async fn a_member_chats_and_pays(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ann = hub.user("ann").await;
        let key = json!({ "name": "laptop" });
        let key = hub.post("/api/keys").bearer(&ann.access_token).json(&key).send().await.expect(201).json();
        let key = key["key"].as_str().expect("a key");

        let before = balance(&hub, key).await;
        let answer = hub.post("/v1/chat/completions").bearer(key).json(&question(false)).send().await.expect(200).json();
        assert!(answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| text.starts_with("[sandbox]")));
        assert!(balance(&hub, key).await < before);
        assert_eq!(answer["usage"]["completion_tokens"], hub.sandbox().produced());
        hub.finish().await;
    }

    async fn a_stream_is_paid_for_as_well(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ann = hub.user("ann").await;
        let answer = hub.post("/v1/chat/completions").bearer(&ann.api_key).json(&question(true)).stream().await;
        assert_eq!(answer.status, 200);
        let events = answer.events().await;
        assert_eq!(events.last().map(|event| event.data.as_str()), Some("[DONE]"));
        assert!(balance(&hub, &ann.api_key).await < 100.0);
        hub.finish().await;
    }

    async fn nobody_gets_in_without_a_credential(pair: Pair) {
        let hub = TestHub::start(pair).await;
        for path in ["/api/credits/balance", "/api/keys", "/v1/models", "/api/auth/me"] {
            hub.get(path).send().await.expect(401);
            hub.get(path).bearer("sk_0000000000000000000000000000000000000000000").send().await.expect(401);
        }
        hub.finish().await;
    }

    async fn a_worthless_credential_does_not_keep_anybody_from_signing_in(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ann = hub.user("ann").await;
        let body = json!({ "email": ann.email, "password": ann.password });
        hub.post("/api/auth/login").bearer("sk_stale").json(&body).send().await.expect(200);
        hub.finish().await;
    }

    async fn strangers_are_counted_by_address_and_members_as_persons(pair: Pair) {
        let builder = TestHub::builder(pair).settings(|settings| {
            settings.limits.guest_per_minute = 3;
            settings.limits.user_per_minute = 5;
        });
        let hub = builder.start().await;
        let ann = hub.user("ann").await;
        for _ in 0..3 {
            let refused = hub.get("/v1/models").send().await.expect(401);
            assert_eq!(refused.header("ratelimit-limit"), "3");
        }
        let refused = hub.get("/v1/models").bearer("sk_wrong").send().await.expect(429);
        assert!(!refused.header("retry-after").is_empty());
        hub.get("/v1/models").from("203.0.113.9").send().await.expect(401);
        for credential in [&ann.api_key, &ann.access_token, &ann.api_key, &ann.access_token, &ann.api_key] {
            hub.get("/v1/models").bearer(credential).send().await.expect(200);
        }
        hub.get("/v1/models").bearer(&ann.access_token).send().await.expect(429);
        hub.advance(chrono::Duration::seconds(61));
        hub.get("/v1/models").bearer(&ann.access_token).send().await.expect(200);
        hub.finish().await;
    }

    async fn two_processes_share_limits_and_revocations(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.limits.user_per_minute = 4).start().await;
        let twin = hub.sibling().await;
        let ann = hub.user("ann").await;
        for hub in [&hub, &twin, &hub, &twin] {
            hub.get("/v1/models").bearer(&ann.access_token).send().await.expect(200);
        }
        twin.get("/v1/models").bearer(&ann.access_token).send().await.expect(429);
        hub.advance(chrono::Duration::seconds(61));
        hub.post("/api/auth/logout").bearer(&ann.access_token).json(&json!({})).send().await.expect(204);
        twin.get("/v1/models").bearer(&ann.access_token).send().await.expect(401);
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_real_socket_answers_like_the_router(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ann = hub.user("ann").await;
        let socket = hub.socket().await;
        assert!(socket.websocket("/api/ws", Some("forged.access.token")).await.is_err());
        let open = socket.websocket("/api/ws", Some(&ann.api_key)).await;
        drop(open.expect("the socket opens"));
        hub.finish().await;
    }
}
