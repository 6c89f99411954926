//! Health and metrics, for everybody and for the operator.

use axum::Router;
use axum::body::Body;
use http::Request;
use hub_gateway::{GatewayParts, HealthReport, Operations, front_door, operations_router};
use serde_json::json;

use crate::kit::{WELL, call, get_of, json_of, operations, parts, text};

fn door(operations: Operations) -> Router {
    front_door(GatewayParts { operations, ..parts(Vec::new()) })
}

fn with_token(path: &str, token: &str) -> Request<Body> {
    Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn everybody_learns_whether_the_hub_is_well_and_no_more() {
    let response = call(&door(operations(WELL)), get_of("/health")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(json_of(response).await, json!({"status": "ok", "timestamp": "2026-11-23T10:00:00.000Z"}));
    let wrong = call(&door(operations(WELL)), with_token("/health", "ops-tokem")).await;
    assert!(json_of(wrong).await.get("checks").is_none());
    assert_eq!(call(&door(operations(WELL)), get_of("/metrics")).await.status(), 401);
}

#[tokio::test]
async fn the_operator_sees_the_parts() {
    let whole = json!({
        "status": "ok", "timestamp": "2026-11-23T10:00:00.000Z", "service": "hub", "version": "1.2.3", "uptime": 90,
        "checks": {"database": "ok", "cache": "ok"},
    });
    let by_token = call(&door(operations(WELL)), with_token("/health", "ops-token")).await;
    assert_eq!(json_of(by_token).await, whole);
    let by_loopback = call(&door(Operations { public: true, ..operations(WELL) }), get_of("/health")).await;
    assert_eq!(json_of(by_loopback).await, whole);
    let own_listener = call(&operations_router(operations(WELL)), get_of("/health")).await;
    assert_eq!(json_of(own_listener).await, whole);
}

#[tokio::test]
async fn a_sick_part_shows_in_health_and_readiness_but_not_in_liveness() {
    for (report, health, ready) in [
        (WELL, 200, 200),
        (HealthReport { cache: false, ..WELL }, 503, 200),
        (HealthReport { database: false, ..WELL }, 503, 503),
        (HealthReport { accepting: false, ..WELL }, 200, 503),
    ] {
        let app = operations_router(operations(report));
        let response = call(&app, get_of("/health")).await;
        assert_eq!(response.status(), health, "{report:?}");
        let body = json_of(response).await;
        assert_eq!(body["status"], if health == 200 { "ok" } else { "degraded" });
        assert_eq!(body["checks"]["database"], if report.database { "ok" } else { "error" });
        assert_eq!(call(&app, get_of("/health/ready")).await.status(), ready, "{report:?}");
        assert_eq!(call(&app, get_of("/health/live")).await.status(), 200);
    }
}

#[tokio::test]
async fn metrics_come_with_those_of_the_process() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("things_total").increment(3));
    let operations = Operations { metrics: Some(recorder.handle()), ..operations(WELL) };
    let response = call(&door(operations), with_token("/metrics", "ops-token")).await;
    assert_eq!(response.status(), 200);
    let text = text(response).await;
    assert!(text.contains("things_total 3") && text.contains("process_uptime_seconds 90.000"), "{text}");
}

#[tokio::test]
async fn the_operations_listener_speaks_the_envelope_too() {
    let response = call(&operations_router(operations(WELL)), get_of("/nowhere")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(json_of(response).await["error"]["code"], "NOT_FOUND");
}
