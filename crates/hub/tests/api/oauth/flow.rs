//! The way of a browser: to the provider, back, and in. OAU-01, OAU-02, OAU-06, OAU-07.

use std::collections::HashSet;

use chrono::Duration;
use hub_testkit::on_both_pairs;
use serde_json::json;

use super::idp::asked;
use super::kit::{Browser, exchange_code, hub_with, people, person, start, trail};
use crate::factors::set_up;

on_both_pairs! {
    async fn oau_01_a_start_leads_to_the_provider_with_all_that_protects_it(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let mut seen = HashSet::new();
        for provider in ["google", "sora2", "google", "sora2"] {
            let there = hub.get(&format!("/api/auth/oauth/{provider}")).send().await.expect(302);
            let location = there.header("location").to_owned();
            assert!(location.starts_with(&format!("{}/authorize?", idp.url())), "{location}");
            let (_, state, query) = asked(&location);
            assert_eq!(query["redirect_uri"], format!("http://127.0.0.1:3000/api/auth/oauth/{provider}/callback"));
            assert_eq!(query["scope"], "openid email profile");
            assert_eq!((query["response_type"].as_str(), query["code_challenge_method"].as_str()), ("code", "S256"));
            // 43 characters of base64url are 256 bits.
            for text in [&state, &query["nonce"], &query["code_challenge"]] {
                assert!(text.len() == 43 && seen.insert(text.clone()), "{text}");
            }
            let cookie = there.header("set-cookie");
            for part in ["hub-oauth=", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            assert!(!location.contains(cookie.split(['=', ';']).nth(1).unwrap()));
            assert_eq!(there.header("cache-control"), "no-store");
        }
        let listed = hub.get("/api/auth/oauth").send().await.expect(200).json();
        assert_eq!(listed["providers"][1], json!({ "name": "sora2", "startUrl": "/api/auth/oauth/sora2" }));
        hub.get("/api/auth/oauth/nobody").send().await.expect(404);
        hub.finish().await;
    }

    async fn somebody_new_gets_an_account_and_comes_back_to_it(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = person("g-1", "ada@example.com");
        let first = Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        assert_eq!((first["user"]["email"].as_str(), first["user"]["verified"].as_bool()), (Some("ada@example.com"), Some(true)));
        assert_eq!(first["user"]["roles"], json!(["user"]));
        let token = first["accessToken"].as_str().unwrap();
        hub.get("/api/auth/me").bearer(token).send().await.expect(200);
        hub.get("/api/credits/balance").bearer(token).send().await.expect(200);
        // With the other signature as well.
        idp.inner().signer = super::idp::Signer::Ec;
        let second = Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        assert_eq!(first["user"]["id"], second["user"]["id"]);
        assert_eq!(trail(&hub).await, ["oauth.signed_in", "oauth.signed_in", "user.registered"]);
        hub.finish().await;
    }

    async fn a_browser_can_have_its_refresh_token_in_the_cookie(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let browser = Browser::default();
        let done = browser.come_back(&hub, &idp, "google", &person("g-1", "ada@example.com")).await.expect(302);
        let body = json!({ "code": exchange_code(&done), "session": "cookie" });
        let answer = browser.post(&hub, "/api/auth/oauth/exchange", None, &body).await.expect(200);
        assert!(answer.json().get("refreshToken").is_none());
        assert!(answer.header("set-cookie").starts_with("hub-refresh=rt_"));
        hub.finish().await;
    }

    async fn oau_02_a_state_that_is_not_this_browsers_own_signs_nobody_in(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let browser = Browser::default();
        let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
        let back = idp.approve(there.header("location"), &person("g-1", "ada@example.com"));
        let (_, state, _) = asked(there.header("location"));
        let callback = "/api/auth/oauth/google/callback";
        // Another browser, and one without any cookie: the state stays for its own.
        let other = Browser::default();
        other.get(&hub, "/api/auth/oauth/google").await.expect(302);
        for stranger in [&other, &Browser::default()] {
            let page = stranger.get(&hub, &back).await.expect(400);
            assert!(page.header("content-type").starts_with("text/html") && page.text().contains("another browser"));
            assert!(page.header("content-security-policy").contains("default-src 'none'"));
        }
        for bad in ["", "?code=x", "?code=x&state=", "?code=x&state=unknown", &format!("?code=x&state={}", &state[..42])] {
            browser.get(&hub, &format!("{callback}{bad}")).await.expect(400);
        }
        // Another provider's callback uses the state up.
        let crossed = back.replace("/google/", "/sora2/");
        browser.get(&hub, &crossed).await.expect(400);
        browser.get(&hub, &back).await.expect(400);
        // No code, no consent.
        let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
        let (_, state, _) = asked(there.header("location"));
        let page = browser.get(&hub, &format!("{callback}?error=access_denied&state={state}")).await.expect(403);
        assert!(page.text().contains("Not signed in"));
        browser.get(&hub, &format!("{callback}?code=x&state={state}")).await.expect(400);
        // A code the provider does not know.
        let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
        let (_, state, _) = asked(there.header("location"));
        browser.get(&hub, &format!("{callback}?code=made-up&state={state}")).await.expect(400);
        // Too late.
        let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
        let back = idp.approve(there.header("location"), &person("g-1", "ada@example.com"));
        hub.advance(Duration::minutes(11));
        browser.get(&hub, &back).await.expect(400);
        assert_eq!(people(&hub).await, 0);
        hub.finish().await;
    }

    async fn oau_02_of_twenty_callbacks_with_one_state_one_signs_in(pair: Pair) {
        let (hub, idp) = start(pair).await;
        idp.inner().careless = true;
        let browser = Browser::default();
        let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
        let back = idp.approve(there.header("location"), &person("g-1", "ada@example.com"));
        let all = futures::future::join_all((0..20).map(|_| browser.get(&hub, &back))).await;
        let good: Vec<_> = all.iter().filter(|answer| answer.status == 302).collect();
        assert_eq!((good.len(), all.iter().filter(|answer| answer.status == 400).count()), (1, 19));
        // And the code for the session works once.
        let body = json!({ "code": exchange_code(good[0]) });
        let all = (0..20).map(|_| browser.post(&hub, "/api/auth/oauth/exchange", None, &body));
        let all = futures::future::join_all(all).await;
        assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(all.iter().filter(|answer| answer.status == 400).count(), 19);
        hub.finish().await;
    }

    async fn of_twenty_first_sign_ins_of_one_person_one_makes_the_account(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = person("g-1", "ada@example.com");
        let browsers: Vec<Browser> = (0..20).map(|_| Browser::default()).collect();
        let all = browsers.iter().map(|browser| browser.sign_in(&hub, &idp, "google", &ada));
        let ids: HashSet<String> =
            futures::future::join_all(all).await.iter().map(|tokens| tokens["user"]["id"].to_string()).collect();
        assert_eq!(ids.len(), 1);
        hub.finish().await;
    }

    async fn an_exchange_code_is_worth_nothing_elsewhere_or_later(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let browser = Browser::default();
        let ada = person("g-1", "ada@example.com");
        let code = exchange_code(&browser.come_back(&hub, &idp, "google", &ada).await.expect(302));
        let path = "/api/auth/oauth/exchange";
        let other = Browser::default();
        other.get(&hub, "/api/auth/oauth/google").await.expect(302);
        for stranger in [&other, &Browser::default()] {
            stranger.post(&hub, path, None, &json!({ "code": code })).await.expect(400);
        }
        browser.post(&hub, path, None, &json!({ "code": "x" })).await.expect(400);
        let foreign = hub.post(path).header("sec-fetch-site", "cross-site").json(&json!({ "code": code }));
        foreign.send().await.expect(403);
        hub.advance(Duration::minutes(6));
        browser.post(&hub, path, None, &json!({ "code": code })).await.expect(400);
        hub.finish().await;
    }

    async fn oau_06_an_identity_is_the_provider_and_its_id_and_nothing_else(pair: Pair) {
        let idp = super::idp::Idp::start().await;
        let hub = hub_with(pair, &idp, |settings| settings.oauth[1].email_trusted = true).await;
        let id = async |provider: &str, subject: &str, email: &str| {
            Browser::default().sign_in(&hub, &idp, provider, &person(subject, email)).await["user"]["id"].clone()
        };
        let ada = id("google", "1", "ada@example.com").await;
        assert_eq!(id("google", "1", "changed@example.com").await, ada);
        assert_ne!(id("sora2", "1", "bob@example.com").await, ada);
        // The same address with another id at the same provider is another person until they say otherwise.
        let page = Browser::default().come_back(&hub, &idp, "google", &person("2", "ada@example.com")).await.expect(403);
        assert!(page.text().contains("another account of this provider"));
        hub.finish().await;
    }

    async fn oau_07_only_paths_of_this_site_are_returned_to(pair: Pair) {
        let (hub, idp) = start(pair).await;
        for bad in ["https://evil.example", "//evil.example", "/\\evil.example", "%2F%2Fevil.example", "javascript:alert(1)", "/%0d%0aX:y",
                    "/a%250d", "https://app@evil.example", "evil.example", "/a%23b"] {
            let page = hub.get(&format!("/api/auth/oauth/google?returnTo={bad}")).send().await.expect(400);
            assert!(page.header("location").is_empty() && !page.text().contains("evil"), "{bad}");
        }
        let browser = Browser::default();
        let there = browser.get(&hub, "/api/auth/oauth/google?returnTo=/chat%3Fa%3Db").await.expect(302);
        let back = idp.approve(there.header("location"), &person("g-1", "ada@example.com"));
        let done = browser.get(&hub, &back).await.expect(302);
        assert!(done.header("location").starts_with("http://127.0.0.1:3000/chat?a=b#exchange="), "{}", done.header("location"));
        hub.finish().await;
    }

    async fn a_second_factor_is_asked_for_here_too(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = hub.user("ada").await;
        let (_, codes) = set_up(&hub, &ada).await;
        let (browser, who) = (Browser::default(), person("g-1", "ada@example.com"));
        let done = browser.come_back(&hub, &idp, "google", &who).await.expect(302);
        let path = "/api/auth/oauth/exchange";
        let mut body = json!({ "code": exchange_code(&done) });
        let asked = browser.post(&hub, path, None, &body).await.expect(401);
        assert_eq!(asked.json()["error"]["details"]["totpRequired"], true);
        body["totp"] = json!("000000-wrong");
        browser.post(&hub, path, None, &body).await.expect(401);
        // The code from the provider lives on; the right factor uses both up, once.
        body["totp"] = json!(codes[0]);
        let all = futures::future::join_all((0..20).map(|_| browser.post(&hub, path, None, &body))).await;
        assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
        hub.finish().await;
    }
}
