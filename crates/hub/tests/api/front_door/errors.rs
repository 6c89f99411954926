//! Errors: one frame for all, plain words, no word of the machinery, and bounds on what is read.

use axum::http::Method;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

use super::{error, one_of_each};

on_both_pairs! {
    async fn every_refusal_has_the_same_frame(pair) {
        let hub = TestHub::start(pair).await;
        for answer in one_of_each(&hub).await.iter().filter(|answer| answer.status.as_u16() >= 400) {
            let status = answer.status.as_u16();
            let code = error(answer)["code"].as_str().unwrap().to_owned();
            let expected = match status {
                400 => "VALIDATION_ERROR",
                401 => "AUTHENTICATION_ERROR",
                403 => "FORBIDDEN",
                404 if code == "MODEL_NOT_FOUND" => "MODEL_NOT_FOUND",
                404 => "NOT_FOUND",
                405 => "METHOD_NOT_ALLOWED",
                413 => "PAYLOAD_TOO_LARGE",
                414 => "URI_TOO_LONG",
                415 => "UNSUPPORTED_MEDIA_TYPE",
                426 => "UPGRADE_REQUIRED",
                431 => "HEADERS_TOO_LARGE",
                other => panic!("{other}: {}", answer.text()),
            };
            assert_eq!(code, expected, "{status}");
        }
        hub.finish().await;
    }

    async fn hdr_03_a_bad_field_is_named_in_plain_words(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for (path, body, field, words) in [
            ("/api/keys", r#"{"name":"x","isAdmin":true}"#, "isAdmin", "unknown field isAdmin"),
            ("/api/keys", r#"{"name":["x"]}"#, "name", "must be a string"),
            ("/api/keys", r#"{"scopes":[]}"#, "name", "is required"),
            ("/api/keys", r#"{"name":"a","name":"b"}"#, "name", "stands more than once"),
            ("/api/keys", r#"{"name":"a","models":{"a":1}}"#, "models", "must be a list"),
            ("/api/keys", r#"{"name":"a"} {}"#, "body", "is not valid JSON"),
            ("/api/keys", r#"{"name":"a\u0000"}"#, "body", "NUL"),
            ("/api/keys", r#"{"name":"\ud800"}"#, "body", "is not valid JSON"),
            ("/api/keys", "", "body", "is empty"),
            ("/api/keys", "[1]", "body", "must be an object"),
            ("/api/keys", r#" ["a key by position"]"#, "body", "must be an object"),
            ("/api/credits/deduct", r#"{"userId":"x","amount":1,"reason":"r"}"#, "userId", "must be an id"),
            ("/api/mcp/chat", r#"{"id":"r","type":"dance","model":"sandbox"}"#, "type", "must be one of"),
        ] {
            let request = hub.post(path).bearer(&ada.access_token).header("content-type", "application/json");
            let refused = request.body(body).send().await.expect(400);
            let error = error(&refused);
            assert_eq!(error["details"][0]["field"], field, "{body}: {error}");
            assert!(error["details"][0]["message"].as_str().unwrap().contains(words), "{body}: {error}");
            // No word of the machinery.
            for leak in ["serde", "::", "column 0", "struct ", "sqlx", "SELECT", "/src/"] {
                assert!(!refused.text().contains(leak), "{body}: {}", refused.text());
            }
        }
        let bytes = hub.post("/api/keys").bearer(&ada.access_token).header("content-type", "application/json");
        let refused = bytes.body(&b"{\"name\":\"\xff\"}"[..]).send().await.expect(400);
        assert!(error(&refused)["details"][0]["message"].as_str().unwrap().contains("UTF-8"));
        hub.finish().await;
    }

    async fn hdr_03_text_that_means_something_to_some_machine_is_only_text(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for name in [
            "'; DROP TABLE users; --",
            "${jndi:ldap://evil}",
            "{{7*7}}",
            "%s%n%d",
            "<script>alert(1)</script>",
            "\u{202e}abc",
            "🦩",
        ] {
            let made =
                hub.post("/api/keys").bearer(&ada.access_token).json(&json!({ "name": name })).send().await.expect(201);
            assert_eq!(made.json()["name"], name);
            let login = json!({ "email": ada.email, "password": name });
            hub.post("/api/auth/login").json(&login).send().await.expect(401);
        }
        for path in [
            "/api/credits/balance?userId=%27%20OR%201=1",
            "/api/auth/sessions/..%2f..%2fetc",
            "/v1/models/%3Cscript%3E",
            "/v1/models/..%2F..%2Fetc%2Fpasswd",
        ] {
            let answer = hub
                .request(if path.contains("sessions") { Method::DELETE } else { Method::GET }, path)
                .bearer(&ada.access_token)
                .send()
                .await;
            assert!([400, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
        }
        hub.finish().await;
    }

    async fn res_02_bodies_are_bounded_in_size_and_depth(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let post = |path: &str| hub.post(path).bearer(&ada.access_token).header("content-type", "application/json");
        let deep = |depth: usize| format!("{{\"name\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(error(&post("/api/keys").body(deep(20_000)).send().await.expect(400))["code"], "VALIDATION_ERROR");
        let many: Vec<String> = (0..10_000).map(|n| format!("\"k{n}\":1")).collect();
        post("/api/keys").body(format!("{{{}}}", many.join(","))).send().await.expect(400);
        let large = |size: usize| format!("{{\"name\":\"{}\"}}", "x".repeat(size));
        post("/api/keys").body(large(1024 * 1024)).send().await.expect(413);
        post("/api/keys").body(large(1024 * 1024 - 100)).send().await.expect(400);
        let lying = post("/api/keys").header("content-length", "99999999999").body("{}").send().await.expect(413);
        assert_eq!(error(&lying)["code"], "PAYLOAD_TOO_LARGE");
        let refused = post("/v1/chat/completions").body(vec![b' '; 33 * 1024 * 1024]).send().await.expect(413);
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
        hub.finish().await;
    }

    async fn under_v1_an_error_speaks_openais_language_too(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let chat = |body: Value| hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&body).send();
        let poor = hub.user_with_credits("poor", hub_types::Credits::ZERO).await;
        let hello = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "x" }] });
        for (answer, status, kind, code, param) in [
            (hub.get("/v1/models").send().await, 401, "authentication_error", "AUTHENTICATION_ERROR", Value::Null),
            (chat(json!({ "messages": [] })).await, 400, "invalid_request_error", "VALIDATION_ERROR", json!("model")),
            (
                chat(json!({ "model": "none", "messages": [{ "role": "user", "content": "x" }] })).await,
                404,
                "invalid_request_error",
                "MODEL_NOT_FOUND",
                json!("model"),
            ),
            (hub.get("/v1/nothing").send().await, 404, "invalid_request_error", "NOT_FOUND", Value::Null),
            (hub.delete("/v1/models").send().await, 405, "invalid_request_error", "METHOD_NOT_ALLOWED", Value::Null),
            (
                hub.post("/v1/chat/completions").bearer(&poor.api_key).json(&hello).send().await,
                402,
                "insufficient_quota",
                "INSUFFICIENT_CREDITS",
                Value::Null,
            ),
        ] {
            let error = error(&answer.expect(status));
            assert_eq!(
                (&error["type"], &error["code"], &error["param"]),
                (&json!(kind), &json!(code), &param),
                "{error}"
            );
            assert!(error["message"].is_string());
        }
        let anthropic = hub.get("/v1/models").header("anthropic-version", "2023-06-01").send().await.expect(401);
        let body = anthropic.json();
        assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("authentication_error")));
        assert_eq!(body["request_id"], anthropic.header("request-id"));
        assert_eq!(anthropic.header("request-id"), anthropic.header("x-request-id"));
        hub.finish().await;
    }
}
