//! Health and metrics.
//!
//! Anybody may ask whether the hub is well. What exactly is not well, versions and metrics are for the operator: on a
//! listener of its own, with the operations token, or openly when the hub listens on loopback only.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::SecondsFormat;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use hub_types::{Clock, Timestamp};
use hub_web::{ApiError, Json, TrustedProxies};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::process;
use crate::security_headers::with_security_headers;

/// How long a health check may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the parts of the hub say about themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthReport {
    /// The database answers.
    pub database: bool,
    /// The cache answers. Without it the hub works on, slower.
    pub cache: bool,
    /// False while starting and draining: send no new requests.
    pub accepting: bool,
}

/// Asks the parts; called once per health request, so it should remember its answer for a moment.
pub type HealthCheck = Arc<dyn Fn() -> BoxFuture<'static, HealthReport> + Send + Sync>;

/// What health and metrics are made of.
#[derive(Clone)]
pub struct Operations {
    /// The name in the health answer.
    pub service: &'static str,
    /// The version in the health answer.
    pub version: &'static str,
    /// The hub's clock.
    pub clock: Clock,
    /// When the process started.
    pub started: Timestamp,
    /// Asks the parts.
    pub health: HealthCheck,
    /// Renders the metrics; `None` where no recorder is installed.
    pub metrics: Option<PrometheusHandle>,
    /// Shows details to everybody. Only when nobody but this machine can connect.
    pub public: bool,
    /// `Authorization: Bearer` with this shows details too.
    pub token: Option<Arc<SecretString>>,
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations")
            .field("service", &self.service)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Operations {
    /// True when this request may see details.
    fn trusts(&self, headers: &HeaderMap) -> bool {
        if self.public {
            return true;
        }
        let Some(token) = &self.token else { return false };
        let shown =
            headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|value| value.strip_prefix(b"Bearer "));
        shown.is_some_and(|shown| shown.ct_eq(token.expose_secret().as_bytes()).into())
    }

    async fn report(&self) -> HealthReport {
        let unwell = HealthReport { database: false, cache: false, accepting: false };
        tokio::time::timeout(PATIENCE, (self.health)()).await.unwrap_or(unwell)
    }
}

/// A router for a listener that only the operator reaches: health and metrics with everything shown.
pub fn operations_router(operations: Operations) -> Router {
    let clock = operations.clock.clone();
    let router = routes(Operations { public: true, ..operations });
    let router = hub_web::with_envelope(hub_web::with_panics_caught(hub_web::with_hygiene(router)), &clock);
    let router = with_security_headers(router, false);
    hub_web::with_last_resort(hub_web::with_request_id(router, &clock, &TrustedProxies::default()))
}

/// `/health…` and `/metrics`, without layers.
pub(crate) fn routes(operations: Operations) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(operations))
}

async fn health(State(operations): State<Arc<Operations>>, headers: HeaderMap) -> Response {
    let report = operations.report().await;
    let well = report.database && report.cache;
    let now = operations.clock.now();
    let mut body = json!({
        "status": if well { "ok" } else { "degraded" },
        "timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
    });
    if let (true, Value::Object(fields)) = (operations.trusts(&headers), &mut body) {
        let word = |fine: bool| if fine { "ok" } else { "error" };
        fields.insert("service".into(), operations.service.into());
        fields.insert("version".into(), operations.version.into());
        fields.insert("uptime".into(), (now - operations.started).num_seconds().max(0).into());
        fields.insert("checks".into(), json!({ "database": word(report.database), "cache": word(report.cache) }));
    }
    answer(well, body)
}

/// The process runs and its runtime turns; nothing else is asked, or a sick database would have the hub restarted.
async fn live() -> Response {
    answer(true, json!({ "status": "ok" }))
}

/// The hub can serve: the database answers and it is neither starting nor draining.
async fn ready(State(operations): State<Arc<Operations>>) -> Response {
    let report = operations.report().await;
    let ready = report.database && report.accepting;
    answer(ready, json!({ "status": if ready { "ok" } else { "unavailable" } }))
}

fn answer(well: bool, body: Value) -> Response {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn metrics(State(operations): State<Arc<Operations>>, headers: HeaderMap) -> Result<Response, ApiError> {
    if !operations.trusts(&headers) {
        return Err(ApiError::unauthenticated());
    }
    // Rendering walks every series and /proc; neither belongs on a thread that serves requests.
    let text = tokio::task::spawn_blocking(move || {
        let mut text = operations.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default();
        text.push_str(&process::render(operations.started, operations.clock.now()));
        text
    });
    let text = text.await.map_err(ApiError::internal)?;
    let head = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    Ok((head, text).into_response())
}
