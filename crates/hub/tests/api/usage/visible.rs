//! Members see their own usage and nothing else (RBA-02); who holds `usage:read_any` sees everybody's.

use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

use super::kit::{agree, all_logs, call, get, key_of};

const PATHS: [&str; 5] = ["summary?", "timeseries?groupBy=user&", "breakdown?groupBy=user&", "logs?", "export.csv?"];

on_both_pairs! {
    async fn other_peoples_usage_does_not_exist(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (mut ada, bob, mut manager, mut admin) = (hub.user("ada").await, hub.user("bob").await, hub.manager().await, hub.admin().await);
        let (ada_key, bob_key) = (key_of(&hub, &ada).await, key_of(&hub, &bob).await);
        call(&hub, &ada, Some(ada_key), "sandbox", 10).await;
        call(&hub, &bob, Some(bob_key), "sandbox-b", 20).await;
        call(&hub, &bob, None, "sandbox-b", 30).await;
        for rolled_up in [false, true] {
            if rolled_up {
                hub.advance(chrono::Duration::hours(2));
                for user in [&mut ada, &mut manager, &mut admin] {
                    hub.sign_in(user).await;
                }
                hub_domain::usage::roll_up(&hub.hub).await.unwrap();
            }
            for token in [&ada.access_token, &ada.api_key] {
                for path in PATHS {
                    let path = format!("/api/usage/{path}");
                    hub.get(&format!("{path}userId={}", bob.id)).bearer(token).send().await.expect(404);
                    hub.get(&format!("{path}userId={}", ada.id)).bearer(token).send().await.expect(200);
                    for own in [path.clone(), format!("{path}userId=me")] {
                        let text = hub.get(&own).bearer(token).send().await.expect(200).text();
                        assert!(!text.contains("bob") && !text.contains(&bob.id.to_string()) && !text.contains("sandbox-b"), "{own}: {text}");
                    }
                }
                assert_eq!(agree(&hub, token, "").await.values().sum::<i64>(), 1);
                let stolen = format!("keyId={bob_key}");
                assert_eq!(get(&hub, token, &format!("/api/usage/summary?{stolen}")).await["totals"]["calls"], 0);
                assert!(all_logs(&hub, token, &stolen).await.is_empty());
                let models = get(&hub, token, "/api/usage/breakdown?groupBy=model").await;
                assert_eq!((&models["total"], &models["groups"][0]["id"]), (&json!(1), &json!("sandbox")));
            }
            for token in [&manager.access_token, &admin.access_token] {
                assert_eq!(agree(&hub, token, "").await.values().sum::<i64>(), 3);
                assert_eq!(agree(&hub, token, &format!("userId={}", bob.id)).await.values().sum::<i64>(), 2);
                assert_eq!(agree(&hub, token, &format!("keyId={bob_key}")).await.values().sum::<i64>(), 1);
                assert!(agree(&hub, token, "userId=me").await.is_empty());
                let users = get(&hub, token, "/api/usage/breakdown?groupBy=user").await;
                let names: Vec<_> = users["groups"].as_array().unwrap().iter().map(|group| group["name"].clone()).collect();
                assert_eq!(names, ["bob@example.com", "ada@example.com"]);
            }
        }
        let trail = get(&hub, &admin.access_token, "/api/admin/audit?action=usage.exported").await;
        let actors: Vec<_> = trail["entries"].as_array().unwrap().iter().map(|row| row["actorEmail"].clone()).collect();
        assert!(actors.len() >= 8 && actors.iter().all(|actor| actor != "ada@example.com"), "{actors:?}");
        hub.finish().await;
    }
}
