//! What the tests share: an edge, a front door around it, a server on port 0, a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hub_gateway::{ForwardOptions, Forwarder, GatewayParts, HealthReport, Operations, Route, Upstream, front_door};
use hub_types::Clock;
use hub_web::{ClientAddr, Json, RawBody, RequestId, ServeOptions, TrustedProxies, serve};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub(crate) fn clock() -> Clock {
    Clock::fixed_at("2026-11-23T10:00:00Z")
}

pub(crate) const WELL: HealthReport = HealthReport { database: true, cache: true, accepting: true };

pub(crate) fn operations(report: HealthReport) -> Operations {
    Operations {
        service: "hub",
        version: "1.2.3",
        clock: clock(),
        started: clock().now() - chrono::Duration::seconds(90),
        health: Arc::new(move || async move { report }.boxed()),
        metrics: None,
        public: false,
        token: Some(Arc::new("ops-token".into())),
    }
}

pub(crate) fn parts(routes: Vec<Route>) -> GatewayParts {
    let document = hub_web::openapi::document(Vec::new());
    let url = "http://hub.example:3000".parse().unwrap();
    GatewayParts { routes, ..GatewayParts::new(url, document, operations(WELL)) }
}

/// What the edge's handlers share with the test.
#[derive(Clone, Default)]
pub(crate) struct Handle {
    pub(crate) go_on: Arc<Notify>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: String,
}

/// An edge with one route of each kind.
pub(crate) fn edge(handle: Handle) -> Router {
    async fn make(Json(thing): Json<Thing>) -> Json<Value> {
        Json(json!({ "made": thing.name }))
    }
    async fn size(RawBody(bytes): RawBody) -> String {
        bytes.len().to_string()
    }
    async fn events(State(handle): State<Handle>) -> Response {
        let first = futures::stream::iter([Bytes::from_static(b"data: first\n\n")]);
        let last = futures::stream::once(async move {
            handle.go_on.notified().await;
            Bytes::from_static(b"data: last\n\n")
        });
        hub_web::sse::sse_response(futures::StreamExt::chain(first, last))
    }
    async fn socket(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    }
    async fn who(ClientAddr(address): ClientAddr, id: RequestId, headers: HeaderMap) -> Json<Value> {
        let shown = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        Json(json!({
            "address": address.to_string(), "id": id.as_str(), "user": shown("x-user-id"),
            "host": shown("x-forwarded-host"), "private": shown("x-private"),
        }))
    }
    Router::new()
        .route("/api/things", post(make))
        .route("/api/mcp/size", post(size))
        .route("/api/text", get(async || (http::StatusCode::UNPROCESSABLE_ENTITY, "internals")))
        .route("/api/panic", get(async || -> String { panic!("hunter2") }))
        .route("/api/events", get(events))
        .route("/api/ws", get(socket))
        .route("/api/who", get(who))
        .with_state(handle)
}

pub(crate) fn local(prefix: &'static str, router: Router) -> Route {
    Route { prefix, upstream: Upstream::Local(router) }
}

/// Serves a router on a port of its own until the test ends.
pub(crate) async fn start(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(serve(listener, app, ServeOptions::default(), CancellationToken::new(), tasks.clone()));
    address
}

pub(crate) fn forwarder(targets: &[SocketAddr]) -> Forwarder {
    let urls: Vec<_> = targets.iter().map(|target| format!("http://{target}").parse().unwrap()).collect();
    let options = ForwardOptions { connect: Duration::from_secs(1), ..ForwardOptions::default() };
    Forwarder::new(&urls, options, TaskTracker::new(), CancellationToken::new()).unwrap()
}

/// The same edge behind the front door: in this process, and as a service of its own.
pub(crate) async fn both() -> Vec<(&'static str, SocketAddr, Handle)> {
    let handle = Handle::default();
    let near = start(front_door(parts(vec![local("/api", edge(handle.clone()))]))).await;
    let mut found = vec![("local", near, handle)];

    let handle = Handle::default();
    let loopback = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    let service = GatewayParts { trusted_proxies: loopback, ..parts(vec![local("/api", edge(handle.clone()))]) };
    let service = start(front_door(service)).await;
    let remote = Route { prefix: "/api", upstream: Upstream::Remote(forwarder(&[service])) };
    found.push(("remote", start(front_door(parts(vec![remote]))).await, handle));
    found
}

/// One request over a socket of its own.
pub(crate) async fn fetch(address: SocketAddr, mut request: Request<Body>) -> http::Response<hyper::body::Incoming> {
    let path = request.uri().to_string();
    *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    tokio::time::timeout(Duration::from_secs(10), client.request(request)).await.expect("answered in time").unwrap()
}

/// One request without a socket, as if from `peer`.
pub(crate) async fn call_from(peer: [u8; 4], app: &Router, mut request: Request<Body>) -> Response {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 4711))));
    request.headers_mut().entry(http::header::HOST).or_insert(http::HeaderValue::from_static("hub.test"));
    app.clone().oneshot(request).await.unwrap()
}

pub(crate) async fn call(app: &Router, request: Request<Body>) -> Response {
    call_from([203, 0, 113, 9], app, request).await
}

pub(crate) fn get_of(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(crate) async fn text<B>(response: http::Response<B>) -> String
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn json_of<B>(response: http::Response<B>) -> Value
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let text = text(response).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
