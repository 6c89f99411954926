//! Every error leaves in the envelope, in the form that its path asks for.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{Request, StatusCode};
use hub_types::ErrorCode;
use hub_web::{ApiError, Json};
use serde_json::{Value, json};

use crate::kit::{call, composed, json as body_of};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
}

#[derive(Debug, thiserror::Error)]
#[error("password=hunter2 at /srv/db")]
struct Secret;

fn router() -> Router {
    async fn make(Json(thing): Json<Thing>) -> Json<Value> {
        Json(json!({ "made": thing.name }))
    }
    async fn fail() -> ApiError {
        ApiError::internal(Secret)
    }
    async fn foreign() -> impl IntoResponse {
        (StatusCode::CONFLICT, [(CONTENT_TYPE, "application/problem+json")], r#"{"theirs":true}"#)
    }
    async fn text() -> impl IntoResponse {
        (StatusCode::UNPROCESSABLE_ENTITY, "serde internals of struct Thing")
    }
    async fn page() -> impl IntoResponse {
        let policy = (CONTENT_SECURITY_POLICY, "default-src 'none'");
        (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "text/html; charset=utf-8"), policy], "<p>Begin again</p>")
    }
    async fn proxys_page() -> impl IntoResponse {
        (StatusCode::BAD_GATEWAY, [(CONTENT_TYPE, "text/html")], "<p>nginx 1.2.3</p>")
    }
    async fn broke() -> ApiError {
        ApiError::new(ErrorCode::InsufficientCredits)
    }
    composed(
        Router::new()
            .route("/things", post(make))
            .route("/fail", get(fail))
            .route("/v1/fail", get(fail))
            .route("/v1/broke", get(broke))
            .route("/v1/messages", get(broke))
            .route("/foreign", get(foreign))
            .route("/text", get(text))
            .route("/page", get(page))
            .route("/proxy", get(proxys_page))
            .route("/panic", get(async || -> StatusCode { panic!("hunter2") })),
    )
}

fn get_of(path: &str) -> Request<Body> {
    Request::get(path).header("x-request-id", "outer-1").body(Body::empty()).unwrap()
}

fn posted(content_type: &str, body: &'static str) -> Request<Body> {
    Request::post("/things").header(CONTENT_TYPE, content_type).body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn the_routers_own_refusals_are_enveloped() {
    let missing = call(router(), get_of("/nowhere")).await;
    assert_eq!(missing.status(), 404);
    assert_eq!(
        body_of(missing).await,
        json!({"error": {"code": "NOT_FOUND", "message": "Not found",
            "timestamp": "2026-11-23T10:00:00.000Z", "requestId": "outer-1"}})
    );
    let wrong = call(router(), get_of("/things")).await;
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.headers()[ALLOW], "POST");
    assert_eq!(body_of(wrong).await["error"]["code"], "METHOD_NOT_ALLOWED");
    let text = call(router(), get_of("/text")).await;
    assert_eq!(text.status(), 422);
    assert_eq!(body_of(text).await["error"]["message"], "The request is not valid");
}

#[tokio::test]
async fn a_bad_body_is_explained() {
    let unknown = call(router(), posted("application/json", r#"{"name":"a","isAdmin":true}"#)).await;
    assert_eq!(unknown.status(), 400);
    let body = body_of(unknown).await;
    assert_eq!(body["error"]["details"], json!([{"field": "isAdmin", "message": "unknown field isAdmin"}]));
    let id = body["error"]["requestId"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7), "{id}");
    let form = call(router(), posted("application/x-www-form-urlencoded", "name=a")).await;
    assert_eq!(form.status(), 415);
    assert_eq!(body_of(form).await["error"]["code"], "UNSUPPORTED_MEDIA_TYPE");
    let good = call(router(), posted("application/merge-patch+json; charset=utf-8", r#"{"name":"a"}"#)).await;
    assert_eq!(body_of(good).await, json!({"made": "a"}));
}

#[tokio::test]
async fn a_server_error_and_a_panic_show_no_cause() {
    for path in ["/fail", "/v1/fail", "/panic"] {
        let response = call(router(), get_of(path)).await;
        assert_eq!(response.status(), 500, "{path}");
        assert_eq!(response.headers()["x-request-id"], "outer-1");
        let body = body_of(response).await;
        assert_eq!(body["error"]["code"], "INTERNAL_ERROR", "{path}");
        assert!(!body.to_string().contains("hunter2"), "{body}");
    }
}

#[tokio::test]
async fn v1_answers_in_the_form_of_the_wire_spoken() {
    let openai = call(router(), get_of("/v1/broke")).await;
    assert_eq!(openai.status(), 402);
    let body = body_of(openai).await;
    assert_eq!(body["error"]["type"], "insufficient_quota");
    assert_eq!(body["error"]["code"], "INSUFFICIENT_CREDITS");
    assert_eq!(body["error"]["param"], Value::Null);
    let anthropic = call(router(), get_of("/v1/messages")).await;
    assert_eq!(anthropic.headers()["request-id"], "outer-1");
    let body = body_of(anthropic).await;
    assert_eq!((&body["type"], &body["request_id"]), (&json!("error"), &json!("outer-1")));
    assert_eq!(body["error"]["type"], "billing_error");
    let lost = Request::get("/v1/nowhere").header("anthropic-version", "2023-06-01").body(Body::empty()).unwrap();
    assert_eq!(body_of(call(router(), lost).await).await["error"]["type"], "not_found_error");
}

#[tokio::test]
async fn json_of_a_service_behind_us_passes_untouched() {
    let response = call(router(), get_of("/foreign")).await;
    assert_eq!(response.status(), 409);
    assert_eq!(body_of(response).await, json!({"theirs": true}));
}

#[tokio::test]
async fn a_page_for_a_person_stays_and_a_proxys_page_does_not() {
    let page = call(router(), get_of("/page")).await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    let proxys = call(router(), get_of("/proxy")).await;
    assert_eq!(proxys.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(body_of(proxys).await["error"]["code"], "BAD_GATEWAY");
}
