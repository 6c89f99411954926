//! Ceilings of providers and models, and the queue before them: exact over two hubs, fair, bounded, and empty afterwards.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use futures::{SinkExt as _, StreamExt as _};
use hub_testkit::{Builder, Pair, TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::upstream::Upstream;

const MODEL: &str = "service = \"local\"\nmodel = \"m\"\ninput = 1\noutput = 1\nmax_output_tokens = 100";

fn builder(pair: Pair, upstream: &Upstream, max_concurrent: u32) -> Builder {
    TestHub::builder(pair).openai("local", &upstream.url).settings(|settings| {
        settings.pricing.models.push(toml::from_str(MODEL).unwrap());
        let provider = settings.providers.last_mut().unwrap();
        provider.api_key = Some("k".into());
        provider.max_concurrent = max_concurrent;
        settings.inference.queue_seconds = 100;
    })
}

/// Asks in a task of its own, which hangs up when it is aborted.
fn ask(hub: &Arc<TestHub>, by: &TestUser, text: &str, tasks: &mut JoinSet<TestResponse>) -> tokio::task::AbortHandle {
    let body = json!({ "model": "m", "max_tokens": 20, "messages": [{ "role": "user", "content": text }] });
    let request = hub.post("/v1/chat/completions").bearer(&by.api_key).json(&body);
    tasks.spawn(request.send())
}

/// How many wait and run in a line, as the processes see it.
async fn line(hub: &TestHub, name: &str) -> (usize, usize) {
    let line = hub.hub.cache.get_json::<Value>(&format!("line:{name}")).await.unwrap().unwrap_or_default();
    let count = |field: &str| line[field].as_array().map_or(0, Vec::len);
    (count("waiting"), count("running"))
}

async fn until(hub: &TestHub, name: &str, expected: (usize, usize)) {
    let start = Instant::now();
    loop {
        let found = line(hub, name).await;
        if found == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(25), "{found:?} and not {expected:?}");
        tokio::task::yield_now().await;
    }
}

async fn end(hubs: Vec<Arc<TestHub>>) {
    for hub in hubs.into_iter().rev() {
        Arc::into_inner(hub).expect("nobody else has it").finish().await;
    }
}

async fn once(hub: &Arc<TestHub>, by: &TestUser) -> TestResponse {
    let mut tasks = JoinSet::new();
    ask(hub, by, "hi", &mut tasks);
    tasks.join_next().await.unwrap().unwrap()
}

fn details(refused: &TestResponse) -> [Value; 4] {
    let details = refused.json()["error"]["details"].clone();
    ["gate", "scope", "ceiling", "reason"].map(|field| details[field].clone())
}

on_both_pairs! {
    async fn two_hundred_calls_of_five_users_over_two_hubs_are_never_more_than_four_at_once(pair: Pair) {
        let upstream = Upstream::held(&["k"]).await;
        let hub = Arc::new(builder(pair, &upstream, 4).start().await);
        let twin = Arc::new(hub.sibling().await);
        let mut users = Vec::new();
        for name in ["ada", "bob", "cyd", "dan", "eve"] {
            users.push((name, hub.user(name).await));
        }
        let mut tasks = JoinSet::new();
        // One floods the queue before the others come.
        for (name, user) in &users {
            for number in 0..40 {
                ask(if number % 2 == 0 { &hub } else { &twin }, user, name, &mut tasks);
            }
        }
        until(&hub, "provider:local", (196, 4)).await;
        upstream.let_go(200);
        for answer in tasks.join_all().await {
            answer.expect(200);
        }
        assert_eq!(upstream.most(), 4);
        let begun = upstream.begun();
        assert_eq!(begun.len(), 200);
        for upto in 1..=160 {
            let counts = users.iter().map(|(name, _)| begun[..upto].iter().filter(|text| text == name).count());
            let (least, most) = (counts.clone().min().unwrap(), counts.max().unwrap());
            // Those that found free places, and those that run at once, may be of one user.
            assert!(most - least <= 9, "{upto}: {least} to {most}");
        }
        until(&hub, "provider:local", (0, 0)).await;
        end(vec![hub, twin]).await;
    }

    async fn a_models_ceiling_counts_its_calls_at_all_providers_and_no_others(pair: Pair) {
        let (one, other) = (Upstream::held(&["k"]).await, Upstream::held(&["k"]).await);
        let change = |settings: &mut hub::config::Settings| {
            settings.limits.models.push(toml::from_str("model = \"m\"\nmax_concurrent = 2").unwrap());
            settings.pricing.models.push(toml::from_str(&MODEL.replace("\"m\"", "\"free\"")).unwrap());
        };
        let builder = builder(pair, &one, 1).settings(change).openai("spare", &other.url).settings(|settings| {
            let provider = settings.providers.last_mut().unwrap();
            (provider.api_key, provider.service, provider.max_concurrent) = (Some("k".into()), Some("local".to_owned()), 5);
        });
        let hub = Arc::new(builder.start().await);
        let twin = Arc::new(hub.sibling().await);
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let mut tasks = JoinSet::new();
        for number in 0..6 {
            ask(if number % 2 == 0 { &hub } else { &twin }, if number < 3 { &ada } else { &bob }, "hi", &mut tasks);
        }
        // Two run, one at each provider, though the second had room for more; the rest waits for the model.
        until(&hub, "model:m", (4, 2)).await;
        assert_eq!((one.begun().len(), other.begun().len()), (1, 1));
        // Another model of the same providers does not wait.
        let body = json!({ "model": "free", "max_tokens": 20, "messages": [{ "role": "user", "content": "hi" }] });
        tasks.spawn(hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).send());
        until(&hub, "provider:spare", (0, 2)).await;
        one.let_go(10);
        other.let_go(10);
        for answer in tasks.join_all().await {
            answer.expect(200);
        }
        until(&hub, "model:m", (0, 0)).await;
        end(vec![hub, twin]).await;
    }

    async fn higher_roles_go_first_and_every_fourth_place_is_anybodys(pair: Pair) {
        let upstream = Upstream::held(&["k"]).await;
        let hub = Arc::new(builder(pair, &upstream, 1).start().await);
        let (ada, boss) = (hub.user("ada").await, hub.manager().await);
        let mut tasks = JoinSet::new();
        let calls = [(&ada, "first"), (&ada, "a1"), (&ada, "a2"), (&ada, "a3"), (&boss, "b1"), (&boss, "b2"), (&boss, "b3")];
        for (waiting, (user, text)) in calls.into_iter().enumerate() {
            ask(&hub, user, text, &mut tasks);
            until(&hub, "provider:local", (waiting, 1)).await;
        }
        upstream.let_go(7);
        for answer in tasks.join_all().await {
            answer.expect(200);
        }
        assert_eq!(upstream.begun(), ["first", "b1", "b2", "a1", "b3", "a2", "a3"]);
        end(vec![hub]).await;
    }

    async fn a_full_queue_is_429_and_who_hangs_up_leaves_it(pair: Pair) {
        let upstream = Upstream::held(&["k"]).await;
        let small = |settings: &mut hub::config::Settings| {
            (settings.inference.queue_length, settings.inference.queue_per_user) = (2, 1);
        };
        let hub = Arc::new(builder(pair, &upstream, 1).settings(small).start().await);
        let (ada, bob, cyd) = (hub.user("ada").await, hub.user("bob").await, hub.user("cyd").await);
        let mut tasks = JoinSet::new();
        ask(&hub, &ada, "runs", &mut tasks);
        until(&hub, "provider:local", (0, 1)).await;
        ask(&hub, &ada, "waits", &mut tasks);
        until(&hub, "provider:local", (1, 1)).await;
        let refused = async |user: &TestUser| {
            let mut tasks = JoinSet::new();
            ask(&hub, user, "refused", &mut tasks);
            tasks.join_next().await.unwrap().unwrap().expect(429)
        };
        assert_eq!(details(&refused(&ada).await), ["queue", "provider", "max_concurrent", "share"]);
        let impatient = ask(&hub, &bob, "hangs up", &mut tasks);
        until(&hub, "provider:local", (2, 1)).await;
        let full = refused(&cyd).await;
        assert_eq!(details(&full), ["queue", "provider", "max_concurrent", "full"]);
        assert_eq!((full.error_code(), full.header("retry-after")), ("RATE_LIMIT_EXCEEDED".to_owned(), "5"));
        impatient.abort();
        until(&hub, "provider:local", (1, 1)).await;
        ask(&hub, &cyd, "waits too", &mut tasks);
        until(&hub, "provider:local", (2, 1)).await;
        upstream.let_go(3);
        while let Some(answer) = tasks.join_next().await {
            match answer {
                Ok(answer) => drop(answer.expect(200)),
                Err(aborted) => assert!(aborted.is_cancelled()),
            }
        }
        assert_eq!(upstream.begun(), ["runs", "waits", "waits too"]);
        until(&hub, "provider:local", (0, 0)).await;
        for user in [&bob, &cyd] {
            let balance = hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json();
            assert_eq!(balance["held"], 0, "{balance}");
        }
        end(vec![hub]).await;
    }

    async fn calls_wait_for_a_pause_in_a_bounded_line_and_then_pass_as_they_succeed(pair: Pair) {
        let upstream = Upstream::held(&["k"]).await;
        let short = |settings: &mut hub::config::Settings| settings.inference.queue_length = 7;
        let hub = Arc::new(builder(pair, &upstream, 0).settings(short).start().await);
        let twin = Arc::new(hub.sibling().await);
        let ada = hub.user("ada").await;
        upstream.limit_next(6_000);
        let mut tasks = JoinSet::new();
        ask(&hub, &ada, "limited", &mut tasks);
        until(&hub, "pause:local/default", (1, 0)).await;
        for number in 1..7 {
            ask(if number % 2 == 0 { &hub } else { &twin }, &ada, "waits", &mut tasks);
        }
        until(&hub, "pause:local/default", (7, 0)).await;
        // Who finds the line full is not kept waiting.
        for hub in [&hub, &twin] {
            let refused = once(hub, &ada).await.expect(429);
            assert_eq!(refused.json()["error"]["details"]["attempts"][0]["outcome"], "paused");
            assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
        }
        assert_eq!(upstream.begun().len(), 0, "the pause is obeyed");
        for (running, waiting) in [(1, 6), (2, 4), (4, 0)] {
            until(&hub, "pause:local/default", (waiting, running)).await;
            while upstream.begun().len() < 7 - waiting {
                tokio::task::yield_now().await;
            }
            assert_eq!(upstream.most(), running);
            upstream.let_go(running);
        }
        for answer in tasks.join_all().await {
            answer.expect(200);
        }
        until(&hub, "pause:local/default", (0, 0)).await;
        let balance = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(balance["held"], 0, "{balance}");
        hub.take_errors();
        end(vec![hub, twin]).await;
    }

    async fn nobody_waits_for_a_pause_longer_than_for_a_turn(pair: Pair) {
        let upstream = Upstream::start(&["k"]).await;
        let hub = Arc::new(builder(pair, &upstream, 0).start().await);
        let ada = hub.user("ada").await;
        upstream.limit_next(200_000);
        assert_eq!(once(&hub, &ada).await.expect(429).header("retry-after"), "200");
        // Longer than two minutes nobody is kept away.
        assert_eq!(once(&hub, &ada).await.expect(429).header("retry-after"), "120");
        hub.advance(chrono::Duration::seconds(121));
        for _ in 0..3 {
            once(&hub, &ada).await.expect(200);
        }
        hub.take_errors();
        end(vec![hub]).await;
    }

    async fn a_socket_is_told_where_its_call_stands(pair: Pair) {
        let upstream = Upstream::held(&["k"]).await;
        let hub = Arc::new(builder(pair, &upstream, 1).start().await);
        let ada = hub.user("ada").await;
        let mut tasks = JoinSet::new();
        ask(&hub, &ada, "first", &mut tasks);
        until(&hub, "provider:local", (0, 1)).await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        let request = json!({ "id": "r1", "type": "chat", "provider": "auto", "model": "m", "stream": false,
            "messages": [{ "role": "user", "content": "second" }] });
        socket.send(Message::text(request.to_string())).await.unwrap();
        let mut next = async || loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return serde_json::from_str::<Value>(&text).unwrap();
            }
        };
        assert_eq!(next().await, json!({ "type": "queued", "id": "r1", "position": 1 }));
        upstream.let_go(2);
        assert_eq!(next().await["data"], "hello");
        drop(socket);
        tasks.join_all().await;
        end(vec![hub]).await;
    }

    async fn a_cancelled_request_that_waits_or_cannot_be_stopped_ends_with_what_it_cost(pair: Pair) {
        let upstream = Upstream::held(&["k"]).await;
        let hub = Arc::new(builder(pair, &upstream, 1).start().await);
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        let request = |id: &str| {
            let ask = json!({ "id": id, "type": "chat", "model": "m", "messages": [{ "role": "user", "content": id }] });
            Message::text(ask.to_string())
        };
        let cancel = |id: &str| Message::text(json!({ "type": "cancel", "id": id }).to_string());
        let mut frames = Vec::new();
        socket.send(request("asked")).await.unwrap();
        until(&hub, "provider:local", (0, 1)).await;
        socket.send(request("waits")).await.unwrap();
        until(&hub, "provider:local", (1, 1)).await;
        let next = async |socket: &mut hub_testkit::Socket| loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] != "queued" {
                    return frame;
                }
            }
        };
        socket.send(cancel("waits")).await.unwrap();
        frames.push(next(&mut socket).await);
        socket.send(cancel("asked")).await.unwrap();
        // Messages are read in their order: when the next one is answered, this one was heard.
        socket.send(Message::text("{")).await.unwrap();
        assert_eq!(next(&mut socket).await["error"]["code"], "VALIDATION_ERROR");
        // What this provider bills is known with its answer.
        upstream.let_go(1);
        frames.push(next(&mut socket).await);
        let told = |frame: &Value| (frame["type"].clone(), frame["id"].clone(), frame["cancelled"].clone(), frame["usage"]["totalTokens"].clone());
        assert_eq!(told(&frames[0]), (json!("done"), json!("waits"), json!(true), json!(0)));
        assert_eq!(told(&frames[1]), (json!("done"), json!("asked"), json!(true), json!(15)));
        assert_eq!(upstream.begun(), ["asked"]);
        until(&hub, "provider:local", (0, 0)).await;
        drop(socket);
        end(vec![hub]).await;
    }

    async fn a_models_tokens_of_a_minute_are_counted_over_two_hubs(pair: Pair) {
        let upstream = Upstream::start(&["k"]).await;
        let hub = builder(pair, &upstream, 0).settings(|settings| {
            settings.inference.queue_seconds = 0;
            settings.limits.models.push(toml::from_str("model = \"m\"\ntokens_per_minute = 30").unwrap());
        });
        let hub = Arc::new(hub.start().await);
        let twin = Arc::new(hub.sibling().await);
        let ada = hub.user("ada").await;
        // The provider says that each used 15 tokens; the next may use more than what is left.
        once(&hub, &ada).await.expect(200);
        until(&hub, "model:m", (0, 0)).await;
        let refused = once(&twin, &ada).await.expect(429);
        assert_eq!(details(&refused), ["queue", "model", "tokens_per_minute", "time"]);
        hub.advance(chrono::Duration::seconds(30));
        assert_eq!(once(&twin, &ada).await.expect(429).header("retry-after"), "30");
        hub.advance(chrono::Duration::seconds(30));
        once(&twin, &ada).await.expect(200);
        until(&hub, "model:m", (0, 0)).await;
        end(vec![hub, twin]).await;
    }

    async fn an_administrator_limits_the_requests_of_a_minute_over_two_hubs(pair: Pair) {
        let upstream = Upstream::start(&["k"]).await;
        let hub = builder(pair, &upstream, 0).settings(|settings| settings.inference.queue_seconds = 0);
        let hub = Arc::new(hub.start().await);
        let twin = Arc::new(hub.sibling().await);
        let (ada, boss) = (hub.user("ada").await, hub.admin().await);
        let ceilings = json!({ "requestsPerMinute": 3 });
        let path = "/api/admin/providers/local";
        hub.request(Method::PATCH, path).bearer(&boss.access_token).json(&ceilings).send().await.expect(200);
        // Asking for the list is a look as well.
        twin.get("/api/admin/providers").bearer(&boss.access_token).send().await.expect(200);
        for hub in [&hub, &twin, &hub] {
            once(hub, &ada).await.expect(200);
        }
        let refused = once(&twin, &ada).await.expect(429);
        assert_eq!(details(&refused), ["queue", "provider", "requests_per_minute", "time"]);
        assert_eq!(refused.header("retry-after"), "60");
        hub.advance(chrono::Duration::seconds(60));
        once(&twin, &ada).await.expect(200);
        end(vec![hub, twin]).await;
    }
}
