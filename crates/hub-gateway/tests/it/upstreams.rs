//! One suite for both kinds of upstream: nobody outside can tell them apart.

use axum::body::Body;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::{both, fetch, get_of, json_of, text};

fn posted(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", content_type).body(body.into()).unwrap()
}

#[tokio::test]
async fn json_goes_in_and_out() {
    for (kind, address, _) in both().await {
        let response = fetch(address, posted("/api/things", "application/json", r#"{"name":"a"}"#)).await;
        assert_eq!(response.status(), 200, "{kind}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(json_of(response).await, json!({"made": "a"}), "{kind}");
    }
}

#[tokio::test]
async fn every_refusal_is_an_envelope_with_the_request_id() {
    for (kind, address, _) in both().await {
        for (request, status, code) in [
            (get_of("/api/nowhere"), 404, "NOT_FOUND"),
            (get_of("/nowhere"), 404, "NOT_FOUND"),
            (get_of("/api/things"), 405, "METHOD_NOT_ALLOWED"),
            (posted("/api/things", "application/json", "{"), 400, "VALIDATION_ERROR"),
            (posted("/api/things", "application/json", r#"{"name":"a","x":1}"#), 400, "VALIDATION_ERROR"),
            (posted("/api/things", "text/plain", "a"), 415, "UNSUPPORTED_MEDIA_TYPE"),
            (get_of("/api/text"), 422, "VALIDATION_ERROR"),
            (get_of("/api/panic"), 500, "INTERNAL_ERROR"),
        ] {
            let label = format!("{kind} {} {status}", request.uri());
            let response = fetch(address, request).await;
            assert_eq!(response.status(), status, "{label}");
            if status == 405 {
                assert_eq!(response.headers()["allow"], "POST", "{label}");
            }
            let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{label}");
            let body = json_of(response).await;
            assert_eq!(body["error"]["code"], code, "{label}");
            assert_eq!(body["error"]["requestId"], id, "{label}");
            assert!(!body.to_string().contains("hunter2"), "{label}");
        }
    }
}

#[tokio::test]
async fn the_first_event_arrives_before_the_last_is_made() {
    for (kind, address, handle) in both().await {
        let response = fetch(address, get_of("/api/events")).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{kind}");
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&first[..], b"data: first\n\n", "{kind}");
        handle.go_on.notify_one();
        assert_eq!(&body.collect().await.unwrap().to_bytes()[..], b"data: last\n\n", "{kind}");
    }
}

#[tokio::test]
async fn a_websocket_passes_in_both_directions_and_closes() {
    for (kind, address, _) in both().await {
        let (mut socket, answer) = tokio_tungstenite::connect_async(format!("ws://{address}/api/ws")).await.unwrap();
        assert_eq!(answer.status(), 101, "{kind}");
        assert!(answer.headers().contains_key("x-request-id"), "{kind}");
        let large = "y".repeat(300_000);
        for message in ["hello", &large] {
            socket.send(Message::text(message)).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(message), "{kind}");
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            assert!(message.is_close(), "{kind}");
        }
    }
}

#[tokio::test]
async fn a_plain_request_to_a_websocket_is_refused_with_an_envelope() {
    for (kind, address, _) in both().await {
        let response = fetch(address, get_of("/api/ws")).await;
        assert!(response.status().is_client_error(), "{kind}");
        assert!(json_of(response).await["error"]["code"].is_string(), "{kind}");
    }
}

#[tokio::test]
async fn large_bodies_pass_and_too_large_ones_are_413_with_and_without_a_length() {
    for (kind, address, _) in both().await {
        let mebibyte = || Bytes::from(vec![b'x'; 1 << 20]);
        let pieces = |count: usize| {
            let piece = mebibyte();
            Body::from_stream(futures::stream::iter((0..count).map(move |_| Ok::<_, std::io::Error>(piece.clone()))))
        };
        let fits = fetch(address, posted("/api/mcp/size", "application/json", pieces(3))).await;
        assert_eq!(text(fits).await, (3 << 20).to_string(), "{kind}");
        for body in [pieces(40), Body::from(vec![b'x'; 40 << 20])] {
            let refused = fetch(address, posted("/api/mcp/size", "application/json", body)).await;
            assert_eq!(refused.status(), 413, "{kind}");
            assert_eq!(json_of(refused).await["error"]["code"], "PAYLOAD_TOO_LARGE", "{kind}");
        }
    }
}

#[tokio::test]
async fn what_a_client_claims_about_itself_does_not_arrive() {
    for (kind, address, _) in both().await {
        let request = Request::get("/api/who")
            .header("x-forwarded-for", "6.6.6.6")
            .header("x-user-id", "admin")
            .header("x-request-id", "chosen")
            .header("connection", "x-private")
            .header("x-private", "1")
            .body(Body::empty())
            .unwrap();
        let response = fetch(address, request).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = json_of(response).await;
        assert_eq!(body["address"], "127.0.0.1", "{kind}");
        assert_eq!(body["user"], serde_json::Value::Null, "{kind}");
        assert_ne!(id, "chosen", "{kind}");
        // One id for the whole way, also where the edge is another process.
        assert_eq!(body["id"], id, "{kind}");
    }
}
