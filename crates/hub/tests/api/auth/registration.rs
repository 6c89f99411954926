//! Registration: proof of the mailbox by code or link, who gets the account, and what strangers learn (nothing).

use axum::http::Method;
use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

use super::{
    GOOD, code_in, last_mail_to, login, mails_to, member, post, register, token_in, told, told_with_headers, trail_of,
    wrong,
};

const ADA: &str = "ada@example.com";

async fn prove(hub: &TestHub, email: &str, code: &str) -> u16 {
    post(hub, "verify-email", &json!({ "email": email, "code": code })).await.status.as_u16()
}

on_both_pairs! {
    async fn reg_01_a_member_registers_proves_the_mailbox_and_signs_in(pair) {
        let hub = TestHub::start(pair).await;
        let asked = register(&hub, "Ada@Example.com", GOOD).await.expect(202);
        assert!(asked.json()["message"].is_string() && asked.json().as_object().unwrap().len() == 1);
        let early = login(&hub, ADA, GOOD).await.expect(401);
        assert!(early.json()["accessToken"].is_null());

        let mail = last_mail_to(&hub, ADA).await;
        let code = code_in(&mail);
        assert!(!mail.subject.contains(&code) && !mail.text.contains("Somebody,\n"));
        let proven = post(&hub, "verify-email", &json!({ "email": ADA, "code": code })).await.expect(200);
        assert!(proven.json()["accessToken"].is_null(), "a proof is no sign-in");
        assert_eq!(prove(&hub, ADA, &code).await, 400, "a code works once");

        let signed_in = login(&hub, "  ADA@example.com ", GOOD).await.expect(200);
        let tokens = signed_in.json();
        assert_eq!((&tokens["tokenType"], &tokens["expiresIn"]), (&json!("Bearer"), &json!(900)));
        let user = &tokens["user"];
        assert_eq!((&user["email"], &user["name"], &user["verified"]), (&json!(ADA), &json!("Somebody"), &json!(true)));
        assert_eq!(user["roles"], json!(["user"]));
        let me = hub.get("/api/auth/me").bearer(tokens["accessToken"].as_str().unwrap()).send().await.expect(200);
        assert_eq!(me.json(), *user);
        for answer in [&asked, &early, &proven, &signed_in, &me] {
            assert_eq!(answer.header("cache-control"), "no-store");
            for secret in ["argon2", "hash", "salt", GOOD] {
                assert!(!answer.text().to_lowercase().contains(secret), "{}", answer.text());
            }
        }
        let rows = trail_of(&hub, "user.registered").await;
        assert_eq!((rows.len(), rows[0].actor_email.as_str()), (1, ADA));
        hub.finish().await;
    }

    async fn reg_10_the_link_works_as_well_once_and_is_not_spent_by_looking_at_it(pair) {
        let hub = TestHub::start(pair).await;
        register(&hub, ADA, GOOD).await.expect(202);
        let token = token_in(&last_mail_to(&hub, ADA).await, "verify-email");
        for path in [format!("/verify-email?token={token}"), format!("/api/auth/verify-email?token={token}")] {
            for method in [Method::HEAD, Method::GET] {
                hub.request(method, &path).send().await;
            }
        }
        hub.get("/api/auth/verify-email").send().await.expect(405);
        post(&hub, "verify-email", &json!({ "token": format!("{token}x") })).await.expect(400);
        post(&hub, "verify-email", &json!({ "token": token })).await.expect(200);
        let again = post(&hub, "verify-email", &json!({ "token": token })).await.expect(400);
        assert_eq!(told(&again), told(&post(&hub, "verify-email", &json!({ "token": "never was one" })).await));
        login(&hub, ADA, GOOD).await.expect(200);
        hub.finish().await;
    }

    async fn a_proof_is_a_code_with_its_address_or_a_token_and_not_both(pair) {
        let hub = TestHub::start(pair).await;
        for body in [
            json!({}),
            json!({ "email": ADA }),
            json!({ "code": "123456" }),
            json!({ "email": ADA, "code": "123456", "token": "x" }),
            json!({ "email": ADA, "token": "x" }),
            json!({ "email": ADA, "code": 123_456 }),
            json!({ "email": ADA, "code": "12345" }),
            json!({ "email": ADA, "code": "12345\u{663}" }),
            json!({ "token": "" }),
        ] {
            assert_eq!(post(&hub, "verify-email", &body).await.expect(400).error_code(), "VALIDATION_ERROR", "{body}");
        }
        hub.finish().await;
    }

    async fn reg_05_registering_a_known_address_looks_the_same(pair) {
        let hub = TestHub::start(pair).await;
        member(&hub, ADA, GOOD).await;
        register(&hub, "pending@example.com", GOOD).await.expect(202);
        for path in ["register", "resend-verification", "forgot-password"] {
            let mut answers = Vec::new();
            for email in [ADA, "pending@example.com", "nobody@example.com"] {
                let mut body = json!({ "email": email });
                if path == "register" {
                    body["password"] = "another heron at the lake".into();
                }
                answers.push(told_with_headers(&post(&hub, path, &body).await.expect(202)));
            }
            assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{path}: {answers:#?}");
        }
        // Only the owner learns of it, and nothing that could be used.
        let mails = mails_to(&hub, ADA).await;
        let told = mails.iter().find(|mail| mail.subject.contains("You have an account")).expect("the owner is told");
        assert!(!told.text.contains("token="), "{}", told.text);
        login(&hub, ADA, GOOD).await.expect(200);
        login(&hub, ADA, "another heron at the lake").await.expect(401);
        // To the others went what they could have asked for themselves: proofs of a registration.
        for email in ["pending@example.com", "nobody@example.com"] {
            let mails = mails_to(&hub, email).await;
            assert!(mails.iter().all(|mail| mail.subject.starts_with("Confirm your address")), "{mails:?}");
        }
        hub.finish().await;
    }

    async fn who_registers_a_strangers_address_first_gains_nothing(pair) {
        let hub = TestHub::start(pair).await;
        register(&hub, ADA, "the attackers own password").await.expect(202);
        let first = last_mail_to(&hub, ADA).await;
        register(&hub, ADA, GOOD).await.expect(202);
        let second = last_mail_to(&hub, ADA).await;
        // The first registration is dead, by code and by link.
        assert_ne!(code_in(&first), code_in(&second));
        assert_eq!(prove(&hub, ADA, &code_in(&first)).await, 400);
        post(&hub, "verify-email", &json!({ "token": token_in(&first, "verify-email") })).await.expect(400);
        assert_eq!(prove(&hub, ADA, &code_in(&second)).await, 200);
        login(&hub, ADA, "the attackers own password").await.expect(401);
        login(&hub, ADA, GOOD).await.expect(200);
        hub.finish().await;
    }

    async fn reg_08_five_wrong_codes_burn_a_code_and_a_new_one_works(pair) {
        let hub = TestHub::start(pair).await;
        register(&hub, ADA, GOOD).await.expect(202);
        let mail = last_mail_to(&hub, ADA).await;
        let code = code_in(&mail);
        let mut answers = Vec::new();
        for by in 1..=5 {
            answers.push(told(&post(&hub, "verify-email", &json!({ "email": ADA, "code": wrong(&code, by) })).await));
        }
        answers.push(told(&post(&hub, "verify-email", &json!({ "email": ADA, "code": code })).await));
        // Burned or wrong or never there: nobody is told, nor how many tries are left.
        answers.push(told(&post(&hub, "verify-email", &json!({ "email": "nobody@example.com", "code": code })).await));
        assert!(answers.iter().all(|answer| answer.0 == 400 && *answer == answers[0]), "{answers:#?}");

        post(&hub, "resend-verification", &json!({ "email": ADA })).await.expect(202);
        let newer = last_mail_to(&hub, ADA).await;
        assert_eq!(mails_to(&hub, ADA).await.len(), 2);
        post(&hub, "verify-email", &json!({ "token": token_in(&mail, "verify-email") })).await.expect(400);
        assert_eq!(prove(&hub, ADA, &code_in(&newer)).await, 200);
        login(&hub, ADA, GOOD).await.expect(200);
        hub.finish().await;
    }

    async fn a_code_lives_ten_minutes_and_its_link_a_day(pair) {
        let hub = TestHub::start(pair).await;
        for email in [ADA, "bob@example.com", "cy@example.com"] {
            register(&hub, email, GOOD).await.expect(202);
        }
        let mail = last_mail_to(&hub, ADA).await;
        let bobs = code_in(&last_mail_to(&hub, "bob@example.com").await);
        let late = token_in(&last_mail_to(&hub, "cy@example.com").await, "verify-email");
        hub.advance(Duration::seconds(599));
        assert_eq!(prove(&hub, "bob@example.com", &bobs).await, 200);
        hub.advance(Duration::seconds(2));
        assert_eq!(prove(&hub, ADA, &code_in(&mail)).await, 400);
        post(&hub, "verify-email", &json!({ "token": token_in(&mail, "verify-email") })).await.expect(200);
        hub.advance(Duration::hours(24));
        post(&hub, "verify-email", &json!({ "token": late })).await.expect(400);
        // Nothing is left to mail again.
        let before = hub.mails().await.len();
        post(&hub, "resend-verification", &json!({ "email": "cy@example.com" })).await.expect(202);
        assert_eq!(hub.mails().await.len(), before);
        hub.finish().await;
    }

    async fn of_twenty_proofs_at_once_one_wins(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        for (email, by_code) in [(ADA, true), ("bob@example.com", false)] {
            register(&hub, email, GOOD).await.expect(202);
            let mail = last_mail_to(&hub, email).await;
            let by_code = by_code.then(|| json!({ "email": email, "code": code_in(&mail) }));
            let body = by_code.unwrap_or_else(|| json!({ "token": token_in(&mail, "verify-email") }));
            let tries = (0..20).map(|n| post(if n % 2 == 0 { &hub } else { &twin }, "verify-email", &body));
            let answers: Vec<u16> = join_all(tries).await.iter().map(|answer| answer.status.as_u16()).collect();
            assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
            assert_eq!(answers.iter().filter(|status| **status == 400).count(), 19, "{answers:?}");
        }
        assert_eq!(trail_of(&hub, "user.registered").await.len(), 2);
        twin.finish().await;
        hub.finish().await;
    }

    async fn of_twenty_guesses_at_once_only_five_are_looked_at(pair) {
        let hub = TestHub::start(pair).await;
        register(&hub, ADA, GOOD).await.expect(202);
        let code = code_in(&last_mail_to(&hub, ADA).await);
        let guesses: Vec<String> = (1..=20).map(|by| wrong(&code, by)).collect();
        join_all(guesses.iter().map(|guess| prove(&hub, ADA, guess))).await;
        assert_eq!(prove(&hub, ADA, &code).await, 400);
        hub.finish().await;
    }

    async fn a_mailbox_is_not_flooded(pair) {
        let hub = TestHub::start(pair).await;
        let mut mails = Vec::new();
        for _ in 0..10 {
            register(&hub, ADA, GOOD).await.expect(202);
            mails = mails_to(&hub, ADA).await;
        }
        assert_eq!(mails.len(), 6);
        register(&hub, "bob@example.com", GOOD).await.expect(202);
        for _ in 0..10 {
            post(&hub, "resend-verification", &json!({ "email": "bob@example.com" })).await.expect(202);
        }
        assert_eq!(mails_to(&hub, "bob@example.com").await.len(), 4);
        assert_eq!(prove(&hub, ADA, &code_in(&mails[5])).await, 200, "the last code that was mailed works");
        for _ in 0..5 {
            register(&hub, ADA, GOOD).await.expect(202);
        }
        assert_eq!(mails_to(&hub, ADA).await.len(), 7, "one word about the account per hour");
        hub.finish().await;
    }

    async fn reg_02_a_password_is_taken_or_refused_with_every_reason(pair) {
        let hub = TestHub::start(pair).await;
        let email = "grace.hopper@example.com";
        for (password, reasons) in [
            ("Xk9#mPq".to_owned(), &["must have at least 8"][..]),
            ("xk9mpqvlr".to_owned(), &["upper-case letter"]),
            ("vkqtmpqzlrwbxy".to_owned(), &["upper-case letter"]),
            ("Password1!".to_owned(), &["tried first"]),
            ("Summer2026!".to_owned(), &["tried first"]),
            ("1234567".to_owned(), &["must have at least 8", "tried first"]),
            ("grace.hopper@example.comA1!".to_owned(), &["e-mail address"]),
            ("SmartAIHub1!A".to_owned(), &["name of this service"]),
            ("é".repeat(129), &["at most 128"]),
            ("long enough to pass\u{7}".to_owned(), &["control characters"]),
        ] {
            let refused = register(&hub, email, &password).await.expect(400);
            let details = refused.json()["error"]["details"].clone();
            let details = details.as_array().unwrap();
            assert_eq!(details.len(), reasons.len(), "{password}: {details:?}");
            for reason in reasons {
                let named =
                    |entry: &Value| entry["field"] == "password" && entry["message"].as_str().unwrap().contains(reason);
                assert!(details.iter().any(named), "{password}: {details:?}");
            }
            assert!(!refused.text().contains(&password));
        }
        assert_eq!(hub.mails().await.len(), 0);
        for (n, password) in
            ["Xk9#mPq2vL", "four small words here", "ünïcödé is fine äöü", &"long ".repeat(25)].iter().enumerate()
        {
            register(&hub, &format!("m{n}@example.com"), password).await.expect(202);
        }
        hub.finish().await;
    }

    async fn reg_02_one_password_in_two_unicode_spellings_is_one(pair) {
        let hub = TestHub::start(pair).await;
        member(&hub, ADA, "Z\u{fc}rich in the morning").await;
        login(&hub, ADA, "Zu\u{308}rich in the morning").await.expect(200);
        login(&hub, ADA, "Zurich in the morning").await.expect(401);
        hub.finish().await;
    }

    async fn a_hub_that_is_closed_lets_nobody_register(pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.identity.registration = false).start().await;
        register(&hub, ADA, GOOD).await.expect(403);
        assert!(hub.mails().await.is_empty());
        hub.finish().await;
    }

    async fn a_name_is_bounded_and_never_mailed(pair) {
        let hub = TestHub::start(pair).await;
        for name in ["x".repeat(101), "a\nb".to_owned()] {
            let body = json!({ "email": ADA, "password": GOOD, "name": name });
            let refused = post(&hub, "register", &body).await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], "name");
        }
        let body = json!({ "email": ADA, "password": GOOD, "name": "Win at https://evil.example" });
        post(&hub, "register", &body).await.expect(202);
        let mail = last_mail_to(&hub, ADA).await;
        assert!(!mail.text.contains("evil") && !mail.html.unwrap_or_default().contains("evil"));
        hub.finish().await;
    }
}
