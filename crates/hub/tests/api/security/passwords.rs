//! Codes and links of identity, the parts that no other test holds.

use chrono::Duration;
use hub_testkit::on_both_pairs;
use serde_json::json;

use crate::auth::{GOOD, code_in, last_mail_to, login, mails_to, member, post, register, token_in, told, wrong};
use crate::oauth::kit::{Browser, person, start};

on_both_pairs! {
    async fn reg_03_common_passwords_and_ones_own_names_are_refused_for_that_reason_alone(pair: Pair) {
        let hub = hub_testkit::TestHub::start(pair).await;
        let email = "ada@example.com";
        for (password, reason) in [
            ("Password1!", "tried first"),
            ("Summer2026!", "tried first"),
            ("ada@example.comA1!", "e-mail address"),
            ("SmartAIHub1!A", "name of this service"),
        ] {
            let refused = register(&hub, email, password).await.expect(400).json();
            let details = refused["error"]["details"].as_array().unwrap().clone();
            // All of them satisfy the rule of classes, so that must not be what is said.
            let [only] = &details[..] else { panic!("{password}: {details:?}") };
            assert_eq!(only["field"], "password");
            assert!(only["message"].as_str().unwrap().contains(reason), "{password}: {only}");
        }
        assert!(hub.mails().await.is_empty());
        hub.finish().await;
    }

    async fn jwt_05_a_token_is_refused_five_seconds_after_its_end_at_the_latest_on_every_door(pair: Pair) {
        let hub = hub_testkit::TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        hub.advance(Duration::seconds(900 + 5));
        for second in 0..3 {
            for place in [&hub, &twin] {
                for path in ["/api/auth/me", "/api/credits/balance", "/api/keys", "/v1/models"] {
                    place.get(path).bearer(&ada.access_token).send().await.expect(401);
                }
                place.post("/api/auth/ws-ticket").bearer(&ada.access_token).send().await.expect(401);
                let socket = place.socket().await;
                assert!(socket.websocket("/api/ws", Some(&ada.access_token)).await.is_err(), "{second} s later");
            }
            hub.advance(Duration::seconds(1));
        }
        twin.finish().await;
        hub.finish().await;
    }

    async fn reg_08_wrong_tries_do_not_prolong_a_code(pair: Pair) {
        let hub = hub_testkit::TestHub::start(pair).await;
        register(&hub, "ada@example.com", GOOD).await.expect(202);
        let code = code_in(&last_mail_to(&hub, "ada@example.com").await);
        let prove = async |code: &str| post(&hub, "verify-email", &json!({ "email": "ada@example.com", "code": code })).await;
        for by in 1..=4 {
            hub.advance(Duration::seconds(149));
            prove(&wrong(&code, by)).await.expect(400);
        }
        // 596 seconds old, with one try left; four seconds later it is too late.
        hub.advance(Duration::seconds(5));
        prove(&code).await.expect(400);
        post(&hub, "resend-verification", &json!({ "email": "ada@example.com" })).await.expect(202);
        let newer = code_in(&last_mail_to(&hub, "ada@example.com").await);
        prove(&newer).await.expect(200);
        prove(&newer).await.expect(400);
        hub.finish().await;
    }

    async fn pwd_01_every_address_gets_the_same_answer_and_only_accounts_get_mail(pair: Pair) {
        let (hub, idp) = start(pair).await;
        member(&hub, "ada@example.com", GOOD).await;
        register(&hub, "pending@example.com", GOOD).await.expect(202);
        Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "bob@example.com")).await;
        let before = hub.mails().await.len();
        let mut answers = Vec::new();
        for email in ["ada@example.com", "nobody@example.com", "pending@example.com", "bob@example.com"] {
            let answer = post(&hub, "forgot-password", &json!({ "email": email })).await.expect(202);
            assert_eq!(answer.header("cache-control"), "no-store");
            answers.push(told(&answer));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        for malformed in ["ada", "ada@", "@example.com", "a b@example.com", "", "ada@example.com\r\nBcc: eve@example.com"] {
            post(&hub, "forgot-password", &json!({ "email": malformed })).await.expect(400);
        }
        let resets = async |email: &str| {
            mails_to(&hub, email).await.iter().filter(|mail| mail.text.contains("reset-password?token=")).count()
        };
        assert_eq!((resets("ada@example.com").await, resets("bob@example.com").await), (1, 1));
        assert_eq!((resets("nobody@example.com").await, resets("pending@example.com").await), (0, 0));
        assert_eq!(hub.mails().await.len(), before + 2);
        hub.finish().await;
    }

    async fn pwd_04_a_link_dies_with_a_change_of_the_password(pair: Pair) {
        let hub = hub_testkit::TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        post(&hub, "forgot-password", &json!({ "email": ada.email })).await.expect(202);
        let token = token_in(&last_mail_to(&hub, ada.email.as_str()).await, "reset-password");
        let body = json!({ "currentPassword": ada.password, "newPassword": GOOD });
        hub.post("/api/auth/change-password").bearer(&ada.access_token).json(&body).send().await.expect(200);
        let reset = async |token: &str| {
            post(&hub, "reset-password", &json!({ "token": token, "password": "nine brown hares over the field" })).await
        };
        let refused = reset(&token).await.expect(400);
        assert_eq!(told(&refused), told(&reset("never was one").await));
        login(&hub, ada.email.as_str(), GOOD).await.expect(200);
        hub.finish().await;
    }

    async fn jwt_02_what_a_provider_gives_is_no_credential_here(pair: Pair) {
        let (hub, idp) = start(pair).await;
        Browser::default().sign_in(&hub, &idp, "google", &person("g-1", "ada@example.com")).await;
        let theirs = idp.inner().secrets.clone();
        assert!(theirs.iter().any(|secret| secret.split('.').count() == 3), "an ID token is among them");
        for secret in &theirs {
            for path in ["/api/auth/me", "/api/credits/balance", "/v1/models"] {
                hub.get(path).bearer(secret).send().await.expect(401);
            }
            post(&hub, "refresh", &json!({ "refreshToken": secret })).await.expect(401);
        }
        hub.finish().await;
    }
}
