//! Bad input and borrowed names: RBA-02 and HDR-03 of the security requirements.

use axum::http::Method;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

use super::{get, send};

on_both_pairs! {
    async fn rba_02_nobody_becomes_somebody_else_by_naming_them(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, manager) = (hub.user("ada").await, hub.user("bob").await, hub.manager().await);
        for path in [format!("/api/users/me?userId={}", bob.id), format!("/api/users/me?id={}", bob.id)] {
            let request = hub.get(&path).bearer(&ada.access_token).header("x-user-id", &bob.id.to_string());
            let own = request.header("x-original-user", bob.email.as_str()).send().await.expect(200).json();
            assert_eq!(own["id"], json!(ada.id));
        }
        let body = json!({ "name": "x", "userId": bob.id });
        send(&hub, &ada, Method::PATCH, "/api/users/me", &body).await.expect(400);
        let raw = hub.patch("/api/users/me").bearer(&ada.access_token).header("content-type", "application/json");
        raw.body(r#"{"name":"a","name":"b"}"#).send().await.expect(400);
        // Somebody who may not see accounts learns nothing about which there are.
        let no_one = "018f0000-0000-7000-8000-000000000000";
        for tail in ["", "/roles"] {
            let there = get(&hub, &ada, &format!("/api/users/{}{tail}", bob.id)).await.expect(403);
            let nowhere = get(&hub, &ada, &format!("/api/users/{no_one}{tail}")).await.expect(403);
            assert_eq!(crate::auth::told(&there), crate::auth::told(&nowhere));
        }
        get(&hub, &manager, &format!("/api/users/{no_one}")).await.expect(404);
        get(&hub, &manager, &format!("/api/users/{}", bob.id.to_string().to_uppercase())).await.expect(200);
        for id in ["me%00", "%00", "1", "..%2f..%2fetc", "%ff", "018f0000", "null"] {
            get(&hub, &manager, &format!("/api/users/{id}")).await.expect(400);
        }
        hub.finish().await;
    }

    async fn hdr_03_bad_bodies_are_named_and_change_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        let path = format!("/api/users/{}", ada.id);
        let before = get(&hub, &admin, &path).await.expect(200).json();
        for body in [
            "", "{", "[]", "null", "{\"name\":\"a\\u0000\"}", "{\"name\":\"\\ud800\"}", "{\"name\":[1]}", "{\"status\":\"deleted\"}",
            "{\"status\":\"ACTIVE\"}", "{\"email\":\"x@example.com\"}", "{\"deletedAt\":null}", "{\"authVersion\":9}", "{\"verified\":\"true\"}",
            "{\"name\":\"a\",\"name\":\"b\"}", "{\"passwordHash\":\"x\"}",
        ] {
            let request = hub.patch(&path).bearer(&admin.access_token).header("content-type", "application/json");
            let refused = request.body(body.to_owned()).send().await.expect(400);
            assert_eq!(refused.error_code(), "VALIDATION_ERROR", "{body}");
            for leak in ["serde", "::", "sqlx", "SELECT"] {
                assert!(!refused.text().contains(leak), "{body}: {}", refused.text());
            }
        }
        for role in ["", "'; DROP TABLE users; --", "\u{202e}admin", &"x".repeat(5000)] {
            super::grant(&hub, &admin, &ada, role).await.expect(400);
        }
        for role in ["..%2f", "%27%20OR%201=1", "ADMIN", "%F0%9F%A6%A9"] {
            super::revoke(&hub, &admin, &ada, role).await.expect(404);
        }
        assert_eq!(get(&hub, &admin, &path).await.expect(200).json(), before);
        hub.finish().await;
    }
}
