//! Sign-in: failures that look alike, and what guessing costs the guesser.

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, on_both_pairs};
use serde_json::json;

use super::{GOOD, another_device, disable, login, me, post, refresh, told, told_with_headers, trail_of};

const WRONG: &str = "not the password of anybody";

async fn login_from(hub: &TestHub, address: &str, email: &str, password: &str) -> TestResponse {
    hub.post("/api/auth/login").from(address).json(&json!({ "email": email, "password": password })).send().await
}

on_both_pairs! {
    async fn unknown_wrong_and_disabled_look_the_same(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        disable(&hub, bob.id).await;
        let answers = [
            login(&hub, ada.email.as_str(), WRONG).await,
            login(&hub, "nobody@example.com", WRONG).await,
            login(&hub, bob.email.as_str(), WRONG).await,
            login(&hub, bob.email.as_str(), &bob.password).await,
        ];
        let answers = answers.map(|answer| told_with_headers(&answer.expect(401)));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let failures = trail_of(&hub, "auth.login_failed").await;
        assert_eq!(failures.len(), 4);
        assert!(
            failures.iter().all(|row| row.outcome == "failed" && row.actor.is_none() && row.address == "127.0.0.1")
        );
        hub.finish().await;
    }

    async fn a_disabled_account_has_nothing_that_works(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        assert_eq!((me(&hub, &ada.access_token).await, me(&twin, &ada.api_key).await), (200, 200));
        disable(&hub, ada.id).await;
        for hub in [&hub, &twin] {
            assert_eq!((me(hub, &ada.access_token).await, me(hub, &ada.api_key).await), (401, 401));
            refresh(hub, &ada.refresh_token).await.expect(401);
        }
        post(&hub, "forgot-password", &json!({ "email": ada.email })).await.expect(202);
        assert!(hub.mails().await.is_empty());
        twin.finish().await;
        hub.finish().await;
    }

    async fn bru_01_after_ten_wrong_passwords_even_the_right_one_has_to_wait(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let email = ada.email.as_str();
        for n in 1..10 {
            login(if n % 2 == 0 { &hub } else { &twin }, email, WRONG).await.expect(401);
            hub.advance(Duration::seconds(1));
        }
        let tenth = login(&hub, email, WRONG).await.expect(429);
        let right = login(&twin, email, &ada.password).await.expect(429);
        assert_eq!(told(&right), told(&tenth), "a block does not tell whether the password was right");
        assert_eq!(tenth.error_code(), "RATE_LIMIT_EXCEEDED");

        // Who is signed in stays signed in, and the owner comes in from elsewhere.
        assert_eq!(me(&hub, &ada.access_token).await, 200);
        let renewed = refresh(&hub, &ada.refresh_token).await.expect(200);
        assert_eq!(me(&hub, renewed.json()["accessToken"].as_str().unwrap()).await, 200);
        login_from(&hub, "203.0.113.9", email, &ada.password).await.expect(200);
        // Others at this address, too.
        let bob = hub.user("bob").await;
        login(&hub, bob.email.as_str(), &bob.password).await.expect(200);

        let wait: i64 = right.header("retry-after").parse().unwrap();
        assert!((1..=900).contains(&wait), "{wait}");
        hub.advance(Duration::seconds(wait - 1));
        login(&hub, email, &ada.password).await.expect(429);
        hub.advance(Duration::seconds(1));
        login(&hub, email, &ada.password).await.expect(200);
        twin.finish().await;
        hub.finish().await;
    }

    async fn an_unknown_account_is_throttled_like_a_known_one(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut answers = Vec::new();
        for email in [ada.email.as_str(), "nobody@example.com"] {
            for _ in 0..11 {
                answers.push(told_with_headers(&login(&hub, email, WRONG).await));
            }
        }
        let (known, unknown) = answers.split_at(11);
        assert_eq!(known, unknown);
        hub.finish().await;
    }

    async fn guesses_sent_at_once_are_not_all_answered(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let email = ada.email.as_str();
        let guesses = (0..40).map(|n| login(if n % 2 == 0 { &hub } else { &twin }, email, WRONG));
        let answers: Vec<u16> = join_all(guesses).await.iter().map(|answer| answer.status.as_u16()).collect();
        let told_wrong = answers.iter().filter(|status| **status == 401).count();
        assert!(told_wrong <= 9, "{told_wrong} guesses were judged: {answers:?}");
        assert!(answers.iter().all(|status| [401, 429, 503].contains(status)), "{answers:?}");
        login(&hub, email, &ada.password).await.expect(429);
        hub.take_errors();
        twin.finish().await;
        hub.finish().await;
    }

    async fn one_address_cannot_try_many_accounts(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for n in 0..30 {
            let email = format!("somebody{n}@example.com");
            let expected = if n < 29 { 401 } else { 429 };
            login_from(&hub, &format!("2001:db8:1:2::{n:x}"), &email, WRONG).await.expect(expected);
        }
        login_from(&hub, "2001:db8:1:2:ffff::1", ada.email.as_str(), &ada.password).await.expect(429);
        login_from(&hub, "2001:db8:1:3::1", ada.email.as_str(), &ada.password).await.expect(200);
        hub.finish().await;
    }

    async fn bru_04_bodies_that_are_no_sign_in_are_refused_before_anything_is_computed(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let send =
            |body: String| hub.post("/api/auth/login").header("content-type", "application/json").body(body).send();
        for (body, field) in [
            (r#"{"email":["ada@example.com"],"password":"x"}"#, "email"),
            (r#"{"email":7,"password":"x"}"#, "email"),
            (r#"{"email":null,"password":"x"}"#, "email"),
            (r#"{"email":{"$ne":""},"password":"x"}"#, "email"),
            (r#"{"email":"ada","password":"x"}"#, "email"),
            (r#"{"email":"ada@example.com"}"#, "password"),
            (r#"{"email":"ada@example.com","password":{"$ne":1}}"#, "password"),
            (r#"{"email":"ada@example.com","password":"x","email":"bob@example.com"}"#, "email"),
            (r#"{"email":"ada@example.com","password":"x","admin":true}"#, "admin"),
            (r#"{"email":"ada@example.com","password":"x","session":"pocket"}"#, "session"),
            ("[]", "body"),
            ("null", "body"),
            ("", "body"),
            ("{", "body"),
        ] {
            let refused = send(body.to_owned()).await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], field, "{body}: {}", refused.text());
        }
        let long = json!({ "email": ada.email, "password": "x".repeat(10_000) }).to_string();
        assert_eq!(send(long).await.expect(400).json()["error"]["details"][0]["field"], "password");
        let huge = json!({ "email": ada.email, "password": "x".repeat(1024 * 1024) }).to_string();
        send(huge).await.expect(413);
        let form = hub.post("/api/auth/login").header("content-type", "application/x-www-form-urlencoded");
        form.body(format!("email={}&password={}", ada.email, ada.password)).send().await.expect(415);
        assert!(trail_of(&hub, "auth.login_failed").await.is_empty(), "nothing was tried");
        hub.finish().await;
    }

    async fn aud_01_a_sign_in_is_written_down_without_what_a_client_could_smuggle_in(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = json!({ "email": ada.email, "password": ada.password });
        let request = hub.post("/api/auth/login").from("203.0.113.9").header("user-agent", "Fox\t1");
        let answer = request.header("x-forwarded-for", "6.6.6.6").json(&body).send().await.expect(200);
        let row = trail_of(&hub, "auth.login").await.remove(0);
        assert_eq!((row.actor, row.outcome.as_str(), row.address.as_str()), (Some(ada.id), "ok", "203.0.113.9"));
        assert!(!row.user_agent.chars().any(char::is_control), "{:?}", row.user_agent);
        assert_eq!(row.request_id, answer.header("x-request-id"));
        let written = format!("{row:?}");
        let tokens = answer.json();
        for secret in [tokens["accessToken"].as_str().unwrap(), tokens["refreshToken"].as_str().unwrap(), &ada.password]
        {
            assert!(!written.contains(secret));
        }
        hub.finish().await;
    }

    async fn the_least_recently_used_session_ends_when_there_are_too_many(pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.sessions.per_user = 3).start().await;
        let first = hub.user("ada").await;
        hub.advance(Duration::seconds(1));
        let second = another_device(&hub, &first).await;
        hub.advance(Duration::seconds(1));
        another_device(&hub, &first).await;
        hub.advance(Duration::seconds(1));
        assert_eq!(me(&hub, &first.access_token).await, 200);
        another_device(&hub, &first).await;
        assert_eq!((me(&hub, &first.access_token).await, me(&hub, &second.access_token).await), (401, 200));
        refresh(&hub, &first.refresh_token).await.expect(401);
        hub.finish().await;
    }

    async fn somebody_elses_password_opens_nothing(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        super::member(&hub, "bob@example.com", GOOD).await;
        login(&hub, ada.email.as_str(), GOOD).await.expect(401);
        login(&hub, "bob@example.com", &ada.password).await.expect(401);
        // A cut or padded password is another one.
        login(&hub, "bob@example.com", &GOOD[..GOOD.len() - 1]).await.expect(401);
        login(&hub, "bob@example.com", &format!("{GOOD} ")).await.expect(401);
        hub.finish().await;
    }
}
