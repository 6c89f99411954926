//! Limits that an administrator sets for one user: in place of the role's, exact in every process, within two seconds.

use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

async fn set(hub: &TestHub, by: &TestUser, of: &TestUser, limits: Value) -> TestResponse {
    hub.put(&format!("/api/users/{}/limits", of.id)).bearer(&by.access_token).json(&limits).send().await
}

async fn told(hub: &TestHub, to: &TestUser, of: &TestUser) -> TestResponse {
    hub.get(&format!("/api/users/{}/limits", of.id)).bearer(&to.access_token).send().await
}

async fn chat(hub: &TestHub, user: &TestUser, words: &str) -> TestResponse {
    let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": words }] });
    hub.post("/v1/chat/completions").bearer(&user.api_key).json(&body).send().await
}

fn count(answers: &[TestResponse], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

fn gate(answer: &TestResponse) -> Value {
    let details = &answer.json()["error"]["details"];
    json!([details["gate"], details["scope"], details["limit"]])
}

on_both_pairs! {
    async fn requests_of_one_user_are_limited_in_every_process_and_are_the_roles_again_when_taken_back(pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| settings.limits = hub_domain::limits::Settings::default())
            .start()
            .await;
        let twin = hub.sibling().await;
        let (admin, ada, bob) = (hub.admin().await, hub.user("ada").await, hub.user("bob").await);
        let state = set(&hub, &admin, &ada, json!({ "requestsPerMinute": 7 })).await.expect(200).json();
        assert_eq!(state["requestsPerMinute"], json!({ "limit": 7, "source": "user" }));
        assert_eq!(state["tokensPerMinute"], json!({ "limit": 0, "source": "role" }));
        assert_eq!(state["userId"], json!(ada.id));
        let asked = (0..40).map(|n| if n % 2 == 0 { &hub } else { &twin }).map(|hub| {
            hub.get("/v1/models").bearer(&ada.api_key).send()
        });
        let answers = join_all(asked).await;
        assert_eq!((count(&answers, 200), count(&answers, 429)), (7, 33));
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert_eq!(gate(refused), json!(["requests_per_minute", "user", 7]));
        let more = hub.get("/v1/models").bearer(&bob.api_key).send().await.expect(200);
        assert_eq!(more.header("ratelimit-limit"), "60", "nobody else's limit changed");
        // What was counted still counts: seven of sixty.
        let state = set(&hub, &admin, &ada, json!({})).await.expect(200).json();
        assert_eq!(state["requestsPerMinute"], json!({ "limit": 60, "source": "role" }));
        let again = hub.get("/v1/models").bearer(&ada.api_key).send().await.expect(200);
        assert_eq!((again.header("ratelimit-limit"), again.header("ratelimit-remaining")), ("60", "52"));
        set(&hub, &admin, &ada, json!({ "requestsPerMinute": 0 })).await.expect(200);
        let lifted = hub.get("/v1/models").bearer(&ada.api_key).send().await.expect(200);
        assert!(lifted.headers.get("ratelimit-limit").is_none());
        twin.finish().await;
        hub.finish().await;
    }

    async fn tokens_and_calls_of_one_user_take_the_place_of_the_roles(pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| settings.limits.roles.user.concurrent_calls = 1)
            .start()
            .await;
        let twin = hub.sibling().await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        set(&hub, &admin, &ada, json!({ "concurrentCalls": 3 })).await.expect(200);
        let asked = (0..20).map(|n| if n % 2 == 0 { &hub } else { &twin }).map(|hub| chat(hub, &ada, "hello sandbox:delay=100"));
        let answers = join_all(asked).await;
        assert_eq!(count(&answers, 200) + count(&answers, 429), 20);
        assert!(count(&answers, 200) >= 3, "three at a time, and not the role's one");
        let refused = answers.iter().find(|answer| answer.status == 429).expect("more than three at a time");
        assert_eq!(gate(refused), json!(["concurrent_calls", "user", 3]));
        set(&hub, &admin, &ada, json!({ "tokensPerMinute": 5 })).await.expect(200);
        assert_eq!(gate(&chat(&twin, &ada, "how are you").await.expect(429)), json!(["tokens_per_minute", "user", 5]));
        // 0 lifts what the role limits.
        set(&hub, &admin, &ada, json!({ "concurrentCalls": 0, "tokensPerMinute": 0 })).await.expect(200);
        let answers = join_all((0..6).map(|_| chat(&hub, &ada, "hello sandbox:delay=20"))).await;
        assert_eq!(count(&answers, 200), 6);
        twin.finish().await;
        hub.finish().await;
    }

    async fn only_who_may_change_a_user_sets_limits_and_only_sensible_ones(pair) {
        let hub = TestHub::start(pair).await;
        let (admin, boss, ada, bob) = (hub.admin().await, hub.manager().await, hub.user("ada").await, hub.user("bob").await);
        for refused in [
            json!({ "requestsPerMinute": -1 }),
            json!({ "tokensPerMinute": 1.5 }),
            json!({ "concurrentCalls": 1_000_000_001 }),
            json!({ "requestsPerMinute": "10" }),
            json!({ "requestPerMinute": 10 }),
        ] {
            set(&hub, &admin, &ada, refused).await.expect(400);
        }
        set(&hub, &ada, &ada, json!({})).await.expect(403);
        set(&hub, &boss, &ada, json!({})).await.expect(403);
        told(&hub, &ada, &ada).await.expect(200);
        told(&hub, &ada, &bob).await.expect(403);
        assert_eq!(told(&hub, &boss, &ada).await.expect(200).json()["concurrentCalls"], json!({ "limit": 0, "source": "role" }));
        set(&hub, &admin, &ada, json!({ "concurrentCalls": 2, "tokensPerMinute": null })).await.expect(200);
        let trail = hub.get("/api/admin/audit?action=user.limits_set").bearer(&admin.access_token).send().await.expect(200).json();
        let row = &trail["data"][0];
        assert_eq!(row["details"], json!({ "requestsPerMinute": null, "tokensPerMinute": null, "concurrentCalls": 2 }), "{trail}");
        hub.finish().await;
    }
}
