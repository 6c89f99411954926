//! Many clients that hold their connection and say nothing, or not enough.

use std::time::{Duration, Instant};

use futures::future::join_all;
use hub_testkit::{TestHub, on_both_pairs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many of each kind.
const EACH: usize = 150;

on_both_pairs! {
    async fn res_01_hundreds_of_idle_and_slow_connections_hold_nobody_up(pair: Pair) {
        let hub = TestHub::builder(pair)
            .settings(|settings| {
                settings.server.header_timeout_seconds = 2;
                settings.server.idle_timeout_seconds = 2;
            })
            .start()
            .await;
        let ada = hub.user("ada").await;
        let door = hub.socket().await;
        let mut held = Vec::new();
        for beginning in ["", "GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nx-slow: ", "GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:3000\r\n\r\n"] {
            for _ in 0..EACH {
                let mut stream = TcpStream::connect(door.address).await.unwrap();
                stream.write_all(beginning.as_bytes()).await.unwrap();
                held.push(stream);
            }
        }
        let begun = Instant::now();
        for _ in 0..20 {
            hub.get("/api/auth/me").bearer(&ada.access_token).send().await.expect(200);
        }
        let mut normal = TcpStream::connect(door.address).await.unwrap();
        normal.write_all(b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        normal.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let ended = held.into_iter().map(|mut stream| async move {
            let mut rest = Vec::new();
            let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
            end.is_ok()
        });
        assert!(join_all(ended).await.into_iter().all(|ended| ended), "a connection was still open after 30 s");
        hub.finish().await;
    }
}
