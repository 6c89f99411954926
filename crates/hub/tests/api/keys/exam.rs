//! KEY-01 and KEY-02 of the security exam, as they stand there.

use std::fmt::Write as _;

use chrono::Duration;
use hub_store::{audit, keys as stored, roles};
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use hub_types::{AuditId, SystemRole};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{create, list, looks_like_a_key, status};
use crate::auth::{disable, told};

/// Everything the store keeps about a user's keys, and all that was audited about them, as text.
async fn dump(hub: &TestHub, user: &TestUser, keys: &[&str]) -> String {
    let mut tx = hub.hub.store.read().await.unwrap();
    let hashes = stored::live_hashes(&mut tx, user.id).await.unwrap();
    let end = (hub.clock().now() + Duration::days(1), AuditId::new(hub.clock()));
    let mut text = format!("{:?}", audit::of_user(&mut tx, user.id, end, 100).await.unwrap());
    for key in keys {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        assert!(hashes.contains(&hash.to_vec()), "the hash is kept");
        let row = stored::by_hash(&mut tx, &hash).await.unwrap();
        assert!(stored::by_hash(&mut tx, key.as_bytes()).await.unwrap().is_none());
        write!(text, "{row:?}").unwrap();
    }
    text
}

on_both_pairs! {
    async fn key_01_a_key_is_shown_once_and_a_dump_holds_only_its_hash(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let made = create(&hub, &ada, &json!({ "name": "exam" })).await.expect(201).json();
        let path = format!("/api/keys/{}", made["id"].as_str().unwrap());
        let rotated = hub.post(&format!("{path}/rotate")).bearer(&ada.access_token).json(&json!({})).send().await;
        let rotated = rotated.expect(201).json();
        let mails = format!("{:?}", hub.mails().await.iter().map(|mail| (&mail.subject, &mail.text)).collect::<Vec<_>>());
        let shown = format!(
            "{} {} {mails} {}",
            list(&hub, &ada).await,
            hub.get(&path).bearer(&ada.access_token).send().await.expect(200).text(),
            dump(&hub, &ada, &[made["key"].as_str().unwrap(), rotated["key"].as_str().unwrap()]).await,
        );
        for answer in [&made, &rotated] {
            let key = answer["key"].as_str().unwrap();
            assert!(looks_like_a_key(key), "{key}");
            assert!(shown.contains(&key[..12]), "the prefix is shown");
            assert!(!shown.contains(&key[12..]), "nothing else of the key is kept or shown again");
        }
        hub.finish().await;
    }

    async fn key_02_what_is_no_live_key_gets_one_answer_and_rights_shrink_with_the_owner(pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, admin) = (hub.user("ada").await, hub.admin().await);
        let good = create(&hub, &ada, &json!({ "name": "good" })).await.expect(201).json();
        let good = good["key"].as_str().unwrap().to_owned();
        let expired = create(&hub, &ada, &json!({ "name": "e", "expiresAt": "2026-11-23T10:00:01Z" })).await.json();
        let revoked = create(&hub, &ada, &json!({ "name": "r" })).await.expect(201).json();
        let rotated = create(&hub, &ada, &json!({ "name": "o" })).await.expect(201).json();
        let path = |key: &serde_json::Value| format!("/api/keys/{}", key["id"].as_str().unwrap());
        hub.delete(&path(&revoked)).bearer(&ada.access_token).send().await.expect(204);
        let at_once = json!({ "overlapSeconds": 0 });
        hub.post(&format!("{}/rotate", path(&rotated))).bearer(&ada.access_token).json(&at_once).send().await.expect(201);
        hub.advance(Duration::seconds(2));
        let unknown = told(&hub.get("/v1/models").bearer(&format!("sk_{}", "A".repeat(43))).send().await);
        assert_eq!(unknown.0, 401);
        let swapped = good.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        for bad in [
            expired["key"].as_str().unwrap().to_owned(),
            revoked["key"].as_str().unwrap().to_owned(),
            rotated["key"].as_str().unwrap().to_owned(),
            good[..45].to_owned(),
            format!("{good}x"),
            format!("sk_{}", swapped.skip(3).collect::<String>()),
        ] {
            assert_eq!(told(&hub.get("/v1/models").bearer(&bad).send().await), unknown, "{bad}");
        }

        // The owner loses a role: two seconds later at the latest the key has lost the rights.
        assert_eq!(status(&hub, "/api/credits/balance", &good).await, 200);
        let mut tx = hub.hub.store.write().await.unwrap();
        let role = roles::by_name(&mut tx, SystemRole::User.name()).await.unwrap().unwrap();
        assert!(roles::unassign(&mut tx, ada.id, role.id).await.unwrap());
        tx.commit().await.unwrap();
        hub.advance(Duration::seconds(2));
        assert_eq!(status(&hub, "/api/credits/balance", &good).await, 403);
        hub.sign_in(&mut ada).await;
        disable(&hub, ada.id).await;
        assert_eq!(told(&hub.get("/v1/models").bearer(&good).send().await), unknown);
        assert_eq!(status(&hub, "/v1/models", &admin.api_key).await, 200);
        hub.finish().await;
    }
}
