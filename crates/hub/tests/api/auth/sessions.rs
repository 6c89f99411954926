//! Sessions: seen, ended one by one or all at once, everywhere at once.

use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::{another_device, me, post, refresh, told, trail_of};

async fn logout(hub: &TestHub, user: &TestUser, body: &Value) -> TestResponse {
    hub.post("/api/auth/logout").bearer(&user.access_token).json(body).send().await
}

async fn sessions(hub: &TestHub, user: &TestUser) -> Vec<Value> {
    let list = hub.get("/api/auth/sessions").bearer(&user.access_token).send().await.expect(200).json();
    assert_eq!(list["hasMore"], false);
    list["sessions"].as_array().unwrap().clone()
}

/// Statuses of the three devices' access tokens on a hub, which may have seen them before.
async fn alive(hub: &TestHub, devices: [&TestUser; 3]) -> [u16; 3] {
    let [a, b, c] = devices.map(|device| me(hub, &device.access_token));
    [a.await, b.await, c.await]
}

on_both_pairs! {
    async fn jwt_06_signing_out_acts_at_once_in_every_process(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        for (scope, left) in [
            (None, [401, 200, 200]),
            (Some("this"), [401, 200, 200]),
            (Some("others"), [200, 401, 401]),
            (Some("all"), [401, 401, 401]),
        ] {
            let laptop = hub.user(&format!("ada-{}", scope.unwrap_or("nothing"))).await;
            let (phone, tablet) = (another_device(&hub, &laptop).await, another_device(&hub, &laptop).await);
            let devices = [&laptop, &phone, &tablet];
            assert_eq!((alive(&hub, devices).await, alive(&twin, devices).await), ([200; 3], [200; 3]));
            let body = scope.map_or_else(|| json!({}), |scope| json!({ "scope": scope }));
            let done = logout(&hub, &laptop, &body).await.expect(204);
            assert!(done.body.is_empty() && done.header("cache-control") == "no-store");
            assert_eq!((alive(&hub, devices).await, alive(&twin, devices).await), (left, left), "{scope:?}");
            for (device, status) in devices.into_iter().zip(left) {
                refresh(&twin, &device.refresh_token).await.expect(status);
            }
            // Keys are no sessions.
            assert_eq!(me(&hub, &laptop.api_key).await, 200);
        }
        twin.finish().await;
        hub.finish().await;
    }

    async fn jwt_06_an_ended_session_opens_nothing_at_all(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let paths = ["/api/auth/me", "/api/auth/sessions", "/api/credits/balance", "/api/keys", "/v1/models"];
        for path in paths {
            hub.get(path).bearer(&ada.access_token).send().await.expect(200);
        }
        logout(&hub, &ada, &json!({})).await.expect(204);
        for path in paths {
            hub.get(path).bearer(&ada.access_token).send().await.expect(401);
        }
        hub.post("/api/auth/ws-ticket").bearer(&ada.access_token).send().await.expect(401);
        assert!(hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.is_err());
        hub.finish().await;
    }

    async fn signing_out_needs_no_living_access_token(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let phone = another_device(&hub, &ada).await;
        hub.advance(chrono::Duration::hours(1));
        post(&hub, "logout", &json!({ "refreshToken": ada.refresh_token })).await.expect(204);
        refresh(&hub, &ada.refresh_token).await.expect(401);
        refresh(&hub, &phone.refresh_token).await.expect(200);
        // Twice is fine, nothing is not enough.
        post(&hub, "logout", &json!({ "refreshToken": ada.refresh_token })).await.expect(204);
        post(&hub, "logout", &json!({})).await.expect(401);
        post(&hub, "logout", &json!({ "refreshToken": "rt_x" })).await.expect(401);
        assert_eq!(trail_of(&hub, "auth.logout").await.len(), 1);
        hub.finish().await;
    }

    async fn ses_03_devices_are_listed_and_can_be_ended_one_by_one(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        hub.advance(chrono::Duration::minutes(1));
        let body = json!({ "email": ada.email, "password": ada.password });
        let request = hub.post("/api/auth/login").from("203.0.113.9").header("user-agent", "Firefox on a phone");
        let phone = request.json(&body).send().await.expect(200).json();
        let phone = phone["accessToken"].as_str().unwrap();
        assert_eq!(me(&twin, phone).await, 200);

        let list = sessions(&hub, &ada).await;
        assert_eq!(list.len(), 2);
        let seen = |row: &Value| (row["userAgent"].clone(), row["address"].clone(), row["current"].clone());
        assert_eq!(seen(&list[0]), (json!("Firefox on a phone"), json!("203.0.113.9"), json!(false)));
        assert_eq!(list[1]["current"], true);
        assert!(list[0]["createdAt"].as_str().unwrap().starts_with("2026-11-23T10:01:00"));
        assert!(list[0]["expiresAt"].as_str().unwrap().starts_with("2026-11-30T10:01:00"));
        assert_eq!(list[0]["lastUsedAt"], list[0]["createdAt"]);

        let path = format!("/api/auth/sessions/{}", list[0]["id"].as_str().unwrap());
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(204);
        assert_eq!((me(&hub, phone).await, me(&twin, phone).await), (401, 401));
        assert_eq!(me(&hub, &ada.access_token).await, 200);
        assert_eq!(sessions(&hub, &ada).await.len(), 1);
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(404);
        assert_eq!(trail_of(&hub, "session.revoked").await.len(), 1);
        twin.finish().await;
        hub.finish().await;
    }

    async fn ses_03_somebody_elses_session_is_not_there(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve, admin) = (hub.user("ada").await, hub.user("eve").await, hub.admin().await);
        let id = sessions(&hub, &ada).await[0]["id"].as_str().unwrap().to_owned();
        let absent = format!("/api/auth/sessions/{}", hub_types::SessionId::new(hub.clock()));
        for caller in [&eve, &admin] {
            let delete = async |path: &str| hub.delete(path).bearer(&caller.access_token).send().await;
            let foreign = delete(&format!("/api/auth/sessions/{id}")).await.expect(404);
            assert_eq!(told(&foreign), told(&delete(&absent).await), "no difference to one that never was");
        }
        for odd in ["not-an-id", "%00", &format!("{id}%00"), "1%27%20OR%201=1"] {
            hub.delete(&format!("/api/auth/sessions/{odd}")).bearer(&eve.access_token).send().await.expect(400);
        }
        // The same id in capitals is the same id.
        hub.delete(&format!("/api/auth/sessions/{}", id.to_uppercase()))
            .bearer(&eve.access_token)
            .send()
            .await
            .expect(404);
        assert_eq!(me(&hub, &ada.access_token).await, 200);
        assert_eq!(sessions(&hub, &eve).await.len(), 1);
        hub.finish().await;
    }

    async fn sessions_ended_at_once_are_ended_once(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        another_device(&hub, &ada).await;
        let list = sessions(&hub, &ada).await;
        let other = list.iter().find(|row| row["current"] == false).unwrap();
        let path = format!("/api/auth/sessions/{}", other["id"].as_str().unwrap());
        let tries =
            (0..20).map(|n| if n % 2 == 0 { &hub } else { &twin }.delete(&path).bearer(&ada.access_token).send());
        let ended = join_all(tries).await.iter().filter(|answer| answer.status == 204).count();
        assert_eq!((ended, trail_of(&hub, "session.revoked").await.len()), (1, 1));
        twin.finish().await;
        hub.finish().await;
    }
}
