//! The spec's protocol over a socket: many requests at once, cancel, tickets, limits.

use std::collections::HashMap;

use futures::{SinkExt, StreamExt};
use hub_testkit::{Socket, TestHub, TestUser, on_both_pairs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

pub(crate) async fn send(socket: &mut Socket, frame: &Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next frame; `None` when the hub closed the socket.
pub(crate) async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        let message =
            tokio::time::timeout(std::time::Duration::from_secs(20), socket.next()).await.expect("a frame in time");
        match message {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(other)) => panic!("{other:?}"),
        }
    }
}

/// Reads to the hub's last word: its code and reason. `None` when the connection just ended.
async fn goodbye(socket: &mut Socket) -> Option<(u16, String)> {
    loop {
        let message = tokio::time::timeout(std::time::Duration::from_secs(20), socket.next()).await.expect("an end");
        match message {
            Some(Ok(Message::Close(Some(frame)))) => return Some((frame.code.into(), frame.reason.to_string())),
            Some(Ok(Message::Close(None)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

fn request(id: &str, text: &str, stream: bool) -> Value {
    json!({ "id": id, "type": "chat", "provider": "auto", "model": "sandbox", "stream": stream, "messages": [{ "role": "user", "content": text }] })
}

/// The first frame that is no chunk.
async fn last(socket: &mut Socket) -> Value {
    loop {
        let frame = next(socket).await.unwrap();
        if frame["type"] != "chunk" {
            return frame;
        }
    }
}

async fn held(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json()["held"].clone()
}

on_both_pairs! {
    async fn many_requests_at_once_each_get_their_own_answer(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.api_key)).await.unwrap();
        for n in 0..10 {
            send(&mut socket, &request(&format!("r{n}"), &format!("number {n}"), n % 2 == 0)).await;
        }
        let (mut texts, mut ended) = (HashMap::<String, String>::new(), 0);
        while ended < 10 {
            let frame = next(&mut socket).await.unwrap();
            let text = texts.entry(frame["id"].as_str().unwrap().to_owned()).or_default();
            match frame["type"].as_str().unwrap() {
                "chunk" => text.push_str(frame["data"].as_str().unwrap()),
                "completion" => {
                    text.push_str(frame["data"].as_str().unwrap());
                    ended += 1;
                }
                "done" => {
                    assert!(frame["usage"]["credits"].as_f64().unwrap() > 0.0);
                    ended += 1;
                }
                other => panic!("{other}: {frame}"),
            }
        }
        for n in 0..10 {
            assert!(texts[&format!("r{n}")].contains(&format!("number {n}")), "{texts:#?}");
        }
        drop(socket);
        hub.finish().await;
    }

    async fn completions_and_embeddings_are_answered_on_the_socket_too(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.api_key)).await.unwrap();
        let ask = |kind: &str, model: &str| json!({ "id": kind, "type": kind, "provider": "auto", "model": model, "prompt": "hello", "stream": false });
        send(&mut socket, &ask("completion", "sandbox")).await;
        let answer = next(&mut socket).await.unwrap();
        assert!(answer["data"].as_str().unwrap().starts_with("[sandbox] You said: hello"), "{answer}");
        send(&mut socket, &ask("embedding", "sandbox-embedding")).await;
        let answer = next(&mut socket).await.unwrap();
        let vector: Vec<f64> = serde_json::from_str(answer["data"].as_str().unwrap()).unwrap();
        assert_eq!((vector.len(), &answer["usage"]["promptTokens"]), (64, &json!(1)));
        let mut elsewhere = ask("completion", "sandbox");
        elsewhere["provider"] = json!("openai");
        send(&mut socket, &elsewhere).await;
        assert_eq!(next(&mut socket).await.unwrap()["error"]["code"], "MODEL_NOT_FOUND");
        drop(socket);
        hub.finish().await;
    }

    async fn a_cancelled_request_stops_and_pays_for_what_it_got(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut socket, &request("long", "sandbox:words=20000 sandbox:delay=1 go", true)).await;
        assert_eq!(next(&mut socket).await.unwrap()["type"], "chunk");
        send(&mut socket, &request("long", "again", true)).await;
        loop {
            let frame = next(&mut socket).await.unwrap();
            if frame["type"] == "error" {
                assert_eq!(frame["error"]["code"], "CONFLICT");
                break;
            }
        }
        send(&mut socket, &json!({ "type": "cancel", "id": "long" })).await;
        let done = last(&mut socket).await;
        assert_eq!((&done["type"], &done["id"], &done["cancelled"]), (&json!("done"), &json!("long"), &json!(true)));
        assert_eq!(held(&hub, &ada).await, 0, "the last frame comes after the settle");
        let receipt = format!("/api/credits/receipts/{}", done["metadata"]["receiptId"].as_str().unwrap());
        let receipt = hub.get(&receipt).bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&receipt["outcome"], &receipt["amount"]), (&json!("cancelled"), &done["usage"]["credits"]));
        assert!(done["usage"]["completionTokens"].as_i64().unwrap() > 0);
        assert!(hub.sandbox().produced() < 20_000);
        // The socket is still good for more, and the id is free again. An answer in one piece is not waited for either.
        send(&mut socket, &request("long", "sandbox:words=20000 sandbox:delay=1 go", false)).await;
        while held(&hub, &ada).await == 0 {
            tokio::task::yield_now().await;
        }
        send(&mut socket, &json!({ "type": "cancel", "id": "long" })).await;
        let done = next(&mut socket).await.unwrap();
        assert_eq!((&done["type"], &done["cancelled"], &done["usage"]["credits"]), (&json!("done"), &json!(true), &json!(0)));
        send(&mut socket, &request("long", "hello", false)).await;
        assert_eq!(next(&mut socket).await.unwrap()["type"], "completion", "there was one last frame");
        drop(socket);
        hub.finish().await;
    }

    async fn res_05_a_socket_that_closes_hangs_up_on_its_calls(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut socket, &request("long", "sandbox:words=20000 sandbox:delay=1 go", true)).await;
        next(&mut socket).await.unwrap();
        drop(socket);
        while held(&hub, &ada).await != 0 {
            tokio::task::yield_now().await;
        }
        assert!(hub.sandbox().produced() < 20_000);
        hub.finish().await;
    }

    async fn the_owner_of_an_account_is_told_once_of_each_fall_below_the_threshold(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        for user in [&ada, &bob] {
            let body = json!({ "lowBalanceAt": 50 });
            hub.put("/api/credits/alerts").bearer(&user.access_token).json(&body).send().await.expect(200);
        }
        let narrow = json!({ "name": "narrow", "scopes": ["inference:create"] });
        let narrow = hub.post("/api/keys").bearer(&ada.access_token).json(&narrow).send().await.expect(201).json();
        let server = hub.socket().await;
        let mut sockets = Vec::new();
        for credential in [&ada.access_token, &ada.api_key, &bob.access_token, &narrow["key"].as_str().unwrap().to_owned()] {
            let mut socket = server.websocket("/api/ws", Some(credential)).await.unwrap();
            // Who is answered has been listening.
            send(&mut socket, &request("first", "hello", false)).await;
            assert_eq!(next(&mut socket).await.unwrap()["id"], "first");
            sockets.push(socket);
        }
        // Spent, and found out, in another process.
        let elsewhere = hub.sibling().await;
        let charge = async |amount: i64| {
            let body = json!({ "userId": ada.id, "amount": amount, "reason": "test" });
            elsewhere.post("/api/credits/deduct").bearer(&admin.access_token).json(&body).send().await.expect(200);
            elsewhere.run_jobs().await;
        };
        charge(40).await;
        charge(15).await;
        charge(1).await;
        elsewhere.grant(ada.id, hub_types::Credits::whole(60)).await;
        charge(70).await;
        for (index, socket) in sockets.iter_mut().enumerate() {
            send(socket, &request("last", "hello", false)).await;
            let mut told = Vec::new();
            let mut frame = next(socket).await.unwrap();
            while frame["id"] != "last" {
                told.push(frame);
                frame = next(socket).await.unwrap();
            }
            if index < 2 {
                assert_eq!(told.len(), 2, "{told:#?}");
                assert!(told.iter().all(|frame| frame["type"] == "balance_low" && frame["lowBalanceAt"] == 50));
                assert!(told[0]["balance"].as_f64().is_some_and(|left| left > 44.0 && left < 45.0), "{told:#?}");
                assert_ne!(told[0]["transactionId"], told[1]["transactionId"]);
            } else {
                assert!(told.is_empty(), "{index} {told:#?}");
            }
        }
        drop(sockets);
        elsewhere.finish().await;
        hub.finish().await;
    }

    async fn a_ticket_opens_one_socket_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let door = hub.socket().await;
        let made = hub.post("/api/auth/ws-ticket").bearer(&ada.access_token).json(&json!({})).send().await.expect(200).json();
        let ticket = json!({ "type": "auth", "ticket": made["ticket"] });
        let mut socket = door.websocket("/api/ws", None).await.unwrap();
        send(&mut socket, &ticket).await;
        assert_eq!(next(&mut socket).await.unwrap()["type"], "ready");
        send(&mut socket, &request("r", "hello", false)).await;
        assert_eq!(next(&mut socket).await.unwrap()["type"], "completion");

        let mut second = door.websocket("/api/ws", None).await.unwrap();
        send(&mut second, &ticket).await;
        assert_eq!(next(&mut second).await.unwrap()["error"]["code"], "AUTHENTICATION_ERROR");
        assert_eq!(next(&mut second).await, None);
        drop(socket);
        hub.finish().await;
    }

    async fn frames_that_are_none_get_an_error_and_the_socket_lives_on(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        for (text, code) in [
            ("{", "VALIDATION_ERROR"),
            (r#"{"id":"r","type":"chat"}"#, "VALIDATION_ERROR"),
            (r#"{"id":"r","type":"completion","model":"no-such-model","prompt":"x","stream":true}"#, "MODEL_NOT_FOUND"),
            (r#"{"id":"r","type":"completion","model":"sandbox","prompt":"sandbox:fail=500","stream":true}"#, "ALL_PROVIDERS_FAILED"),
        ] {
            socket.send(Message::text(text)).await.unwrap();
            let frame = next(&mut socket).await.unwrap();
            assert_eq!((&frame["type"], &frame["error"]["code"]), (&json!("error"), &json!(code)), "{text}");
            assert!(frame["error"]["requestId"].is_string());
        }
        send(&mut socket, &request("r", "hello", false)).await;
        assert_eq!(next(&mut socket).await.unwrap()["type"], "completion");
        drop(socket);
        hub.finish().await;
    }

    async fn res_05_a_revoked_session_loses_its_socket(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut socket, &request("long", "sandbox:words=20000 sandbox:delay=5 go", true)).await;
        next(&mut socket).await.unwrap();
        hub.post("/api/auth/logout").bearer(&ada.access_token).json(&json!({ "scope": "all" })).send().await.expect(204);
        while next(&mut socket).await.is_some() {}
        assert!(hub.sandbox().produced() < 20_000);
        hub.finish().await;
    }

    async fn res_05_nobody_gets_a_socket_from_a_foreign_page(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let socket = hub.socket().await;
        let page = socket.url("");
        for (origin, opens) in [("https://evil.example", false), ("null", false), (page.as_str(), true)] {
            let opened = socket.websocket_from("/api/ws", Some(&ada.access_token), Some(origin)).await;
            let status = opened.map(drop).map_err(|error| match error {
                tungstenite::Error::Http(answer) => answer.status().as_u16(),
                other => panic!("{other}"),
            });
            assert_eq!(status, if opens { Ok(()) } else { Err(403) }, "{origin}");
        }
        hub.get("/api/ws").bearer(&ada.access_token).send().await.expect(426);
        hub.finish().await;
    }

    async fn res_05_a_worthless_credential_is_refused_before_the_socket_opens_and_none_is_fine(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let socket = hub.socket().await;
        let revoked = hub.get("/api/keys").bearer(&ada.access_token).send().await.expect(200).json()["keys"][0]["id"].clone();
        let path = format!("/api/keys/{}", revoked.as_str().unwrap());
        hub.delete(&path).bearer(&ada.access_token).send().await.expect(204);
        for worthless in [ada.api_key.as_str(), "sk_0000000000000000000000000000000000000000000", "sk_short", "forged.access.token"] {
            match socket.websocket("/api/ws", Some(worthless)).await {
                Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 401, "{worthless}"),
                other => panic!("{worthless}: {:?}", other.map(drop)),
            }
        }
        drop(socket.websocket("/api/ws", None).await.expect("a browser shows its ticket later"));
        drop(socket.websocket("/api/ws", Some(&ada.access_token)).await.expect("a good token opens it"));
        hub.finish().await;
    }

    async fn res_05_an_idle_socket_ends_within_two_seconds_of_its_credential_on_another_process_too(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob, eve, admin) = (hub.user("ada").await, hub.user("bob").await, hub.user("eve").await, hub.admin().await);
        let other = hub.sibling().await;
        let door = hub.socket().await;
        let mut stays = door.websocket("/api/ws", Some(&admin.api_key)).await.unwrap();
        let mut session = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        let mut key = door.websocket("/api/ws", Some(&bob.api_key)).await.unwrap();
        let mut user = door.websocket("/api/ws", Some(&eve.access_token)).await.unwrap();
        let bobs = hub.get("/api/keys").bearer(&bob.access_token).send().await.expect(200).json()["keys"][0]["id"].clone();
        let bobs = format!("/api/keys/{}", bobs.as_str().unwrap());

        other.post("/api/auth/logout").bearer(&ada.access_token).json(&json!({ "scope": "all" })).send().await.expect(204);
        let over = std::time::Instant::now();
        let invalid = Some((1008, "the credential is no longer valid".to_owned()));
        assert_eq!(goodbye(&mut session).await, invalid);
        assert!(over.elapsed() < std::time::Duration::from_secs(2), "{:?}", over.elapsed());

        other.delete(&bobs).bearer(&bob.access_token).send().await.expect(204);
        let over = std::time::Instant::now();
        assert_eq!(goodbye(&mut key).await, invalid);
        assert!(over.elapsed() < std::time::Duration::from_secs(2), "{:?}", over.elapsed());

        let disabled = other.patch(&format!("/api/users/{}", eve.id)).bearer(&admin.access_token).json(&json!({ "status": "disabled" }));
        disabled.send().await.expect(200);
        let over = std::time::Instant::now();
        assert_eq!(goodbye(&mut user).await, invalid);
        assert!(over.elapsed() < std::time::Duration::from_secs(2), "{:?}", over.elapsed());

        send(&mut stays, &request("r", "hello", false)).await;
        assert_eq!(next(&mut stays).await.unwrap()["type"], "completion");
        drop(stays);
        other.finish().await;
        hub.finish().await;
    }

    async fn a_recorded_stream_goes_on_at_another_socket_of_another_process(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let other = hub.sibling().await;
        let mut ask = request("long", "sandbox:words=150 sandbox:delay=2 go", true);
        ask["resume"] = json!(true);
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut socket, &ask).await;
        let mut frames = Vec::new();
        for _ in 0..5 {
            frames.push(next(&mut socket).await.unwrap());
        }
        drop(socket);
        let resume = json!({ "type": "resume", "id": "long", "after": frames[4]["event"] });
        let door = other.socket().await;
        let mut bobs = door.websocket("/api/ws", Some(&bob.access_token)).await.unwrap();
        send(&mut bobs, &resume).await;
        assert_eq!(next(&mut bobs).await.unwrap()["error"]["code"], "NOT_FOUND");
        let mut socket = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut socket, &json!({ "type": "resume", "id": "other", "after": frames[4]["event"] })).await;
        assert_eq!(next(&mut socket).await.unwrap()["error"]["code"], "VALIDATION_ERROR");
        send(&mut socket, &resume).await;
        while frames.last().unwrap()["type"] == "chunk" {
            frames.push(next(&mut socket).await.unwrap());
        }
        let stream = frames[0]["event"].as_str().unwrap().split_once(':').unwrap().0.to_owned();
        for (frame, n) in frames.iter().zip(1..) {
            assert_eq!((&frame["id"], &frame["event"]), (&json!("long"), &json!(format!("{stream}:{n}"))));
        }
        let done = frames.pop().unwrap();
        assert_eq!((&done["type"], &done["usage"]["completionTokens"], &done["metadata"]["receiptId"]), (&json!("done"), &json!(150), &json!(stream)));
        assert_eq!(frames.len(), 150);
        drop((socket, bobs));
        other.finish().await;
        hub.finish().await;
    }

    async fn every_resume_ends_with_one_last_frame(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let door = hub.socket().await;
        let mut socket = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        let mut ask = request("r", "hello", true);
        ask["resume"] = json!(true);
        send(&mut socket, &ask).await;
        let done = last(&mut socket).await;
        let event = done["event"].as_str().unwrap().to_owned();
        for _ in 0..2 {
            send(&mut socket, &json!({ "type": "resume", "id": "r", "after": event })).await;
            assert_eq!(next(&mut socket).await.unwrap(), done, "nothing is left but the end");
        }
        let beyond = format!("{}:99", event.split_once(':').unwrap().0);
        send(&mut socket, &json!({ "type": "resume", "id": "r", "after": beyond })).await;
        let refused = next(&mut socket).await.unwrap();
        assert_eq!((&refused["type"], &refused["id"], &refused["error"]["code"]), (&json!("error"), &json!("r"), &json!("NOT_FOUND")));

        // Reading on can be cancelled as well.
        let mut ask = request("long", "sandbox:words=20000 sandbox:delay=2 go", true);
        ask["resume"] = json!(true);
        let mut first = door.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        send(&mut first, &ask).await;
        let event = next(&mut first).await.unwrap()["event"].clone();
        send(&mut socket, &json!({ "type": "resume", "id": "long", "after": event })).await;
        next(&mut socket).await.unwrap();
        send(&mut socket, &json!({ "type": "cancel", "id": "long" })).await;
        let ended = last(&mut socket).await;
        assert_eq!((&ended["type"], &ended["error"]["code"]), (&json!("error"), &json!("CONFLICT")));
        send(&mut first, &json!({ "type": "cancel", "id": "long" })).await;
        assert_eq!(last(&mut first).await["cancelled"], true);
        drop((socket, first));
        hub.finish().await;
    }

    async fn a_recorded_request_is_cancelled_at_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.access_token)).await.unwrap();
        for goes in ["cancel", "close"] {
            let mut ask = request("long", "sandbox:words=20000 sandbox:delay=2 go", true);
            ask["resume"] = json!(true);
            send(&mut socket, &ask).await;
            next(&mut socket).await.unwrap();
            if goes == "cancel" {
                send(&mut socket, &json!({ "type": "cancel", "id": "long" })).await;
                let done = last(&mut socket).await;
                assert_eq!((&done["type"], &done["cancelled"]), (&json!("done"), &json!(true)));
                // Whoever asks for the rest gets the same end.
                let event = done["event"].as_str().unwrap();
                send(&mut socket, &json!({ "type": "resume", "id": "long", "after": event })).await;
                assert_eq!(next(&mut socket).await.unwrap(), done);
            } else {
                socket.close(None).await.unwrap();
            }
            while held(&hub, &ada).await != 0 {
                tokio::task::yield_now().await;
            }
            assert!(hub.sandbox().produced() < 20_000);
        }
        hub.finish().await;
    }

    async fn a_socket_that_is_not_read_stops_its_calls_and_is_closed(pair: Pair) {
        let hub = TestHub::builder(pair).settings(|settings| settings.inference.slow_reader_seconds = 1).start().await;
        let ada = hub.user_with_credits("ada", hub_types::Credits::whole(100_000)).await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&ada.api_key)).await.unwrap();
        let long = "x".repeat(120);
        for n in 0..6 {
            send(&mut socket, &request(&format!("{long}{n}"), "sandbox:words=20000 sandbox:delay=0 go", true)).await;
        }
        // More than any buffer between them holds: the calls wait, then hang up.
        loop {
            let busy = hub.sandbox().produced() == 0 || held(&hub, &ada).await != 0;
            if !busy {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(hub.sandbox().produced() < 6 * 20_000, "{}", hub.sandbox().produced());
        let last = goodbye(&mut socket).await;
        assert!(last.is_none() || last == Some((1008, "too slow".to_owned())), "{last:?}");
        hub.finish().await;
    }
}
