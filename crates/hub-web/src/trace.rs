//! One span, one log line and two metrics for every request.
//!
//! The line is written when the last byte of the answer is gone or given up, so a long stream shows its true duration.
//! The query string, headers and bodies are never recorded; user ids are in the log but never in a metric's labels.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, Method};
use hub_types::UserId;
use tokio::time::Instant;
use tracing::{Instrument, Span, field};

use crate::observed::{Observed, Observer};
use crate::{CallerId, RequestId, TraceId, TraceSource};

/// Longest part of a path in the log, in bytes.
const MAX_PATH: usize = 512;
/// The status in log and metrics of a request whose caller went away before the answer began.
const CLIENT_GONE: u16 = 499;

/// The route of a request as the front door knows it, in the response's extensions: set where the router that matched
/// is out of sight, as behind a forwarder.
#[derive(Debug, Clone)]
pub struct RouteName(pub Arc<str>);

/// Ties the span of a request to a trace that spans programs; only where spans leave the process.
pub trait TraceJoin: Send + Sync + 'static {
    /// Makes `span`, which nothing has entered yet, part of the trace that `headers` name, or begins one, and writes into `headers` what
    /// services behind us shall continue. Returns the trace's id; `None` leaves everything as it was.
    fn join(&self, span: &Span, headers: &mut HeaderMap, source: TraceSource) -> Option<Arc<str>>;
}

/// Traces every request of `router`.
pub fn with_trace(router: Router, join: Option<Arc<dyn TraceJoin>>) -> Router {
    router.layer(from_fn_with_state(join, trace))
}

async fn trace(State(join): State<Option<Arc<dyn TraceJoin>>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let path = path.get(..MAX_PATH).unwrap_or(path);
    let span = tracing::info_span!(
        "request",
        requestId = request.extensions().get::<RequestId>().map(field::display),
        traceId = request
            .extensions()
            .get::<TraceId>()
            .filter(|_| join.is_none())
            .map(|trace| field::display(Arc::clone(&trace.0))),
        method = method_label(request.method()),
        route = field::Empty,
        path,
    );
    if let Some(join) = join {
        join_trace(&*join, &span, &mut request);
    }
    let mut record = Record {
        started: Instant::now(),
        method: method_label(request.method()),
        bodiless: *request.method() == Method::HEAD,
        route: request.extensions().get::<MatchedPath>().map(route_of),
        status: CLIENT_GONE,
        user: None,
        complete: false,
        span: span.clone(),
    };
    let mut response = next.run(request).instrument(span).await;
    if record.route.is_none() {
        let extensions = response.extensions();
        let named = || extensions.get::<RouteName>().map(|name| Arc::clone(&name.0));
        record.route = extensions.get::<MatchedPath>().map(route_of).or_else(named);
    }
    record.status = response.status().as_u16();
    record.user = response.extensions_mut().remove::<CallerId>().map(|caller| caller.0);
    response.map(|inner| Body::new(Observed::new(inner, record)))
}

/// The id in the log is that of the trace.
fn join_trace(join: &dyn TraceJoin, span: &Span, request: &mut Request) {
    let source = request.extensions().get::<TraceSource>().copied().unwrap_or(TraceSource::Here);
    if let Some(trace) = join.join(span, request.headers_mut(), source) {
        request.extensions_mut().insert(TraceId(trace));
    }
    if let Some(trace) = request.extensions().get::<TraceId>() {
        span.record("traceId", field::display(&trace.0));
    }
}

fn route_of(path: &MatchedPath) -> Arc<str> {
    Arc::from(path.as_str())
}

/// Methods are labels of metrics, so a stranger must not be able to invent new ones.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// What is known of a request; written down when dropped, so that no way to end is missed.
struct Record {
    started: Instant,
    method: &'static str,
    bodiless: bool,
    route: Option<Arc<str>>,
    status: u16,
    user: Option<UserId>,
    complete: bool,
    span: Span,
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let route = self.route.take().unwrap_or_else(|| Arc::from("unmatched"));
        self.span.record("route", &*route);
        tracing::info!(
            parent: &self.span,
            status = self.status,
            durationMs = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            userId = self.user.map(field::display),
            complete = self.complete,
            "answered"
        );
        let labels = [
            metrics::Label::from_static_parts("method", self.method),
            metrics::Label::new("route", route),
            metrics::Label::new("status", self.status.to_string()),
        ];
        metrics::counter!("http_requests_total", labels.iter()).increment(1);
        metrics::histogram!("http_request_duration_seconds", labels.iter()).record(took.as_secs_f64());
    }
}

impl Observer for Record {
    fn end(&mut self) {
        self.complete = true;
    }

    fn dropped(&mut self, ended: bool) {
        self.complete |= self.bodiless || ended;
    }
}
