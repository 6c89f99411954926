//! Browsers: the refresh token is in a cookie that script cannot read and other sites cannot use.

use hub_testkit::{Pair, TestHub, TestRequest, TestResponse, TestUser, on_both_pairs};
use serde_json::json;

use super::{me, refresh};

async fn https(pair: Pair) -> TestHub {
    TestHub::builder(pair)
        .settings(|settings| settings.identity.public_url = "https://hub.example".into())
        .start()
        .await
}

fn login<'a>(hub: &'a TestHub, user: &'a TestUser) -> TestRequest {
    let body = json!({ "email": user.email, "password": user.password, "session": "cookie" });
    hub.post("/api/auth/login").json(&body)
}

/// The one cookie of an answer: `name=value`, and its attributes.
fn cookie(answer: &TestResponse) -> (String, Vec<String>) {
    let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let mut parts = lines[0].to_str().unwrap().split("; ").map(str::to_owned);
    (parts.next().unwrap(), parts.collect())
}

fn renew(hub: &TestHub, cookie: &str) -> TestRequest {
    hub.post("/api/auth/refresh").header("cookie", cookie).json(&json!({}))
}

on_both_pairs! {
    async fn ses_05_a_browser_gets_the_refresh_token_where_script_cannot_read_it(pair) {
        let hub = https(pair).await;
        let ada = hub.user("ada").await;
        let signed_in = login(&hub, &ada).header("sec-fetch-site", "same-origin").send().await.expect(200);
        let tokens = signed_in.json();
        assert!(tokens.get("refreshToken").is_none() && !signed_in.text().contains("rt_"));
        let (first, attributes) = cookie(&signed_in);
        assert!(first.starts_with("__Host-refresh=rt_"), "{first}");
        assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=604800", "Secure"]);
        assert_eq!(signed_in.header("cache-control"), "no-store");

        let renewed = renew(&hub, &format!("theme=dark; {first}")).send().await.expect(200);
        let (second, _) = cookie(&renewed);
        assert_ne!(first, second, "rotated");
        assert!(renewed.json().get("refreshToken").is_none());
        assert_eq!(me(&hub, renewed.json()["accessToken"].as_str().unwrap()).await, 200);

        // A cookie opens nothing else.
        hub.get("/api/auth/me").header("cookie", &second).send().await.expect(401);

        let done = hub.post("/api/auth/logout").header("cookie", &second).json(&json!({})).send().await.expect(204);
        let (cleared, attributes) = cookie(&done);
        assert_eq!(cleared, "__Host-refresh=");
        assert!(attributes.contains(&"Max-Age=0".to_owned()));
        renew(&hub, &second).send().await.expect(401);
        hub.finish().await;
    }

    async fn on_plain_http_the_cookie_has_another_name(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let (first, attributes) = cookie(&login(&hub, &ada).send().await.expect(200));
        assert!(first.starts_with("hub-refresh=rt_"));
        assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=604800"]);
        renew(&hub, &first).send().await.expect(200);
        renew(&hub, &first.replace("hub-refresh", "__Host-refresh")).send().await.expect(401);
        hub.finish().await;
    }

    async fn ses_05_other_sites_can_neither_use_nor_plant_the_cookie(pair) {
        let hub = https(pair).await;
        let ada = hub.user("ada").await;
        let (held, _) = cookie(&login(&hub, &ada).send().await.expect(200));
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "https://hub.example.evil.example"),
            ("origin", "http://hub.example"),
            ("origin", "null"),
        ] {
            renew(&hub, &held).header(name, value).send().await.expect(403);
            login(&hub, &ada).header(name, value).send().await.expect(403);
            let logout = hub.post("/api/auth/logout").header("cookie", &held).header(name, value);
            logout.json(&json!({ "scope": "all" })).send().await.expect(403);
        }
        // What a plain form can send is not read.
        let form = hub.post("/api/auth/refresh").header("cookie", &held).header("content-type", "text/plain");
        form.body("{}").send().await.expect(415);
        renew(&hub, &held).header("origin", "https://hub.example").send().await.expect(200);
        hub.finish().await;
    }

    async fn two_cookies_of_one_name_are_none(pair) {
        let hub = https(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        let (adas, _) = cookie(&login(&hub, &ada).send().await.expect(200));
        let (planted, _) = cookie(&login(&hub, &eve).send().await.expect(200));
        renew(&hub, &format!("{planted}; {adas}")).send().await.expect(401);
        renew(&hub, &adas).header("cookie", &planted).send().await.expect(401);
        renew(&hub, &adas).send().await.expect(200);
        hub.finish().await;
    }

    async fn programs_get_no_cookie(pair) {
        let hub = https(pair).await;
        let ada = hub.user("ada").await;
        for answer in [
            super::login(&hub, ada.email.as_str(), &ada.password).await.expect(200),
            refresh(&hub, &ada.refresh_token).await.expect(200),
        ] {
            assert!(answer.headers.get("set-cookie").is_none());
            assert!(answer.json()["refreshToken"].is_string());
        }
        hub.finish().await;
    }

    async fn ses_05_each_sign_in_is_a_session_of_its_own(pair) {
        let hub = https(pair).await;
        let ada = hub.user("ada").await;
        let (first, _) = cookie(&login(&hub, &ada).send().await.expect(200));
        // A cookie that was there before the sign-in is not taken over.
        let (second, _) = cookie(&login(&hub, &ada).header("cookie", &first).send().await.expect(200));
        assert_ne!(first, second);
        let done = hub.post("/api/auth/logout").header("cookie", &second).json(&json!({})).send().await;
        done.expect(204);
        renew(&hub, &first).send().await.expect(200);
        hub.finish().await;
    }
}
