//! WebSockets that nobody may have, or that are misused.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hub_testkit::{Socket, TestHub, on_both_pairs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// What comes until the hub closes: frames, and the code it closed with.
async fn until_closed(socket: &mut Socket) -> (Vec<Value>, Option<u16>) {
    let mut frames = Vec::new();
    loop {
        let message =
            tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("the socket stays open");
        match message {
            Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(close))) => return (frames, close.map(|close| close.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return (frames, None),
        }
    }
}

async fn send(socket: &mut Socket, frame: &Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

fn chat(id: &str, text: &str) -> Value {
    json!({ "id": id, "type": "chat", "provider": "auto", "model": "sandbox", "stream": true, "messages": [{ "role": "user", "content": text }] })
}

on_both_pairs! {
    async fn res_05_a_credential_in_the_address_opens_nothing(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let door = hub.socket().await;
        for query in ["access_token", "token", "ticket", "api_key"] {
            let path = format!("/api/ws?{query}={}", ada.access_token);
            let mut socket = door.websocket(&path, None).await.unwrap();
            send(&mut socket, &chat("r", "hello")).await;
            let (frames, code) = until_closed(&mut socket).await;
            assert_eq!((frames.len(), &frames[0]["error"]["code"]), (1, &json!("AUTHENTICATION_ERROR")), "{query}");
            assert_eq!(code, Some(1008));
        }
        assert_eq!(hub.sandbox().produced(), 0);
        hub.finish().await;
    }

    async fn res_05_a_disabled_account_loses_its_socket(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut socket, &chat("long", "sandbox:words=20000 sandbox:delay=5 go")).await;
        socket.next().await.unwrap().unwrap();
        crate::auth::disable(&hub, ada.id).await;
        let (_, code) = until_closed(&mut socket).await;
        assert_eq!(code, Some(1008));
        assert!(hub.sandbox().produced() < 20_000);
        hub.finish().await;
    }

    async fn res_05_frames_that_are_too_large_or_no_text_close_the_socket(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let door = hub.socket().await;
        let broken = Frame::message(vec![0xc3_u8, 0x28], OpCode::Data(Data::Text), true);
        for (message, expected) in [
            (Message::text("x".repeat(5 * 1024 * 1024)), 1009),
            (Message::Frame(broken), 1007),
            (Message::binary(vec![0; 16]), 1003),
        ] {
            let mut socket = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
            // The hub may close before all of it was taken.
            let _ = socket.send(message).await;
            let (frames, code) = until_closed(&mut socket).await;
            assert!(frames.is_empty());
            // A close that comes while the rest is still being sent may be lost; then the socket is gone all the same.
            assert!(code == Some(expected) || (expected == 1009 && code.is_none()), "{code:?} instead of {expected}");
        }
        let mut socket = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        for _ in 0..2_000 {
            socket.send(Message::Ping(vec![0; 64].into())).await.unwrap();
        }
        send(&mut socket, &chat("after", "hello")).await;
        loop {
            let message = socket.next().await.unwrap().unwrap();
            if message.is_text() {
                break;
            }
        }
        drop(socket);
        hub.finish().await;
    }

    async fn res_05_one_account_has_fifty_sockets_and_others_have_theirs(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let door = hub.socket().await;
        let mut open = Vec::new();
        for _ in 0..50 {
            let mut socket = door.websocket("/api/ws", Some(&ada.api_key)).await.unwrap();
            // Answered, so its place is taken.
            send(&mut socket, &json!({ "id": "x", "type": "chat" })).await;
            assert!(socket.next().await.unwrap().unwrap().is_text());
            open.push(socket);
        }
        let mut more = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        let (frames, code) = until_closed(&mut more).await;
        assert_eq!((frames[0]["error"]["code"].as_str(), code), (Some("RATE_LIMIT_EXCEEDED"), Some(1008)));
        let mut theirs = door.websocket("/api/ws", Some(&bob.api_key)).await.unwrap();
        send(&mut theirs, &chat("r", "hello")).await;
        assert!(theirs.next().await.unwrap().unwrap().is_text());
        drop((open, theirs));
        hub.finish().await;
    }
}
