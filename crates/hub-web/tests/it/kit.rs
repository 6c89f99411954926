//! What the tests share: a composed router, a call, a raw connection.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use hub_types::Clock;
use hub_web::{BodyLimits, BodyTimeout, TrustedProxies};
use serde_json::Value;
use tower::ServiceExt;

/// The layers in the order of the front door.
pub(crate) fn composed(router: Router) -> Router {
    let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
    let trusted = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
    let router = hub_web::with_body_limit(
        router,
        BodyLimits { default: 1000, by_prefix: vec![("/v1", 5000), ("/api/auth", 100)] },
    );
    let router = hub_web::with_body_timeout(router, BodyTimeout { idle: Duration::from_millis(50), min_rate: 0 });
    let router = hub_web::with_hygiene(router);
    let router = hub_web::with_panics_caught(router);
    let router = hub_web::with_envelope(router, &clock);
    let router = hub_web::with_trace(router, None);
    let router = hub_web::with_request_id(router, &clock, &trusted);
    let router = hub_web::with_client_address(router, &trusted);
    hub_web::with_last_resort(router)
}

/// Calls the router as if from 10.0.0.1, a trusted proxy.
pub(crate) async fn call(router: Router, mut request: Request<Body>) -> Response {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4711))));
    request.headers_mut().entry(http::header::HOST).or_insert(http::HeaderValue::from_static("hub.test"));
    router.oneshot(request).await.unwrap()
}

pub(crate) async fn json(response: Response) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}
