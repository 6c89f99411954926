//! An account is made, renamed, switched off and on, deleted and restored; all of it acts at once and leaves its rows and mails.

use axum::http::Method;
use chrono::Duration;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

use super::{GOOD, actions, delete, get, login, me, patch, restore, send, subjects, trail};

on_both_pairs! {
    async fn switching_off_acts_within_two_seconds_on_every_process(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        for place in [&hub, &twin] {
            assert_eq!((me(place, &ada.access_token).await, me(place, &ada.api_key).await), (200, 200));
        }
        let ticket = hub.post("/api/auth/ws-ticket").bearer(&ada.api_key).send().await.expect(200).json();
        let off = patch(&hub, &admin, &ada, &json!({ "status": "disabled" })).await.expect(200);
        assert_eq!(off.json()["status"], "disabled");
        hub.advance(Duration::seconds(2));
        for place in [&hub, &twin] {
            assert_eq!((me(place, &ada.access_token).await, me(place, &ada.api_key).await), (401, 401));
            let refresh = json!({ "refreshToken": ada.refresh_token });
            place.post("/api/auth/refresh").json(&refresh).send().await.expect(401);
            login(place, ada.email.as_str(), &ada.password).await.expect(401);
        }
        // A ticket made before opens nothing either.
        let ticket = ticket["ticket"].as_str().unwrap();
        assert!(hub_domain::access::redeem_ticket(&twin.hub, ticket, None).await.is_err());

        patch(&hub, &admin, &ada, &json!({ "status": "disabled" })).await.expect(200);
        patch(&twin, &admin, &ada, &json!({ "status": "active" })).await.expect(200);
        assert_eq!((me(&hub, &ada.access_token).await, me(&hub, &ada.api_key).await), (401, 200), "sessions stay ended");
        login(&hub, ada.email.as_str(), &ada.password).await.expect(200);
        let told = subjects(&hub, ada.email.as_str()).await;
        assert!(told.len() == 2 && told[0].ends_with("was switched off") && told[1].ends_with("was switched on"), "{told:?}");
        let rows = trail(&hub, &admin, &ada, "user.").await;
        assert_eq!(actions(&rows), ["user.enabled", "user.disabled", "user.created"]);
        assert_eq!((&rows[1]["actorId"], &rows[1]["targetId"]), (&json!(admin.id), &json!(ada.id)));
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_deleted_account_keeps_its_address_and_comes_back_whole(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        assert_eq!(me(&twin, &ada.api_key).await, 200);
        let forgot = json!({ "email": ada.email });
        hub.post("/api/auth/forgot-password").json(&forgot).send().await.expect(202);
        hub.run_jobs().await;
        delete(&hub, &admin, &ada).await.expect(204);
        delete(&hub, &admin, &ada).await.expect(404);
        patch(&hub, &admin, &ada, &json!({ "name": "x" })).await.expect(404);
        super::grant(&hub, &admin, &ada, "manager").await.expect(404);
        hub.advance(Duration::seconds(2));
        for place in [&hub, &twin] {
            assert_eq!((me(place, &ada.access_token).await, me(place, &ada.api_key).await), (401, 401));
            login(place, ada.email.as_str(), &ada.password).await.expect(401);
        }
        for body in [json!({ "email": ada.email }), json!({ "email": ada.email, "password": GOOD })] {
            send(&hub, &admin, Method::POST, "/api/users", &body).await.expect(409);
        }
        let register = json!({ "email": ada.email, "password": GOOD });
        hub.post("/api/auth/register").json(&register).send().await.expect(202);

        let back = restore(&hub, &admin, &ada).await.expect(200).json();
        assert_eq!((&back["deletedAt"], &back["roles"]), (&json!(null), &json!(["user"])));
        restore(&hub, &admin, &ada).await.expect(200);
        assert_eq!((me(&twin, &ada.access_token).await, me(&twin, &ada.api_key).await), (401, 200));
        login(&twin, ada.email.as_str(), &ada.password).await.expect(200);
        let mails = hub.mails().await;
        let link = mails.iter().find_map(|mail| mail.text.split_once("reset-password?token=")).unwrap().1;
        let reset = json!({ "token": link.lines().next().unwrap(), "password": GOOD });
        hub.post("/api/auth/reset-password").json(&reset).send().await.expect(400);
        let told = subjects(&hub, ada.email.as_str()).await;
        assert!(told[1].ends_with("was deleted") && told[2].ends_with("was restored") && told.len() == 3, "{told:?}");
        assert_eq!(actions(&trail(&hub, &admin, &ada, "user.").await), ["user.restored", "user.deleted", "user.created"]);
        twin.finish().await;
        hub.finish().await;
    }

    async fn an_account_is_made_with_a_password_and_can_be_used(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let body = json!({ "email": "New@Example.com", "password": GOOD, "name": " New ", "role": "manager" });
        let made = send(&hub, &admin, Method::POST, "/api/users", &body).await.expect(201).json();
        assert_eq!((&made["email"], &made["name"], &made["roles"]), (&json!("new@example.com"), &json!("New"), &json!(["manager"])));
        send(&hub, &admin, Method::POST, "/api/users", &body).await.expect(409);
        login(&hub, "new@example.com", GOOD).await.expect(200);

        let unproven = json!({ "email": "late@example.com", "password": GOOD, "verified": false });
        let late = send(&hub, &admin, Method::POST, "/api/users", &unproven).await.expect(201).json();
        login(&hub, "late@example.com", GOOD).await.expect(401);
        let path = format!("/api/users/{}", late["id"].as_str().unwrap());
        send(&hub, &admin, Method::PATCH, &path, &json!({ "verified": false })).await.expect(400);
        let vouched = send(&hub, &admin, Method::PATCH, &path, &json!({ "verified": true })).await.expect(200).json();
        assert_eq!(vouched["verified"], true);
        login(&hub, "late@example.com", GOOD).await.expect(200);
        for (body, field) in [
            (json!({ "email": "x@example.com", "password": "Password1!" }), "password"),
            (json!({ "email": "x@example.com", "password": GOOD, "role": "emperor" }), "role"),
            (json!({ "email": "x@example.com", "role": "emperor" }), "role"),
            (json!({ "email": "x@example.com", "verified": true }), "verified"),
            (json!({ "email": "x", "password": GOOD }), "email"),
            (json!({ "email": "x@example.com", "password": GOOD, "name": "a\nb" }), "name"),
            (json!({ "email": "x@example.com", "password": GOOD, "roles": ["admin"] }), "roles"),
        ] {
            let refused = send(&hub, &admin, Method::POST, "/api/users", &body).await.expect(400).json();
            assert_eq!(refused["error"]["details"][0]["field"], field, "{body}");
        }
        hub.finish().await;
    }

    async fn everybody_names_themselves_and_nobody_changes_more_that_way(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        let own = get(&hub, &ada, "/api/users/me").await.expect(200).json();
        assert_eq!((&own["id"], &own["roles"], &own["status"]), (&json!(ada.id), &json!(["user"]), &json!("active")));
        let named = send(&hub, &ada, Method::PATCH, "/api/users/me", &json!({ "name": " Ada L. " })).await.expect(200).json();
        assert_eq!(named["name"], "Ada L.");
        assert_eq!(get(&hub, &ada, "/api/auth/me").await.expect(200).json()["name"], "Ada L.");
        let path = "/api/users/me";
        hub.patch(path).bearer(&ada.api_key).json(&json!({ "name": "x" })).send().await.expect(403);
        for body in [
            json!({ "name": "x", "status": "active" }), json!({ "name": "x", "roles": ["admin"] }), json!({ "name": "x".repeat(101) }),
            json!({ "name": "a\u{1b}[31m" }), json!({ "name": 7 }), json!({}), json!([]),
        ] {
            send(&hub, &ada, Method::PATCH, path, &body).await.expect(400);
        }
        let rows = trail(&hub, &admin, &ada, "user.updated").await;
        assert_eq!((rows.len(), &rows[0]["details"]), (1, &json!({ "changed": ["name"] })));
        hub.finish().await;
    }
}
