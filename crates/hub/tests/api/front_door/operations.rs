//! Health, metrics, the few pages, and a hub that has lost its database.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::http::Method;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

use super::{OPS_TOKEN, error, exposed};
use crate::openai_stub::Stub;

on_both_pairs! {
    async fn hdr_01_health_says_little_to_strangers_and_all_to_operators(pair) {
        let hub = exposed(pair).await;
        let well = hub.get("/health").send().await.expect(200);
        assert_eq!(well.json(), json!({ "status": "ok", "timestamp": "2026-11-23T10:00:00.000Z" }));
        assert_eq!(well.header("cache-control"), "no-store");
        hub.advance(chrono::Duration::seconds(90));
        let all = hub.get("/health").bearer(OPS_TOKEN).send().await.expect(200).json();
        assert_eq!((&all["service"], &all["uptime"]), (&json!("hub"), &json!(90)));
        assert_eq!(all["checks"], json!({ "database": "ok", "cache": "ok" }));
        assert!(all["version"].is_string());
        for path in ["/health/live", "/health/ready"] {
            assert_eq!(hub.get(path).send().await.expect(200).json(), json!({ "status": "ok" }));
        }
        hub.finish().await;
    }

    async fn hdr_01_metrics_are_for_operators(pair) {
        let hub = exposed(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        hub.get("/metrics").send().await.expect(401);
        for wrong in
            ["", "wrong", "a token for operators onl", "a token for operators only ", &ada.access_token, &admin.api_key]
        {
            hub.get("/metrics").bearer(wrong).send().await.expect(401);
            assert!(hub.get("/health").bearer(wrong).send().await.expect(200).json().get("version").is_none());
        }
        hub.get(&format!("/metrics?token={}", OPS_TOKEN.replace(' ', "+"))).send().await.expect(401);
        let metrics = hub.get("/metrics").bearer(OPS_TOKEN).send().await.expect(200);
        assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
        assert!(metrics.text().contains("process_uptime_seconds"));
        hub.finish().await;
    }

    async fn metrics_tell_of_calls_tokens_first_words_breakers_and_queues(pair) {
        let stub = Stub::start().await;
        let builder = stub.hub(pair, json!({ "input": 100, "output": 100 }));
        let hub = builder.metrics().settings(|settings| settings.providers[0].max_concurrent = 5).start().await;
        let ada = hub.user("ada").await;
        let usage = r#"usage {"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":2}}"#;
        for stream in [false, true] {
            let body = json!({ "model": "stub", "max_tokens": 500, "stream": stream, "messages": [{ "role": "user", "content": usage }] });
            hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).send().await.expect(200);
        }
        let text = hub.get("/metrics").send().await.expect(200).text();
        let line = |name: &str, labels: &[&str]| {
            let fits = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
            let found = text.lines().find(fits).unwrap_or_else(|| panic!("{name} {labels:?} in {text}"));
            found.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        assert!(line("llm_requests_total", &["model=\"stub\"", "outcome=\"completed\""]) >= 2.0);
        for (class, tokens) in [("input", 5.0), ("cache_read", 4.0), ("input_audio", 2.0), ("output", 7.0)] {
            assert!(line("llm_tokens_total", &[&format!("class=\"{class}\"")]) >= tokens, "{class}");
        }
        assert!(line("llm_time_to_first_token_seconds_count", &["model=\"stub\""]) >= 1.0);
        assert!(line("llm_breaker_state", &[]) < 0.5);
        assert!(line("llm_queue_waiting", &[]) < 0.5);
        hub.finish().await;
    }

    async fn on_ones_own_machine_health_and_metrics_are_open(pair) {
        let hub = TestHub::start(pair).await;
        assert!(hub.get("/health").send().await.expect(200).json()["version"].is_string());
        hub.get("/metrics").send().await.expect(200);
        hub.finish().await;
    }

    async fn there_is_a_page_to_begin_with_and_one_to_read(pair) {
        let hub = TestHub::start(pair).await;
        for path in ["/", "/docs"] {
            let page = hub.get(path).send().await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"));
            let text = page.text();
            assert!(text.contains("<title>"));
            // Everything comes from here, and nothing runs inline: the policy would not let it.
            for part in text.split('<').skip(1) {
                let inline = part.starts_with("script>")
                    || part.starts_with("style")
                    || part.contains(" onclick=")
                    || part.contains(" style=");
                assert!(!inline, "{part}");
                for attribute in ["src=\"", "href=\""] {
                    let Some(target) = part.split(attribute).nth(1).and_then(|rest| rest.split('"').next()) else {
                        continue;
                    };
                    if target.starts_with('/') && !target.starts_with("/api/ws") {
                        hub.get(target).send().await.expect(200);
                    }
                    assert!(attribute == "href=\"" || target.starts_with('/'), "{part}");
                }
            }
            let head = hub.request(Method::HEAD, path).send().await.expect(200);
            assert!(head.body.is_empty());
        }
        let document = hub.get("/api/openapi.json").send().await.expect(200);
        assert_eq!(document.header("content-type"), "application/json");
        assert!(document.json()["openapi"].as_str().unwrap().starts_with("3.1"));
        hub.finish().await;
    }

    async fn hdr_01_the_pages_that_mails_link_to_change_nothing_and_repeat_nothing(pair) {
        let hub = TestHub::start(pair).await;
        for path in
            ["/login", "/forgot-password", "/reset-password", "/verify-email", "/accept-invite", "/change-email", "/revert-email"]
        {
            let page = hub.get(&format!("{path}?token=vt_secret%3Cscript%3E&email=mallory")).send().await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"), "{path}");
            let policy = page.header("content-security-policy");
            assert!(policy.contains("script-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert!(!policy.contains("unsafe") && policy.contains("form-action 'none'"), "{path}: {policy}");
            assert_eq!((page.header("referrer-policy"), page.header("cross-origin-opener-policy")), ("no-referrer", "same-origin"));
            assert!(!page.text().contains("secret") && !page.text().contains("mallory"), "{path} repeats what was sent");
            assert!(hub.request(Method::HEAD, path).send().await.expect(200).body.is_empty());
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                hub.request(method, path).send().await.expect(405);
            }
        }
        let script = hub.get("/docs/account.js").send().await.expect(200);
        assert!(script.header("content-type").starts_with("text/javascript"));
        hub.finish().await;
    }

    async fn without_its_database_a_hub_says_so_and_when_to_come_back(pair) {
        let hub = exposed(pair).await;
        let ada = hub.user("ada").await;
        let lost = exposed(pair).await;
        lost.hub.store.close().await;
        let body = json!({ "email": ada.email, "password": ada.password });
        for answer in [
            lost.get("/v1/models").bearer(&ada.access_token).send().await,
            lost.get("/api/auth/me").bearer(&ada.api_key).send().await,
            lost.post("/api/auth/login").json(&body).send().await,
            lost.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await,
            lost.post("/api/auth/refresh").json(&json!({ "refreshToken": ada.refresh_token })).send().await,
        ] {
            let answer = answer.expect(503);
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1));
            assert_eq!(error(&answer)["code"], "SERVICE_UNAVAILABLE");
            for leak in ["pool", "sqlx", "database", "sqlite", "postgres"] {
                assert!(!answer.text().to_lowercase().contains(leak), "{}", answer.text());
            }
        }
        let health = lost.get("/health").bearer(OPS_TOKEN).send().await.expect(503).json();
        assert_eq!(health["status"], "degraded");
        assert_eq!(health["checks"], json!({ "database": "error", "cache": "ok" }));
        lost.get("/health/ready").send().await.expect(503);
        lost.get("/health/live").send().await.expect(200);
        // A forged token is refused without asking anybody; pages and the document need nobody either.
        lost.get("/v1/models").bearer("a.b.c").send().await.expect(401);
        lost.get("/docs").send().await.expect(200);
        assert!(!lost.take_errors().is_empty(), "the operator is told");
        abandon(lost).await;
        hub.take_errors();
        hub.finish().await;
    }
}

/// Lets go of a hub that was broken on purpose: it cannot prove at its end that all is well, which it says by a panic.
async fn abandon(hub: TestHub) {
    hub.hub.tasks.stop().cancel();
    hub.hub.tasks.drain().await;
    assert!(catch_unwind(AssertUnwindSafe(|| drop(hub))).is_err());
}
