//! What only a forwarder can do wrong: dead targets, silent targets, broken answers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use http::Request;
use hub_gateway::{ForwardOptions, Forwarder, Route, Upstream, front_door};
use hub_web::RawBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kit::{call, call_from, forwarder, get_of, json_of, parts, start, text};

/// An address where nobody listens.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn behind(forwarder: Forwarder) -> Router {
    front_door(parts(vec![Route { prefix: "/", upstream: Upstream::Remote(forwarder) }]))
}

#[tokio::test]
async fn a_dead_service_is_502_in_the_envelope() {
    let response = call(&behind(forwarder(&[dead().await])), get_of("/v1/models")).await;
    assert_eq!(response.status(), 502);
    let body = json_of(response).await;
    assert_eq!((&body["error"]["code"], &body["error"]["type"]), (&"BAD_GATEWAY".into(), &"server_error".into()));
}

#[tokio::test]
async fn a_dead_target_is_skipped_and_no_request_is_lost() {
    let echo = Router::new().route("/echo", post(async |RawBody(bytes): RawBody| bytes));
    let (one, two) = (start(echo.clone()).await, start(echo).await);
    let app = behind(forwarder(&[dead().await, one, dead().await, two]));
    for number in 0..12 {
        let response = call(&app, Request::post("/echo").body(Body::from(number.to_string())).unwrap()).await;
        assert_eq!(response.status(), 200, "{number}");
        assert_eq!(text(response).await, number.to_string());
    }
}

#[tokio::test]
async fn targets_take_turns() {
    let named = |name: &'static str| Router::new().route("/name", axum::routing::get(async move || name));
    let app = behind(forwarder(&[start(named("a")).await, start(named("b")).await]));
    let mut seen = String::new();
    for _ in 0..4 {
        seen += &text(call(&app, get_of("/name")).await).await;
    }
    assert_eq!(seen, "abab");
}

/// A service that reads a request and then does as told.
async fn odd_service(answer: &'static [u8], hold: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    TaskTracker::new().spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
            if hold {
                kept.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_service_that_never_answers_is_504_and_one_that_hangs_up_is_502() {
    let silent = odd_service(b"", true).await;
    let options = ForwardOptions { first_byte: Duration::from_millis(50), ..ForwardOptions::default() };
    let urls = [format!("http://{silent}").parse().unwrap()];
    let silent = Forwarder::new(&urls, options, TaskTracker::new(), CancellationToken::new()).unwrap();
    let response = call(&behind(silent), get_of("/x")).await;
    assert_eq!(response.status(), 504);
    assert_eq!(json_of(response).await["error"]["code"], "GATEWAY_TIMEOUT");

    let rude = odd_service(b"not http at all\r\n\r\n", false).await;
    let response = call(&behind(forwarder(&[rude])), get_of("/x")).await;
    assert_eq!(response.status(), 502);
    assert_eq!(json_of(response).await["error"]["code"], "BAD_GATEWAY");
}

#[tokio::test]
async fn an_answer_that_falls_silent_is_cut_off() {
    use http_body_util::BodyExt;

    let stuck = odd_service(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", true).await;
    let options = ForwardOptions { idle: Duration::from_millis(50), ..ForwardOptions::default() };
    let urls = [format!("http://{stuck}").parse().unwrap()];
    let stuck = Forwarder::new(&urls, options, TaskTracker::new(), CancellationToken::new()).unwrap();
    let response = call(&behind(stuck), get_of("/x")).await;
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_error_of_the_service_passes_as_it_is() {
    let failing = odd_service(
        b"HTTP/1.1 409 Conflict\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"theirs\":true}",
        false,
    )
    .await;
    let response = call_from([127, 0, 0, 1], &behind(forwarder(&[failing])), get_of("/x")).await;
    assert_eq!(response.status(), 409);
    assert_eq!(text(response).await, r#"{"theirs":true}"#);
}
