//! Change of password and address, and proving again who one is.

use chrono::Duration;
use hub_domain::access::{self, Proof};
use hub_domain::sessions::{self, FreshError};
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Email;
use serde_json::{Value, json};

const BETTER: &str = "nine brown hares run over the field";

async fn change_password(hub: &TestHub, token: &str, body: &Value) -> TestResponse {
    hub.post("/api/auth/change-password").bearer(token).json(body).send().await
}

async fn login(hub: &TestHub, email: &str, password: &str) -> TestResponse {
    hub.post("/api/auth/login").json(&json!({ "email": email, "password": password })).send().await
}

async fn me(hub: &TestHub, token: &str) -> TestResponse {
    hub.get("/api/auth/me").bearer(token).send().await
}

async fn refresh(hub: &TestHub, token: &str) -> TestResponse {
    hub.post("/api/auth/refresh").json(&json!({ "refreshToken": token })).send().await
}

async fn ask_for(hub: &TestHub, user: &TestUser, new_email: &str) -> TestResponse {
    let body = json!({ "newEmail": new_email, "password": user.password });
    hub.post("/api/auth/change-email").bearer(&user.access_token).json(&body).send().await
}

async fn confirm(hub: &TestHub, token: &str) -> TestResponse {
    hub.post("/api/auth/change-email/confirm").json(&json!({ "token": token })).send().await
}

/// The newest mail to this address.
async fn mail_to(hub: &TestHub, to: &str) -> String {
    let to: Email = to.parse().unwrap();
    hub.mails().await.into_iter().rev().find(|mail| mail.to == to).expect("a mail").text
}

/// What follows `token=` in the newest mail to this address that has a link. Mails of one moment come in any order.
async fn token_to(hub: &TestHub, to: &str) -> String {
    let to: Email = to.parse().unwrap();
    let mails = hub.mails().await;
    let mut links = mails.iter().rev().filter(|mail| mail.to == to).filter_map(|mail| mail.text.split_once("token="));
    links.next().expect("a link").1.lines().next().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

on_both_pairs! {
    async fn pwd_07_the_password_changes_with_the_present_one_and_only_this_session_goes_on(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut other = ada.clone();
        hub.sign_in(&mut other).await;
        ask_for(&hub, &ada, "new@example.com").await.expect(202);
        let pending = token_to(&hub, "ada@example.com").await;

        let without = change_password(&hub, &ada.access_token, &json!({ "newPassword": BETTER })).await.expect(400);
        assert_eq!(without.json()["error"]["details"][0]["field"], "currentPassword");
        let wrong = json!({ "currentPassword": "wrong", "newPassword": BETTER });
        change_password(&hub, &ada.access_token, &wrong).await.expect(400);
        let weak = json!({ "currentPassword": ada.password, "newPassword": "Password1!" });
        change_password(&hub, &ada.access_token, &weak).await.expect(400);
        let right = json!({ "currentPassword": ada.password, "newPassword": BETTER });
        change_password(&hub, &ada.api_key, &right).await.expect(403);
        me(&hub, &other.access_token).await.expect(200);

        let changed = change_password(&hub, &ada.access_token, &right).await.expect(200);
        assert_eq!(changed.header("cache-control"), "no-store");
        let tokens = changed.json();
        for old in [&ada.access_token, &other.access_token] {
            me(&hub, old).await.expect(401);
        }
        refresh(&hub, &other.refresh_token).await.expect(401);
        me(&hub, text(&tokens["accessToken"])).await.expect(200);
        refresh(&hub, text(&tokens["refreshToken"])).await.expect(200);
        me(&hub, &ada.api_key).await.expect(200);
        login(&hub, "ada@example.com", &ada.password).await.expect(401);
        login(&hub, "ada@example.com", BETTER).await.expect(200);
        confirm(&hub, &pending).await.expect(400);
        assert!(mail_to(&hub, "ada@example.com").await.contains("Your password was changed"));
        hub.finish().await;
    }

    async fn a_browser_gets_its_new_refresh_token_in_the_cookie(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = json!({ "email": ada.email, "password": ada.password, "session": "cookie" });
        let signed_in = hub.post("/api/auth/login").header("sec-fetch-site", "same-origin").json(&body).send().await.expect(200);
        let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
        let token = text(&signed_in.json()["accessToken"]).to_owned();
        let body = json!({ "currentPassword": ada.password, "newPassword": BETTER });
        let request = hub.post("/api/auth/change-password").bearer(&token).header("cookie", &cookie).json(&body);
        let changed = request.send().await.expect(200);
        assert_eq!(changed.json()["refreshToken"], Value::Null);
        let renewed = changed.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(renewed != cookie && renewed.starts_with("hub-refresh=rt_"), "{renewed}");
        hub.finish().await;
    }

    async fn twenty_wrong_passwords_in_a_borrowed_session_are_stopped_and_the_front_door_stays_open(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = json!({ "currentPassword": "wrong", "newPassword": BETTER });
        for _ in 0..9 {
            change_password(&hub, &ada.access_token, &body).await.expect(400);
        }
        let stopped = change_password(&hub, &ada.access_token, &body).await.expect(429);
        assert!(stopped.header("retry-after").parse::<u64>().unwrap() > 0);
        let right = json!({ "currentPassword": ada.password, "newPassword": BETTER });
        change_password(&hub, &ada.access_token, &right).await.expect(429);
        login(&hub, "ada@example.com", &ada.password).await.expect(200);
        me(&hub, &ada.access_token).await.expect(200);
        hub.advance(Duration::minutes(15));
        let mut again = ada.clone();
        hub.sign_in(&mut again).await;
        change_password(&hub, &again.access_token, &right).await.expect(200);
        hub.finish().await;
    }

    async fn pwd_06_a_reset_ends_every_device_and_voids_a_pending_change_of_address(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let ada = hub.user("ada").await;
        let mut other = ada.clone();
        hub.sign_in(&mut other).await;
        ask_for(&hub, &ada, "new@example.com").await.expect(202);
        let pending = token_to(&hub, "ada@example.com").await;
        hub.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await.expect(202);
        let token = token_to(&hub, "ada@example.com").await;
        hub.post("/api/auth/reset-password").json(&json!({ "token": token, "password": BETTER })).send().await.expect(204);
        hub.advance(Duration::seconds(2));
        for user in [&ada, &other] {
            for place in [&hub, &sibling] {
                me(place, &user.access_token).await.expect(401);
            }
            refresh(&hub, &user.refresh_token).await.expect(401);
        }
        confirm(&hub, &pending).await.expect(400);
        assert!(mail_to(&hub, "ada@example.com").await.contains("all devices were signed out"));
        sibling.finish().await;
        hub.finish().await;
    }

    async fn pwd_07_the_address_switches_only_after_the_old_and_then_the_new_one_confirmed(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let refused = json!({ "newEmail": "new@example.com", "password": "wrong" });
        hub.post("/api/auth/change-email").bearer(&ada.access_token).json(&refused).send().await.expect(400);
        let missing = json!({ "newEmail": "new@example.com" });
        hub.post("/api/auth/change-email").bearer(&ada.access_token).json(&missing).send().await.expect(400);
        let body = json!({ "newEmail": "new@example.com", "password": ada.password });
        hub.post("/api/auth/change-email").bearer(&ada.api_key).json(&body).send().await.expect(403);
        ask_for(&hub, &ada, "ada@example.com").await.expect(400);

        // A typing mistake: the second request replaces the first.
        ask_for(&hub, &ada, "nwe@example.com").await.expect(202);
        let mistaken = token_to(&hub, "ada@example.com").await;
        ask_for(&hub, &ada, "new@example.com").await.expect(202);
        confirm(&hub, &mistaken).await.expect(400);
        let first = token_to(&hub, "ada@example.com").await;
        let done = confirm(&hub, &first).await.expect(200);
        assert_eq!(done.json()["changed"], false);
        confirm(&hub, &first).await.expect(400);
        assert_eq!(me(&hub, &ada.access_token).await.json()["email"], "ada@example.com");
        login(&hub, "new@example.com", &ada.password).await.expect(401);

        let second = token_to(&hub, "new@example.com").await;
        let done = confirm(&hub, &second).await.expect(200);
        assert_eq!(done.json()["changed"], true);
        assert_eq!(me(&hub, &ada.access_token).await.json()["email"], "new@example.com");
        login(&hub, "new@example.com", &ada.password).await.expect(200);
        login(&hub, "ada@example.com", &ada.password).await.expect(401);
        assert!(mail_to(&hub, "ada@example.com").await.contains("has the address new@example.com now"));
        assert!(hub.mails().await.iter().all(|mail| mail.to.as_str() != "nwe@example.com"));
        hub.finish().await;
    }

    async fn pwd_07_a_typing_mistake_found_after_the_old_address_agreed_is_put_right(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        ask_for(&hub, &ada, "nwe@example.com").await.expect(202);
        confirm(&hub, &token_to(&hub, "ada@example.com").await).await.expect(200);
        let strangers = token_to(&hub, "nwe@example.com").await;
        ask_for(&hub, &ada, "new@example.com").await.expect(202);
        confirm(&hub, &strangers).await.expect(400);
        confirm(&hub, &token_to(&hub, "ada@example.com").await).await.expect(200);
        confirm(&hub, &token_to(&hub, "new@example.com").await).await.expect(200);
        assert_eq!(me(&hub, &ada.access_token).await.json()["email"], "new@example.com");
        hub.finish().await;
    }

    async fn an_address_with_an_account_looks_like_any_other(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, _eve) = (hub.user("ada").await, hub.user("eve").await);
        let (mut answers, mut confirmed) = (Vec::new(), Vec::new());
        for address in ["eve@example.com", "free@example.com"] {
            answers.push(ask_for(&hub, &ada, address).await.expect(202).text());
            let token = token_to(&hub, "ada@example.com").await;
            confirmed.push(confirm(&hub, &token).await.expect(200).text());
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(confirmed[0], confirmed[1]);
        let told = mail_to(&hub, "eve@example.com").await;
        assert!(told.contains("has an account already") && !told.contains("token="), "{told}");
        hub.finish().await;
    }

    async fn two_accounts_cannot_take_one_address(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let mut links = Vec::new();
        for user in [&ada, &bob] {
            ask_for(&hub, user, "new@example.com").await.expect(202);
            confirm(&hub, &token_to(&hub, user.email.as_str()).await).await.expect(200);
            links.push(token_to(&hub, "new@example.com").await);
        }
        let (first, second) = tokio::join!(confirm(&hub, &links[0]), confirm(&hub, &links[1]));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400]);
        hub.finish().await;
    }

    async fn the_old_address_takes_a_theft_back_whatever_the_thief_did_since(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        ask_for(&hub, &ada, "thief@example.com").await.expect(202);
        confirm(&hub, &token_to(&hub, "ada@example.com").await).await.expect(200);
        confirm(&hub, &token_to(&hub, "thief@example.com").await).await.expect(200);
        let way_back = token_to(&hub, "ada@example.com").await;
        confirm(&hub, &way_back).await.expect(400);
        let body = json!({ "currentPassword": ada.password, "newPassword": BETTER });
        let thief = change_password(&hub, &ada.access_token, &body).await.expect(200).json();
        let thief = text(&thief["accessToken"]).to_owned();
        hub.advance(Duration::days(6));
        let revert = || hub.post("/api/auth/change-email/revert").json(&json!({ "token": way_back })).send();
        revert().await.expect(204);
        revert().await.expect(400);
        me(&hub, &thief).await.expect(401);
        login(&hub, "thief@example.com", BETTER).await.expect(401);
        hub.post("/api/auth/forgot-password").json(&json!({ "email": "ada@example.com" })).send().await.expect(202);
        let token = token_to(&hub, "ada@example.com").await;
        let mine = "seven grey herons stand there again";
        hub.post("/api/auth/reset-password").json(&json!({ "token": token, "password": mine })).send().await.expect(204);
        login(&hub, "ada@example.com", mine).await.expect(200);
        hub.finish().await;
    }

    async fn a_sign_in_is_fresh_for_ten_minutes_and_again_after_a_new_proof(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let caller = access::authenticate(&hub.hub, Proof::AccessToken(&ada.access_token), None).await.unwrap();
        let key = access::authenticate(&hub.hub, Proof::ApiKey(&ada.api_key), None).await.unwrap();
        assert!(matches!(sessions::require_fresh(&hub.hub, &key).await, Err(FreshError::NeedsSession)));
        hub.advance(Duration::minutes(10));
        assert!(sessions::require_fresh(&hub.hub, &caller).await.is_ok());
        hub.advance(Duration::seconds(1));
        assert!(matches!(sessions::require_fresh(&hub.hub, &caller).await, Err(FreshError::Stale)));
        // A refresh proves nothing about the person.
        let newer = refresh(&hub, &ada.refresh_token).await.expect(200).json();
        let token = text(&newer["accessToken"]);
        assert!(sessions::require_fresh(&hub.hub, &caller).await.is_err());
        let prove = |token: &str, password: &str| {
            hub.post("/api/auth/reauthenticate").bearer(token).json(&json!({ "password": password })).send()
        };
        prove(token, "wrong").await.expect(400);
        prove(&ada.api_key, &ada.password).await.expect(403);
        assert!(sessions::require_fresh(&hub.hub, &caller).await.is_err());
        let proved = prove(token, &ada.password).await.expect(200).json();
        assert!(text(&proved["freshUntil"]).starts_with("2026-11-23T10:20:01"), "{proved}");
        assert!(sessions::require_fresh(&hub.hub, &caller).await.is_ok());
        hub.finish().await;
    }
}
