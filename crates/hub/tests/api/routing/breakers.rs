//! Providers that are left alone: because they fail, or because they limit our rate.

use chrono::Duration;
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::upstream::{Play, Upstream};
use super::{ask, chat, plain, priced, told};

const FAULT: &str = r#"{"error":{"message":"x","type":"server_error","param":null,"code":null}}"#;

async fn standing(hub: &TestHub, user: &TestUser) -> Value {
    let list = hub.get("/api/mcp/providers").bearer(&user.api_key).send().await.expect(200).json();
    list["providers"][0].clone()
}

fn attempts(answer: &hub_testkit::TestResponse) -> Vec<String> {
    told(&answer.json()["error"]["details"]["attempts"])
}

on_both_pairs! {
    async fn a_provider_that_fails_is_left_alone_by_all_processes_until_one_call_finds_it_well(pair: Pair) {
        let upstream = Upstream::plays(vec![Play::Status(500, "", FAULT); 5]).await;
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "up", "m", 1000);
            settings.routing.tries = 1;
            settings.routing.breaker.calls = 4;
        });
        let hub = builder.provider(plain("up", &upstream.url)).start().await;
        let ada = hub.user("ada").await;
        let body = ask("m", &json!({}));
        for failures in 1..=4 {
            assert_eq!(standing(&hub, &ada).await["breaker"], "closed");
            assert_eq!(attempts(&chat(&hub, &ada, &body).await.expect(502)), ["up unavailable 500"]);
            assert_eq!(standing(&hub, &ada).await["recentFailures"], failures);
        }
        let found = standing(&hub, &ada).await;
        assert_eq!((&found["breaker"], &found["openUntil"]), (&json!("open"), &json!("2026-11-23T10:00:30Z")));
        assert!(!found.to_string().contains("127.0.0.1"), "{found}");
        let refused = chat(&hub, &ada, &body).await.expect(429);
        assert_eq!((attempts(&refused), refused.header("retry-after")), (vec!["up breaker_open".to_owned()], "30"));
        let sibling = hub.sibling().await;
        assert_eq!(attempts(&chat(&sibling, &ada, &body).await.expect(502)), ["up breaker_open"]);
        assert_eq!(upstream.requests().len(), 4);

        // The probe fails: another half minute.
        hub.advance(Duration::seconds(31));
        assert_eq!(standing(&sibling, &ada).await["breaker"], "half_open");
        assert_eq!(attempts(&chat(&hub, &ada, &body).await.expect(502)), ["up unavailable 500"]);
        hub.advance(Duration::seconds(2));
        assert_eq!(attempts(&chat(&sibling, &ada, &body).await.expect(502)), ["up breaker_open"]);
        assert_eq!(upstream.requests().len(), 5);

        // It is well: for the one that found out at once, for the others within a second.
        hub.advance(Duration::seconds(31));
        chat(&sibling, &ada, &body).await.expect(200);
        hub.advance(Duration::seconds(1));
        chat(&hub, &ada, &body).await.expect(200);
        assert_eq!((&standing(&hub, &ada).await["breaker"], upstream.requests().len()), (&json!("closed"), 7));
        hub.take_errors();
        sibling.finish().await;
        hub.finish().await;
    }

    async fn a_half_open_breaker_lets_one_of_many_calls_through(pair: Pair) {
        let upstream = Upstream::plays([Play::Status(500, "", FAULT), Play::Silence]).await;
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "up", "m", 1000);
            settings.routing.tries = 1;
            settings.routing.breaker.calls = 1;
        });
        let provider = super::hasty("up", &upstream.url, hub_clients::llm::OnHangup::Cancel);
        let hub = builder.provider(provider).start().await;
        let ada = hub.user("ada").await;
        chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
        hub.advance(Duration::seconds(31));
        let body = ask("m", &json!({ "stream": true }));
        let answers = futures::future::join_all((0..20).map(|_| chat(&hub, &ada, &body))).await;
        let probes = answers.iter().filter(|answer| attempts(answer) == ["up timeout"]).count();
        assert_eq!((probes, upstream.requests().len()), (1, 2));
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_credential_that_is_refused_opens_the_breaker_at_once_and_alarms(pair: Pair) {
        let upstream = Upstream::with_credential("another-key").await;
        let builder = TestHub::builder(pair).settings(|settings| priced(settings, "up", "m", 1000));
        let hub = builder.provider(plain("up", &upstream.url)).start().await;
        let ada = hub.user("ada").await;
        let failed = chat(&hub, &ada, &ask("m", &json!({}))).await.expect(502);
        assert_eq!(attempts(&failed), ["up credential 401"]);
        assert_eq!(standing(&hub, &ada).await["breaker"], "open");
        let errors = hub.take_errors();
        assert!(errors.iter().any(|error| error.contains("credential")), "{errors:?}");
        hub.finish().await;
    }

    async fn a_provider_that_limits_our_rate_is_paused_for_everybody(pair: Pair) {
        let limited = Play::Status(429, "retry-after: 60\r\n", FAULT);
        let upstream = Upstream::plays([limited]).await;
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "up", "m", 1000);
            settings.routing.deadline_seconds = 0;
        });
        let hub = builder.provider(plain("up", &upstream.url)).start().await;
        let (ada, sibling) = (hub.user("ada").await, hub.sibling().await);
        let body = ask("m", &json!({}));
        let refused = chat(&hub, &ada, &body).await.expect(502);
        assert_eq!((attempts(&refused), refused.header("retry-after")), (vec!["up rate_limited 429".to_owned(), "up paused".to_owned()], "60"));
        assert_eq!(attempts(&chat(&sibling, &ada, &body).await.expect(429)), ["up paused"]);
        let found = standing(&sibling, &ada).await;
        assert_eq!((&found["pausedUntil"], &found["breaker"], upstream.requests().len()), (&json!("2026-11-23T10:01:00Z"), &json!("closed"), 1));
        hub.advance(Duration::seconds(61));
        chat(&sibling, &ada, &body).await.expect(200);
        hub.take_errors();
        sibling.finish().await;
        hub.finish().await;
    }
}
