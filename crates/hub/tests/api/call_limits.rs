//! Limits of a key and by role beside the requests per minute of a user: exact in every process, and each refusal says which.

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

async fn key(hub: &TestHub, user: &TestUser, limits: Value) -> Value {
    let mut body = json!({ "name": "limited" });
    body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    hub.post("/api/keys").bearer(&user.access_token).json(&body).send().await.expect(201).json()
}

fn ask(words: &str) -> Value {
    json!({ "model": "sandbox", "messages": [{ "role": "user", "content": words }] })
}

async fn chat(hub: &TestHub, credential: &str) -> TestResponse {
    hub.post("/v1/chat/completions").bearer(credential).json(&ask("how are you")).send().await
}

/// Tokens of one such call; the sandbox's bound is exact.
async fn tokens(hub: &TestHub) -> u64 {
    let probe = hub.user("probe").await;
    chat(hub, &probe.api_key).await.expect(200).json()["usage"]["total_tokens"].as_u64().unwrap()
}

fn count(answers: &[TestResponse], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

fn number(answer: &TestResponse, header: &str) -> u32 {
    answer.header(header).parse().unwrap_or_else(|_| panic!("{header} of {:?}", answer.headers))
}

fn gate(answer: &TestResponse) -> (String, String) {
    let details = &answer.json()["error"]["details"];
    (details["gate"].as_str().unwrap().to_owned(), details["scope"].as_str().unwrap().to_owned())
}

on_both_pairs! {
    async fn a_keys_own_requests_per_minute_bind_its_whole_line_in_every_process(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, json!({ "requestsPerMinute": 12 })).await;
        let path = format!("/api/keys/{}/rotate", made["id"].as_str().unwrap());
        let next = hub.post(&path).bearer(&ada.access_token).json(&json!({})).send().await.expect(201).json();
        let secrets = [made["key"].as_str().unwrap(), next["key"].as_str().unwrap()];
        let first = hub.get("/v1/models").bearer(secrets[0]).send().await.expect(200);
        assert_eq!((number(&first, "ratelimit-limit"), number(&first, "ratelimit-remaining")), (12, 11), "the tighter one");
        let asked = (0..60).map(|n| {
            let hub = if n % 2 == 0 { &hub } else { &twin };
            hub.get("/v1/models").bearer(secrets[n % 3 % 2]).send()
        });
        let answers = join_all(asked).await;
        assert_eq!((count(&answers, 200), count(&answers, 429)), (11, 49));
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert_eq!(gate(refused), ("requests_per_minute".to_owned(), "key".to_owned()));
        assert!((1..=60).contains(&number(refused, "retry-after")));
        hub.get("/v1/models").bearer(&ada.api_key).send().await.expect(200);
        hub.advance(Duration::seconds(60));
        hub.get("/v1/models").bearer(secrets[1]).send().await.expect(200);
        twin.finish().await;
        hub.finish().await;
    }

    async fn the_users_window_binds_a_key_with_a_wider_one(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.limits.user_per_minute = 3).start().await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, json!({ "requestsPerMinute": 100 })).await;
        let secret = made["key"].as_str().unwrap();
        for _ in 0..2 {
            hub.get("/v1/models").bearer(secret).send().await.expect(200);
        }
        let refused = hub.get("/v1/models").bearer(secret).send().await.expect(429);
        assert_eq!((number(&refused, "ratelimit-limit"), gate(&refused).1), (3, "user".to_owned()));
        hub.finish().await;
    }

    async fn tokens_per_minute_are_exact_in_three_processes_and_slide(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let each = tokens(&hub).await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, json!({ "tokensPerMinute": each * 10 })).await;
        let secret = made["key"].as_str().unwrap();
        let (second, third) = (hub.sibling().await, hub.sibling().await);
        let hubs = [&hub, &second, &third];
        let answers = join_all((0..60).map(|n| chat(hubs[n % 3], secret))).await;
        assert_eq!((count(&answers, 200), count(&answers, 429)), (10, 50));
        hub.advance(Duration::seconds(20));
        let refused = chat(&hub, secret).await.expect(429);
        assert_eq!(gate(&refused), ("tokens_per_minute".to_owned(), "key".to_owned()));
        assert_eq!((refused.error_code(), number(&refused, "retry-after")), ("RATE_LIMIT_EXCEEDED".to_owned(), 40));
        chat(&hub, &ada.api_key).await.expect(200);
        hub.advance(Duration::seconds(40));
        let answers = join_all((0..30).map(|n| chat(hubs[n % 3], secret))).await;
        assert_eq!((count(&answers, 200), count(&answers, 429)), (10, 20));
        third.finish().await;
        second.finish().await;
        hub.finish().await;
    }

    async fn a_role_limits_the_tokens_of_each_user_and_shortens_an_open_answer(pair: Pair) {
        let change = |settings: &mut hub::config::Settings| settings.limits.roles.user.tokens_per_minute = 100;
        let hub = TestHub::builder(pair).settings(change).start().await;
        let (ada, boss) = (hub.user("ada").await, hub.manager().await);
        let long = ask("sandbox:words=500 go");
        let answer = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&long).send().await.expect(200).json();
        assert_eq!(answer["usage"]["total_tokens"], 100, "the answer is as long as there is room");
        let refused = hub.post("/v1/chat/completions").bearer(&ada.access_token).json(&long).send().await.expect(429);
        assert_eq!(gate(&refused), ("tokens_per_minute".to_owned(), "user".to_owned()));
        hub.post("/v1/chat/completions").bearer(&boss.api_key).json(&long).send().await.expect(200);
        // Who names a length gets it or is refused.
        hub.advance(Duration::seconds(60));
        let mut named = long.clone();
        named["max_tokens"] = json!(400);
        hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&named).send().await.expect(429);
        hub.finish().await;
    }

    async fn a_role_limits_how_many_calls_each_of_its_users_runs_at_once_in_all_processes(pair: Pair) {
        let change = |settings: &mut hub::config::Settings| settings.limits.roles.user.concurrent_calls = 2;
        let hub = TestHub::builder(pair).settings(change).start().await;
        let twin = hub.sibling().await;
        let (ada, bob, boss) = (hub.user("ada").await, hub.user("bob").await, hub.manager().await);
        let mut long = ask("sandbox:words=400 go");
        long["stream"] = json!(true);
        let open = async |hub: &TestHub| hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&long).stream().await;
        let (one, two) = (open(&hub).await, open(&twin).await);
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
        // Another credential of the same user changes nothing; other users have places of their own.
        for at in [&hub, &twin] {
            let refused = chat(at, &ada.access_token).await.expect(429);
            assert_eq!(gate(&refused), ("concurrent_calls".to_owned(), "user".to_owned()));
            chat(at, &bob.api_key).await.expect(200);
            chat(at, &boss.api_key).await.expect(200);
        }
        one.events().await;
        chat(&twin, &ada.api_key).await.expect(200);
        two.events().await;
        twin.finish().await;
        hub.finish().await;
    }

    async fn no_more_calls_run_at_once_than_a_key_may_and_a_dead_process_gives_its_places_back(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let made = key(&hub, &ada, json!({ "concurrentCalls": 2 })).await;
        let secret = made["key"].as_str().unwrap();
        let mut long = ask("sandbox:words=400 go");
        long["stream"] = json!(true);
        let open = async |hub: &TestHub| hub.post("/v1/chat/completions").bearer(secret).json(&long).stream().await;
        let (one, two) = (open(&hub).await, open(&twin).await);
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
        let refused = chat(&hub, secret).await.expect(429);
        assert_eq!(gate(&refused), ("concurrent_calls".to_owned(), "key".to_owned()));
        assert_eq!(number(&refused, "retry-after"), 1);
        chat(&twin, &ada.api_key).await.expect(200);
        one.events().await;
        chat(&twin, secret).await.expect(200);
        two.events().await;

        // Two calls of a process that died.
        let place = format!("concurrent_calls:key:{}", made["line"].as_str().unwrap());
        for dead in ["a", "b"] {
            let lease = std::time::Duration::from_mins(1);
            assert!(hub.hub.cache.take_share(&place, dead, 1, 2, lease).await.unwrap().allowed);
        }
        chat(&hub, secret).await.expect(429);
        hub.advance(Duration::seconds(60));
        chat(&hub, secret).await.expect(200);
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_refused_or_failed_call_keeps_no_place_and_no_tokens(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let each = tokens(&hub).await;
        let poor = hub.user_with_credits("poor", hub_types::Credits::ZERO).await;
        let made = key(&hub, &poor, json!({ "concurrentCalls": 1, "tokensPerMinute": each })).await;
        let secret = made["key"].as_str().unwrap();
        for _ in 0..3 {
            chat(&hub, secret).await.expect(402);
        }
        hub.grant(poor.id, hub_types::Credits::whole(1)).await;
        chat(&hub, secret).await.expect(200);
        hub.finish().await;
    }

    async fn an_administrator_can_ask_why_a_request_was_turned_away(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.limits.user_per_minute = 3).start().await;
        let twin = hub.sibling().await;
        let (poor, admin) = (hub.user_with_credits("poor", hub_types::Credits::ZERO).await, hub.admin().await);
        let short = chat(&hub, &poor.api_key).await.expect(402);
        let forbidden = hub.get("/api/admin/ledger").bearer(&poor.access_token).send().await.expect(403);
        hub.get("/v1/models").bearer(&poor.api_key).send().await.expect(200);
        let busy = hub.get("/v1/models").bearer(&poor.api_key).send().await.expect(429);
        let ask = async |hub: &TestHub, answer: &TestResponse, token: &str| {
            let path = format!("/api/admin/denials/{}", answer.header("x-request-id"));
            hub.get(&path).bearer(token).send().await
        };
        let why = ask(&twin, &short, &admin.access_token).await.expect(200).json();
        assert_eq!((&why["code"], &why["details"]), (&json!("INSUFFICIENT_CREDITS"), &short.json()["error"]["details"]));
        assert_eq!((&why["userId"], &why["details"]["gate"]), (&json!(poor.id), &json!("balance")));
        let why = ask(&twin, &forbidden, &admin.access_token).await.expect(200).json();
        assert_eq!((&why["code"], &why["permission"]), (&json!("FORBIDDEN"), &json!("ledger:verify")));
        let why = ask(&twin, &busy, &admin.access_token).await.expect(200).json();
        assert_eq!((&why["details"]["gate"], &why["details"]["scope"]), (&json!("requests_per_minute"), &json!("user")));
        hub.advance(Duration::seconds(60));
        ask(&hub, &short, &poor.access_token).await.expect(403);
        twin.finish().await;
        hub.finish().await;
    }
}
