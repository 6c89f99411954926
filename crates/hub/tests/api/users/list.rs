//! The list: each account once, however many are added meanwhile, and filters that say what they cannot do.

use std::collections::BTreeSet;

use axum::http::Method;
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::{delete, get, holder, patch, send};

async fn names(hub: &TestHub, who: &TestUser, query: &str) -> BTreeSet<String> {
    let found = get(hub, who, &format!("/api/users?limit=100{query}")).await.expect(200).json();
    let users = found["users"].as_array().unwrap();
    assert_eq!(found["total"], users.len(), "{found:#}");
    users.iter().map(|user| user["email"].as_str().unwrap().split('@').next().unwrap().to_owned()).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

on_both_pairs! {
    async fn pages_neither_repeat_nor_skip_while_users_are_added(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        for n in 0..25 {
            holder(&hub, &format!("old-{n:02}"), "user").await;
        }
        let (mut seen, mut query, mut round) = (Vec::new(), String::new(), 0);
        loop {
            let page = get(&hub, &admin, &format!("/api/users?limit=7{query}")).await.expect(200).json();
            assert_eq!(page["total"], 26 + round);
            seen.extend(page["users"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap().to_owned()));
            assert_eq!(page["hasMore"], page["nextCursor"].is_string());
            holder(&hub, &format!("new-{round}"), "user").await;
            round += 1;
            let Some(next) = page["nextCursor"].as_str() else { break };
            query = format!("&cursor={next}");
        }
        let mut expected: Vec<String> = (0..25).rev().map(|n| format!("old-{n:02}@example.com")).collect();
        expected.push("admin@example.com".to_owned());
        assert_eq!(seen, expected, "newest first, each once");
        hub.finish().await;
    }

    async fn filters_find_what_they_say(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (admin, manager) = (hub.admin().await, hub.manager().await);
        let (ada, bob, eve) = (hub.user("ada").await, hub.user("bob").await, hub.user("eve").await);
        patch(&hub, &admin, &ada, &json!({ "name": "Ärztin 100%_!" })).await.expect(200);
        patch(&hub, &admin, &bob, &json!({ "status": "disabled" })).await.expect(200);
        delete(&hub, &admin, &eve).await.expect(204);
        let unproven = json!({ "email": "new@example.com", "password": super::GOOD, "verified": false, "role": "guest" });
        send(&hub, &admin, Method::POST, "/api/users", &unproven).await.expect(201);

        assert_eq!(names(&hub, &manager, "").await, set(["admin", "manager", "ada", "bob", "new"]));
        assert_eq!(names(&hub, &manager, "&status=active").await, set(["admin", "manager", "ada", "new"]));
        assert_eq!(names(&hub, &manager, "&status=disabled").await, set(["bob"]));
        assert_eq!(names(&hub, &manager, "&status=deleted").await, set(["eve"]));
        assert_eq!(names(&hub, &manager, "&status=all").await.len(), 6);
        assert_eq!(names(&hub, &manager, "&verified=false").await, set(["new"]));
        assert_eq!(names(&hub, &manager, "&role=manager").await, set(["manager"]));
        assert_eq!(names(&hub, &manager, "&role=user&status=all").await, set(["ada", "bob", "eve"]));
        for query in ["&q=ADA%40EXA", "&q=%C3%84rztin", "&q=%C3%A4RZTIN", "&q=100%25_!"] {
            assert_eq!(names(&hub, &manager, query).await, set(["ada"]), "{query}");
        }
        for nothing in ["&q=%25%25", "&q=_d_", "&role=emperor"] {
            assert!(names(&hub, &manager, nothing).await.is_empty(), "{nothing}");
        }
        let one = get(&hub, &manager, &format!("/api/users/{}", eve.id)).await.expect(200).json();
        assert_eq!((&one["roles"], &one["status"], one["deletedAt"].is_string()), (&json!(["user"]), &json!("active"), true));
        hub.finish().await;
    }

    async fn a_list_says_which_filter_it_does_not_understand(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        let long = "x".repeat(101);
        for (query, field) in [
            ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=4294967296", "limit"), ("offset=1", "offset"),
            ("cursor=e30", "cursor"), ("cursor=%00", "query"), ("status=gone", "status"), ("verified=maybe", "verified"), ("q=", "q"),
            ("role=", "role"), (&format!("q={long}"), "q"), ("q=a&q=b", "q"),
        ] {
            let refused = get(&hub, &admin, &format!("/api/users?{query}")).await.expect(400).json();
            assert_eq!(refused["error"]["details"][0]["field"], field, "{query}: {refused}");
        }
        let everything: Value = get(&hub, &admin, "/api/users").await.expect(200).json();
        assert!(!everything.to_string().contains("argon2") && !everything.to_string().contains("assword"));
        hub.finish().await;
    }
}
