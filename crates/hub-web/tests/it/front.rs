//! Request ids, addresses, traces, forbidden requests, slow handlers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::{HeaderMap, Request};
use hub_web::{ClientAddr, RequestId, TraceId};
use tower::ServiceExt;

use crate::kit::{call, composed, json};

fn router() -> Router {
    async fn who(ClientAddr(address): ClientAddr, id: RequestId, headers: HeaderMap) -> String {
        let names: Vec<&str> =
            headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-")).collect();
        format!("{address} {id} {}", names.join(","))
    }
    composed(Router::new().route("/who", get(who)).route("/trace", get(trace)))
}

async fn trace(axum::Extension(TraceId(trace)): axum::Extension<TraceId>, headers: HeaderMap) -> String {
    format!("{trace} {}", headers["traceparent"].to_str().unwrap())
}

fn claims(path: &str) -> Request<Body> {
    Request::get(path)
        .header("x-request-id", "mine")
        .header("x-forwarded-for", "198.51.100.7")
        .header("x-user-id", "admin")
        .header("x-service-key", "k")
        .header("x-real-ip", "1.1.1.1")
        .body(Body::empty())
        .unwrap()
}

async fn text(response: axum::response::Response) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_a_stranger_is_not() {
    let trusted = call(router(), claims("/who")).await;
    assert_eq!(trusted.headers()["x-request-id"], "mine");
    assert_eq!(text(trusted).await, "198.51.100.7 mine x-request-id,x-forwarded-for");

    let mut request = claims("/who");
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("hub.test"));
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([203, 0, 113, 9], 4711))));
    let stranger = router().oneshot(request).await.unwrap();
    let id = stranger.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_ne!(id, "mine");
    assert_eq!(text(stranger).await, format!("203.0.113.9 {id} x-request-id"));
}

#[tokio::test]
async fn a_trace_is_followed_or_begun() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = Request::get("/trace").header("traceparent", parent).body(Body::empty()).unwrap();
    assert_eq!(text(call(router(), request).await).await, format!("4bf92f3577b34da6a3ce929d0e0e4736 {parent}"));
    let broken = Request::get("/trace").header("traceparent", "00-xyz").body(Body::empty()).unwrap();
    let answer = text(call(router(), broken).await).await;
    let (trace, header) = answer.split_once(' ').unwrap();
    assert!(trace.len() == 32 && header.starts_with(&format!("00-{trace}-")), "{answer}");
}

#[tokio::test]
async fn what_no_honest_client_sends_is_refused() {
    let twice = Request::get("/who").header("host", "a").header("host", "b").body(Body::empty()).unwrap();
    let twice = call(router(), twice).await;
    assert_eq!(twice.status(), 400);
    assert_eq!(json(twice).await["error"]["code"], "VALIDATION_ERROR");
    let trace = Request::builder().method("TRACE").uri("/who").body(Body::empty()).unwrap();
    let trace = call(router(), trace).await;
    assert_eq!(trace.status(), 405);
    assert!(trace.headers().contains_key("allow"));
    let long = Request::get(format!("/who?{}", "x".repeat(9000))).body(Body::empty()).unwrap();
    assert_eq!(json(call(router(), long).await).await["error"]["code"], "URI_TOO_LONG");
    let heavy = Request::get("/who").header("x-a", "a".repeat(40_000)).body(Body::empty()).unwrap();
    assert_eq!(json(call(router(), heavy).await).await["error"]["code"], "HEADERS_TOO_LARGE");
}

#[tokio::test]
async fn a_handler_that_does_not_answer_is_given_up_except_where_waiting_is_normal() {
    let slow = async || {
        std::future::pending::<()>().await;
        "never"
    };
    let patient = async || {
        tokio::task::yield_now().await;
        "done"
    };
    let router = Router::new().route("/slow", get(slow)).route("/v1/slow", get(patient));
    let app = composed(hub_web::with_handler_timeout(router, Duration::from_millis(20), &["/v1"]));
    let given_up = call(app.clone(), Request::get("/slow").body(Body::empty()).unwrap()).await;
    assert_eq!(given_up.status(), 504);
    assert_eq!(json(given_up).await["error"]["code"], "GATEWAY_TIMEOUT");
    let waited = call(app, Request::get("/v1/slow").body(Body::empty()).unwrap()).await;
    assert_eq!(text(waited).await, "done");
}
