//! Calls with an Idempotency-Key: one call, one charge, the same answer.

use futures::future::join_all;
use hub_testkit::{TestHub, TestRequest, TestUser, on_both_pairs};
use serde_json::{Value, json};

fn ask(text: &str, stream: bool) -> Value {
    json!({ "model": "sandbox", "stream": stream, "messages": [{ "role": "user", "content": text }] })
}

fn chat(hub: &TestHub, user: &TestUser, key: &str, body: &Value) -> TestRequest {
    hub.post("/v1/chat/completions").bearer(&user.api_key).header("idempotency-key", key).json(body)
}

async fn balance(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json()
}

/// The charges of an account.
async fn charges(hub: &TestHub, user: &TestUser) -> usize {
    let list =
        hub.get("/api/credits/transactions?limit=100").bearer(&user.access_token).send().await.expect(200).json();
    list["transactions"].as_array().unwrap().iter().filter(|row| row["amount"].as_f64().unwrap() < 0.0).count()
}

/// Waits until nothing is held any more.
async fn settled(hub: &TestHub, user: &TestUser) {
    while balance(hub, user).await["held"] != 0 {
        tokio::task::yield_now().await;
    }
}

on_both_pairs! {
    async fn a_repetition_gets_the_same_answer_and_costs_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let routes = [
            ("/v1/chat/completions", ask("hello", false)),
            ("/v1/completions", json!({ "model": "sandbox", "prompt": "hello" })),
            ("/v1/responses", json!({ "model": "sandbox", "input": "hello" })),
            ("/v1/messages", json!({ "model": "sandbox", "max_tokens": 50, "messages": [{ "role": "user", "content": "hello" }] })),
            ("/v1/embeddings", json!({ "model": "sandbox-embedding", "input": "hello" })),
            ("/api/mcp/chat", json!({ "id": "r", "type": "chat", "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] })),
            ("/api/mcp/completion", json!({ "id": "r", "type": "completion", "model": "sandbox", "prompt": "hello" })),
            ("/api/mcp/embedding", json!({ "id": "r", "type": "embedding", "model": "sandbox-embedding", "prompt": "hello" })),
        ];
        for (number, (route, body)) in routes.iter().enumerate() {
            let key = format!("key-{number}");
            let post = || hub.post(route).bearer(&ada.api_key).header("idempotency-key", &key).json(body);
            let first = post().send().await.expect(200);
            let produced = hub.sandbox().produced();
            let again = post().send().await.expect(200);
            assert_eq!(again.body, first.body, "{route}");
            for name in ["content-type", "x-hub-receipt", "x-hub-provider", "x-hub-credits"] {
                assert_eq!(again.header(name), first.header(name), "{route} {name}");
                assert!(!first.header(name).is_empty(), "{route} {name}");
            }
            assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
            assert_eq!(hub.sandbox().produced(), produced, "{route}");
            assert_eq!(charges(&hub, &ada).await, number + 1);
        }
        hub.finish().await;
    }

    async fn twenty_repetitions_on_two_hubs_are_one_call(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let other = hub.sibling().await;
        for stream in [false, true] {
            let key = format!("stream-{stream}");
            let before = charges(&hub, &ada).await;
            let body = ask("sandbox:words=20 sandbox:delay=2 go", stream);
            // Who comes while the call runs waits for its answer.
            let answers = join_all((0..20).map(async |n| {
                let at = if n % 2 == 0 { &hub } else { &other };
                chat(at, &ada, &key, &body).send().await.expect(200)
            }))
            .await;
            let receipt = answers[0].header("x-hub-receipt");
            for answer in &answers {
                assert_eq!((answer.header("x-hub-receipt"), &answer.body), (receipt, &answers[0].body));
            }
            assert!(!stream || answers[0].text().contains("data: [DONE]\n"), "{}", answers[0].text());
            assert_eq!(charges(&hub, &ada).await, before + 1);
        }
        other.finish().await;
        hub.finish().await;
    }

    async fn a_key_names_one_request_of_one_person(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        chat(&hub, &ada, "k", &ask("hello", false)).send().await.expect(200);
        let other_body = chat(&hub, &ada, "k", &ask("another", false)).send().await.expect(409);
        assert_eq!(other_body.error_code(), "IDEMPOTENCY_CONFLICT");
        let other_route = hub.post("/v1/completions").bearer(&ada.api_key).header("idempotency-key", "k");
        let other_route = other_route.json(&json!({ "model": "sandbox", "prompt": "hello" })).send().await.expect(409);
        assert_eq!(other_route.error_code(), "IDEMPOTENCY_CONFLICT");
        let bobs = chat(&hub, &bob, "k", &ask("another", false)).send().await.expect(200);
        assert_eq!(bobs.header("idempotent-replayed"), "");
        assert_eq!(charges(&hub, &ada).await, 1);

        hub.advance(chrono::Duration::hours(24));
        hub.sign_in(&mut ada).await;
        chat(&hub, &ada, "k", &ask("another", false)).send().await.expect(200);
        assert_eq!(charges(&hub, &ada).await, 2);
        hub.finish().await;
    }

    async fn a_call_that_cost_nothing_gives_its_key_back(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for stream in [false, true] {
            let failing = ask("sandbox:fail=500", stream);
            for _ in 0..2 {
                let failed = chat(&hub, &ada, "k", &failing).send().await.expect(502);
                assert_eq!(failed.header("idempotent-replayed"), "");
            }
        }
        chat(&hub, &ada, "k", &ask("hello", false)).send().await.expect(200);
        assert_eq!(charges(&hub, &ada).await, 1);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_stream_that_broke_off_and_was_charged_is_the_answer(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = ask("sandbox:words=50 sandbox:cut=7 go", true);
        let first = chat(&hub, &ada, "k", &body).send().await.expect(200);
        assert!(first.text().contains("PROVIDER_ERROR"));
        let again = chat(&hub, &ada, "k", &body).send().await.expect(200);
        assert_eq!((again.body, charges(&hub, &ada).await), (first.body, 1));
        hub.finish().await;
    }

    async fn a_caller_who_hangs_up_finds_the_answer(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let other = hub.sibling().await;
        let body = ask("sandbox:words=300 sandbox:delay=1 go", true);
        let mut stream = chat(&hub, &ada, "k", &body).stream().await;
        let first = stream.event().await.unwrap();
        drop(stream);
        // While it runs, the repetition reads it along, on the other process too.
        let mut along = chat(&other, &ada, "k", &body).stream().await;
        assert_eq!((along.status.as_u16(), along.event().await.unwrap()), (200, first));
        drop(along);
        settled(&hub, &ada).await;
        let answer = loop {
            let answer = chat(&other, &ada, "k", &body).send().await;
            if answer.status == 200 {
                break answer;
            }
            tokio::task::yield_now().await;
        };
        assert!(answer.text().contains("data: [DONE]\n"));
        assert_eq!((hub.sandbox().produced(), charges(&hub, &ada).await), (300, 1));
        other.finish().await;
        hub.finish().await;
    }

    async fn an_answer_that_is_too_large_is_not_kept_and_not_paid_twice(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.inference.idempotency_max_bytes = 100).start().await;
        let ada = hub.user("ada").await;
        let first = chat(&hub, &ada, "k", &ask("hello", false)).send().await.expect(200);
        let again = chat(&hub, &ada, "k", &ask("hello", false)).send().await.expect(410);
        assert!(again.text().contains(first.header("x-hub-receipt")), "{}", again.text());
        assert_eq!((again.error_code().as_str(), charges(&hub, &ada).await), ("GONE", 1));
        hub.finish().await;
    }

    async fn the_cache_is_not_needed_for_it(pair: Pair) {
        let (builder, wire) = TestHub::builder(pair).on_a_wire().await;
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        if let Some(wire) = &wire {
            wire.cut();
        }
        for stream in [false, true] {
            let (key, body) = (format!("stream-{stream}"), ask("hello", stream));
            let first = chat(&hub, &ada, &key, &body).send().await.expect(200);
            let again = loop {
                let again = chat(&hub, &ada, &key, &body).send().await;
                if again.status != 409 {
                    break again.expect(200);
                }
            };
            assert_eq!(again.body, first.body);
        }
        assert_eq!(charges(&hub, &ada).await, 2);
        if let Some(wire) = &wire {
            wire.mend();
        }
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_call_whose_process_died_is_called_again_once_its_lease_ran_out(pair: Pair) {
        use hub_store::idempotency::{NewClaim, claim};
        let hub = TestHub::builder(pair).settings(|settings| settings.inference.repetition_seconds = 0).start().await;
        let ada = hub.user("ada").await;
        let body = ask("hello", false);
        let sent = serde_json::to_vec(&body).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sent);
        let at = hub.clock().now();
        let new = NewClaim {
            user: ada.id, key: "k", route: "/v1/chat/completions", body_hash: hash.as_ref(), owner: "dead", at,
            lease_until: at + chrono::Duration::seconds(60), expires_at: at + chrono::Duration::hours(24),
        };
        let mut tx = hub.hub.store.write().await.unwrap();
        assert!(claim(&mut tx, &new).await.unwrap());
        tx.commit().await.unwrap();
        let answer = chat(&hub, &ada, "k", &body).send().await.expect(409);
        assert_eq!((answer.error_code().as_str(), answer.header("retry-after")), ("CONFLICT", "1"));
        hub.advance(chrono::Duration::seconds(60));
        chat(&hub, &ada, "k", &body).send().await.expect(200);
        chat(&hub, &ada, "k", &body).send().await.expect(200);
        assert_eq!(charges(&hub, &ada).await, 1);
        hub.finish().await;
    }

    async fn a_call_whose_settle_waits_for_the_database_keeps_its_key_and_its_answer(pair: Pair) {
        let builder = TestHub::builder(pair).settings(|settings| settings.credits.lease_seconds = 3);
        let (builder, wire) = builder.with_its_database_on_a_wire(std::time::Duration::from_secs(3)).await;
        // A file is away for whoever must wait for the one right to write.
        let builder = if wire.is_none() { builder.patience(std::time::Duration::from_millis(500)) } else { builder };
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        for stream in [false, true] {
            let (key, body) = (format!("away-{stream}"), ask("sandbox:words=200 sandbox:delay=20 go", stream));
            let (produced, charged) = (hub.sandbox().produced(), charges(&hub, &ada).await);
            let outage = async {
                while balance(&hub, &ada).await["held"] == 0 {
                    tokio::task::yield_now().await;
                }
                let Some(wire) = &wire else { return Some(hub.hub.store.write().await.unwrap()) };
                wire.cut();
                None
            };
            let (first, away) = futures::join!(chat(&hub, &ada, &key, &body).send(), outage);
            assert!(!first.text().contains("[DONE]") && first.text().contains("SERVICE_UNAVAILABLE"), "{}", first.text());
            assert_eq!(first.status, if stream { 200 } else { 503 });
            // Longer than a claim is good for without being renewed.
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
            let kept = format!("idempotency-kept:{}:{}", ada.id, hex::encode(digest.as_ref()));
            for _ in 0..2 {
                while hub.hub.cache.get(&kept).await.unwrap().is_none() {
                    tokio::task::yield_now().await;
                }
                hub.advance(chrono::Duration::seconds(10));
            }
            while hub.hub.cache.get(&kept).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            drop(away);
            if let Some(wire) = &wire {
                wire.mend();
            }
            let again = loop {
                let again = chat(&hub, &ada, &key, &body).send().await;
                // That the database was away is remembered for a moment.
                if again.status != 503 {
                    break again.expect(200);
                }
            };
            assert_eq!(again.header("idempotent-replayed"), "true");
            assert!(!again.text().contains("SERVICE_UNAVAILABLE"), "{}", again.text());
            assert_eq!(again.text().contains("data: [DONE]\n"), stream, "{}", again.text());
            settled(&hub, &ada).await;
            assert_eq!(chat(&hub, &ada, &key, &body).send().await.expect(200).body, again.body);
            assert_eq!((hub.sandbox().produced(), charges(&hub, &ada).await), (produced + 200, charged + 1));
        }
        hub.take_errors();
        hub.finish().await;
    }
}
