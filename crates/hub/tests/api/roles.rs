//! Roles and permissions: made, changed and deleted by those who may, never above themselves. RBA-05 of the security requirements.

use axum::http::Method;
use chrono::Duration;
use hub_testkit::{NewMember, TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::{Credits, Permission};
use serde_json::{Value, json};

async fn send(hub: &TestHub, who: &TestUser, method: Method, path: &str, body: &Value) -> TestResponse {
    hub.request(method, path).bearer(&who.access_token).json(body).send().await
}

async fn get(hub: &TestHub, who: &TestUser, path: &str) -> TestResponse {
    hub.get(path).bearer(&who.access_token).send().await
}

async fn create(hub: &TestHub, who: &TestUser, name: &str, rank: i64, permissions: &[&str]) -> TestResponse {
    let body = json!({ "name": name, "rank": rank, "permissions": permissions });
    send(hub, who, Method::POST, "/api/roles", &body).await
}

/// The path of the role of this name.
async fn role(hub: &TestHub, admin: &TestUser, name: &str) -> String {
    let found = get(hub, admin, "/api/roles").await.expect(200).json();
    let found = found["roles"].as_array().unwrap().iter().find(|role| role["name"] == name).expect("the role").clone();
    format!("/api/roles/{}", found["id"].as_str().unwrap())
}

async fn holder(hub: &TestHub, name: &str, role: &str) -> TestUser {
    hub.member(NewMember { name, role, credits: Credits::ZERO }).await
}

const ALL_BUT_MONEY: &[&str] = &[
    "users:read",
    "users:create",
    "users:update",
    "users:delete",
    "roles:read",
    "roles:create",
    "roles:update",
    "roles:delete",
    "models:read",
    "credits:read",
    "usage:read",
    "inference:create",
    "keys:read",
    "keys:create",
    "keys:update",
    "keys:delete",
];

on_both_pairs! {
    async fn rba_05_system_roles_keep_name_and_rank_and_admin_keeps_everything(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        for name in ["admin", "manager", "user", "guest"] {
            let path = role(&hub, &admin, name).await;
            for body in [json!({ "name": "other" }), json!({ "rank": 7 })] {
                send(&hub, &admin, Method::PATCH, &path, &body).await.expect(403);
            }
            hub.delete(&path).bearer(&admin.access_token).send().await.expect(403);
            let described = send(&hub, &admin, Method::PATCH, &path, &json!({ "description": "Ours" })).await.expect(200).json();
            assert_eq!((&described["name"], &described["description"]), (&json!(name), &json!("Ours")));
        }
        let path = format!("{}/permissions", role(&hub, &admin, "admin").await);
        send(&hub, &admin, Method::PUT, &path, &json!({ "permissions": ["models:read"] })).await.expect(403);
        hub.delete(&format!("{path}/audit:read")).bearer(&admin.access_token).send().await.expect(403);
        for taken in ["admin", "user"] {
            create(&hub, &admin, taken, 5, &[]).await.expect(409);
        }
        let kept = get(&hub, &admin, path.trim_end_matches("/permissions")).await.expect(200).json();
        assert_eq!(kept["permissions"].as_array().unwrap().len(), Permission::ALL.len());
        hub.finish().await;
    }

    async fn rba_05_nobody_reaches_above_themselves(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        create(&hub, &admin, "lead", 50, ALL_BUT_MONEY).await.expect(201);
        let (lea, ada, bob) = (holder(&hub, "lea", "lead").await, hub.user("ada").await, hub.user("bob").await);

        // Roles: below one's own rank, with nothing that one lacks.
        create(&hub, &lea, "beside", 50, &[]).await.expect(403);
        create(&hub, &lea, "above", 99, &[]).await.expect(403);
        create(&hub, &lea, "auditor", 30, &["audit:read"]).await.expect(403);
        create(&hub, &lea, "helper", 49, &["users:read", "users:update"]).await.expect(201);
        let (own, chief, helper, manager) = (
            role(&hub, &admin, "lead").await, role(&hub, &admin, "admin").await, role(&hub, &admin, "helper").await,
            role(&hub, &admin, "manager").await,
        );
        for path in [&own, &chief] {
            send(&hub, &lea, Method::PATCH, path, &json!({ "description": "mine" })).await.expect(403);
            let path = format!("{path}/permissions");
            send(&hub, &lea, Method::POST, &path, &json!({ "permissions": ["models:read"] })).await.expect(403);
        }
        send(&hub, &lea, Method::PATCH, &helper, &json!({ "rank": 50 })).await.expect(403);
        for method in [Method::POST, Method::PUT] {
            let body = json!({ "permissions": ["credits:grant"] });
            send(&hub, &lea, method, &format!("{manager}/permissions"), &body).await.expect(403);
        }
        send(&hub, &lea, Method::POST, "/api/permissions", &json!({ "name": "reports:see" })).await.expect(403);

        // Accounts: below one's own rank, with roles that one could hold.
        let roles_of = |user: &TestUser| format!("/api/users/{}/roles", user.id);
        for (whom, given) in [(&ada, "admin"), (&ada, "manager"), (&lea, "helper"), (&admin, "helper")] {
            send(&hub, &lea, Method::POST, &roles_of(whom), &json!({ "role": given })).await.expect(403);
        }
        for given in ["admin", "manager"] {
            let made = json!({ "email": "x@example.com", "password": "eleven herons left at dawn", "role": given });
            send(&hub, &lea, Method::POST, "/api/users", &made).await.expect(403);
            let invited = json!({ "email": "x@example.com", "role": given });
            send(&hub, &lea, Method::POST, "/api/users", &invited).await.expect(403);
        }
        send(&hub, &lea, Method::POST, &roles_of(&ada), &json!({ "role": "lead" })).await.expect(204);
        for whom in [&ada, &admin, &lea] {
            let path = format!("/api/users/{}", whom.id);
            send(&hub, &lea, Method::PATCH, &path, &json!({ "status": "disabled" })).await.expect(403);
            send(&hub, &lea, Method::PATCH, &path, &json!({ "name": "x" })).await.expect(403);
            hub.delete(&path).bearer(&lea.access_token).send().await.expect(403);
            hub.post(&format!("{path}/restore")).bearer(&lea.access_token).send().await.expect(403);
            hub.delete(&format!("{path}/roles/lead")).bearer(&lea.access_token).send().await.expect(403);
        }
        let path = format!("/api/users/{}", bob.id);
        send(&hub, &lea, Method::PATCH, &path, &json!({ "status": "disabled" })).await.expect(200);
        hub.delete(&path).bearer(&lea.access_token).send().await.expect(204);
        // Somebody above cannot be brought back either, once deleted.
        let gone = format!("/api/users/{}", ada.id);
        hub.delete(&gone).bearer(&admin.access_token).send().await.expect(204);
        hub.post(&format!("{gone}/restore")).bearer(&lea.access_token).send().await.expect(403);
        hub.finish().await;
    }

    async fn what_a_role_permits_changes_at_once_for_all_who_hold_it(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        let others = format!("/api/credits/balance?userId={}", admin.id);
        let path = format!("{}/permissions", role(&hub, &admin, "user").await);
        twin.get(&others).bearer(&ada.api_key).send().await.expect(404);
        let more = send(&hub, &admin, Method::POST, &path, &json!({ "permissions": ["credits:read_any", "models:read"] })).await.expect(200).json();
        assert!(more["permissions"].as_array().unwrap().contains(&json!("credits:read_any")));
        for place in [&hub, &twin] {
            place.get(&others).bearer(&ada.api_key).send().await.expect(200);
            place.get("/api/auth/me").bearer(&ada.access_token).send().await.expect(401);
        }
        let refresh = json!({ "refreshToken": ada.refresh_token });
        let renewed = twin.post("/api/auth/refresh").json(&refresh).send().await.expect(200).json();
        assert!(renewed["user"]["permissions"].as_array().unwrap().contains(&json!("credits:read_any")));
        hub.delete(&format!("{path}/credits:read_any")).bearer(&admin.access_token).send().await.expect(200);
        hub.delete(&format!("{path}/credits:read_any")).bearer(&admin.access_token).send().await.expect(404);
        twin.get(&others).bearer(&ada.api_key).send().await.expect(404);
        // Nothing new: nobody has to sign in again for it.
        let token = renewed["accessToken"].as_str().unwrap();
        hub.get("/api/auth/me").bearer(token).send().await.expect(401);
        let trail = get(&hub, &admin, "/api/admin/audit?action=role.updated").await.expect(200).json();
        let rows = trail["entries"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "{rows:#?}");
        assert_eq!((&rows[0]["details"]["removed"], &rows[1]["details"]["added"]), (&json!(["credits:read_any"]), &json!(["credits:read_any"])));
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_role_is_made_changed_and_deleted_once_nobody_holds_it(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let made = create(&hub, &admin, "night-shift", 15, &["users:read"]).await.expect(201).json();
        let expected = json!({
            "id": made["id"], "name": "night-shift", "description": "", "rank": 15, "system": false, "permissions": ["users:read"], "holders": 0,
        });
        assert_eq!(made, expected);
        let path = role(&hub, &admin, "night-shift").await;
        assert_eq!(get(&hub, &admin, &path).await.expect(200).json(), expected);
        let ada = holder(&hub, "ada", "night-shift").await;
        get(&hub, &ada, "/api/users").await.expect(200);
        let busy = hub.delete(&path).bearer(&admin.access_token).send().await.expect(409).json();
        assert_eq!(busy["error"]["details"], json!({ "holders": 1 }));
        let renamed = send(&hub, &admin, Method::PATCH, &path, &json!({ "name": "day-shift", "rank": 16 })).await.expect(200).json();
        assert_eq!((&renamed["name"], &renamed["rank"], &renamed["holders"]), (&json!("day-shift"), &json!(16), &json!(1)));
        send(&hub, &admin, Method::PATCH, &path, &json!({ "name": "user" })).await.expect(409);
        let held = format!("/api/users/{}/roles/day-shift", ada.id);
        hub.delete(&held).bearer(&admin.access_token).send().await.expect(204);
        hub.delete(&path).bearer(&admin.access_token).send().await.expect(204);
        hub.delete(&path).bearer(&admin.access_token).send().await.expect(404);
        get(&hub, &admin, &path).await.expect(404);
        let trail = get(&hub, &admin, "/api/admin/audit?action=role.").await.expect(200).json();
        let actions: Vec<&str> = trail["entries"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["role.deleted", "role.revoked", "role.updated", "role.created"]);
        for (body, field) in [
            (json!({ "name": "Night", "rank": 1 }), "name"), (json!({ "name": "a,b", "rank": 1 }), "name"), (json!({ "name": "", "rank": 1 }), "name"),
            (json!({ "name": "x", "rank": 100 }), "rank"), (json!({ "name": "x", "rank": -1 }), "rank"), (json!({ "name": "x", "rank": 1.5 }), "rank"),
            (json!({ "name": "x" }), "rank"), (json!({ "name": "x", "rank": 1, "permissions": ["no:such"] }), "permissions"),
            (json!({ "name": "x", "rank": 1, "description": "a\nb" }), "description"), (json!({ "name": "x", "rank": 1, "isSystem": true }), "isSystem"),
        ] {
            let refused = send(&hub, &admin, Method::POST, "/api/roles", &body).await.expect(400).json();
            assert_eq!(refused["error"]["details"][0]["field"], field, "{body}");
        }
        hub.finish().await;
    }

    async fn permissions_are_made_for_other_programs_and_the_hubs_own_are_fixed(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut admin = hub.admin().await;
        let post = async |admin: &TestUser, name: &str| {
            send(&hub, admin, Method::POST, "/api/permissions", &json!({ "name": name, "description": "Ours" })).await
        };
        let made = post(&admin, "reports:see").await.expect(201).json();
        assert_eq!((&made["resource"], &made["action"], &made["system"]), (&json!("reports"), &json!("see"), &json!(false)));
        hub.sign_in(&mut admin).await;
        let own = get(&hub, &admin, "/api/auth/me").await.expect(200).json();
        assert!(own["permissions"].as_array().unwrap().contains(&json!("reports:see")), "admin holds it at once");
        post(&admin, "reports:see").await.expect(409);
        for bad in ["users:fly", "models:read", "reports", "reports:", ":see", "a:b:c", "Reports:see", "reports:see,x", "*:*"] {
            post(&admin, bad).await.expect(400);
        }
        create(&hub, &admin, "analyst", 11, &["reports:see"]).await.expect(201);
        let ann = holder(&hub, "ann", "analyst").await;
        assert_eq!(get(&hub, &ann, "/api/auth/me").await.expect(200).json()["permissions"], json!(["reports:see"]));
        let path = format!("/api/permissions/{}", made["id"].as_str().unwrap());
        let described = send(&hub, &admin, Method::PATCH, &path, &json!({ "description": "New" })).await.expect(200).json();
        assert_eq!(described["description"], "New");
        let all = get(&hub, &admin, "/api/permissions").await.expect(200).json();
        let all = all["permissions"].as_array().unwrap();
        assert_eq!(all.len(), Permission::ALL.len() + 1);
        let fixed = all.iter().find(|one| one["name"] == "users:read").unwrap();
        let fixed = format!("/api/permissions/{}", fixed["id"].as_str().unwrap());
        send(&hub, &admin, Method::PATCH, &fixed, &json!({ "description": "New" })).await.expect(403);
        hub.delete(&fixed).bearer(&admin.access_token).send().await.expect(403);
        hub.delete(&path).bearer(&admin.access_token).send().await.expect(204);
        hub.advance(Duration::seconds(2));
        hub.get("/api/auth/me").bearer(&ann.access_token).send().await.expect(401);
        assert_eq!(hub.get("/api/auth/me").bearer(&ann.api_key).send().await.expect(200).json()["permissions"], json!([]));
        hub.finish().await;
    }
}
