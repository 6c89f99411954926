//! A forgotten password: one link, half an hour, one use, and everything that was signed in is signed out.

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use serde_json::json;

use super::{
    GOOD, another_device, last_mail_to, login, mails_to, me, post, refresh, register, token_in, told, trail_of,
};

async fn forgot(hub: &TestHub, email: &str) {
    post(hub, "forgot-password", &json!({ "email": email })).await.expect(202);
}

/// Asks for a link and opens the mail.
async fn link(hub: &TestHub, user: &TestUser) -> String {
    forgot(hub, user.email.as_str()).await;
    token_in(&last_mail_to(hub, user.email.as_str()).await, "reset-password")
}

async fn reset(hub: &TestHub, token: &str, password: &str) -> hub_testkit::TestResponse {
    post(hub, "reset-password", &json!({ "token": token, "password": password })).await
}

on_both_pairs! {
    async fn pwd_06_a_reset_changes_the_password_and_signs_everything_out(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let phone = another_device(&hub, &ada).await;
        assert_eq!((me(&twin, &ada.access_token).await, me(&twin, &phone.access_token).await), (200, 200));
        let token = link(&hub, &ada).await;
        assert_eq!(me(&hub, &ada.access_token).await, 200, "asking changes nothing");
        login(&hub, ada.email.as_str(), &ada.password).await.expect(200);

        let done = reset(&hub, &token, GOOD).await.expect(204);
        assert_eq!(done.header("cache-control"), "no-store");
        for (hub, device) in [(&hub, &ada), (&twin, &ada), (&twin, &phone)] {
            assert_eq!(me(hub, &device.access_token).await, 401);
            refresh(hub, &device.refresh_token).await.expect(401);
        }
        login(&hub, ada.email.as_str(), &ada.password).await.expect(401);
        login(&hub, ada.email.as_str(), GOOD).await.expect(200);
        // Programs keep their keys, others their sessions.
        assert_eq!((me(&hub, &ada.api_key).await, me(&hub, &bob.access_token).await), (200, 200));
        assert!(last_mail_to(&hub, ada.email.as_str()).await.subject.contains("was changed"));
        assert_eq!(trail_of(&hub, "auth.password_reset").await.len(), 1);
        twin.finish().await;
        hub.finish().await;
    }

    async fn pwd_04_only_the_newest_link_works_once_for_half_an_hour(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let unknown = told(&reset(&hub, "never was one", GOOD).await.expect(400));
        let older = link(&hub, &ada).await;
        let newer = link(&hub, &ada).await;
        assert_eq!(told(&reset(&hub, &older, GOOD).await), unknown, "replaced");
        hub.advance(Duration::seconds(30 * 60 - 1));
        // A weak password costs nothing.
        let weak = reset(&hub, &newer, "Password1!").await.expect(400);
        assert_eq!(weak.json()["error"]["details"][0]["field"], "password");
        reset(&hub, &newer, GOOD).await.expect(204);
        assert_eq!(told(&reset(&hub, &newer, "another heron at the lake").await), unknown, "used");
        login(&hub, ada.email.as_str(), GOOD).await.expect(200);

        let late = link(&hub, &bob).await;
        hub.advance(Duration::seconds(30 * 60));
        assert_eq!(told(&reset(&hub, &late, GOOD).await), unknown, "expired");
        login(&hub, bob.email.as_str(), &bob.password).await.expect(200);
        hub.finish().await;
    }

    async fn of_twenty_resets_at_once_one_wins(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let token = link(&hub, &ada).await;
        let passwords: Vec<String> = (0..20).map(|n| format!("heron number {n} of the lake")).collect();
        let tries = passwords
            .iter()
            .enumerate()
            .map(|(n, password)| reset(if n % 2 == 0 { &hub } else { &twin }, &token, password));
        let answers: Vec<u16> = join_all(tries).await.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(answers.iter().filter(|status| **status == 204).count(), 1, "{answers:?}");
        let winner = answers.iter().position(|status| *status == 204).unwrap();
        login(&hub, ada.email.as_str(), &passwords[winner]).await.expect(200);
        assert_eq!(trail_of(&hub, "auth.password_reset").await.len(), 1);
        twin.finish().await;
        hub.finish().await;
    }

    async fn pwd_01_only_accounts_get_mail_and_not_more_than_three_an_hour(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        register(&hub, "pending@example.com", GOOD).await.expect(202);
        for email in ["nobody@example.com", "pending@example.com"] {
            forgot(&hub, email).await;
        }
        assert!(mails_to(&hub, "nobody@example.com").await.is_empty());
        assert_eq!(mails_to(&hub, "pending@example.com").await.len(), 1, "its registration's");
        post(&hub, "forgot-password", &json!({ "email": "no address" })).await.expect(400);
        let mut mails = Vec::new();
        for _ in 0..5 {
            forgot(&hub, ada.email.as_str()).await;
            mails = mails_to(&hub, ada.email.as_str()).await;
        }
        assert_eq!(mails.len(), 3);
        reset(&hub, &token_in(&mails[2], "reset-password"), GOOD).await.expect(204);
        hub.run_jobs().await;
        hub.advance(Duration::hours(1));
        link(&hub, &ada).await;
        hub.finish().await;
    }

    async fn a_link_leads_to_the_configured_address_whatever_the_request_says(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let request = hub.post("/api/auth/forgot-password").header("x-forwarded-host", "evil.example");
        let request = request.header("origin", "https://evil.example").header("x-forwarded-proto", "https");
        request.header("forwarded", "host=evil.example").json(&json!({ "email": ada.email })).send().await.expect(202);
        let mail = last_mail_to(&hub, ada.email.as_str()).await;
        assert!(!mail.text.contains("evil") && !mail.html.clone().unwrap_or_default().contains("evil"));
        token_in(&mail, "reset-password");
        hub.finish().await;
    }

    async fn one_purposes_link_is_not_anothers(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        register(&hub, "pending@example.com", GOOD).await.expect(202);
        let registration = token_in(&last_mail_to(&hub, "pending@example.com").await, "verify-email");
        let password = link(&hub, &ada).await;
        reset(&hub, &registration, GOOD).await.expect(400);
        post(&hub, "verify-email", &json!({ "token": password })).await.expect(400);
        reset(&hub, &password, GOOD).await.expect(204);
        post(&hub, "verify-email", &json!({ "token": registration })).await.expect(200);
        hub.finish().await;
    }
}
