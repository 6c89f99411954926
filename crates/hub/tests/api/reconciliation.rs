//! Receipts against a provider's own file: what is missing on either side and what differs is named, and nothing is changed.

use std::fmt::Write as _;

use chrono::Duration;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use crate::openai_stub::Stub;

async fn compare(hub: &TestHub, admin: &TestUser, query: &str, media: &str, file: &str) -> TestResponse {
    let request = hub.post(&format!("/api/admin/reconciliation?provider=stub{query}")).bearer(&admin.access_token);
    request.header("content-type", media).body(file.to_owned()).send().await
}

async fn call(hub: &TestHub, user: &TestUser, text: &str) {
    let body = json!({ "model": "stub", "messages": [{ "role": "user", "content": text }] });
    hub.post("/v1/chat/completions").bearer(&user.api_key).json(&body).send().await.expect(200);
}

fn counts(report: &Value) -> [i64; 4] {
    ["matched", "missingHere", "missingThere", "different"].map(|name| report[name].as_i64().unwrap())
}

on_both_pairs! {
    async fn calls_are_compared_one_by_one_and_every_difference_is_named(pair: Pair) {
        let stub = Stub::start().await;
        let hub = stub.hub(pair, json!({ "input": 10, "output": 20 })).start().await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        for name in ["one", "two", "three"] {
            call(&hub, &ada, name).await;
        }
        let logs = hub.get("/api/usage/logs").bearer(&ada.access_token).send().await.expect(200).json();
        let calls = logs["logs"].as_array().unwrap();
        let mut file = "request_id,model,created_at,prompt_tokens,completion_tokens,cost_usd,project\r\n".to_owned();
        for seen in calls {
            let receipt = hub.get(&format!("/api/credits/receipts/{}", seen["id"].as_str().unwrap())).bearer(&ada.access_token);
            let receipt = receipt.send().await.expect(200).json();
            let (usage, id) = (&receipt["usage"], receipt["upstreamId"].as_str().unwrap());
            // A credit is a cent.
            let dollars = receipt["amount"].as_f64().unwrap() / 100.0;
            writeln!(file, "{id},stub,2026-11-23T10:00:00Z,{},{},{dollars:.8},p", usage["input"], usage["output"]).unwrap();
        }
        let same = compare(&hub, &admin, "", "text/csv", &file).await.expect(200).json();
        assert_eq!((&same["clean"], counts(&same), &same["byCall"]), (&json!(true), [3, 0, 0, 0], &json!(true)), "{same}");
        assert_eq!(same["here"]["prompt"], same["there"]["prompt"]);

        let changed = file.replace("req-one", "req-other").replacen("req-two,stub,2026-11-23T10:00:00Z,", "$0,1", 1);
        let changed = changed.replace("$0,", "req-two,stub,2026-11-23T10:00:00Z,");
        let found = compare(&hub, &admin, "", "text/csv", &changed).await.expect(200).json();
        let named = found["named"].to_string();
        assert_eq!(found["clean"], false);
        assert!(named.contains("req-other (stub): no receipt") && named.contains("(req-one): not in the file"), "{named}");
        assert_eq!(counts(&found), [2, 1, 1, 1]);
        assert!(named.contains(": prompt "), "{named}");
        assert_eq!(found["days"][0]["day"], "2026-11-23");
        // Other days hold nothing of this.
        let later = compare(&hub, &admin, "&from=2026-12-01T00:00:00Z&to=2026-12-02T00:00:00Z", "text/csv", &file).await;
        assert_eq!(counts(&later.expect(200).json()), [0, 0, 0, 0]);
        hub.finish().await;
    }

    async fn files_of_sums_are_compared_by_day_and_model(pair: Pair) {
        let stub = Stub::start().await;
        let hub = stub.hub(pair, json!({ "input": 10, "output": 20, "cache_read": 1 })).start().await;
        let (mut ada, mut admin) = (hub.user("ada").await, hub.admin().await);
        let usage = r#"usage {"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":30}}"#;
        call(&hub, &ada, usage).await;
        call(&hub, &ada, usage).await;
        hub.advance(Duration::days(1));
        hub.sign_in(&mut ada).await;
        hub.sign_in(&mut admin).await;
        call(&hub, &ada, usage).await;

        let openai = "start_time_iso,model,num_model_requests,input_tokens,input_cached_tokens,output_tokens,batch\n\
            2026-11-23T00:00:00+00:00,stub-2026-01-31,2,200,60,14,False\n2026-11-24T00:00:00+00:00,stub,1,100,30,7,False\n";
        let report = compare(&hub, &admin, "", "text/csv; charset=utf-8", openai).await.expect(200).json();
        assert_eq!((&report["clean"], &report["byCall"], &report["here"]["calls"]), (&json!(true), &json!(false), &json!(3)), "{report}");

        // Names in words, as a spreadsheet has them; input is Anthropic's, without what was cached.
        let words = "Date,Model,Input Tokens,Cache Read Input Tokens,Output Tokens\n2026-11-23,stub,140,60,14\n2026-11-24,stub,70,30,7\n";
        let report = compare(&hub, &admin, "", "text/csv", words).await.expect(200).json();
        assert_eq!((&report["clean"], &report["there"]["prompt"]), (&json!(true), &json!(300)), "{report}");

        let anthropic = json!([
            { "usage_date_utc": "2026-11-23", "model_version": "stub", "usage_input_tokens_no_cache": 140, "usage_input_tokens_cache_read": 60,
              "usage_output_tokens": 14, "workspace": "w" },
            { "usage_date_utc": "2026-11-24", "model_version": "stub", "usage_input_tokens_no_cache": 70, "usage_input_tokens_cache_read": 30,
              "usage_output_tokens": 8, "workspace": "w" },
        ]);
        let report = compare(&hub, &admin, "", "application/json", &anthropic.to_string()).await.expect(200).json();
        assert_eq!(report["named"], json!(["2026-11-24 stub: completion 7 here and 8 there"]));
        assert_eq!((&report["different"], &report["days"][1]["different"]), (&json!(1), &json!(1)));
        hub.finish().await;
    }

    async fn files_that_are_not_understood_are_refused(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let admin = hub.admin().await;
        for (media, file, status) in [
            ("text/plain", "a,b", 415),
            ("text/csv", "", 400),
            ("text/csv", "id,prompt_tokens\na,many\n", 400),
            ("text/csv", "id,prompt_tokens\na,1\n", 400),
            ("application/json", "{}", 400),
            ("application/json", "[", 400),
        ] {
            compare(&hub, &admin, "", media, file).await.expect(status);
        }
        let large = "x".repeat(32 * 1024 * 1024 + 1);
        compare(&hub, &admin, "", "text/csv", &large).await.expect(413);
        hub.finish().await;
    }
}
