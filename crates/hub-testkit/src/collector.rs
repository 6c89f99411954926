//! A collector of spans as operators run them: it takes OTLP over HTTP and remembers what came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running collector; it ends with the test.
pub struct Collector {
    /// Where it is.
    pub url: String,
    got: Arc<Got>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Got {
    spans: Mutex<Vec<SentSpan>>,
    headers: Mutex<Vec<HeaderMap>>,
    silent: bool,
}

/// A span as it was sent.
#[derive(Debug, Clone)]
pub struct SentSpan {
    /// Its name.
    pub name: String,
    /// `service.name` of whom it is from.
    pub service: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: i32,
    /// The trace, in hexadecimal.
    pub trace: String,
    /// Its own id, in hexadecimal.
    pub id: String,
    /// Its parent's id; empty for none.
    pub parent: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
    /// The traces it links to.
    pub links: Vec<String>,
    /// Whether its status is an error.
    pub failed: bool,
    /// How long it took, in nanoseconds.
    pub took: u64,
    /// All that was sent of it, as text.
    pub all: String,
}

impl Collector {
    /// One that takes what comes.
    pub async fn start() -> Self {
        Self::listen(false).await
    }

    /// One that accepts connections and never answers.
    pub async fn silent() -> Self {
        Self::listen(true).await
    }

    async fn listen(silent: bool) -> Self {
        let got = Arc::new(Got { silent, ..Got::default() });
        let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&got));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { url, got, _serving: serving }
    }

    /// What came so far.
    pub fn spans(&self) -> Vec<SentSpan> {
        self.got.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The headers of what came so far.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.got.headers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(got): State<Arc<Got>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    got.headers.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
    if got.silent {
        std::future::pending::<()>().await;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut spans = got.spans.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let about = attributes(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        let service = about.get("service.name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let sent = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.extend(sent.map(|span| read(span, service.clone())));
    }
    StatusCode::OK
}

fn read(span: Span, service: String) -> SentSpan {
    SentSpan {
        all: format!("{span:?}"),
        name: span.name,
        service,
        kind: span.kind,
        trace: hex::encode(span.trace_id),
        id: hex::encode(span.span_id),
        parent: hex::encode(span.parent_span_id),
        attributes: attributes(span.attributes),
        links: span.links.into_iter().map(|link| hex::encode(link.trace_id)).collect(),
        failed: span.status.is_some_and(|status| status.code == 2),
        took: span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
    }
}

fn attributes(list: Vec<KeyValue>) -> BTreeMap<String, Value> {
    list.into_iter().map(|attribute| (attribute.key, value(attribute.value))).collect()
}

fn value(any: Option<AnyValue>) -> Value {
    match any.and_then(|any| any.value) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::IntValue(number)) => json!(number),
        Some(Any::DoubleValue(number)) => json!(number),
        Some(Any::ArrayValue(list)) => list.values.into_iter().map(|item| value(Some(item))).collect(),
        _ => Value::Null,
    }
}
