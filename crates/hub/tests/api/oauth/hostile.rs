//! A provider that is slow, absent, huge or lying. OAU-08.

use std::time::Instant;

use hub::compose;
use hub::config::Settings;
use hub_testkit::on_both_pairs;
use serde_json::{Value, json};

use super::idp::{Forgery, Idp, Trouble};
use super::kit::{Browser, entry, hub_with, people, person, start};

on_both_pairs! {
    async fn oau_08_a_provider_that_misbehaves_costs_little_and_signs_nobody_in(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = person("g-1", "ada@example.com");
        for (trouble, status) in [
            (Trouble::TokenRedirects, 502),
            (Trouble::TokenIsHuge, 502),
            (Trouble::TokenIsGzip, 502),
            (Trouble::TokenIsNoJson, 502),
            (Trouble::TokenFails, 502),
            (Trouble::TokenRefusesUs, 502),
            (Trouble::KeysRedirect, 502),
            (Trouble::KeysAreTooMany, 502),
        ] {
            idp.inner().trouble = trouble;
            let page = Browser::default().come_back(&hub, &idp, "google", &ada).await.expect(status);
            assert!(page.header("content-type").starts_with("text/html"), "{trouble:?}");
            assert!(!page.text().contains(idp.url()), "{trouble:?}");
        }
        let trapped = idp.inner().trapped;
        assert_eq!((trapped, people(&hub).await), (0, 0));
        // Afterwards it is believed again.
        idp.inner().trouble = Trouble::None;
        Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        hub.finish().await;
    }

    async fn oau_08_a_provider_that_hangs_is_given_up_and_holds_nobody_else_up(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = hub.user("ada").await;
        idp.inner().trouble = Trouble::TokenHangs;
        let began = Instant::now();
        let (browser, eve) = (Browser::default(), person("g-1", "eve@example.com"));
        let hanging = browser.come_back(&hub, &idp, "google", &eve);
        let login = async {
            let body = json!({ "email": ada.email, "password": ada.password });
            hub.post("/api/auth/login").json(&body).send().await.expect(200);
            began.elapsed()
        };
        let (page, login) = futures::future::join(hanging, login).await;
        assert!(page.expect(504).text().contains("did not answer in time"));
        assert!(began.elapsed().as_secs() < 15 && login.as_secs() < 8, "{:?} {login:?}", began.elapsed());
        hub.finish().await;
    }

    async fn oau_08_a_discovery_that_hangs_is_anothers_or_absent_begins_nothing(pair: Pair) {
        let idp = Idp::start().await;
        let gone = {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        let hub = hub_with(pair, &idp, |settings| settings.oauth.push(entry("gone", &gone, false))).await;
        hub.get("/api/auth/oauth/gone").send().await.expect(502);
        idp.inner().trouble = Trouble::DiscoveryIsAnothers;
        hub.get("/api/auth/oauth/google").send().await.expect(502);
        idp.inner().trouble = Trouble::DiscoveryHangs;
        let began = Instant::now();
        hub.get("/api/auth/oauth/google").send().await.expect(504);
        assert!(began.elapsed().as_secs() < 15);
        idp.inner().trouble = Trouble::None;
        hub.get("/api/auth/oauth/google").send().await.expect(302);
        hub.finish().await;
    }

    async fn a_forged_id_token_signs_nobody_in(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = person("g-1", "ada@example.com");
        for forgery in [
            Forgery::AlgNone,
            Forgery::HmacWithPublicKey,
            Forgery::WrongKey,
            Forgery::UnknownKey,
            Forgery::NoSignature,
            Forgery::Critical,
        ] {
            idp.inner().forgery = forgery;
            let page = Browser::default().come_back(&hub, &idp, "google", &ada).await;
            assert_eq!(page.status, 502, "{forgery:?}");
        }
        idp.inner().forgery = Forgery::None;
        let at = hub.clock().now().timestamp();
        for (name, value) in [
            ("iss", json!("https://accounts.google.com")),
            ("iss", Value::Null),
            ("aud", json!("somebody else")),
            ("aud", json!([])),
            ("azp", json!("somebody else")),
            ("exp", json!(at - 61)),
            ("exp", Value::Null),
            ("iat", json!(at + 120)),
            ("iat", json!(at - 3600)),
            ("nonce", json!("another")),
            ("nonce", Value::Null),
            ("sub", Value::Null),
        ] {
            idp.inner().claims = [(name.to_owned(), value.clone())].into_iter().collect();
            let page = Browser::default().come_back(&hub, &idp, "google", &ada).await;
            assert_eq!(page.status, 502, "{name} {value}");
        }
        assert_eq!(people(&hub).await, 0);
        idp.inner().claims.clear();
        Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        hub.finish().await;
    }

    async fn an_answer_that_names_another_issuer_is_refused(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let browser = Browser::default();
        let there = browser.get(&hub, "/api/auth/oauth/google").await.expect(302);
        let back = idp.approve(there.header("location"), &person("g-1", "ada@example.com"));
        let mixed = back.split("&iss=").next().unwrap().to_owned() + "&iss=https%3A%2F%2Fevil.example";
        browser.get(&hub, &mixed).await.expect(502);
        hub.finish().await;
    }

    async fn keys_are_kept_and_a_new_one_is_asked_for_once_a_minute(pair: Pair) {
        let (hub, idp) = start(pair).await;
        let ada = person("g-1", "ada@example.com");
        Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        assert_eq!(idp.inner().keys_asked, 1);
        idp.inner().key_id = "k2".to_owned();
        // Within the minute nothing is asked, however many come with an unknown key.
        for _ in 0..3 {
            Browser::default().come_back(&hub, &idp, "google", &ada).await.expect(502);
        }
        assert_eq!(idp.inner().keys_asked, 1);
        hub.advance(chrono::Duration::seconds(61));
        Browser::default().sign_in(&hub, &idp, "google", &ada).await;
        assert_eq!(idp.inner().keys_asked, 2);
        hub.finish().await;
    }

    async fn oau_08_a_name_that_leads_inside_is_not_followed(pair: Pair) {
        let idp = Idp::start().await;
        let port = idp.url().rsplit(':').next().unwrap().to_owned();
        let hub = hub_with(pair, &idp, |settings| {
            let mut inside = entry("inside", &format!("https://localhost:{port}"), true);
            inside.allow_private_addresses = false;
            settings.oauth.push(inside);
        })
        .await;
        hub.get("/api/auth/oauth/inside").send().await.expect(502);
        hub.finish().await;
    }
}

#[test]
fn oau_08_an_address_inside_is_refused_at_the_start() {
    for inside in
        ["https://127.0.0.1", "https://10.0.0.7", "https://[::1]", "https://169.254.169.254", "http://idp.example"]
    {
        let mut settings = Settings::default();
        let mut provider = entry("inside", inside, true);
        provider.allow_private_addresses = false;
        settings.oauth.push(provider);
        assert!(compose::sign_in_providers(&settings, &hub_types::Clock::system()).is_err(), "{inside}");
    }
}
