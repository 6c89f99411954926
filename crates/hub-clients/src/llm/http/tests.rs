//! Both carriers keep the same promises: our own client for plain HTTP, and reqwest, which carries whatever must not lead inside.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::upstream::{CHUNKED_HEAD, Play, Upstream, answer, chunk};
use super::*;

const ID: HeaderName = HeaderName::from_static("x-request-id");

fn client(outside_only: bool) -> Http {
    let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
    Http::new(Timeouts::default(), 4, HeaderMap::new(), ID, None, clock, outside_only).unwrap()
}

async fn call(http: &Http, base: &str, body: impl Into<Bytes>) -> Result<(Option<String>, Bytes), LlmError> {
    let url = format!("{base}/chat?a=b").parse().unwrap();
    http.whole(http.post(url, body.into(), false)).await
}

#[tokio::test]
async fn an_answer_is_the_same_however_its_end_is_told() {
    let chunked = [CHUNKED_HEAD.as_bytes(), &chunk("{\"a\":"), &chunk("1}"), b"0\r\nx: y\r\n\r\n"].concat();
    let until_closed = b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1}".to_vec();
    let early =
        [b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n".to_vec(), answer("200 OK", "x-request-id: r\r\n", "{\"a\":1}")];
    for outside_only in [false, true] {
        for (bytes, id) in [(chunked.clone(), None), (until_closed.clone(), None), (early.concat(), Some("r"))] {
            let upstream = Upstream::once(bytes);
            let (found, body) = call(&client(outside_only), &upstream.base(), "{}").await.unwrap();
            assert_eq!((found.as_deref(), &body[..]), (id, &b"{\"a\":1}"[..]));
            let seen = upstream.seen();
            assert!(seen.head.starts_with("post /v1/chat?a=b http/1.1\r\n"), "{}", seen.head);
            for header in
                ["host: 127.0.0.1:", "user-agent: smart-ai-hub/", "content-length: 2", "accept-encoding: identity"]
            {
                assert!(seen.head.contains(header), "{header} is not in {}", seen.head);
            }
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call() {
    for outside_only in [false, true] {
        let whole = || vec![Play::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec())];
        let chunked = vec![Play::Send([CHUNKED_HEAD.as_bytes(), &chunk("{}"), b"0\r\n\r\n"].concat())];
        let upstream = Upstream::keep_alive(vec![whole(), chunked, whole()]);
        let http = client(outside_only);
        for _ in 0..3 {
            assert_eq!(call(&http, &upstream.base(), "{}").await.unwrap().1, "{}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_none_or_stops_is_an_error() {
    let table: [(&[u8], &str); 6] = [
        (b"", "connect"),
        (b"SSH-2.0-x\r\n\r\n", "connect"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", "connect"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}", "truncated"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", "truncated"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}zz", "truncated"),
    ];
    for outside_only in [false, true] {
        for (bytes, kind) in table {
            let upstream = Upstream::once(bytes);
            let error = call(&client(outside_only), &upstream.base(), "{}").await.unwrap_err();
            assert_eq!(error.kind(), kind, "{}: {error:?}", String::from_utf8_lossy(bytes));
        }
    }
}

#[tokio::test]
async fn an_answer_in_a_coding_that_was_not_asked_for_is_named_as_such() {
    for outside_only in [false, true] {
        for (header, coding) in [("gzip", "gzip"), ("BR", "br"), ("x-odd", "something unknown")] {
            for kind in ["application/json", "text/event-stream"] {
                let headers = format!("content-encoding: {header}\r\ncontent-type: {kind}\r\n");
                let upstream =
                    Upstream::play((0..2).map(|_| vec![Play::Send(answer("200 OK", &headers, "x"))]).collect());
                let (client, url) = (client(outside_only), format!("{}/chat", upstream.base()));
                let request = |streams| client.post(url.parse().unwrap(), Bytes::from_static(b"{}"), streams);
                let whole = client.whole(request(false)).await.map(|_| ()).unwrap_err();
                let opened = client.open(request(true)).await.map(|_| ()).unwrap_err();
                for error in [whole, opened] {
                    assert!(matches!(error, LlmError::Encoded { coding: found } if found == coding), "{error:?}");
                    assert!(error.to_string().contains(coding) && error.fall_over() && !error.retryable());
                }
            }
        }
        let plain = Upstream::once(answer("200 OK", "content-encoding: identity\r\n", "{}"));
        assert_eq!(call(&client(outside_only), &plain.base(), "{}").await.unwrap().1, "{}");
    }
}

/// A server that answers after the first bytes of a request and reads no more of it.
fn hasty() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 1024]).unwrap();
        socket.write_all(&answer("413 Too Large", "", "{\"error\":{\"message\":\"too large\"}}")).unwrap();
        // Open until the client has gone.
        while socket.write_all(b"\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    address
}

#[tokio::test]
async fn a_large_request_arrives_and_one_refused_half_way_is_not_sent_on() {
    let (large, huge) = (vec![b' '; 1024 * 1024], Bytes::from(vec![b' '; 32 * 1024 * 1024]));
    for outside_only in [false, true] {
        let upstream = Upstream::once(answer("200 OK", "", "{}"));
        call(&client(outside_only), &upstream.base(), large.clone()).await.unwrap();
        assert_eq!(upstream.seen().body.len(), large.len());
        let refused = call(&client(outside_only), &format!("http://{}", hasty()), huge.clone()).await.unwrap_err();
        assert!(matches!(refused, LlmError::Refused { status: 413, .. }), "{refused:?}");
    }
}
