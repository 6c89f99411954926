//! The log and its export: pages that hold still, filters, names that stay.

use chrono::Duration;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

use super::kit::{all_logs, begin, call, get, key_of};

on_both_pairs! {
    async fn pages_hold_still_while_calls_come_in(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for number in 0..30_i64 {
            call(&hub, &ada, None, "sandbox", number).await;
            if number % 4 == 0 {
                hub.advance(Duration::microseconds(1));
            }
        }
        let before = all_logs(&hub, &ada.access_token, "").await;
        assert_eq!(before.len(), 30);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(&hub, &ada.access_token, &format!("/api/usage/logs?limit=4{cursor}")).await;
            seen.extend(page["logs"].as_array().unwrap().iter().cloned());
            hub.advance(Duration::seconds(1));
            call(&hub, &ada, None, "sandbox", 9000).await;
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, before);
        let mut sorted: Vec<_> = seen.iter().map(|row| (row["createdAt"].to_string(), row["id"].to_string())).collect();
        sorted.dedup();
        assert_eq!(sorted.len(), 30);
        hub.finish().await;
    }

    async fn several_filters_find_all_that_fit_at_any_depth(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let key = key_of(&hub, &ada).await;
        for number in 0..60_i64 {
            let (key, model) = (if number % 2 == 0 { Some(key) } else { None }, format!("model-{}", number % 5));
            call(&hub, &ada, key, &model, number).await;
            // Over more than ten days, several in one quarter of an hour, some at one moment.
            let minutes = if number % 9 == 0 { 60 * 40 } else if number % 3 == 0 { 0 } else { 4 };
            hub.advance(Duration::minutes(minutes));
        }
        for rolled_up in [false, true] {
            if rolled_up {
                hub.advance(Duration::minutes(40));
                hub_domain::usage::roll_up(&hub.hub).await.unwrap();
                // It begins in what is closed, as a call that settles late would.
                hub.sign_in(&mut ada).await;
                call(&hub, &ada, Some(key), "model-4", 1).await;
            }
            hub.sign_in(&mut ada).await;
            let all = all_logs(&hub, &ada.access_token, "").await;
            for model in ["model-0", "model-1", "model-4", "none"] {
                for key in [None, Some(key)] {
                    let query = key.map_or(format!("model={model}"), |key| format!("model={model}&keyId={key}"));
                    let key = key.map(|key| key.to_string());
                    let fits = |row: &&serde_json::Value| {
                        row["model"] == model && key.as_deref().is_none_or(|key| row["keyId"] == key)
                    };
                    let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
                    assert_eq!(all_logs(&hub, &ada.access_token, &query).await, expected, "{query}, {rolled_up}");
                }
            }
            let failed = all_logs(&hub, &ada.access_token, "status=failed&model=model-1").await;
            assert!(failed.is_empty());
            let part = all_logs(&hub, &ada.access_token, "model=model-0&provider=sandbox&from=2026-11-25&to=2026-12-01").await;
            let within = |row: &&serde_json::Value| {
                row["model"] == "model-0" && ("2026-11-25".."2026-12-01").contains(&row["createdAt"].as_str().unwrap())
            };
            assert_eq!(part, all.iter().filter(within).cloned().collect::<Vec<_>>());
            assert!(!part.is_empty());
        }
        hub.finish().await;
    }

    async fn filters_find_what_they_say(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let key = key_of(&hub, &ada).await;
        call(&hub, &ada, Some(key), "sandbox", 1).await;
        call(&hub, &ada, None, "sandbox-b", 2).await;
        begin(&hub, &ada, None, "sandbox", 3, Duration::seconds(1)).await;
        hub.advance(Duration::minutes(1));
        hub_domain::credits::sweep_all(&hub.hub).await.unwrap();
        let count = async |query: &str| all_logs(&hub, &ada.access_token, query).await.len();
        assert_eq!(count("").await, 3);
        assert_eq!(count("model=sandbox").await, 2);
        assert_eq!(count("model=sandbox-b&status=completed").await, 1);
        assert_eq!(count("status=expired").await, 1);
        assert_eq!(count("status=failed").await, 0);
        assert_eq!(count("provider=sandbox").await, 3);
        assert_eq!(count("provider=openai").await, 0);
        assert_eq!(count(&format!("keyId={key}")).await, 1);
        assert_eq!(count("from=2026-11-23T10:00:00Z&to=2026-11-23T10:00:00.000001Z").await, 3);
        assert_eq!(count("to=2026-11-23T10:00:00Z").await, 0);
        let key_total = get(&hub, &ada.access_token, &format!("/api/usage/summary?keyId={key}")).await;
        assert_eq!(key_total["totals"]["calls"], 1);
        for (path, field) in [
            ("logs?status=maybe", "status"), ("logs?offset=3", "offset"), ("logs?cursor=e30", "cursor"), ("logs?keyId=x", "keyId"),
            ("logs?from=yesterday", "from"), ("logs?from=2026-11-24&to=2026-11-23", "to"), ("logs?limit=101", "limit"),
            ("logs?tz=Mars/Olympus", "tz"), ("logs?model=", "model"), ("export.csv?userId=ada", "userId"), ("summary?to=1999-01-01", "to"),
            ("summary?from=2024-01-01&to=2026-01-01", "from"), ("timeseries?interval=week", "interval"),
            ("timeseries?interval=hour&from=2026-01-01&to=2026-03-01", "from"), ("timeseries?groupBy=color", "groupBy"),
            ("timeseries?interval=month&from=2020-01-01&to=2026-03-01", "from"), ("breakdown", "groupBy"),
        ] {
            let refused = hub.get(&format!("/api/usage/{path}")).bearer(&ada.access_token).send().await.expect(400);
            assert_eq!(refused.json()["error"]["details"][0]["field"], field, "{path}");
        }
        hub.finish().await;
    }

    async fn a_key_that_was_taken_back_keeps_its_name(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let body = json!({ "name": "=HYPERLINK(\"http://evil\")" });
        let made = hub.post("/api/keys").bearer(&ada.access_token).json(&body).send().await.expect(201).json();
        let key = made["id"].as_str().unwrap();
        call(&hub, &ada, Some(key.parse().unwrap()), "sandbox", 5).await;
        hub.request(http::Method::DELETE, &format!("/api/keys/{key}")).bearer(&ada.access_token).send().await.expect(204);
        let row = &all_logs(&hub, &ada.access_token, "").await[0];
        assert_eq!((&row["keyName"], &row["keyRevoked"], &row["userEmail"]), (&body["name"], &json!(true), &json!(ada.email)));
        let group = get(&hub, &ada.access_token, "/api/usage/breakdown?groupBy=key").await["groups"][0].clone();
        assert_eq!((&group["id"], &group["name"], &group["deleted"]), (&json!(key), &body["name"], &json!(true)));
        let answer = hub.get("/api/usage/export.csv").bearer(&ada.access_token).send().await.expect(200);
        assert!(answer.header("content-disposition").contains("attachment"));
        assert!(answer.text().contains("\"'=HYPERLINK(\"\"http://evil\"\")\""), "{}", answer.text());
        hub.finish().await;
    }

    async fn an_export_comes_in_pieces_and_has_every_call(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut tx = hub.hub.store.write().await.unwrap();
        for number in 0..1201 {
            let row = hub_store::usage::UsageRow {
                id: hub_types::UsageId::new(hub.clock()),
                at: hub.clock().now(),
                user: ada.id,
                api_key: None,
                request_id: format!("row-{number}"),
                hold: None,
                kind: "chat".to_owned(),
                route: "/v1/chat/completions".to_owned(),
                service: "sandbox".to_owned(),
                provider: "sandbox".to_owned(),
                model: "sandbox".to_owned(),
                usage: hub_types::TokenUsage::default(),
                usage_source: "provider".to_owned(),
                credits: hub_types::Credits::ZERO,
                status: "completed".to_owned(),
                attempts: 1,
                latency_ms: 1,
                first_token_ms: None,
                metadata: json!({}),
            };
            hub_store::usage::put(&mut tx, &row).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut answer = hub.get("/api/usage/export.csv").bearer(&ada.access_token).stream().await;
        let (mut text, mut pieces) = (String::new(), 0);
        while let Some(chunk) = answer.chunk().await {
            text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            pieces += 1;
        }
        assert!(pieces >= 4, "{pieces}");
        let mut requests: Vec<&str> = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
        requests.sort_unstable();
        requests.dedup();
        assert_eq!(requests.len(), 1201);
        hub.finish().await;
    }
}
