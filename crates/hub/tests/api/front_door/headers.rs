//! Headers: what browsers are told, which other origins may call, and what of a request's headers is believed.

use axum::http::Method;
use hub_testkit::{TestHub, TestResponse, on_both_pairs};

use super::{exposed, one_of_each};

on_both_pairs! {
    async fn hdr_01_every_answer_tells_browsers_how_little_they_may_do_with_it(pair) {
        for (hub, https) in [(TestHub::start(pair).await, false), (exposed(pair).await, true)] {
            for answer in one_of_each(&hub).await {
                let what = format!("{} {:?}", answer.status, answer.headers);
                assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
                assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
                let html = answer.header("content-type").starts_with("text/html");
                let policy = answer.header("content-security-policy");
                assert!(
                    policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                    "{what}"
                );
                assert!(!policy.contains("unsafe"), "{what}");
                assert_eq!(
                    answer.header("cross-origin-opener-policy"),
                    if html { "same-origin" } else { "" },
                    "{what}"
                );
                let hsts = answer.header("strict-transport-security");
                assert_eq!(hsts.starts_with("max-age="), https, "{what}");
                assert!(
                    answer.headers.get("server").is_none() && answer.headers.get("x-powered-by").is_none(),
                    "{what}"
                );
                assert!(answer.header("vary").to_lowercase().contains("origin"), "{what}");
                assert_eq!(answer.header("x-request-id").len(), 36, "{what}");
            }
            hub.finish().await;
        }
    }

    async fn hdr_02_only_listed_origins_may_call_from_a_browser(pair) {
        let hub = exposed(pair).await;
        let granted = "access-control-allow-origin";
        let preflight = async |origin: &str| {
            let request = hub.request(Method::OPTIONS, "/api/keys").header("origin", origin);
            let request = request.header("access-control-request-method", "POST");
            request.header("access-control-request-headers", "authorization,content-type").send().await.expect(204)
        };
        for origin in ["https://app.example", "http://localhost:5173"] {
            let simple = hub.get("/api/auth/me").header("origin", origin).send().await.expect(401);
            for answer in [&simple, &preflight(origin).await] {
                assert_eq!(answer.header(granted), origin);
                assert_eq!(answer.header("access-control-allow-credentials"), "true");
            }
            assert!(simple.header("access-control-expose-headers").contains("x-request-id"));
            let asked = preflight(origin).await;
            assert!(asked.header("access-control-allow-methods").contains("DELETE"));
            assert_eq!(asked.header("access-control-allow-headers"), "authorization,content-type");
            // Errors of the door itself can be read as well.
            let refused =
                hub.post("/api/auth/login").header("origin", origin).json(&"x".repeat(70_000)).send().await.expect(413);
            assert_eq!(refused.header(granted), origin);
        }
        for origin in [
            "https://evil.example",
            "null",
            "https://app.example.evil.example",
            "https://evilapp.example",
            "http://app.example",
            "https://app.example:8443",
            "https://APP.example",
            "https://app.example/",
            "",
        ] {
            let simple = hub.get("/api/auth/me").header("origin", origin).send().await;
            for answer in [&simple, &preflight(origin).await] {
                let given = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(given, None, "{origin}");
                assert!(answer.header("vary").to_lowercase().contains("origin"));
            }
        }
        hub.finish().await;
    }

    async fn hdr_01_odd_requests_are_refused_before_anybody_looks_at_them(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for method in [Method::TRACE, Method::CONNECT] {
            let refused = hub
                .request(method, "/api/auth/me")
                .header("x-secret", "reflected")
                .bearer(&ada.access_token)
                .send()
                .await;
            assert!(!refused.text().contains("reflected"));
            assert!(!refused.expect(405).header("allow").contains("TRACE"));
        }
        let odd = hub.request("BREW".parse().unwrap(), "/api/auth/me").bearer(&ada.access_token).send().await;
        odd.expect(405);
        hub.get("/api/auth/me").bearer(&ada.access_token).header("host", "evil.example").send().await.expect(400);
        for path in [
            "/api",
            "/api/",
            "/v1",
            "/v1/",
            "/api/authx",
            "/apix/auth/me",
            "/.env",
            "/.git/config",
            "/wp-login.php",
            "/health/none",
            "/metricsx",
        ] {
            hub.get(path).bearer(&ada.access_token).send().await.expect(404);
        }
        hub.finish().await;
    }

    async fn hdr_03_a_request_id_is_ours_unless_a_proxy_of_ours_gives_it(pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| settings.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()])
            .start()
            .await;
        let ask = async |from: &str, id: &str| {
            let answer = hub.get("/api/keys").from(from).header("x-request-id", id).send().await.expect(401);
            error_id(&answer)
        };
        assert_ne!(ask("192.0.2.1", "chosen-by-a-stranger").await, "chosen-by-a-stranger");
        assert_eq!(ask("10.0.0.1", "from-the-proxy.1").await, "from-the-proxy.1");
        for odd in ["<script>", "a b", &"x".repeat(200)] {
            assert_ne!(ask("10.0.0.1", odd).await, odd);
        }
        assert_ne!(ask("192.0.2.1", "x").await, ask("192.0.2.1", "x").await);
        hub.finish().await;
    }
}

fn error_id(answer: &TestResponse) -> String {
    let id = answer.header("x-request-id").to_owned();
    assert_eq!(answer.json()["error"]["requestId"], id);
    id
}
