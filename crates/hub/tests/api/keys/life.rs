//! From making to taking back: what is shown, what is kept, and when a key stops.

use chrono::Duration;
use futures::future::join_all;
use hub_store::{audit, keys as stored};
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::AuditId;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{chat, create, key, list, looks_like_a_key, status};
use crate::auth::{disable, told};

on_both_pairs! {
    async fn a_key_is_shown_once_and_kept_as_a_hash(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let made = create(&hub, &ada, &json!({ "name": " laptop " })).await.expect(201);
        assert_eq!(made.header("cache-control"), "no-store");
        let made = made.json();
        let key = made["key"].as_str().unwrap();
        assert!(looks_like_a_key(key), "{key}");
        assert_eq!((&made["name"], &made["prefix"]), (&json!("laptop"), &json!(key[..12])));

        let all = list(&hub, &ada).await;
        assert_eq!(all["total"], 2);
        let shown = &all["keys"][0];
        assert_eq!((&shown["id"], &shown["prefix"]), (&made["id"], &made["prefix"]));
        assert!(shown.get("key").is_none() && shown.get("hash").is_none());
        assert!(!all.to_string().contains(&key[12..]));

        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut tx = hub.hub.store.read().await.unwrap();
        let row = stored::by_hash(&mut tx, &hash).await.unwrap().expect("the row is found by the hash");
        assert!(stored::live_hashes(&mut tx, ada.id).await.unwrap().contains(&hash.to_vec()));
        assert!(stored::by_hash(&mut tx, key.as_bytes()).await.unwrap().is_none());
        let end = (hub.clock().now() + Duration::days(1), AuditId::new(hub.clock()));
        let written = format!("{row:?} {:?}", audit::of_user(&mut tx, ada.id, end, 100).await.unwrap());
        assert!(!written.contains(&key[12..]), "nothing that is kept holds the key");
        assert!(written.contains("key.created"));
        drop(tx);
        hub.finish().await;
    }

    async fn keys_are_listed_newest_first_page_by_page(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        for n in 0..6 {
            hub.advance(Duration::milliseconds(5));
            create(&hub, &ada, &json!({ "name": format!("n{n}") })).await.expect(201);
        }
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/keys?limit=3{cursor}");
            let page = hub.get(&path).bearer(&ada.access_token).send().await.expect(200).json();
            let keys = page["keys"].as_array().unwrap();
            assert!(keys.len() <= 3 && page["total"] == 7);
            names.extend(keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            assert_eq!(page["hasMore"], true);
            cursor = format!("&cursor={next}");
        }
        assert_eq!(names, ["n5", "n4", "n3", "n2", "n1", "n0", "test"]);
        assert_eq!(list(&hub, &eve).await["total"], 1, "only one's own");
        for query in ["limit=0", "limit=-1", "limit=101", "limit=4294967296", "cursor=x", "offset=1", "limit=1&limit=2"]
        {
            let refused = hub.get(&format!("/api/keys?{query}")).bearer(&ada.access_token).send().await;
            assert_eq!(refused.status, 400, "{query}");
        }
        let own = hub.get(&format!("/api/keys?userId={}", ada.id)).bearer(&eve.access_token).send().await.expect(200);
        assert_eq!(own.json(), list(&hub, &eve).await);
        hub.finish().await;
    }

    async fn a_revoked_key_stops_at_once_in_every_process(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let made = create(&hub, &ada, &json!({ "name": "ci" })).await.expect(201).json();
        let key = made["key"].as_str().unwrap();
        for hub in [&hub, &twin] {
            assert_eq!(status(hub, "/v1/models", key).await, 200);
        }
        let path = format!("/api/keys/{}", made["id"].as_str().unwrap());
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(204);
        for hub in [&hub, &twin] {
            for path in ["/v1/models", "/api/auth/me", "/api/credits/balance"] {
                assert_eq!(status(hub, path, key).await, 401);
            }
            chat(hub, key, "sandbox").await.expect(401);
            assert!(hub.socket().await.websocket("/api/ws", Some(key)).await.is_err());
        }
        assert_eq!(status(&hub, "/v1/models", &ada.api_key).await, 200, "others still work");
        assert_eq!(list(&hub, &ada).await["total"], 1);
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(404);
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_key_ends_when_it_should_and_with_its_owner(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let short = key(&hub, &ada, &json!({ "expiresAt": "2026-11-23T11:00:00Z" })).await;
        hub.advance(Duration::minutes(60) - Duration::seconds(1));
        assert_eq!(status(&hub, "/v1/models", &short).await, 200);
        hub.advance(Duration::seconds(1));
        assert_eq!(status(&hub, "/v1/models", &short).await, 401);
        assert_eq!(status(&hub, "/v1/models", &bob.api_key).await, 200);
        disable(&hub, bob.id).await;
        assert_eq!(status(&hub, "/v1/models", &bob.api_key).await, 401);
        hub.finish().await;
    }

    async fn what_is_no_live_key_is_refused_in_the_same_words(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let expired = key(&hub, &ada, &json!({ "expiresAt": "2026-11-23T10:00:01Z" })).await;
        let elsewhere = key(&hub, &ada, &json!({ "addresses": ["203.0.113.9"] })).await;
        let revoked = create(&hub, &ada, &json!({ "name": "gone" })).await.expect(201).json();
        let path = format!("/api/keys/{}", revoked["id"].as_str().unwrap());
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(204);
        hub.advance(Duration::seconds(2));
        let good = ada.api_key.as_str();
        let other_case: String = good[3..]
            .chars()
            .map(|c| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
            .collect();
        let unknown =
            told(&hub.get("/v1/models").bearer("sk_0000000000000000000000000000000000000000000").send().await);
        assert_eq!(unknown.0, 401);
        for bad in [
            expired,
            elsewhere,
            revoked["key"].as_str().unwrap().to_owned(),
            format!("sk_{other_case}"),
            format!("{good}A"),
            good[..45].to_owned(),
            good.replace("sk_", "SK_"),
            good.replace("sk_", "pk_"),
            format!("sk_{good}"),
            good[..12].to_owned(),
            "sk_".to_owned(),
            "sk_' OR 1=1 --".to_owned(),
            format!("sk_{}", "A".repeat(8000)),
        ] {
            let refused = hub.get("/v1/models").bearer(&bad).send().await;
            assert_eq!(told(&refused), unknown, "{bad}");
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
        hub.finish().await;
    }

    async fn fields_out_of_bounds_are_named(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for (body, field) in [
            (json!({}), "name"),
            (json!({ "name": "" }), "name"),
            (json!({ "name": "  " }), "name"),
            (json!({ "name": "x".repeat(101) }), "name"),
            (json!({ "name": 7 }), "name"),
            (json!({ "name": "x", "expiresAt": "2026-11-23T10:00:00Z" }), "expiresAt"),
            (json!({ "name": "x", "expiresAt": "tomorrow" }), "expiresAt"),
            (json!({ "name": "x", "addresses": ["home"] }), "addresses"),
            (json!({ "name": "x", "addresses": ["10.0.0.0/33"] }), "addresses"),
            (json!({ "name": "x", "models": [""] }), "models"),
            (json!({ "name": "x", "models": "sandbox" }), "models"),
            (json!({ "name": "x", "userId": "018f0000-0000-7000-8000-000000000000" }), "userId"),
            (json!({ "name": "x", "scopes": vec!["models:read"; 101] }), "scopes"),
        ] {
            let refused = create(&hub, &ada, &body).await.expect(400);
            let named = refused.json()["error"]["details"][0]["field"].as_str().unwrap().to_owned();
            assert!(named.starts_with(field), "{body}: {named}");
        }
        assert_eq!(list(&hub, &ada).await["total"], 1);
        hub.finish().await;
    }

    async fn nobody_has_more_than_fifty_keys_however_fast_they_ask(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        for _ in 0..43 {
            create(&hub, &ada, &json!({ "name": "many" })).await.expect(201);
        }
        let body = json!({ "name": "one more" });
        let tries = (0..16).map(|n| create(if n % 2 == 0 { &hub } else { &twin }, &ada, &body));
        let answers: Vec<u16> = join_all(tries).await.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(answers.iter().filter(|status| **status == 201).count(), 6, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 409).count(), 10, "{answers:?}");
        let all = list(&hub, &ada).await;
        assert_eq!(all["total"], 50);
        // A place becomes free with a key.
        let path = format!("/api/keys/{}", all["keys"][0]["id"].as_str().unwrap());
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(204);
        create(&hub, &ada, &body).await.expect(201);
        twin.finish().await;
        hub.finish().await;
    }

    async fn somebody_elses_key_is_not_there(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve, admin) = (hub.user("ada").await, hub.user("eve").await, hub.admin().await);
        let id = list(&hub, &ada).await["keys"][0]["id"].as_str().unwrap().to_owned();
        for caller in [&eve, &admin] {
            let delete =
                async |id: &str| hub.delete(&format!("/api/keys/{id}")).bearer(&caller.access_token).send().await;
            let foreign = told(&delete(&id).await);
            assert_eq!(foreign.0, 404);
            assert_eq!(foreign, told(&delete("018f0000-0000-7000-8000-000000000000").await));
        }
        for odd in ["x", "%00", "1'--"] {
            hub.delete(&format!("/api/keys/{odd}")).bearer(&eve.access_token).send().await.expect(400);
        }
        assert_eq!(status(&hub, "/v1/models", &ada.api_key).await, 200);
        hub.finish().await;
    }

    async fn the_last_use_is_noted_to_the_minute(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let idle = hub.hub.tasks.running();
        let noted = async || {
            // The note is written beside the request.
            while hub.hub.tasks.running() > idle {
                tokio::task::yield_now().await;
            }
            list(&hub, &ada).await["keys"][0]["lastUsedAt"].clone()
        };
        assert!(noted().await.is_null());
        status(&hub, "/v1/models", &ada.api_key).await;
        let first = noted().await;
        assert!(first.as_str().unwrap().starts_with("2026-11-23T10:00:00"), "{first}");
        hub.advance(Duration::seconds(30));
        status(&hub, "/v1/models", &ada.api_key).await;
        assert_eq!(noted().await, first, "at most one write a minute");
        hub.advance(Duration::seconds(31));
        status(&hub, "/v1/models", &ada.api_key).await;
        assert!(noted().await.as_str().unwrap().starts_with("2026-11-23T10:01:01"));
        hub.finish().await;
    }
}
