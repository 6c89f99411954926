//! What a key may do: less than its owner, from fewer places, with fewer models, and nothing with keys.

use hub_testkit::{TestHub, TestResponse, on_both_pairs};
use hub_types::Permission;
use serde_json::json;

use super::{chat, create, key, list, mcp_chat, status};

on_both_pairs! {
    async fn a_key_can_be_shown_in_either_header_but_not_two_different_ones(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let me = || hub.get("/api/auth/me");
        let email = |answer: TestResponse| answer.expect(200).json()["email"].clone();
        assert_eq!(email(me().header("x-api-key", &ada.api_key).send().await), ada.email.as_str());
        assert_eq!(email(me().bearer(&ada.api_key).send().await), ada.email.as_str());
        assert_eq!(email(me().header("x-api-key", &ada.api_key).bearer(&ada.api_key).send().await), ada.email.as_str());
        for (key, bearer) in
            [(&ada.api_key, &bob.api_key), (&ada.api_key, &ada.access_token), (&bob.api_key, &ada.access_token)]
        {
            me().header("x-api-key", key).bearer(bearer).send().await.expect(401);
        }
        me().header("x-api-key", &ada.access_token).send().await.expect(401);
        me().header("x-api-key", &ada.api_key).header("x-api-key", &bob.api_key).send().await.expect(401);
        hub.get(&format!("/api/auth/me?key={}", ada.api_key)).send().await.expect(401);
        hub.finish().await;
    }

    async fn a_key_that_may_look_changes_nothing_and_a_session_does(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let code = json!({ "code": "GIFT", "credits": 5, "maxUsesPerUser": 2 });
        hub.post("/api/promo-codes").bearer(&admin.access_token).json(&code).send().await.expect(201);
        let alerts = json!({ "lowBalanceAt": 1, "webhookUrl": "https://example.com/hook" });
        let set = |credential: &str| hub.put("/api/credits/alerts").bearer(credential).json(&alerts).send();
        let redeem = |credential: &str| hub.post("/api/credits/redeem").bearer(credential).json(&json!({ "code": "gift" })).send();
        let look = key(&hub, &ada, &json!({ "scopes": ["credits:read"] })).await;
        assert_eq!(status(&hub, "/api/credits/alerts", &look).await, 200);
        // An administrator who looks at the hub as somebody else looks only.
        let path = format!("/api/users/{}/impersonate", ada.id);
        let acting = hub.post(&path).bearer(&admin.access_token).json(&json!({ "reason": "Ticket 42" })).send().await.expect(200).json();
        for credential in [look.as_str(), acting["accessToken"].as_str().unwrap()] {
            set(credential).await.expect(403);
            redeem(credential).await.expect(403);
        }
        // Where messages go, and what signs them, is no business of any key.
        set(&ada.api_key).await.expect(403);
        let buy = key(&hub, &ada, &json!({ "scopes": ["credits:purchase"] })).await;
        redeem(&buy).await.expect(200);
        redeem(&ada.access_token).await.expect(200);
        assert!(set(&ada.access_token).await.expect(200).json()["webhookSecret"].is_string());
        let balance = hub.get("/api/credits/balance").bearer(&look).send().await.expect(200).json();
        assert_eq!(balance["balance"], 110);
        hub.finish().await;
    }

    async fn scopes_are_rights_that_one_has_and_never_about_keys(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        for (user, scope) in [
            (&ada, "credits:grant"),
            (&ada, "users:read"),
            (&ada, "nothing:ever"),
            (&ada, ""),
            (&ada, "*"),
            (&ada, "keys:read"),
            (&admin, "keys:create"),
        ] {
            let refused =
                create(&hub, user, &json!({ "name": "x", "scopes": ["models:read", scope] })).await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], "scopes", "{scope}");
        }
        let read = key(&hub, &ada, &json!({ "scopes": ["models:read"] })).await;
        let me = hub.get("/api/auth/me").bearer(&read).send().await.expect(200).json();
        assert_eq!(me["permissions"], json!(["models:read"]));
        assert_eq!(status(&hub, "/v1/models", &read).await, 200);
        assert_eq!(status(&hub, "/api/credits/balance", &read).await, 403);
        let refused = chat(&hub, &read, "sandbox").await.expect(403);
        assert_eq!(refused.json()["error"]["type"], "permission_error");
        mcp_chat(&hub, &read).await.expect(403);
        assert_eq!(hub.sandbox().produced(), 0);

        let spend = key(&hub, &ada, &json!({ "scopes": ["inference:create"] })).await;
        chat(&hub, &spend, "sandbox").await.expect(200);
        assert_eq!(status(&hub, "/v1/models", &spend).await, 403);
        hub.finish().await;
    }

    async fn no_key_manages_keys_not_even_an_administrators(pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let id = list(&hub, &admin).await["keys"][0]["id"].as_str().unwrap().to_owned();
        let me = hub.get("/api/auth/me").bearer(&admin.api_key).send().await.expect(200).json();
        let permissions: Vec<&str> =
            me["permissions"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(permissions.contains(&Permission::CreditsGrant.name()));
        assert!(permissions.iter().all(|name| !name.starts_with("keys:")), "{permissions:?}");
        hub.get("/api/keys").bearer(&admin.api_key).send().await.expect(403);
        hub.post("/api/keys").bearer(&admin.api_key).json(&json!({ "name": "heir" })).send().await.expect(403);
        hub.delete(&format!("/api/keys/{id}")).bearer(&admin.api_key).send().await.expect(403);
        assert_eq!(list(&hub, &admin).await["total"], 1);
        hub.finish().await;
    }

    async fn key_02_power_over_people_is_held_only_by_a_key_that_names_it(pair) {
        let hub = TestHub::start(pair).await;
        let (admin, ada) = (hub.admin().await, hub.user("ada").await);
        let ask = async |key: &str, method: &str, path: &str, body: serde_json::Value| {
            let request = hub.request(method.parse().unwrap(), path).bearer(key);
            let request = if body.is_null() { request } else { request.json(&body) };
            request.send().await.status.as_u16()
        };
        let one = format!("/api/users/{}", ada.id);
        let roles = format!("{one}/roles");
        // What an administrator's key without scopes would do if found in a log.
        for (method, path, body) in [
            ("GET", "/api/users", json!(null)),
            ("GET", "/api/users/invitations", json!(null)),
            ("POST", "/api/users", json!({ "email": "eve@example.com", "role": "admin" })),
            ("PATCH", &one, json!({ "status": "disabled" })),
            ("DELETE", &one, json!(null)),
            ("POST", &roles, json!({ "role": "admin" })),
            ("GET", "/api/roles", json!(null)),
            ("POST", "/api/roles", json!({ "name": "x", "rank": 1 })),
            ("GET", "/api/permissions", json!(null)),
            ("POST", "/api/permissions", json!({ "name": "x:y" })),
            ("GET", "/api/promo-codes", json!(null)),
            ("POST", "/api/promo-codes", json!({ "credits": 1000 })),
        ] {
            assert_eq!(ask(&admin.api_key, method, path, body).await, 403, "{method} {path}");
        }
        let me = hub.get("/api/auth/me").bearer(&admin.api_key).send().await.expect(200).json();
        for permission in me["permissions"].as_array().unwrap() {
            let name = permission.as_str().unwrap();
            let barred = ["users:", "roles:", "promo:", "keys:", "providers:"].iter().any(|beginning| name.starts_with(beginning));
            assert!(!barred, "{name}");
        }
        // Named, it holds; and only what is named.
        let people = key(&hub, &admin, &json!({ "scopes": ["users:read", "users:update", "roles:read", "promo:manage"] })).await;
        for path in ["/api/users", "/api/users/invitations", "/api/roles", "/api/permissions", "/api/promo-codes"] {
            assert_eq!(ask(&people, "GET", path, json!(null)).await, 200, "{path}");
        }
        assert_eq!(ask(&people, "PATCH", &one, json!({ "name": "Ada" })).await, 200);
        assert_eq!(ask(&people, "POST", &roles, json!({ "role": "admin" })).await, 403);
        assert_eq!(ask(&people, "DELETE", &one, json!(null)).await, 403);
        // A key that gives roles still gives none that permits what the key does not hold.
        let giver = key(&hub, &admin, &json!({ "scopes": ["roles:update"] })).await;
        assert_eq!(ask(&giver, "POST", &roles, json!({ "role": "admin" })).await, 403);
        for never in ["keys:create", "keys:read", "users:impersonate", "providers:update"] {
            create(&hub, &admin, &json!({ "name": "x", "scopes": [never] })).await.expect(400);
        }
        hub.finish().await;
    }

    async fn a_key_with_a_list_of_models_knows_no_others(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let ids = async |credential: &str| -> Vec<String> {
            let models = hub.get("/v1/models").bearer(credential).send().await.expect(200).json();
            models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
        };
        let all = ids(&ada.api_key).await;
        assert!(all.contains(&"sandbox".to_owned()), "{all:?}");
        let none = key(&hub, &ada, &json!({ "models": ["gpt-4o"] })).await;
        assert!(ids(&none).await.is_empty());
        assert_eq!(status(&hub, "/v1/models/sandbox", &none).await, 404);
        let refused = chat(&hub, &none, "sandbox").await.expect(404);
        let absent = chat(&hub, &ada.api_key, "no-such-model").await.expect(404);
        assert_eq!(refused.json()["error"]["code"], absent.json()["error"]["code"], "as if it were not there");
        let one = key(&hub, &ada, &json!({ "models": ["sandbox", "gpt-4o"] })).await;
        assert_eq!(ids(&one).await, ["sandbox"]);
        chat(&hub, &one, "sandbox").await.expect(200);
        mcp_chat(&hub, &none).await.expect(404);
        hub.finish().await;
    }

    async fn a_key_with_a_list_of_addresses_works_from_there_only(pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| settings.server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()])
            .start()
            .await;
        let ada = hub.user("ada").await;
        let narrow =
            key(&hub, &ada, &json!({ "addresses": ["203.0.113.9", "198.51.100.0/24", "2001:db8::/32"] })).await;
        let from = async |address: &str, forwarded: Option<&str>| {
            let mut request = hub.get("/v1/models").bearer(&narrow).from(address);
            if let Some(forwarded) = forwarded {
                request = request.header("x-forwarded-for", forwarded);
            }
            request.send().await.status.as_u16()
        };
        for there in ["203.0.113.9", "198.51.100.1", "198.51.100.255", "2001:db8:ffff::1", "::ffff:203.0.113.9"] {
            assert_eq!(from(there, None).await, 200, "{there}");
        }
        for elsewhere in ["127.0.0.1", "203.0.113.10", "198.51.101.1", "2001:db9::1", "::1", "0.0.0.0"] {
            assert_eq!(from(elsewhere, None).await, 401, "{elsewhere}");
            assert_eq!(from(elsewhere, Some("203.0.113.9")).await, 401, "nobody chooses their address");
        }
        // What a proxy of ours says counts, from the right.
        assert_eq!(from("10.0.0.1", Some("203.0.113.9")).await, 200);
        assert_eq!(from("10.0.0.1", Some("203.0.113.9, 192.0.2.1")).await, 401);
        hub.finish().await;
    }

    async fn rba_02_nothing_in_a_request_but_its_credential_says_who_asks(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        let victim = ada.id.to_string();
        let mut request = hub.get("/api/auth/me").bearer(&eve.access_token);
        for name in
            ["x-user-id", "x-original-user", "x-user-email", "x-service-token", "x-forwarded-user", "x-user-roles"]
        {
            request = request.header(name, &victim);
        }
        assert_eq!(request.send().await.expect(200).json()["id"], eve.id.to_string());
        for query in [
            format!("userId={victim}"),
            format!("userId={}&userId={victim}", eve.id),
            format!("userId={}", victim.to_uppercase()),
        ] {
            let refused = hub.get(&format!("/api/credits/balance?{query}")).bearer(&eve.access_token).send().await;
            assert!([400, 403, 404].contains(&refused.status.as_u16()), "{query}: {}", refused.text());
        }
        hub.finish().await;
    }
}
