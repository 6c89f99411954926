//! Rotation: a new key for the same line, an overlap by the clock, and one winner.

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::{create, list, looks_like_a_key, status};

async fn rotate(hub: &TestHub, user: &TestUser, id: &Value, body: &Value) -> TestResponse {
    let path = format!("/api/keys/{}/rotate", id.as_str().unwrap());
    hub.post(&path).bearer(&user.access_token).json(body).send().await
}

async fn patch(hub: &TestHub, user: &TestUser, id: &Value, body: &Value) -> TestResponse {
    hub.patch(&format!("/api/keys/{}", id.as_str().unwrap())).bearer(&user.access_token).json(body).send().await
}

on_both_pairs! {
    async fn both_keys_work_until_the_overlap_ends(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let old = create(&hub, &ada, &json!({ "name": "ci", "models": ["sandbox"], "requestsPerMinute": 50 })).await;
        let old = old.expect(201).json();
        let (old_key, id) = (old["key"].as_str().unwrap(), &old["id"]);
        assert_eq!(status(&twin, "/v1/models", old_key).await, 200);

        let rotated = rotate(&hub, &ada, id, &json!({ "overlapSeconds": 600 })).await.expect(201);
        assert_eq!(rotated.header("cache-control"), "no-store");
        let new = rotated.json();
        let new_key = new["key"].as_str().unwrap();
        assert!(looks_like_a_key(new_key) && new_key != old_key && new["id"] != *id);
        for field in ["name", "models", "requestsPerMinute", "line", "expiresAt"] {
            assert_eq!(new[field], old[field], "{field}");
        }
        assert_eq!(new["oldKeyUntil"], "2026-11-23T10:10:00Z");
        let shown = list(&hub, &ada).await;
        assert_eq!((&shown["total"], &shown["keys"][1]["replacedBy"]), (&json!(3), &new["id"]));
        for hub in [&hub, &twin] {
            for key in [old_key, new_key] {
                assert_eq!(status(hub, "/v1/models", key).await, 200);
            }
        }
        hub.advance(Duration::seconds(599));
        assert_eq!(status(&hub, "/v1/models", old_key).await, 200);
        hub.advance(Duration::seconds(1));
        for hub in [&hub, &twin] {
            assert_eq!(status(hub, "/v1/models", old_key).await, 401);
            assert_eq!(status(hub, "/v1/models", new_key).await, 200);
        }
        let subjects: Vec<String> = hub.mails().await.iter().map(|mail| mail.subject.clone()).collect();
        assert!(subjects.iter().any(|subject| subject.contains("was replaced")), "{subjects:?}");
        twin.finish().await;
        hub.finish().await;
    }

    async fn no_overlap_ends_the_old_key_at_once_in_every_process(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let old = create(&hub, &ada, &json!({ "name": "leaked" })).await.expect(201).json();
        let old_key = old["key"].as_str().unwrap();
        for hub in [&hub, &twin] {
            assert_eq!(status(hub, "/v1/models", old_key).await, 200);
        }
        let new = rotate(&hub, &ada, &old["id"], &json!({ "overlapSeconds": 0 })).await.expect(201).json();
        for hub in [&hub, &twin] {
            assert_eq!(status(hub, "/v1/models", old_key).await, 401);
            assert_eq!(status(hub, "/v1/models", new["key"].as_str().unwrap()).await, 200);
        }
        rotate(&hub, &ada, &new["id"], &json!({ "overlapSeconds": 2_592_001 })).await.expect(400);
        rotate(&hub, &ada, &new["id"], &json!({ "overlapSeconds": -1 })).await.expect(400);
        let day = rotate(&hub, &ada, &new["id"], &json!({})).await.expect(201).json();
        assert_eq!(day["oldKeyUntil"], "2026-11-24T10:00:00Z");
        twin.finish().await;
        hub.finish().await;
    }

    async fn of_twenty_rotations_of_one_key_one_wins(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let old = create(&hub, &ada, &json!({ "name": "ci" })).await.expect(201).json();
        let body = json!({});
        let tries = (0..20).map(|n| rotate(if n % 2 == 0 { &hub } else { &twin }, &ada, &old["id"], &body));
        let answers: Vec<u16> = join_all(tries).await.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 409).count(), 19, "{answers:?}");
        assert_eq!(list(&hub, &ada).await["total"], 3);
        patch(&hub, &ada, &old["id"], &json!({ "name": "too late" })).await.expect(409);
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_rotation_needs_room_and_an_end_stays_an_end(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let short = json!({ "name": "short", "expiresAt": "2026-11-23T11:00:00Z" });
        let short = create(&hub, &ada, &short).await.expect(201).json();
        for _ in 0..48 {
            create(&hub, &ada, &json!({ "name": "many" })).await.expect(201);
        }
        rotate(&hub, &ada, &short["id"], &json!({})).await.expect(409);
        // Without overlap the old key makes the room.
        let next = rotate(&hub, &ada, &short["id"], &json!({ "overlapSeconds": 0 })).await.expect(201).json();
        assert_eq!(next["expiresAt"], short["expiresAt"]);
        hub.advance(Duration::hours(1));
        let mut ada = ada;
        hub.sign_in(&mut ada).await;
        rotate(&hub, &ada, &next["id"], &json!({})).await.expect(409);
        patch(&hub, &ada, &next["id"], &json!({ "expiresAt": null })).await.expect(409);
        hub.finish().await;
    }

    async fn a_change_of_limits_holds_for_the_whole_line_and_a_name_for_one_key(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let old = create(&hub, &ada, &json!({ "name": "ci" })).await.expect(201).json();
        let new = rotate(&hub, &ada, &old["id"], &json!({})).await.expect(201).json();
        let change = json!({
            "name": "ci 2", "scopes": ["models:read"], "models": ["sandbox"], "addresses": ["127.0.0.1"],
            "budget": { "amount": 5, "period": "month" }, "tokensPerMinute": 1000, "concurrentCalls": 2,
        });
        let changed = patch(&hub, &ada, &new["id"], &change).await.expect(200).json();
        assert_eq!((&changed["name"], &changed["addresses"]), (&json!("ci 2"), &json!(["127.0.0.1/32"])));
        assert_eq!(changed["budget"]["resetsAt"], "2026-12-01T00:00:00Z");
        let shown = list(&hub, &ada).await;
        let (new_row, old_row) = (&shown["keys"][0], &shown["keys"][1]);
        assert_eq!(old_row["name"], "ci");
        for field in ["scopes", "models", "addresses", "budget", "tokensPerMinute", "concurrentCalls", "line"] {
            assert_eq!((&new_row[field], &changed[field]), (&old_row[field], &new_row[field]), "{field}");
        }
        for key in [&old, &new] {
            let key = key["key"].as_str().unwrap();
            assert_eq!(status(&hub, "/v1/models", key).await, 200);
            assert_eq!(status(&hub, "/api/credits/balance", key).await, 403, "narrowed at once");
        }
        // `null` takes away, what is not there stays.
        let change = json!({ "budget": null, "tokensPerMinute": null, "scopes": [] });
        let changed = patch(&hub, &ada, &new["id"], &change).await.expect(200).json();
        assert_eq!((&changed["budget"], &changed["concurrentCalls"]), (&Value::Null, &json!(2)));
        assert_eq!(status(&hub, "/api/credits/balance", old["key"].as_str().unwrap()).await, 200);
        hub.finish().await;
    }

    async fn changes_out_of_bounds_are_refused_and_other_peoples_keys_are_not_there(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        let made = create(&hub, &ada, &json!({ "name": "ci" })).await.expect(201).json();
        for (body, field) in [
            (json!({ "name": "" }), "name"),
            (json!({ "scopes": ["credits:grant"] }), "scopes"),
            (json!({ "scopes": ["keys:create"] }), "scopes"),
            (json!({ "expiresAt": "2026-11-23T09:00:00Z" }), "expiresAt"),
            (json!({ "budget": { "amount": 0, "period": "day" } }), "budget"),
            (json!({ "budget": { "amount": 1, "period": "year" } }), "budget"),
            (json!({ "requestsPerMinute": 0 }), "requestsPerMinute"),
            (json!({ "tokensPerMinute": -1 }), "tokensPerMinute"),
            (json!({ "concurrentCalls": 1001 }), "concurrentCalls"),
            (json!({ "userId": eve.id }), "userId"),
        ] {
            let refused = patch(&hub, &ada, &made["id"], &body).await.expect(400);
            let named = refused.json()["error"]["details"][0]["field"].as_str().unwrap().to_owned();
            assert!(named.starts_with(field), "{body}: {named}");
        }
        let path = format!("/api/keys/{}", made["id"].as_str().unwrap());
        assert_eq!(hub.get(&path).bearer(&ada.access_token).send().await.expect(200).json()["name"], "ci");
        hub.get(&path).bearer(&eve.access_token).send().await.expect(404);
        patch(&hub, &eve, &made["id"], &json!({ "name": "mine" })).await.expect(404);
        rotate(&hub, &eve, &made["id"], &json!({})).await.expect(404);
        // A key never manages keys, its own line included.
        let key = made["key"].as_str().unwrap();
        hub.get(&path).bearer(key).send().await.expect(403);
        hub.patch(&path).bearer(key).json(&json!({ "name": "x" })).send().await.expect(403);
        hub.post(&format!("{path}/rotate")).bearer(key).json(&json!({})).send().await.expect(403);
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(204);
        for answer in [patch(&hub, &ada, &made["id"], &json!({ "name": "x" })).await, rotate(&hub, &ada, &made["id"], &json!({})).await] {
            answer.expect(404);
        }
        hub.finish().await;
    }
}
