//! `/api/admin/providers`: what is added is used by every process, what is taken away by none, and secrets never come out again.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::Method;
use hub_testkit::{Builder, TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::upstream::Upstream;

const ONE: &str = "sk-upstream-one-0123456789-aaaa";
const TWO: &str = "sk-upstream-two-0123456789-bbbb";
const PROVIDERS: &str = "/api/admin/providers";

fn builder(pair: hub_testkit::Pair) -> Builder {
    TestHub::builder(pair).settings(|settings| {
        settings.inference.providers_at_private_addresses = true;
        let model = "service = \"local\"\nmodel = \"m\"\ninput = 1\noutput = 1\nmax_output_tokens = 100";
        settings.pricing.models.push(toml::from_str(model).unwrap());
    })
}

async fn admin(hub: &TestHub, by: &TestUser, method: Method, path: &str, body: &Value) -> TestResponse {
    let request = hub.request(method, &format!("{PROVIDERS}{path}")).bearer(&by.access_token);
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

async fn ask(hub: &TestHub, by: &TestUser) -> TestResponse {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    hub.post("/v1/chat/completions").bearer(&by.api_key).json(&body).send().await
}

fn follow(hub: &TestHub) {
    hub.hub.tasks.spawn(hub_worker::follow_providers(std::sync::Arc::clone(&hub.hub)));
}

/// Asks until this status comes; how long that took.
async fn until(hub: &TestHub, by: &TestUser, status: u16) -> Duration {
    let start = Instant::now();
    while ask(hub, by).await.status.as_u16() != status {
        assert!(start.elapsed() < Duration::from_secs(20), "never {status}");
        tokio::task::yield_now().await;
    }
    start.elapsed()
}

on_both_pairs! {
    async fn two_hubs_see_an_added_and_a_revoked_credential_within_two_seconds(pair: Pair) {
        let upstream = Upstream::start(&[ONE, TWO]).await;
        let hub = builder(pair).start().await;
        let twin = hub.sibling().await;
        follow(&hub);
        follow(&twin);
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        ask(&twin, &ada).await.expect(404);

        let local = json!({ "kind": "openai", "baseUrl": upstream.url, "service": "local" });
        let made = admin(&hub, &boss, Method::PUT, "/local", &local).await.expect(201).json();
        assert_eq!((&made["state"], &made["models"]), (&json!("no_credential"), &json!(["m"])));
        ask(&hub, &ada).await.expect(404);
        let secret = json!({ "label": "one", "secret": ONE });
        admin(&hub, &boss, Method::POST, "/local/credentials", &secret).await.expect(201);
        ask(&hub, &ada).await.expect(200);
        assert!(until(&twin, &ada, 200).await < Duration::from_secs(2));
        let listed = twin.get("/v1/models").bearer(&ada.api_key).send().await.expect(200).text();
        assert!(listed.contains("\"m\""), "{listed}");
        let receipt = ask(&twin, &ada).await.header("x-hub-receipt").to_owned();
        let receipt = hub.get(&format!("/api/credits/receipts/{receipt}")).bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&receipt["attempts"][0]["provider"], &receipt["attempts"][0]["credential"]), (&json!("local"), &json!("one")));

        // Rotation: the new one beside the old one, then the old one away; nobody is turned away in between.
        admin(&twin, &boss, Method::POST, "/local/credentials", &json!({ "label": "two", "secret": TWO })).await.expect(201);
        admin(&twin, &boss, Method::DELETE, "/local/credentials/one", &Value::Null).await.expect(204);
        let start = Instant::now();
        let mut before = upstream.calls_under(ONE);
        loop {
            ask(&hub, &ada).await.expect(200);
            if upstream.calls_under(ONE) == before && upstream.calls_under(TWO) > 20 {
                break;
            }
            before = upstream.calls_under(ONE);
            assert!(start.elapsed() < Duration::from_secs(2), "the old one is still used");
        }

        admin(&hub, &boss, Method::PATCH, "/local", &json!({ "enabled": false })).await.expect(200);
        assert!(until(&twin, &ada, 404).await < Duration::from_secs(2));
        admin(&twin, &boss, Method::PATCH, "/local", &json!({ "enabled": true })).await.expect(200);
        assert!(until(&hub, &ada, 200).await < Duration::from_secs(2));
        admin(&twin, &boss, Method::DELETE, "/local", &Value::Null).await.expect(204);
        assert!(until(&hub, &ada, 404).await < Duration::from_secs(2));
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_secret_is_in_no_answer_no_audit_row_and_sealed_in_the_database(pair: Pair) {
        let upstream = Upstream::start(&[ONE]).await;
        let hub = builder(pair).openai("fixed", &upstream.url).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let mut said = String::new();
        let local = json!({ "kind": "openai", "baseUrl": upstream.url, "service": "local" });
        for (method, path, body, status) in [
            (Method::PUT, "/local", local.clone(), 201),
            (Method::POST, "/local/credentials", json!({ "label": "one", "secret": ONE }), 201),
            (Method::POST, "/local/credentials", json!({ "label": "wrong", "secret": TWO, "priority": 1 }), 201),
            (Method::POST, "/local/credentials", json!({ "label": "one", "secret": TWO }), 409),
            (Method::POST, "/local/credentials", json!({ "label": "bad", "secret": format!("{TWO}\n") }), 400),
            (Method::POST, "/fixed/credentials", json!({ "label": "added", "secret": ONE }), 201),
            (Method::PATCH, "/local/credentials/one", json!({ "weight": 7, "priority": 0 }), 200),
            (Method::POST, "/local/test", Value::Null, 200),
            (Method::GET, "", Value::Null, 200),
            // The credentials were given for this address: nobody may send them to another.
            (Method::PUT, "/local", json!({ "kind": "openai", "baseUrl": "http://127.0.0.1:9/v1", "service": "local" }), 409),
            (Method::PUT, "/fixed", local.clone(), 409),
            (Method::DELETE, "/fixed", Value::Null, 409),
        ] {
            let answer = admin(&hub, &boss, method, path, &body).await.expect(status);
            said += &answer.text();
        }
        assert!(said.contains("aaaa"), "the last characters are shown");
        let tested = admin(&hub, &boss, Method::POST, "/local/test", &Value::Null).await.expect(200).json();
        assert_eq!((&tested["results"][0]["ok"], &tested["results"][1]["ok"]), (&json!(true), &json!(false)));
        assert_eq!(tested["results"][1]["credential"], "wrong");
        said += &tested.to_string();
        // The wrong one is tried when the right one is switched off; what the provider says of it reaches nobody.
        admin(&hub, &boss, Method::PATCH, "/local/credentials/one", &json!({ "enabled": false })).await.expect(200);
        said += &ask(&hub, &ada).await.expect(502).text();
        let trail = hub.get("/api/admin/audit?action=provider.").bearer(&boss.access_token).send().await.expect(200).text();
        for action in ["provider.created", "provider.credential_added", "provider.credential_updated"] {
            assert!(trail.contains(action), "{trail}");
        }
        said += &trail;
        let mut tx = hub.hub.store.read().await.unwrap();
        for row in hub_store::providers::credentials(&mut tx).await.unwrap() {
            said += &String::from_utf8_lossy(&row.secret_sealed);
        }
        drop(tx);
        for secret in [ONE, TWO] {
            assert!(!said.contains(&secret[..20]), "{said}");
        }
        hub.take_errors();
        hub.finish().await;
    }

    async fn weights_are_respected_over_a_thousand_calls(pair: Pair) {
        let upstream = Upstream::start(&[ONE, TWO]).await;
        let hub = builder(pair).settings(|settings| settings.credits.welcome = hub_types::Credits::ZERO).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let local = json!({ "kind": "compatible", "baseUrl": upstream.url, "service": "local" });
        admin(&hub, &boss, Method::PUT, "/local", &local).await.expect(201);
        for (label, secret, weight) in [("one", ONE, 1), ("two", TWO, 4)] {
            let body = json!({ "label": label, "secret": secret, "weight": weight });
            admin(&hub, &boss, Method::POST, "/local/credentials", &body).await.expect(201);
        }
        for _ in 0..50 {
            let answers = futures::future::join_all((0..20).map(|_| ask(&hub, &ada))).await;
            for answer in answers {
                answer.expect(200);
            }
        }
        let (one, two) = (upstream.calls_under(ONE), upstream.calls_under(TWO));
        assert_eq!(one + two, 1_000);
        // Six standard deviations.
        assert!((124..=276).contains(&one), "{one} and {two}");
        hub.finish().await;
    }

    async fn only_addresses_outside_are_taken_unless_the_settings_say_otherwise(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (boss, boring) = (hub.admin().await, hub.manager().await);
        for bad in ["http://127.0.0.1:8080/v1", "https://localhost/v1", "https://10.0.0.7/v1", "https://169.254.169.254/", "http://a.example/v1",
            "https://user:pass@a.example/v1", "file:///etc/passwd", "https://[::1]/v1", "https://a.example/v1?key=1"] {
            let body = json!({ "kind": "compatible", "baseUrl": bad });
            let refused = admin(&hub, &boss, Method::PUT, "/local", &body).await.expect(400);
            assert!(refused.text().contains("baseUrl"), "{bad}: {}", refused.text());
        }
        for (name, body) in [
            ("Local", json!({ "kind": "openai" })),
            ("local", json!({ "kind": "sandbox" })),
            ("local", json!({ "kind": "compatible" })),
            ("local", json!({ "kind": "openai", "priority": -1 })),
        ] {
            admin(&hub, &boss, Method::PUT, &format!("/{name}"), &body).await.expect(400);
        }
        admin(&hub, &boss, Method::PUT, "/sandbox", &json!({ "kind": "openai" })).await.expect(409);
        admin(&hub, &boss, Method::PUT, "/outside", &json!({ "kind": "compatible", "baseUrl": "https://a.example/v1" })).await.expect(201);
        let listed = admin(&hub, &boss, Method::GET, "", &Value::Null).await.expect(200).json();
        let states: HashMap<&str, &str> = listed["providers"].as_array().unwrap().iter()
            .map(|each| (each["name"].as_str().unwrap(), each["source"].as_str().unwrap())).collect();
        assert_eq!(states, HashMap::from([("outside", "database"), ("sandbox", "settings")]));
        admin(&hub, &boring, Method::GET, "", &Value::Null).await.expect(403);
        hub.finish().await;
    }

    async fn a_running_call_keeps_its_credential(pair: Pair) {
        let upstream = Upstream::held(&[ONE]).await;
        let hub = builder(pair).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let local = json!({ "kind": "openai", "baseUrl": upstream.url, "service": "local" });
        admin(&hub, &boss, Method::PUT, "/local", &local).await.expect(201);
        admin(&hub, &boss, Method::POST, "/local/credentials", &json!({ "label": "one", "secret": ONE })).await.expect(201);
        let running = async {
            while upstream.calls_under(ONE) == 0 {
                tokio::task::yield_now().await;
            }
            admin(&hub, &boss, Method::DELETE, "/local", &Value::Null).await.expect(204);
            upstream.let_go(1);
        };
        let (answer, ()) = tokio::join!(ask(&hub, &ada), running);
        answer.expect(200);
        ask(&hub, &ada).await.expect(404);
        hub.finish().await;
    }

    async fn a_provider_of_the_settings_has_several_credentials_and_can_be_switched_off(pair: Pair) {
        let upstream = Upstream::start(&[TWO]).await;
        let hub = builder(pair).openai("local", &upstream.url).settings(|settings| {
            let provider = settings.providers.last_mut().unwrap();
            provider.api_key = Some(ONE.into());
            provider.credentials.push(toml::from_str(&format!("label = \"spare\"\napi_key = \"{TWO}\"\npriority = 1")).unwrap());
        }).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let answer = ask(&hub, &ada).await.expect(200);
        let path = format!("/api/credits/receipts/{}", answer.header("x-hub-receipt"));
        let receipt = hub.get(&path).bearer(&ada.access_token).send().await.expect(200).json();
        let labels: Vec<&str> = receipt["attempts"].as_array().unwrap().iter().map(|each| each["credential"].as_str().unwrap()).collect();
        assert_eq!((labels.first(), labels.last()), (Some(&"default"), Some(&"spare")), "{labels:?}");
        admin(&hub, &boss, Method::DELETE, "/local/credentials/spare", &Value::Null).await.expect(409);
        admin(&hub, &boss, Method::PATCH, "/local/credentials/spare", &json!({ "weight": 2 })).await.expect(409);
        admin(&hub, &boss, Method::PATCH, "/local", &json!({ "enabled": false })).await.expect(200);
        ask(&hub, &ada).await.expect(404);
        // Another process, or this one after a restart, knows it too.
        let twin = hub.sibling().await;
        ask(&twin, &ada).await.expect(404);
        // The first credential was refused, and the operator was told so.
        hub.take_errors();
        twin.finish().await;
        hub.finish().await;
    }
}
