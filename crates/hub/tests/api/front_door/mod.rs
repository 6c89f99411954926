//! What everybody meets before any rule: the form of errors, headers, sizes, other origins, health and the few pages.

mod errors;
mod headers;
mod operations;

use axum::http::Method;
use chrono::DateTime;
use hub_testkit::{Pair, TestHub, TestResponse};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Health and metrics with everything shown need this.
const OPS_TOKEN: &str = "a token for operators only";

/// A hub that the world can reach, so that nothing is shown to everybody.
async fn exposed(pair: Pair) -> TestHub {
    TestHub::builder(pair)
        .settings(|settings| {
            settings.identity.public_url = "https://hub.example".into();
            settings.server.cors_origins = vec!["https://app.example".into(), "http://localhost:5173".into()];
            settings.ops.token = Some(SecretString::from(OPS_TOKEN));
        })
        .start()
        .await
}

/// The error of an answer, whose frame must be right.
fn error(answer: &TestResponse) -> Value {
    let body = answer.json();
    let error = body["error"].clone();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    assert_eq!(error["requestId"], answer.header("x-request-id"), "{body}");
    assert!(answer.header("x-request-id").len() == 36);
    let at = DateTime::parse_from_rfc3339(error["timestamp"].as_str().unwrap()).unwrap();
    assert_eq!(at.to_rfc3339(), "2026-11-23T10:00:00+00:00");
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(answer.header("content-type"), "application/json");
    error
}

/// One answer of each status that can be provoked from outside.
async fn one_of_each(hub: &TestHub) -> Vec<TestResponse> {
    let ada = hub.user("ada").await;
    let token = &ada.access_token;
    let login = || hub.post("/api/auth/login").header("content-type", "application/json");
    let good = json!({ "email": ada.email, "password": ada.password });
    let big = |size: usize| json!({ "email": ada.email, "password": "x".repeat(size) }).to_string();
    let chat = json!({ "model": "no-such-model", "messages": [{ "role": "user", "content": "x" }] });
    let answers = vec![
        login().body(good.to_string()).send().await.expect(200),
        hub.post("/api/keys").bearer(token).json(&json!({ "name": "x" })).send().await.expect(201),
        hub.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await.expect(202),
        hub.post("/api/auth/logout").json(&json!({ "refreshToken": ada.refresh_token })).send().await.expect(204),
        login().body("{").send().await.expect(400),
        hub.get("/api/keys").send().await.expect(401),
        hub.get("/api/admin/ledger").bearer(&ada.api_key).send().await.expect(403),
        hub.get("/api/nothing-here").send().await.expect(404),
        hub.get("/nothing/here").send().await.expect(404),
        hub.get("/v1/nothing-here").send().await.expect(404),
        hub.put("/api/auth/login").send().await.expect(405),
        login().body(big(70 * 1024)).send().await.expect(413),
        hub.get(&format!("/api/auth/me?{}", "x".repeat(9000))).send().await.expect(414),
        hub.post("/api/auth/login").body(good.to_string()).send().await.expect(415),
        hub.get("/api/ws").bearer(&ada.api_key).send().await.expect(426),
        hub.get("/api/auth/me").header("x-long", &"x".repeat(40_000)).send().await.expect(431),
        hub.post("/v1/chat/completions").bearer(&ada.api_key).json(&chat).send().await.expect(404),
        hub.request(Method::TRACE, "/api/auth/me").send().await.expect(405),
        hub.get("/").send().await.expect(200),
        hub.get("/docs").send().await.expect(200),
        hub.get("/api/openapi.json").send().await.expect(200),
        hub.get("/health").send().await.expect(200),
        hub.get("/metrics").send().await,
    ];
    hub.run_jobs().await;
    answers
}
