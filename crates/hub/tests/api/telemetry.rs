//! Spans that leave the process, as a collector sees them.
//!
//! A subscriber belongs to a thread here, so each test has a runtime of one thread.

use std::time::{Duration, Instant};

use hub::config::sections::{self, Adopt};
use hub::telemetry::Telemetry;
use hub_testkit::{Builder, Collector, Pair, SentSpan, TestHub};
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::openai_stub::{SENTENCE, Stub};

/// The most one test may take.
const LIMIT: Duration = Duration::from_mins(1);
/// What the provider of these tests reports, asked for by the text of the user.
const QUESTION: &str = r#"usage {"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#;
/// A word of a caller that must not get out.
const HUSH: &str = "the merger is on Tuesday";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test()).await.unwrap() });
}

fn to(url: &str) -> sections::Telemetry {
    sections::Telemetry { otlp_endpoint: Some(url.parse().unwrap()), ..sections::Telemetry::default() }
}

fn builder(stub: &Stub) -> Builder {
    stub.hub(Pair::SqliteMemory, json!({ "input": 100, "output": 100 }))
}

/// What these settings send of what a hub does.
async fn with<F: Future<Output = ()>>(
    settings: &sections::Telemetry,
    builder: Builder,
    test: impl FnOnce(TestHub) -> F,
) -> Duration {
    let telemetry = Telemetry::start(settings).unwrap().unwrap();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(telemetry.layer()));
    test(builder.trace_join(telemetry.join()).start().await).await;
    let started = Instant::now();
    telemetry.stop().await;
    started.elapsed()
}

async fn ask(hub: &TestHub, key: &str, more: Value) -> hub_testkit::TestResponse {
    let mut body = json!({ "model": "stub", "max_tokens": 500, "messages": [{ "role": "system", "content": HUSH }, { "role": "user", "content": QUESTION }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hub.post("/v1/chat/completions").bearer(key).json(&body).send().await
}

fn named<'a>(spans: &'a [SentSpan], name: &str) -> Vec<&'a SentSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn one<'a>(spans: &'a [SentSpan], name: &str) -> &'a SentSpan {
    let found = named(spans, name);
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    assert_eq!(found.len(), 1, "{name} in {names:?}");
    found[0]
}

fn has(span: &SentSpan, attributes: &[(&str, Value)]) {
    for (name, value) in attributes {
        assert_eq!(span.attributes.get(*name), Some(value), "{name} in {:#?}", span.attributes);
    }
}

#[test]
fn a_call_is_one_span_with_its_try_inside_the_span_of_its_request() {
    run(async || {
        let (stub, collector) = (Stub::start().await, Collector::start().await);
        let mut settings = to(&collector.url);
        settings.otlp_headers = vec!["authorization: Bearer abc".into()];
        with(&settings, builder(&stub), async |hub| {
            let ada = hub.user("ada").await;
            ask(&hub, &ada.api_key, json!({})).await.expect(200);
            hub.finish().await;
        })
        .await;
        assert_eq!(collector.headers()[0]["authorization"], "Bearer abc");
        let spans = collector.spans();
        let request = one(&spans, "POST /v1/chat/completions");
        let (call, attempt) = (one(&spans, "chat stub"), one(&spans, "attempt"));
        assert_eq!((request.kind, call.kind, attempt.kind), (2, 3, 3));
        assert_eq!((&request.parent, &call.parent, &attempt.parent), (&String::new(), &request.id, &call.id));
        assert!(spans.iter().all(|span| span.service == "smart-ai-hub" && !span.failed));
        has(
            request,
            &[
                ("http.request.method", json!("POST")),
                ("http.route", json!("/v1/chat/completions")),
                ("http.response.status_code", json!(200)),
            ],
        );
        has(
            call,
            &[
                ("gen_ai.operation.name", json!("chat")),
                ("gen_ai.provider.name", json!("openai")),
                ("gen_ai.request.model", json!("stub")),
                ("gen_ai.request.stream", json!(false)),
                ("gen_ai.request.max_tokens", json!(500)),
                ("gen_ai.response.model", json!("stub")),
                ("gen_ai.response.id", json!("chatcmpl-usage")),
                ("gen_ai.response.finish_reasons", json!(["stop"])),
                ("gen_ai.usage.input_tokens", json!(11)),
                ("gen_ai.usage.output_tokens", json!(7)),
                ("server.address", json!("127.0.0.1")),
                ("hub.provider", json!("stub")),
                ("hub.outcome", json!("completed")),
            ],
        );
        assert!(call.attributes.contains_key("server.port") && call.attributes.contains_key("hub.receipt"));
        has(attempt, &[("hub.attempt", json!(1)), ("gen_ai.request.model", json!("stub"))]);
        for span in &spans {
            for secret in [HUSH, SENTENCE, "prompt_tokens", "ada", "sk_"] {
                assert!(!span.all.contains(secret), "{secret} in {}", span.all);
            }
        }
    });
}

#[test]
fn a_stream_says_how_long_its_first_token_took_and_lasts_until_its_end() {
    run(async || {
        let (stub, collector) = (Stub::start().await, Collector::start().await);
        with(&to(&collector.url), builder(&stub), async |hub| {
            let ada = hub.user("ada").await;
            ask(&hub, &ada.api_key, json!({ "stream": true })).await.expect(200);
            hub.finish().await;
        })
        .await;
        let spans = collector.spans();
        let (request, call) = (one(&spans, "POST /v1/chat/completions"), one(&spans, "chat stub"));
        has(
            call,
            &[
                ("gen_ai.request.stream", json!(true)),
                ("gen_ai.response.id", json!("chatcmpl-1")),
                ("hub.outcome", json!("completed")),
            ],
        );
        assert!(call.attributes["gen_ai.response.time_to_first_chunk"].as_f64().is_some_and(|first| first < 10.0));
        assert_eq!(call.trace, request.trace);
        assert!(call.took > one(&spans, "attempt").took && request.took > one(&spans, "attempt").took);
    });
}

#[test]
fn who_fell_over_is_seen_in_two_tries_and_who_failed_in_an_error() {
    run(async || {
        let (stub, collector) = (Stub::start().await, Collector::start().await);
        let builder = builder(&stub).openai("gone", "http://127.0.0.1:9/v1").settings(|settings| {
            let price = json!({ "service": "gone", "model": "stub", "input": 100, "output": 100 });
            settings.pricing.models.push(serde_json::from_value(price).unwrap());
            settings.providers[1].priority = 1;
            settings.routing.tries = 1;
        });
        with(&to(&collector.url), builder, async |hub| {
            let ada = hub.user("ada").await;
            ask(&hub, &ada.api_key, json!({})).await.expect(200);
            ask(&hub, &ada.api_key, json!({ "messages": [{ "role": "user", "content": "fail" }] })).await.expect(502);
            hub.finish().await;
        })
        .await;
        let spans = collector.spans();
        let (calls, tries) = (named(&spans, "chat stub"), named(&spans, "attempt"));
        assert_eq!((calls.len(), tries.len()), (2, 4));
        let (fell_over, failed) = (calls[0], calls[1]);
        let of = |call: &SentSpan| -> Vec<(Value, Value, bool)> {
            let tries = tries.iter().filter(|attempt| attempt.parent == call.id);
            let word = |attempt: &SentSpan, name: &str| attempt.attributes.get(name).cloned().unwrap_or_default();
            tries.map(|attempt| (word(attempt, "hub.provider"), word(attempt, "error.type"), attempt.failed)).collect()
        };
        assert_eq!(of(fell_over), [(json!("gone"), json!("connect"), true), (json!("stub"), Value::Null, false)]);
        assert!(!fell_over.failed);
        has(fell_over, &[("hub.provider", json!("stub")), ("hub.outcome", json!("completed"))]);
        assert_eq!(of(failed), [(json!("gone"), json!("connect"), true), (json!("stub"), json!("unavailable"), true)]);
        assert!(failed.failed);
        has(failed, &[("error.type", json!("unavailable")), ("hub.outcome", json!("failed"))]);
        let request = spans.iter().find(|span| span.id == failed.parent).unwrap();
        assert!(request.failed);
        has(request, &[("http.response.status_code", json!(502)), ("error.type", json!("502"))]);
    });
}

#[test]
fn the_trace_of_a_proxy_is_gone_on_with_and_that_of_a_stranger_is_linked() {
    run(async || {
        let traceparent = format!("00-{TRACE}-{PARENT}-01");
        for (adopt, from, adopted) in [
            (Adopt::Proxies, "127.0.0.1", true),
            (Adopt::Proxies, "203.0.113.9", false),
            (Adopt::Everybody, "203.0.113.9", true),
            (Adopt::Nobody, "127.0.0.1", false),
        ] {
            let (stub, collector) = (Stub::start().await, Collector::start().await);
            let builder = builder(&stub)
                .settings(|settings| settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]);
            let settings = sections::Telemetry { adopt, ..to(&collector.url) };
            with(&settings, builder, async |hub| {
                let me = hub.get("/api/auth/me").header("traceparent", &traceparent).from(from);
                me.send().await.expect(401);
                hub.finish().await;
            })
            .await;
            let spans = collector.spans();
            let request = one(&spans, "GET /api/auth/me");
            let expected = if adopted { (TRACE, PARENT, 0) } else { ("", "", 1) };
            let trace = if adopted { request.trace.as_str() } else { "" };
            assert_eq!((trace, request.parent.as_str(), request.links.len()), expected, "{adopt:?} {from}");
            assert!(adopted || (request.links == [TRACE] && request.trace != TRACE));
        }
    });
}

#[test]
fn a_collector_that_is_away_or_silent_costs_calls_nothing_and_the_end_does_not_wait_for_it() {
    run(async || {
        let (stub, silent) = (Stub::start().await, Collector::silent().await);
        for url in [silent.url.as_str(), "http://127.0.0.1:9"] {
            let settings = sections::Telemetry { queue_length: 16, ..to(url) };
            let end = with(&settings, builder(&stub), async |hub| {
                let ada = hub.user("ada").await;
                for _ in 0..20 {
                    ask(&hub, &ada.api_key, json!({})).await.expect(200);
                }
                hub.finish().await;
            });
            let end = end.await;
            assert!(end < Duration::from_secs(6), "{url} {end:?}");
        }
        assert!(!silent.headers().is_empty());
    });
}

#[test]
fn a_trace_that_is_not_sampled_is_not_sent_and_without_an_address_nothing_is_made() {
    run(async || {
        let (stub, collector) = (Stub::start().await, Collector::start().await);
        let settings = sections::Telemetry { sample_ratio: 0.0, ..to(&collector.url) };
        with(&settings, builder(&stub), async |hub| {
            let ada = hub.user("ada").await;
            ask(&hub, &ada.api_key, json!({})).await.expect(200);
            hub.finish().await;
        })
        .await;
        assert!(collector.spans().is_empty());
        assert!(Telemetry::start(&sections::Telemetry::default()).unwrap().is_none());
    });
}
