//! An administrator looks at the hub as somebody else: shortly, reading only, and never unseen.

use axum::http::Method;
use chrono::Duration;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::{actions, get, grant, holder, me, patch, revoke, send, subjects, trail};

async fn impersonate(hub: &TestHub, who: &TestUser, whom: &TestUser) -> TestResponse {
    let path = format!("/api/users/{}/impersonate", whom.id);
    send(hub, who, Method::POST, &path, &json!({ "reason": "Ticket 42" })).await
}

async fn token(hub: &TestHub, who: &TestUser, whom: &TestUser) -> String {
    let made = impersonate(hub, who, whom).await.expect(200).json();
    assert_eq!(
        (&made["expiresIn"], &made["refreshToken"], &made["userId"]),
        (&json!(900), &Value::Null, &json!(whom.id))
    );
    made["accessToken"].as_str().unwrap().to_owned()
}

on_both_pairs! {
    async fn an_impersonation_sees_what_both_may_read_and_changes_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        let token = token(&hub, &admin, &ada).await;
        let seen = hub.get("/api/auth/me").bearer(&token).send().await.expect(200).json();
        assert_eq!(seen["id"], json!(ada.id));
        assert_eq!(seen["permissions"], json!(["credits:read", "keys:read", "models:read", "usage:read"]));
        for path in ["/api/credits/balance", "/api/keys", "/api/users/me", "/v1/models"] {
            hub.get(path).bearer(&token).send().await.expect(200);
        }
        let chat = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] });
        let password = json!({ "currentPassword": ada.password, "newPassword": super::GOOD });
        for (method, path, body) in [
            (Method::POST, "/v1/chat/completions", chat),
            (Method::POST, "/api/keys", json!({ "name": "x" })),
            (Method::PATCH, "/api/users/me", json!({ "name": "x" })),
            (Method::POST, "/api/auth/change-password", password),
            (Method::POST, "/api/auth/change-email", json!({ "newEmail": "x@example.com", "password": ada.password })),
            (Method::POST, "/api/auth/reauthenticate", json!({ "password": ada.password })),
            (Method::POST, "/api/auth/totp", json!({ "password": ada.password })),
            (Method::POST, "/api/auth/ws-ticket", json!({})),
            (Method::GET, "/api/auth/sessions", json!({})),
            (Method::GET, "/api/users/me/audit", json!({})),
            (Method::GET, "/api/users", json!({})),
        ] {
            let request = hub.request(method, path).bearer(&token).json(&body);
            let refused = request.send().await;
            assert_eq!(refused.status, 403, "{path}: {}", refused.text());
        }
        assert_eq!(hub.sandbox().produced(), 0);
        // The owner's own list of devices stays theirs, and they were told.
        let devices = get(&hub, &ada, "/api/auth/sessions").await.expect(200).json();
        assert_eq!(devices["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(subjects(&hub, ada.email.as_str()).await, ["An administrator looks at your account at Smart AI Hub"]);
        let mine = get(&hub, &ada, "/api/users/me/audit?limit=100").await.expect(200).json();
        let began = mine["entries"].as_array().unwrap().iter().find(|row| row["action"] == "user.impersonated").unwrap().clone();
        assert_eq!((&began["actorId"], &began["details"]["reason"], &began["address"]), (&json!(admin.id), &json!("Ticket 42"), &json!("")));
        // Refused calls name the administrator.
        let denied = trail(&hub, &admin, &ada, "access.denied").await;
        assert!(denied.len() > 3 && denied.iter().all(|row| row["actorId"] == json!(admin.id)), "{denied:#?}");
        assert!(denied.iter().all(|row| row["details"]["actingAs"] == json!(ada.id) && row["actorEmail"] == "admin@example.com"));
        hub.finish().await;
    }

    async fn an_impersonation_ends_with_its_time_by_logout_and_with_the_rights_of_whoever_looks(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (mut admin, mut second, ada) = (hub.admin().await, holder(&hub, "second", "admin").await, hub.user("ada").await);
        let first = token(&hub, &admin, &ada).await;
        assert_eq!((me(&hub, &first).await, me(&twin, &first).await), (200, 200));
        hub.post("/api/auth/logout").bearer(&first).json(&json!({ "scope": "all" })).send().await.expect(204);
        hub.advance(Duration::seconds(2));
        assert_eq!((me(&hub, &first).await, me(&twin, &first).await), (401, 401));
        assert_eq!(me(&twin, &ada.access_token).await, 200, "the owner's own session goes on");
        assert_eq!(actions(&trail(&hub, &admin, &ada, "user.impers").await), ["user.impersonation_ended", "user.impersonated"]);

        let timed = token(&hub, &admin, &ada).await;
        hub.advance(Duration::minutes(15) + Duration::seconds(6));
        assert_eq!(me(&twin, &timed).await, 401);

        for how in 0..3 {
            hub.sign_in(&mut admin).await;
            hub.sign_in(&mut second).await;
            let looked = token(&hub, &second, &ada).await;
            assert_eq!(me(&twin, &looked).await, 200);
            let (off, on) = (json!({ "status": "disabled" }), json!({ "status": "active" }));
            match how {
                0 => drop(patch(&hub, &admin, &second, &off).await.expect(200)),
                1 => drop(revoke(&hub, &admin, &second, "admin").await.expect(204)),
                // Whoever is looked at rises: nobody looks as an equal.
                _ => drop(grant(&hub, &admin, &ada, "admin").await.expect(204)),
            }
            hub.advance(Duration::seconds(2));
            assert_eq!((me(&hub, &looked).await, me(&twin, &looked).await), (401, 401), "{how}");
            match how {
                0 => drop(patch(&hub, &admin, &second, &on).await.expect(200)),
                1 => drop(grant(&hub, &admin, &second, "admin").await.expect(204)),
                _ => {}
            }
        }
        twin.finish().await;
        hub.finish().await;
    }

    async fn nobody_looks_as_an_equal_as_themselves_without_a_reason_or_a_fresh_sign_in(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, second, manager) = (hub.admin().await, holder(&hub, "second", "admin").await, hub.manager().await);
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        for whom in [&admin, &second] {
            impersonate(&hub, &admin, whom).await.expect(403);
        }
        for who in [&ada, &manager] {
            impersonate(&hub, who, &bob).await.expect(403);
        }
        let path = format!("/api/users/{}/impersonate", ada.id);
        hub.post(&path).bearer(&admin.api_key).json(&json!({ "reason": "x" })).send().await.expect(403);
        for body in [json!({}), json!({ "reason": " " }), json!({ "reason": "a\nb" }), json!({ "reason": "x".repeat(301) })] {
            send(&hub, &admin, Method::POST, &path, &body).await.expect(400);
        }
        // Not from within another look, and not as somebody who is switched off.
        let looking = token(&hub, &admin, &manager).await;
        hub.post(&path).bearer(&looking).json(&json!({ "reason": "x" })).send().await.expect(403);
        patch(&hub, &admin, &bob, &json!({ "status": "disabled" })).await.expect(200);
        impersonate(&hub, &admin, &bob).await.expect(404);
        hub.advance(Duration::minutes(10) + Duration::seconds(1));
        let stale = impersonate(&hub, &admin, &ada).await.expect(403).json();
        assert_eq!(stale["error"]["details"], json!({ "reauthenticationRequired": true }));
        let again = json!({ "password": admin.password });
        send(&hub, &admin, Method::POST, "/api/auth/reauthenticate", &again).await.expect(200);
        impersonate(&hub, &admin, &ada).await.expect(200);
        hub.finish().await;
    }
}
