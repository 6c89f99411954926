//! The ways into an account, put right by an administrator: a link for a new password, another address; and mails about roles.

use axum::http::Method;
use chrono::Duration;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::json;

use super::{GOOD, actions, grant, holder, login, patch, revoke, send, subjects, trail};
use crate::auth::{last_mail_to, token_in};

async fn reset(hub: &TestHub, who: &TestUser, whom: &TestUser) -> TestResponse {
    send(hub, who, Method::POST, &format!("/api/users/{}/reset-password", whom.id), &json!({})).await
}

async fn move_to(hub: &TestHub, who: &TestUser, whom: &TestUser, new: &str) -> TestResponse {
    send(hub, who, Method::POST, &format!("/api/users/{}/change-email", whom.id), &json!({ "newEmail": new })).await
}

on_both_pairs! {
    async fn an_administrator_sends_the_owner_a_link_and_learns_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        let answer = reset(&hub, &admin, &ada).await.expect(202);
        assert!(answer.body.is_empty());
        login(&hub, ada.email.as_str(), &ada.password).await.expect(200);
        let mail = last_mail_to(&hub, ada.email.as_str()).await;
        assert!(mail.text.contains("An administrator"), "{}", mail.text);
        let body = json!({ "token": token_in(&mail, "reset-password"), "password": GOOD });
        hub.post("/api/auth/reset-password").json(&body).send().await.expect(204);
        login(&hub, ada.email.as_str(), GOOD).await.expect(200);
        let rows = trail(&hub, &admin, &ada, "auth.password_reset").await;
        assert_eq!(actions(&rows), ["auth.password_reset", "auth.password_reset_requested"]);
        assert_eq!(rows[1]["actorId"], json!(admin.id));
        for _ in 0..2 {
            reset(&hub, &admin, &ada).await.expect(202);
        }
        reset(&hub, &admin, &ada).await.expect(429);
        patch(&hub, &admin, &ada, &json!({ "status": "disabled" })).await.expect(200);
        reset(&hub, &admin, &ada).await.expect(409);
        hub.finish().await;
    }

    async fn an_address_is_changed_by_an_administrator_and_taken_back_by_its_owner(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (mut admin, ada, bob) = (hub.admin().await, hub.user("ada").await, hub.user("bob").await);
        hub.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await.expect(202);
        let stale = token_in(&last_mail_to(&hub, ada.email.as_str()).await, "reset-password");
        for taken in [ada.email.as_str(), bob.email.as_str()] {
            move_to(&hub, &admin, &ada, taken).await.expect(409);
        }
        move_to(&hub, &admin, &ada, "no address").await.expect(400);
        let changed = move_to(&hub, &admin, &ada, "moved@example.com").await.expect(200).json();
        assert_eq!((&changed["email"], &changed["verified"]), (&json!("moved@example.com"), &json!(true)));
        login(&twin, ada.email.as_str(), &ada.password).await.expect(401);
        login(&twin, "moved@example.com", &ada.password).await.expect(200);
        let body = json!({ "token": stale, "password": GOOD });
        hub.post("/api/auth/reset-password").json(&body).send().await.expect(400);
        assert!(subjects(&hub, "moved@example.com").await.iter().any(|subject| subject.contains("address of your account")));
        let rows = trail(&hub, &admin, &ada, "auth.email").await;
        assert_eq!((actions(&rows), &rows[0]["actorId"]), (vec!["auth.email_changed"], &json!(admin.id)));

        let mails = crate::auth::mails_to(&hub, ada.email.as_str()).await;
        let told = mails.iter().find(|mail| mail.text.contains("/revert-email?token=")).expect("the old address is told");
        let back = json!({ "token": token_in(told, "revert-email") });
        hub.post("/api/auth/change-email/revert").json(&back).send().await.expect(204);
        login(&hub, ada.email.as_str(), &ada.password).await.expect(200);
        login(&hub, "moved@example.com", &ada.password).await.expect(401);

        hub.advance(Duration::minutes(11));
        let stale = move_to(&hub, &admin, &ada, "again@example.com").await.expect(403).json();
        assert_eq!(stale["error"]["details"], json!({ "reauthenticationRequired": true }));
        hub.sign_in(&mut admin).await;
        move_to(&hub, &admin, &ada, "again@example.com").await.expect(200);
        twin.finish().await;
        hub.finish().await;
    }

    async fn the_hierarchy_holds_for_ways_in_and_no_key_touches_them(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let role = json!({ "name": "lead", "rank": 50, "permissions": ["users:read", "users:update", "keys:read", "keys:create"] });
        send(&hub, &admin, Method::POST, "/api/roles", &role).await.expect(201);
        let (lea, peer, ada) = (holder(&hub, "lea", "lead").await, holder(&hub, "peer", "lead").await, hub.user("ada").await);
        let (manager, second) = (hub.manager().await, holder(&hub, "second", "admin").await);
        for whom in [&lea, &peer, &admin] {
            reset(&hub, &lea, whom).await.expect(403);
            move_to(&hub, &lea, whom, "x@example.com").await.expect(403);
        }
        for who in [&ada, &manager] {
            reset(&hub, who, &peer).await.expect(403);
            move_to(&hub, who, &peer, "x@example.com").await.expect(403);
        }
        reset(&hub, &admin, &admin).await.expect(403);
        reset(&hub, &admin, &second).await.expect(202);
        reset(&hub, &lea, &ada).await.expect(202);
        let named = json!({ "name": "people", "scopes": ["users:read", "users:update"] });
        let key = send(&hub, &lea, Method::POST, "/api/keys", &named).await.expect(201).json()["key"].as_str().unwrap().to_owned();
        for (tail, body) in [("reset-password", json!({})), ("change-email", json!({ "newEmail": "x@example.com" }))] {
            let path = format!("/api/users/{}/{tail}", ada.id);
            let refused = hub.post(&path).bearer(&key).json(&body).send().await.expect(403);
            assert!(refused.text().contains("An API key cannot do this"), "{}", refused.text());
        }
        hub.patch(&format!("/api/users/{}", ada.id)).bearer(&key).json(&json!({ "name": "Ada" })).send().await.expect(200);
        let nobody = format!("/api/users/{}/reset-password", "018f0000-0000-7000-8000-000000000000");
        send(&hub, &admin, Method::POST, &nobody, &json!({})).await.expect(404);
        hub.finish().await;
    }

    async fn the_owner_is_told_of_roles_given_and_taken(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        for _ in 0..2 {
            grant(&hub, &admin, &ada, "manager").await.expect(204);
        }
        revoke(&hub, &admin, &ada, "manager").await.expect(204);
        let told: Vec<String> = subjects(&hub, ada.email.as_str()).await.into_iter().filter(|subject| subject.contains("role")).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("has the role manager") && told[1].contains("no longer has the role manager"), "{told:?}");
        hub.finish().await;
    }
}
