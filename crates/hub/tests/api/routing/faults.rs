//! What a caller gets, and pays, for each way in which a provider can fail.

use hub_clients::llm::OnHangup;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::upstream::{Play, USAGE, Upstream};
use super::{ask, balance, chat, hasty, micro, only_receipt, plain, priced, receipt, settled, told};

const FAULT: &str = r#"{"error":{"message":"secret detail","type":"server_error","param":null,"code":null}}"#;
const LIMIT: &str = r#"{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
const NO_MODEL: &str =
    r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
const BAD_KEY: &str = r#"{"error":{"message":"your key sk-secret12345 is wrong","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;

/// A hub whose one provider does this.
async fn hub_of(pair: hub_testkit::Pair, upstream: &Upstream) -> TestHub {
    let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
    builder.provider(plain("up", &upstream.url)).start().await
}

on_both_pairs! {
    async fn what_fails_before_the_first_byte_is_tried_again_only_where_that_is_safe(pair: Pair) {
        let fails = |status, headers, body| vec![Play::Status(status, headers, body); 3];
        let cases: Vec<(Vec<Play>, &[&str], u16)> = vec![
            (fails(401, "", BAD_KEY), &["up credential 401"], 502),
            (fails(404, "", NO_MODEL), &["up model_not_found 404"], 404),
            (fails(429, "", LIMIT), &["up rate_limited 429"; 3], 429),
            (fails(429, "retry-after: 300\r\n", LIMIT), &["up rate_limited 429"], 429),
            (fails(500, "", FAULT), &["up unavailable 500"; 3], 502),
            (fails(502, "", "<html>"), &["up unavailable 502"; 3], 502),
            (fails(503, "x-should-retry: false\r\n", FAULT), &["up unavailable 503"], 503),
            (fails(504, "retry-after-ms: 1\r\n", FAULT), &["up unavailable 504"; 3], 502),
            (fails(529, "", FAULT), &["up unavailable 529"; 3], 503),
            (vec![Play::Huge(100_000_000)], &["up too_large"], 502),
        ];
        for (plays, attempts, status) in cases {
            let upstream = Upstream::plays(plays.clone()).await;
            let hub = hub_of(pair, &upstream).await;
            let ada = hub.user("ada").await;
            let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(status);
            assert_eq!(failed.error_code(), "ALL_PROVIDERS_FAILED");
            assert!(status != 429 || failed.header("retry-after").parse::<u64>().unwrap() > 0);
            assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), attempts, "{plays:?}");
            assert!(!failed.text().contains("secret"), "{}", failed.text());
            assert_eq!(upstream.requests().len(), attempts.len(), "{plays:?}");
            assert_eq!(balance(&hub, &ada).await["balance"], 100);
            let receipt = only_receipt(&hub, &ada).await;
            assert_eq!((&receipt["amount"], told(&receipt["attempts"]).len()), (&json!(0), attempts.len()));
            hub.take_errors();
            hub.finish().await;
        }
    }

    async fn a_request_at_fault_is_refused_in_the_providers_words_and_never_sent_twice(pair: Pair) {
        let bad = r#"{"error":{"message":"too hot","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#;
        for status in [400, 422] {
            let upstream = Upstream::plays([Play::Status(status, "x-should-retry: true\r\n", bad)]).await;
            let hub = hub_of(pair, &upstream).await;
            let ada = hub.user("ada").await;
            let refused = chat(&hub, &ada, &ask("m", &json!({ "temperature": 9 }))).await.expect(400);
            assert!(refused.text().contains("too hot"));
            let error = &refused.json()["error"];
            assert_eq!((&error["code"], &error["hubCode"]), (&json!("unsupported_value"), &json!("VALIDATION_ERROR")));
            assert_eq!((upstream.requests().len(), &balance(&hub, &ada).await["balance"]), (1, &json!(100)));
            hub.finish().await;
        }
    }

    async fn a_refusal_of_the_last_provider_does_not_hide_what_the_others_did(pair: Pair) {
        let forbidden = r#"{"error":{"message":"not in your country","type":"invalid_request_error","param":null,"code":"unsupported_country"}}"#;
        let (first, last) = (Upstream::plays(vec![Play::Status(500, "", FAULT); 3]).await, Upstream::plays(vec![Play::Status(403, "", forbidden); 2]).await);
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "first", "m", 1000);
            priced(settings, "last", "n", 1000);
            super::alias(settings, "best", &[("first", "m", 1), ("last", "n", 2)]);
        });
        let hub = builder.provider(plain("first", &first.url)).provider(plain("last", &last.url)).start().await;
        let ada = hub.user("ada").await;
        let failed = chat(&hub, &ada, &ask("best", &json!({}))).await.expect(502);
        assert_eq!(failed.error_code(), "ALL_PROVIDERS_FAILED");
        let attempts = told(&failed.json()["error"]["details"]["attempts"]);
        assert_eq!(attempts, ["first unavailable 500", "first unavailable 500", "first unavailable 500", "last refused 403"]);
        // Where nobody else was asked, its words are the answer.
        let refused = chat(&hub, &ada, &ask("n", &json!({}))).await.expect(502);
        assert!(refused.text().contains("not in your country") && refused.text().contains("PROVIDER_ERROR"), "{}", refused.text());
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_call_that_succeeds_at_its_third_try_is_charged_once(pair: Pair) {
        for (fault, outcome) in [(Play::Status(500, "", FAULT), "up unavailable 500"), (Play::Status(429, "retry-after-ms: 2\r\n", LIMIT), "up rate_limited 429")] {
            for stream in [false, true] {
                let upstream = Upstream::plays([fault.clone(), fault.clone()]).await;
                let hub = hub_of(pair, &upstream).await;
                let ada = hub.user("ada").await;
                let answer = chat(&hub, &ada, &ask("m", &json!({ "stream": stream }))).await.expect(200);
                let receipt = receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
                assert_eq!(told(&receipt["attempts"]), [outcome, outcome, "up ok"]);
                assert_eq!((upstream.requests().len(), upstream.billed()), (3, USAGE));
                let last = &receipt["attempts"][2];
                assert_eq!((&last["usage"]["output"], &last["credits"]), (&json!(USAGE.1), &receipt["amount"]));
                let cost = (USAGE.0 + USAGE.1) * 1000;
                assert_eq!(micro(&receipt["amount"]), cost);
                assert_eq!(micro(&balance(&hub, &ada).await["balance"]), 100_000_000 - cost);
                hub.finish().await;
            }
        }
    }

    async fn nobody_listening_and_no_tls_are_failures_to_connect(pair: Pair) {
        let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        let plain_text = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let no_tls = plain_text.local_addr().unwrap();
        let tasks = tokio_util::task::TaskTracker::new();
        let serving = tasks.spawn(async move {
            loop {
                let (mut socket, _) = plain_text.accept().await.unwrap();
                drop(socket.write_all(b"this is no TLS\r\n").await);
            }
        });
        for url in [format!("http://{closed}/v1"), format!("https://{no_tls}/v1")] {
            let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
            let hub = builder.provider(plain("up", &url)).start().await;
            let ada = hub.user("ada").await;
            let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
            assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up connect"; 3]);
            assert_eq!(balance(&hub, &ada).await["balance"], 100);
            hub.take_errors();
            hub.finish().await;
        }
        serving.abort();
    }

    async fn a_provider_that_says_nothing_is_given_up_in_time(pair: Pair) {
        let upstream = Upstream::plays(vec![Play::Silence; 3]).await;
        let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
        let hub = builder.provider(hasty("up", &upstream.url, OnHangup::Cancel)).start().await;
        let ada = hub.user("ada").await;
        let failed = chat(&hub, &ada, &ask("m", &json!({ "stream": true }))).await.expect(502);
        assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up timeout"; 3]);
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        hub.take_errors();
        hub.finish().await;
    }

    async fn an_answer_that_makes_no_sense_is_not_asked_for_again_and_costs_the_house(pair: Pair) {
        let upstream = Upstream::plays([Play::Garbage]).await;
        let hub = hub_of(pair, &upstream).await;
        let ada = hub.user("ada").await;
        let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
        assert_eq!(told(&failed.json()["error"]["details"]["attempts"]), ["up protocol"]);
        assert_eq!((upstream.billed(), &balance(&hub, &ada).await["balance"]), (USAGE, &json!(100)));
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_stream_that_fails_midway_is_paid_as_far_as_the_provider_bills_it(pair: Pair) {
        let cases = [(Play::Stall, "failed"), (Play::HalfChunk, "failed"), (Play::ErrorEvent, "failed"), (Play::NoUsage, "completed"), (Play::EarlyUsage, "completed")];
        for (play, outcome) in cases {
            let upstream = Upstream::plays([play.clone()]).await;
            let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
            let provider = if matches!(play, Play::Stall) { hasty("up", &upstream.url, OnHangup::Cancel) } else { plain("up", &upstream.url) };
            let hub = builder.provider(provider).start().await;
            let ada = hub.user("ada").await;
            let stream = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&ask("m", &json!({ "stream": true }))).stream().await;
            let events = stream.events().await;
            let last = &events.last().unwrap().data;
            let failed = outcome == "failed";
            assert_eq!((last.contains("PROVIDER_ERROR"), last == "[DONE]"), (failed, !failed), "{play:?} {last}");
            // In the middle of an answer the provider's words reach the caller, where it had any.
            assert_eq!(last.contains("secret detail"), matches!(play, Play::ErrorEvent), "{last}");
            let receipt = only_receipt(&hub, &ada).await;
            let usage = |name: &str| receipt["usage"][name].as_i64().unwrap();
            assert_eq!((usage("input"), usage("output")), upstream.billed(), "{play:?}");
            assert_eq!((&receipt["outcome"], upstream.requests().len()), (&json!(outcome), 1));
            assert_eq!(told(&receipt["attempts"]), [if failed { "up broken_off" } else { "up ok" }]);
            let cost = (usage("input") + usage("output")) * 1000;
            assert_eq!(micro(&balance(&hub, &ada).await["balance"]), 100_000_000 - cost);
            hub.finish().await;
        }
    }

    async fn who_hangs_up_before_the_first_byte_pays_only_what_was_billed(pair: Pair) {
        let drain = OnHangup::Drain { limit: std::time::Duration::from_millis(20) };
        let cases: [(Play, OnHangup, i64, &[&str]); 3] = [
            (Play::Silence, OnHangup::Cancel, 0, &["up hung_up"]),
            (Play::SilentWork, drain, USAGE.0, &["up hung_up"]),
            // A pause that nobody waits for. The caller may be gone before the refusal is read.
            (Play::Status(503, "retry-after: 100\r\n", FAULT), OnHangup::Cancel, 0, &["up unavailable 503", "up hung_up"]),
        ];
        for (play, on_hangup, tokens, attempts) in cases {
            let upstream = Upstream::plays([play.clone()]).await;
            let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
            let provider = super::provider(hub_clients::llm::openai::OpenAiConfig { on_hangup, ..super::config("up", &upstream.url) });
            let hub = builder.provider(provider).start().await;
            let ada = hub.user("ada").await;
            let body: Value = ask("m", &json!({ "stream": true }));
            let call = hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).send();
            tokio::select! {
                answer = call => panic!("{}", answer.text()),
                () = async { while upstream.requests().is_empty() { tokio::task::yield_now().await; } } => {}
            }
            let left = settled(&hub, &ada).await;
            assert_eq!(micro(&left["balance"]), 100_000_000 - tokens * 1000, "{play:?}");
            let receipt = only_receipt(&hub, &ada).await;
            assert_eq!(receipt["outcome"], "cancelled", "{play:?}");
            let told = told(&receipt["attempts"]);
            assert!(told.len() == 1 && attempts.contains(&told[0].as_str()), "{play:?}: {told:?}");
            assert_eq!(upstream.requests().len(), 1);
            hub.finish().await;
        }
    }
}
