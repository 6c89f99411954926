//! Floods, forged tokens, metrics.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::Request;
use hub_gateway::{DoorCheck, GatewayParts, front_door};

use crate::kit::{Handle, call, call_from, edge, get_of, json_of, local, parts};

#[tokio::test]
async fn a_flood_from_one_address_is_stopped_and_others_pass() {
    let app = front_door(GatewayParts { requests_per_minute: 3, ..parts(Vec::new()) });
    for _ in 0..3 {
        assert_eq!(call(&app, get_of("/health/live")).await.status(), 200);
    }
    let refused = call(&app, get_of("/health/live")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["ratelimit-limit"], "3");
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(json_of(refused).await["error"]["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(call_from([198, 51, 100, 1], &app, get_of("/health/live")).await.status(), 200);

    let open = front_door(GatewayParts { requests_per_minute: 0, ..parts(Vec::new()) });
    for _ in 0..50 {
        assert_eq!(call(&open, get_of("/health/live")).await.status(), 200);
    }
}

#[tokio::test]
async fn a_forged_token_is_refused_at_the_door_but_may_be_refreshed() {
    let routes = Router::new()
        .route("/api/things", get(async || "in"))
        .route("/api/auth/refresh", post(async || "refreshed"))
        .route("/v1/models", get(async || "in"));
    let check = DoorCheck(Arc::new(|token| token == "good"));
    let mut built = parts(vec![local("/api", routes.clone()), local("/v1", routes)]);
    built.door_check = Some(check);
    let app = front_door(built);
    let bearing = |method: &str, path: &str, token: &str| {
        let request = Request::builder().method(method).uri(path);
        request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
    };
    for (method, path, token, status) in [
        ("GET", "/api/things", "good", 200),
        ("GET", "/api/things", "forged", 401),
        ("GET", "/v1/models", "forged", 401),
        ("GET", "/v1/models", "sk_key", 200),
        ("POST", "/api/auth/refresh", "forged", 200),
        ("GET", "/health", "forged", 200),
    ] {
        let response = call(&app, bearing(method, path, token)).await;
        assert_eq!(response.status(), status, "{method} {path} {token}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_invented_methods() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let guard = metrics::set_default_local_recorder(&recorder);
    let open = hub_web::OpenRoutes { public: &[("GET", "/api/text")], ..hub_web::OpenRoutes::default() };
    let guarded = hub_web::guarded(edge(Handle::default()), Arc::new(OpenDoor), open);
    let app = front_door(parts(vec![local("/api", guarded)]));
    for request in [
        get_of("/api/text"),
        get_of("/nowhere/12345"),
        Request::builder().method("BREW").uri("/nowhere").body(Body::empty()).unwrap(),
    ] {
        let response = call(&app, request).await;
        axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    }
    drop(guard);
    let text = handle.render();
    for line in [
        r#"http_requests_total{method="GET",route="/api/text",status="422"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"http_requests_total{method="OTHER",route="unmatched",status="404"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/api/text",status="422"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("12345") && !text.contains("BREW"), "{text}");
}

struct OpenDoor;

impl hub_web::Gatekeeper for OpenDoor {
    fn admit(
        &self,
        _: hub_web::Knock,
    ) -> futures::future::BoxFuture<'_, Result<hub_web::Admission, hub_web::ApiError>> {
        Box::pin(async { Ok(hub_web::Admission { caller: None, limit: None }) })
    }
}
