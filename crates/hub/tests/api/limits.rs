//! Requests per minute: the spec's numbers by role, told in headers, exact across processes, sliding.

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{Pair, TestHub, TestResponse, on_both_pairs};
use serde_json::json;

/// A hub with the limits it has when nobody sets any.
async fn limited(pair: Pair) -> TestHub {
    TestHub::builder(pair).settings(|settings| settings.limits = hub_domain::limits::Settings::default()).start().await
}

async fn models(hub: &TestHub, credential: &str) -> TestResponse {
    hub.get("/v1/models").bearer(credential).send().await
}

async fn stranger(hub: &TestHub, address: &str) -> TestResponse {
    hub.get("/api/credits/balance").from(address).send().await
}

fn number(answer: &TestResponse, header: &str) -> u32 {
    answer.header(header).parse().unwrap_or_else(|_| panic!("{header} of {:?}", answer.headers))
}

fn count(answers: &[TestResponse], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

on_both_pairs! {
    async fn rl_01_a_stranger_gets_ten_a_member_sixty_a_manager_a_hundred_and_twenty(pair) {
        let hub = limited(pair).await;
        let (ada, boss) = (hub.user("ada").await, hub.manager().await);
        for (credential, limit, while_there) in
            [("", 10, 401), (&ada.access_token, 60, 200), (&boss.access_token, 120, 200)]
        {
            let ask = async || match credential {
                "" => hub.get("/v1/models").send().await,
                credential => models(&hub, credential).await,
            };
            for n in 1..=limit {
                let answer = ask().await.expect(while_there);
                assert_eq!(
                    (number(&answer, "ratelimit-limit"), number(&answer, "ratelimit-remaining")),
                    (limit, limit - n)
                );
                assert_eq!(number(&answer, "ratelimit-reset"), 60);
                assert!(answer.headers.get("retry-after").is_none());
            }
            for _ in 0..2 {
                let refused = ask().await.expect(429);
                assert_eq!((number(&refused, "ratelimit-limit"), number(&refused, "ratelimit-remaining")), (limit, 0));
                assert!((1..=60).contains(&number(&refused, "retry-after")));
                assert_eq!(refused.json()["error"]["code"], "RATE_LIMIT_EXCEEDED");
                assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
            }
        }
        hub.finish().await;
    }

    async fn rl_01_administrators_have_no_limit_but_their_passwords_do(pair) {
        let hub = limited(pair).await;
        let admin = hub.admin().await;
        for _ in 0..200 {
            let answer = models(&hub, &admin.access_token).await.expect(200);
            assert!(answer.headers.get("ratelimit-limit").is_none());
        }
        let body = json!({ "email": admin.email, "password": "not the password of anybody" });
        for n in 1..=10 {
            let tried = hub.post("/api/auth/login").bearer(&admin.access_token).json(&body).send().await;
            tried.expect(if n < 10 { 401 } else { 429 });
        }
        hub.finish().await;
    }

    async fn a_refusal_is_an_error_like_any_other(pair) {
        let hub = limited(pair).await;
        for _ in 0..10 {
            stranger(&hub, "192.0.2.1").await.expect(401);
        }
        let refused = stranger(&hub, "192.0.2.1").await.expect(429);
        let error = &refused.json()["error"];
        assert_eq!(error["code"], "RATE_LIMIT_EXCEEDED");
        assert_eq!(error["requestId"], refused.header("x-request-id"));
        assert!(error["timestamp"].is_string() && error["message"].is_string());
        // Public routes are counted in the same window; another address has its own.
        let body = json!({ "email": "nobody@example.com", "password": "whatever it may be" });
        hub.post("/api/auth/login").from("192.0.2.1").json(&body).send().await.expect(429);
        hub.post("/api/auth/register").from("192.0.2.1").json(&json!({})).send().await.expect(429);
        hub.post("/api/auth/login").from("192.0.2.2").json(&body).send().await.expect(401);
        // Asking whether the hub is well is not.
        for _ in 0..20 {
            hub.get("/health/live").from("192.0.2.1").send().await.expect(200);
        }
        hub.finish().await;
    }

    async fn the_window_slides(pair) {
        let hub = limited(pair).await;
        for n in 1..=10 {
            stranger(&hub, "192.0.2.1").await.expect(401);
            if n < 10 {
                hub.advance(Duration::seconds(5));
            }
        }
        // 45 s after the first: its place becomes free in 15, the next one five later.
        let refused = stranger(&hub, "192.0.2.1").await.expect(429);
        assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-reset")), (15, 15));
        hub.advance(Duration::milliseconds(14_999));
        stranger(&hub, "192.0.2.1").await.expect(429);
        hub.advance(Duration::milliseconds(1));
        stranger(&hub, "192.0.2.1").await.expect(401);
        stranger(&hub, "192.0.2.1").await.expect(429);
        hub.advance(Duration::seconds(5));
        stranger(&hub, "192.0.2.1").await.expect(401);
        stranger(&hub, "192.0.2.1").await.expect(429);
        hub.finish().await;
    }

    async fn rl_03_no_burst_passes_at_the_edge_of_a_minute(pair) {
        let hub = limited(pair).await;
        let mut admitted = Vec::new();
        // Three minutes of bursts, denser around full minutes.
        for step in [50, 9, 1, 1, 9, 20, 20, 9, 1, 1, 30, 28, 1, 1] {
            hub.advance(Duration::seconds(step));
            for _ in 0..8 {
                if stranger(&hub, "192.0.2.1").await.status == 401 {
                    admitted.push(hub.clock().now());
                }
            }
        }
        for at in &admitted {
            let within =
                admitted.iter().filter(|other| **other >= *at && **other < *at + Duration::seconds(60)).count();
            assert!(within <= 10, "{within} in the minute from {at}");
        }
        assert!(admitted.len() >= 30, "{}", admitted.len());
        hub.finish().await;
    }

    async fn rl_03_never_more_than_the_limit_however_many_come_at_once_to_two_processes(pair) {
        let hub = limited(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let asked = (0..100).map(|n| {
            let hub = if n % 2 == 0 { &hub } else { &twin };
            // A person has one window, whatever they show.
            models(hub, if n % 3 == 0 { &ada.api_key } else { &ada.access_token })
        });
        let answers = join_all(asked).await;
        assert_eq!((count(&answers, 200), count(&answers, 429)), (60, 40));
        let strangers = join_all((0..100).map(|n| stranger(if n % 2 == 0 { &hub } else { &twin }, "192.0.2.1"))).await;
        assert_eq!((count(&strangers, 401), count(&strangers, 429)), (10, 90));
        let mut left: Vec<u32> = strangers
            .iter()
            .filter(|answer| answer.status == 401)
            .map(|answer| number(answer, "ratelimit-remaining"))
            .collect();
        left.sort_unstable();
        assert_eq!(left, (0..10).collect::<Vec<_>>(), "each was told another rest");
        twin.finish().await;
        hub.finish().await;
    }

    async fn an_ipv6_network_is_one_stranger(pair) {
        let hub = limited(pair).await;
        for n in 0..10 {
            stranger(&hub, &format!("2001:db8:1:2:{n:x}::{n:x}")).await.expect(401);
        }
        stranger(&hub, "2001:db8:1:2:ffff::1").await.expect(429);
        stranger(&hub, "2001:db8:1:3::1").await.expect(401);
        for _ in 0..10 {
            stranger(&hub, "198.51.100.7").await.expect(401);
        }
        stranger(&hub, "::ffff:198.51.100.7").await.expect(429);
        hub.finish().await;
    }

    async fn a_stranger_cannot_choose_whose_window_is_used(pair) {
        let hub = limited(pair).await;
        for n in 0..10 {
            let request = hub.get("/v1/models").from("192.0.2.1").header("x-forwarded-for", &format!("203.0.113.{n}"));
            request
                .header("x-real-ip", &format!("203.0.113.{n}"))
                .header("forwarded", "for=203.0.113.1")
                .send()
                .await
                .expect(401);
        }
        hub.get("/v1/models").from("192.0.2.1").header("x-forwarded-for", "203.0.113.99").send().await.expect(429);
        // Worthless credentials buy no window of their own.
        for bad in ["sk_wrong", "sk_0000000000000000000000000000000000000000000"] {
            hub.get("/v1/models").from("192.0.2.1").bearer(bad).send().await.expect(429);
        }
        hub.finish().await;
    }

    async fn behind_a_proxy_each_client_is_counted_apart(pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| {
                settings.limits = hub_domain::limits::Settings::default();
                settings.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
            })
            .start()
            .await;
        let via = async |client: &str| {
            let request = hub.get("/v1/models").from("10.0.0.1").header("x-forwarded-for", client);
            request.send().await.status.as_u16()
        };
        for _ in 0..10 {
            assert_eq!(via("198.51.100.1").await, 401);
        }
        assert_eq!(via("198.51.100.1").await, 429);
        assert_eq!(via("6.6.6.6, 198.51.100.1").await, 429, "the rightmost stranger counts");
        assert_eq!(via("198.51.100.2").await, 401);
        hub.finish().await;
    }

    async fn members_behind_one_address_do_not_share(pair) {
        let hub = limited(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        for _ in 0..60 {
            models(&hub, &ada.access_token).await.expect(200);
        }
        models(&hub, &ada.api_key).await.expect(429);
        models(&hub, &bob.access_token).await.expect(200);
        hub.get("/v1/models").send().await.expect(401);
        hub.finish().await;
    }

    async fn the_flood_wall_counts_everybody_by_address(pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.server.per_address_per_minute = 5).start().await;
        let admin = hub.admin().await;
        for _ in 0..5 {
            models(&hub, &admin.access_token).await.expect(200);
        }
        let refused = models(&hub, &admin.access_token).await.expect(429);
        assert_eq!((number(&refused, "ratelimit-limit"), number(&refused, "ratelimit-remaining")), (5, 0));
        assert!(number(&refused, "retry-after") >= 1);
        hub.get("/v1/models").bearer(&admin.access_token).from("192.0.2.1").send().await.expect(200);
        hub.finish().await;
    }
}
