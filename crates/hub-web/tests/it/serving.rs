//! The accept loop over real sockets: slow, idle, stuck and stubborn clients; the drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use hub_web::{RawBody, ServeOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kit::composed;

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

fn short() -> ServeOptions {
    let tick = Duration::from_millis(60);
    ServeOptions {
        header_timeout: tick,
        idle_timeout: tick,
        write_timeout: tick,
        drain: Duration::from_millis(200),
        ..ServeOptions::default()
    }
}

async fn start(options: ServeOptions) -> Running {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, outside) = (Arc::clone(&entered), Arc::clone(&release));
    let held = async move || {
        inside.notify_one();
        outside.notified().await;
        "held"
    };
    let endless = async || {
        axum::body::Body::from_stream(futures::stream::repeat_with(|| {
            Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b'x'; 16_384]))
        }))
    };
    let app = composed(
        Router::new()
            .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()))
            .route("/size", post(async |RawBody(bytes): RawBody| bytes.len().to_string()))
            .route("/ignore", post(async || http::StatusCode::FORBIDDEN))
            .route("/held", get(held))
            .route("/endless", get(endless)),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(serve(listener, app, options, stop.clone(), tasks.clone()));
    Running { address, stop, tasks, entered, release }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// Everything until the other side closes; fails the test instead of hanging.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes))
        .await
        .expect("closed in time")
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn the_peers_address_reaches_the_handler() {
    let hub = start(ServeOptions::default()).await;
    let mut stream = hub.send("GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let local = stream.local_addr().unwrap().to_string();
    assert!(rest(&mut stream).await.ends_with(&local));
}

#[tokio::test]
async fn silent_slow_and_resting_connections_are_closed() {
    let hub = start(short()).await;
    let mut silent = hub.connect().await;
    let mut half_a_head = hub.send("GET /peer HTTP/1.1\r\nhost: ").await;
    let mut half_a_preface = hub.send("PRI * HTTP/2.0\r\n").await;
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut half_a_head).await, "");
    assert_eq!(rest(&mut half_a_preface).await, "");
    let mut resting = hub.send("GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(rest(&mut resting).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn resting_is_allowed_for_longer_than_reading_a_head() {
    let hub = start(ServeOptions { header_timeout: Duration::from_millis(40), ..ServeOptions::default() }).await;
    let mut stream = hub.send("GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    let mut other = hub.connect().await;
    // A connection opened after the answer is timed out for its head; the resting one must outlive it.
    assert_eq!(rest(&mut other).await, "");
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await.matches("HTTP/1.1 200").count(), 1);
}

#[tokio::test]
async fn a_half_sent_body_is_answered_with_408_and_closed() {
    let hub = start(short()).await;
    let mut stream = hub.send("POST /size HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let hub = start(ServeOptions { drain: Duration::from_mins(1), ..short() }).await;
    let mut stream = hub.send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    stream.read_exact(&mut [0; 12]).await.unwrap();
    hub.stop.cancel();
    hub.tasks.close();
    // The tracker empties only when the connection's task ended, and the drain is far longer than we wait here.
    tokio::time::timeout(Duration::from_secs(10), hub.tasks.wait()).await.expect("the connection ended");
    drop(stream);
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_sends_everything_first() {
    let hub = start(ServeOptions::default()).await;
    let block = vec![b'x'; 1 << 20];
    for (head, status) in [
        ("POST /size HTTP/1.1\r\nhost: a\r\ncontent-length: 33554432\r\n\r\n", "413"),
        ("POST /ignore HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "403"),
    ] {
        let mut stream = hub.send(head).await;
        for _ in 0..32 {
            if status == "403" {
                stream.write_all(b"100000\r\n").await.unwrap();
            }
            stream.write_all(&block).await.unwrap();
            if status == "403" {
                stream.write_all(b"\r\n").await.unwrap();
            }
        }
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("requestId"), "{answer}");
    }
}

/// One answer with a length, read exactly.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                if body.len() >= length.unwrap_or(0) {
                    return text;
                }
            }
            bytes.push(stream.read_u8().await.unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time")
}

#[tokio::test]
async fn the_request_behind_a_little_that_nobody_read_is_answered() {
    let hub = start(ServeOptions::default()).await;
    let mut stream = hub.send("POST /ignore HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n").await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n000000").await.unwrap();
    let refused = one_answer(&mut stream).await;
    assert!(refused.starts_with("http/1.1 403") && !refused.contains("connection: close"), "{refused}");
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn an_answer_before_a_body_that_has_not_come_says_that_the_connection_ends() {
    let hub = start(ServeOptions::default()).await;
    let half = "0".repeat(10);
    for head in [
        "content-length: 20\r\n\r\n",
        "content-length: 10\r\nexpect: 100-continue\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\na\r\n",
    ] {
        let waits = head.contains("expect");
        let sent = if waits { "" } else { &half };
        let mut stream = hub.send(&format!("POST /ignore HTTP/1.1\r\nhost: a\r\n{head}{sent}")).await;
        let refused = one_answer(&mut stream).await;
        assert!(refused.starts_with("http/1.1 403") && refused.contains("connection: close"), "{head}: {refused}");
        // What would have been a request inside the body is none.
        drop(stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await);
        assert_eq!(rest(&mut stream).await, "", "{head}");
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let hub = start(ServeOptions::default()).await;
    let many = "x-a: a\r\n".repeat(200);
    let mut stream = hub.send(&format!("GET /peer HTTP/1.1\r\nhost: a\r\n{many}\r\n")).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
    let mut stream = hub.send(&format!("GET /peer HTTP/1.1\r\nhost: a\r\nx-a: {}\r\n\r\n", "a".repeat(100_000))).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn two_host_headers_are_refused_over_the_wire() {
    let hub = start(ServeOptions::default()).await;
    let mut stream = hub.send("GET /peer HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n").await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_over_the_wire() {
    let hub = start(ServeOptions::default()).await;
    let mut stream = hub.send("GET /peer HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn beyond_the_cap_a_connection_waits_until_another_ends() {
    let hub = start(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let mut first = hub.send("GET /held HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    hub.entered.notified().await;
    let mut second = hub.send("GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let mut byte = [0; 1];
    assert!(tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte)).await.is_err());
    hub.release.notify_one();
    assert!(rest(&mut first).await.ends_with("held"));
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn on_stop_a_request_in_flight_is_answered_and_new_connections_are_refused() {
    let hub = start(ServeOptions::default()).await;
    let mut stream = hub.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await;
    hub.entered.notified().await;
    hub.stop.cancel();
    hub.release.notify_one();
    assert!(rest(&mut stream).await.ends_with("held"));
    hub.tasks.close();
    hub.tasks.wait().await;
    assert!(TcpStream::connect(hub.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_finish_within_the_drain_is_dropped() {
    let hub = start(short()).await;
    let mut stream = hub.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await;
    hub.entered.notified().await;
    hub.stop.cancel();
    assert_eq!(rest(&mut stream).await, "");
    hub.tasks.close();
    tokio::time::timeout(Duration::from_secs(10), hub.tasks.wait()).await.expect("serve returned");
}

#[tokio::test]
async fn http2_without_tls_is_spoken_on_the_same_port() {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let hub = start(ServeOptions::default()).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<axum::body::Body>();
    let uri: http::Uri = format!("http://{}/peer", hub.address).parse().unwrap();
    let response = client.get(uri).await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 200));
}
