//! Streams that can be read again: cut anywhere, on any process, by their owner only.

use hub_testkit::{TestHub, TestRequest, TestUser, on_both_pairs};
use serde_json::{Value, json};

fn ask(text: &str) -> Value {
    json!({ "model": "sandbox", "stream": true, "messages": [{ "role": "user", "content": text }] })
}

fn recorded(hub: &TestHub, user: &TestUser, text: &str) -> TestRequest {
    hub.post("/v1/chat/completions").bearer(&user.api_key).header("x-hub-resume", "1").json(&ask(text))
}

async fn held(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json()["held"].clone()
}

/// The ids of the events in these bytes.
fn ids(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect()
}

/// What is left of a stream without the ids.
fn without_ids(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with("id: ")).collect()
}

on_both_pairs! {
    async fn a_stream_cut_at_any_event_and_resumed_elsewhere_is_the_same_stream(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let other = hub.sibling().await;
        let answer = recorded(&hub, &ada, "sandbox:words=12 go").send().await.expect(200);
        let (whole, stream) = (answer.text(), answer.header("x-hub-stream").to_owned());
        assert_eq!(stream, answer.header("x-hub-receipt"));
        let ids = ids(&whole);
        let expected: Vec<String> = (1..=ids.len()).map(|n| format!("{stream}:{n}")).collect();
        assert_eq!(ids, expected, "one id for each event, without a gap");
        assert_eq!(whole.matches("\n\n").count(), ids.len());
        assert!(whole.contains("data: [DONE]\n"));

        let ends = whole.match_indices("\n\n").map(|(at, _)| at + 2);
        for (cut, n) in std::iter::once(0).chain(ends).zip(0..) {
            for path in [format!("/v1/streams/{stream}"), format!("/api/mcp/streams/{stream}")] {
                let rest = other.get(&path).bearer(&ada.api_key).header("last-event-id", &format!("{stream}:{n}"));
                let rest = rest.send().await.expect(200);
                assert_eq!(format!("{}{}", &whole[..cut], rest.text()), whole, "cut after event {n}");
                assert_eq!(rest.header("x-hub-receipt"), stream);
            }
        }
        let again = recorded(&other, &ada, "anything").header("last-event-id", &ids[3]).send().await.expect(200);
        assert!(whole.ends_with(&again.text()) && again.text().starts_with("data: "), "no call is made");
        assert_eq!(hub.sandbox().produced(), 12);
        other.finish().await;
        hub.finish().await;
    }

    async fn a_running_stream_is_cut_and_read_to_its_end_elsewhere(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let other = hub.sibling().await;
        let mut stream = recorded(&hub, &ada, "sandbox:words=150 sandbox:delay=2 go").stream().await;
        let id = stream.headers["x-hub-stream"].to_str().unwrap().to_owned();
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(stream.event().await.unwrap());
        }
        drop(stream);
        let path = format!("/v1/streams/{id}");
        let rest = other.get(&path).bearer(&ada.api_key).header("last-event-id", &format!("{id}:5")).stream().await;
        seen.extend(rest.events().await);
        let whole = hub.get(&path).bearer(&ada.api_key).stream().await.events().await;
        assert_eq!(seen, whole);
        assert_eq!((hub.sandbox().produced(), seen.last().unwrap().data.as_str()), (150, "[DONE]"));
        assert_eq!(held(&hub, &ada).await, 0);
        other.finish().await;
        hub.finish().await;
    }

    async fn only_the_ids_are_added_to_the_bytes(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let of = |text: String| {
            let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
            events.into_iter().map(|mut event| { event["id"] = Value::Null; event }).collect::<Vec<_>>()
        };
        let plain = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&ask("sandbox:words=5 go")).send().await.expect(200);
        let kept = recorded(&hub, &ada, "sandbox:words=5 go").send().await.expect(200);
        assert_eq!((plain.header("x-hub-stream"), ids(&plain.text()).len()), ("", 0));
        assert_eq!(of(without_ids(&kept.text())), of(plain.text()));
        assert_eq!(without_ids(&kept.text()).len(), plain.text().len());
        // Several events in one frame of the provider are numbered one by one.
        let messages = json!({ "model": "sandbox", "max_tokens": 50, "stream": true, "messages": [{ "role": "user", "content": "hello" }] });
        let answer = hub.post("/v1/messages").bearer(&ada.api_key).header("x-hub-resume", "1").json(&messages).send().await.expect(200);
        let text = answer.text();
        assert_eq!(ids(&text).len(), text.matches("\n\n").count());
        assert_eq!(ids(&text).len(), text.matches("event: ").count());
        assert!(text.contains("event: message_stop\n"));
        hub.finish().await;
    }

    async fn a_stream_is_its_owners_and_has_its_time(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let answer = recorded(&hub, &ada, "hello").send().await.expect(200);
        let stream = answer.header("x-hub-stream").to_owned();
        let path = format!("/v1/streams/{stream}");
        hub.get(&path).bearer(&bob.api_key).send().await.expect(404);
        hub.get(&path).bearer(&ada.api_key).header("last-event-id", "no id").send().await.expect(400);
        let foreign = "018f0000-0000-7000-8000-000000000000:1";
        hub.get(&path).bearer(&ada.api_key).header("last-event-id", foreign).send().await.expect(400);
        // The last append prolongs the life of the log; it may come a moment after the last event.
        while hub.get(&path).bearer(&ada.api_key).send().await.text() != answer.text() {}
        hub.advance(chrono::Duration::seconds(299));
        hub.get(&path).bearer(&ada.api_key).send().await.expect(200);
        hub.advance(chrono::Duration::seconds(1));
        hub.get(&path).bearer(&ada.api_key).send().await.expect(404);
        hub.finish().await;
    }

    async fn a_stream_larger_than_what_is_kept_goes_on_but_is_gone(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.inference.resume_max_bytes = 2048).start().await;
        let ada = hub.user("ada").await;
        let answer = recorded(&hub, &ada, "sandbox:words=200 go").send().await.expect(200);
        assert!(answer.text().contains("data: [DONE]\n"));
        let path = format!("/v1/streams/{}", answer.header("x-hub-stream"));
        loop {
            let gone = hub.get(&path).bearer(&ada.api_key).send().await;
            if gone.status == 410 {
                assert_eq!(gone.error_code(), "GONE");
                break;
            }
            tokio::task::yield_now().await;
        }
        hub.finish().await;
    }

    async fn a_recorded_call_that_nobody_comes_back_for_is_hung_up_on_after_its_grace(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.inference.resume_grace_seconds = 1).start().await;
        let ada = hub.user("ada").await;
        let mut stream = recorded(&hub, &ada, "sandbox:words=20000 sandbox:delay=2 go").stream().await;
        stream.event().await.unwrap();
        let path = format!("/v1/streams/{}", stream.headers["x-hub-stream"].to_str().unwrap());
        let left = std::time::Instant::now();
        drop(stream);
        while held(&hub, &ada).await != 0 {
            tokio::task::yield_now().await;
        }
        assert!(left.elapsed() >= std::time::Duration::from_secs(1));
        assert!((10..20_000).contains(&hub.sandbox().produced()), "{}", hub.sandbox().produced());
        // Half an answer does not look like a whole one.
        let rest = hub.get(&path).bearer(&ada.api_key).stream().await.events().await;
        assert!(rest.len() > 5, "{}", rest.len());
        assert_eq!(rest.last().unwrap().json()["error"]["code"], "GONE", "{:?}", rest.last());
        hub.finish().await;
    }

    async fn a_hub_without_its_cache_streams_all_the_same(pair: Pair) {
        let (builder, wire) = TestHub::builder(pair).on_a_wire().await;
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        let Some(wire) = wire else { return hub.finish().await };
        wire.cut();
        let answer = recorded(&hub, &ada, "hello").send().await.expect(200);
        assert!(answer.text().contains("data: [DONE]\n"));
        assert_eq!(answer.header("x-hub-stream"), "");
        let path = format!("/v1/streams/{}", answer.header("x-hub-receipt"));
        hub.get(&path).bearer(&ada.api_key).send().await.expect(503);
        wire.mend();
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_reading_whose_log_is_lost_ends_with_an_error_in_the_words_of_the_stream(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.inference.resume_max_bytes = 12_000).start().await;
        let ada = hub.user("ada").await;
        let text = "sandbox:words=300 sandbox:delay=10 go";
        let says = json!([{ "role": "user", "content": text }]);
        let wires = [
            ("/v1/chat/completions", ask(text)),
            ("/v1/messages", json!({ "model": "sandbox", "max_tokens": 400, "stream": true, "messages": says })),
            ("/v1/responses", json!({ "model": "sandbox", "stream": true, "input": text })),
            ("/api/mcp/chat", json!({ "id": "mine", "type": "chat", "model": "sandbox", "stream": true, "resume": true, "messages": says })),
        ];
        for (route, body) in wires {
            let request = hub.post(route).bearer(&ada.api_key).header("idempotency-key", route).json(&body);
            let mut live = request.stream().await;
            let first = live.event().await.unwrap();
            let again = hub.post(route).bearer(&ada.api_key).header("idempotency-key", route).json(&body);
            let along = again.stream().await;
            assert_eq!(along.headers["idempotent-replayed"], "true", "{route}");
            let (along, whole) = futures::join!(along.events(), live.events());
            let told = along.last().unwrap();
            assert!(along.len() < whole.len() && along[0] == first && !whole.contains(told), "{route} {told:?}");
            let found = told.json();
            let error = &found["error"];
            match route {
                "/v1/chat/completions" => assert_eq!(error["code"], "GONE", "{found}"),
                "/v1/messages" => assert_eq!((told.event.as_str(), error["code"].as_str()), ("error", Some("GONE")), "{found}"),
                "/v1/responses" => {
                    assert_eq!((told.event.as_str(), &found["type"]), ("error", &json!("error")), "{found}");
                    let before = along[along.len() - 2].json()["sequence_number"].as_u64().unwrap();
                    assert_eq!(found["sequence_number"], before + 1, "{found}");
                }
                _ => assert_eq!((&found["type"], &found["id"], &error["code"]), (&json!("error"), &json!("mine"), &json!("GONE"))),
            }
        }
        hub.finish().await;
    }

    async fn a_reading_ends_with_an_error_when_its_key_is_revoked(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut live = recorded(&hub, &ada, "sandbox:words=4000 sandbox:delay=1 go").stream().await;
        live.event().await.unwrap();
        let other = hub.post("/api/keys").bearer(&ada.access_token).json(&json!({ "name": "other" })).send().await.expect(201).json();
        let path = format!("/v1/streams/{}", live.headers["x-hub-stream"].to_str().unwrap());
        let mut along = hub.get(&path).bearer(other["key"].as_str().unwrap()).stream().await;
        along.event().await.unwrap();
        let key = format!("/api/keys/{}", other["id"].as_str().unwrap());
        hub.delete(&key).bearer(&ada.access_token).send().await.expect(204);
        let along = along.events().await;
        assert_eq!(along.last().unwrap().json()["error"]["code"], "AUTHENTICATION_ERROR", "{:?}", along.last());
        drop(live);
        hub.finish().await;
    }

    async fn a_place_beyond_the_end_is_no_answer(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let answer = recorded(&hub, &ada, "hello").send().await.expect(200);
        let stream = answer.header("x-hub-stream");
        let path = format!("/v1/streams/{stream}");
        let beyond = hub.get(&path).bearer(&ada.api_key).header("last-event-id", &format!("{stream}:99")).send().await.expect(200);
        assert!(beyond.text().contains("NOT_FOUND"), "{}", beyond.text());
        hub.finish().await;
    }

    async fn a_key_reads_no_answer_of_a_model_it_may_not_use(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let narrow = json!({ "name": "narrow", "models": ["sandbox-embedding"] });
        let narrow = hub.post("/api/keys").bearer(&ada.access_token).json(&narrow).send().await.expect(201).json();
        let narrow = narrow["key"].as_str().unwrap();
        for body in [ask("hello"), json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] })] {
            let key = format!("k{}", body["stream"]);
            let post = |credential: &str| {
                hub.post("/v1/chat/completions").bearer(credential).header("idempotency-key", &key).json(&body).send()
            };
            let answer = post(&ada.api_key).await.expect(200);
            let refused = post(narrow).await.expect(404);
            assert_eq!(refused.json()["error"]["code"], "MODEL_NOT_FOUND");
            let stream = answer.header("x-hub-stream");
            if !stream.is_empty() {
                for path in [format!("/v1/streams/{stream}"), format!("/api/mcp/streams/{stream}")] {
                    hub.get(&path).bearer(&ada.api_key).send().await.expect(200);
                    hub.get(&path).bearer(narrow).send().await.expect(404);
                }
            }
        }
        hub.finish().await;
    }
}
