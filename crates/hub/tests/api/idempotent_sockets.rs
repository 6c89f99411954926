//! Requests with an `idempotencyKey` over sockets: one call, one charge, the same answer under whatever id.

use futures::future::join_all;
use hub_testkit::{Socket, TestHub, TestUser, on_both_pairs};
use serde_json::{Value, json};

use crate::websocket::{next, send};

fn ask(id: &str, key: &str, text: &str, stream: bool) -> Value {
    json!({ "id": id, "type": "chat", "model": "sandbox", "stream": stream, "idempotencyKey": key,
        "messages": [{ "role": "user", "content": text }] })
}

async fn open(hub: &TestHub, user: &TestUser) -> Socket {
    hub.socket().await.websocket("/api/ws", Some(&user.api_key)).await.unwrap()
}

/// The frames of so many requests, to the last of each, without their ids.
async fn answers(socket: &mut Socket, ids: &[String]) -> Vec<Vec<Value>> {
    let mut found = vec![Vec::new(); ids.len()];
    let mut ended = 0;
    while ended < ids.len() {
        let mut frame = next(socket).await.expect("the socket is open");
        let id = frame.as_object_mut().unwrap().remove("id").expect("an id");
        let at = ids.iter().position(|known| id == known.as_str()).unwrap_or_else(|| panic!("{id}: {frame}"));
        ended += usize::from(frame["type"] != "chunk");
        found[at].push(frame);
    }
    found
}

async fn answer(socket: &mut Socket, request: &Value) -> Vec<Value> {
    send(socket, request).await;
    answers(socket, &[request["id"].as_str().unwrap().to_owned()]).await.remove(0)
}

/// The charges of an account.
async fn charges(hub: &TestHub, user: &TestUser) -> usize {
    let list =
        hub.get("/api/credits/transactions?limit=100").bearer(&user.access_token).send().await.expect(200).json();
    list["transactions"].as_array().unwrap().iter().filter(|row| row["amount"].as_f64().unwrap() < 0.0).count()
}

fn code(frames: &[Value]) -> &Value {
    &frames.last().unwrap()["error"]["code"]
}

on_both_pairs! {
    async fn a_repetition_on_another_socket_gets_the_same_answer_and_costs_nothing(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        for (number, stream) in [false, true].into_iter().enumerate() {
            let key = format!("key-{number}");
            let first = answer(&mut open(&hub, &ada).await, &ask("one", &key, "sandbox:words=5 go", stream)).await;
            let last = if stream { "done" } else { "completion" };
            assert_eq!(first.last().unwrap()["type"], last, "{first:?}");
            let produced = hub.sandbox().produced();
            let again = answer(&mut open(&hub, &ada).await, &ask("two", &key, "sandbox:words=5 go", stream)).await;
            assert_eq!(again, first);
            assert_eq!((hub.sandbox().produced(), charges(&hub, &ada).await), (produced, number + 1));
        }
        let embedding = |id| json!({ "id": id, "type": "embedding", "model": "sandbox-embedding", "prompt": "hello", "idempotencyKey": "e" });
        let mut socket = open(&hub, &ada).await;
        assert_eq!(answer(&mut socket, &embedding("a")).await, answer(&mut socket, &embedding("b")).await);
        assert_eq!(charges(&hub, &ada).await, 3);
        drop(socket);
        hub.finish().await;
    }

    async fn twenty_repetitions_on_two_hubs_are_one_call(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let other = hub.sibling().await;
        for stream in [false, true] {
            let (key, before) = (format!("stream-{stream}"), charges(&hub, &ada).await);
            let all = join_all([&hub, &other].map(async |at| {
                let mut socket = open(at, &ada).await;
                let ids: Vec<String> = (0..10).map(|n| format!("r{n}")).collect();
                for id in &ids {
                    send(&mut socket, &ask(id, &key, "sandbox:words=20 sandbox:delay=2 go", stream)).await;
                }
                answers(&mut socket, &ids).await
            }))
            .await;
            let all: Vec<Vec<Value>> = all.into_iter().flatten().collect();
            assert_eq!(all.len(), 20);
            assert!(all.iter().all(|frames| frames == &all[0]), "{all:#?}");
            let last = all[0].last().unwrap();
            assert!(last["usage"]["credits"].as_f64().unwrap() > 0.0, "{last}");
            assert_eq!(charges(&hub, &ada).await, before + 1);
        }
        other.finish().await;
        hub.finish().await;
    }

    async fn a_key_names_one_request_on_a_socket_too(pair) {
        let hub = TestHub::start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let mut socket = open(&hub, &ada).await;
        assert_eq!(answer(&mut socket, &ask("a", "k", "hello", false)).await[0]["type"], "completion");
        assert_eq!(code(&answer(&mut socket, &ask("b", "k", "another", false)).await), "IDEMPOTENCY_CONFLICT");
        assert_eq!(code(&answer(&mut socket, &ask("c", "k", "hello", true)).await), "IDEMPOTENCY_CONFLICT");
        assert_eq!(code(&answer(&mut socket, &ask("d", "not a key", "hello", true)).await), "VALIDATION_ERROR");
        // The key of an act on a socket is not one of another way in.
        let body = json!({ "id": "a", "type": "chat", "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] });
        let over_http = hub.post("/api/mcp/chat").bearer(&ada.api_key).header("idempotency-key", "k").json(&body);
        assert_eq!(over_http.send().await.expect(409).error_code(), "IDEMPOTENCY_CONFLICT");
        assert_eq!(answer(&mut open(&hub, &bob).await, &ask("a", "k", "another", false)).await[0]["type"], "completion");
        assert_eq!((charges(&hub, &ada).await, charges(&hub, &bob).await), (1, 1));
        // A call that cost nothing gives its key back.
        for id in ["e", "f"] {
            let failed = answer(&mut socket, &ask(id, "free", "sandbox:fail=500", true)).await;
            assert_eq!(code(&failed), "ALL_PROVIDERS_FAILED");
        }
        assert_eq!(answer(&mut socket, &ask("g", "free", "hello", true)).await.last().unwrap()["type"], "done");
        drop(socket);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_client_that_lost_its_socket_finds_its_stream_by_its_key(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let other = hub.sibling().await;
        let text = "sandbox:words=300 sandbox:delay=1 go";
        let mut socket = open(&hub, &ada).await;
        send(&mut socket, &ask("one", "k", text, true)).await;
        let mut first = next(&mut socket).await.unwrap();
        // Neither saying so nor going away ends a call that its client comes back for.
        send(&mut socket, &json!({ "type": "cancel", "id": "one" })).await;
        drop(socket);
        let along = answer(&mut open(&other, &ada).await, &ask("two", "k", text, true)).await;
        first.as_object_mut().unwrap().remove("id");
        assert_eq!(along[0], first);
        assert_eq!(along.last().unwrap()["type"], "done", "{:?}", along.last());
        assert_eq!((hub.sandbox().produced(), charges(&hub, &ada).await), (300, 1));
        other.finish().await;
        hub.finish().await;
    }

    async fn the_key_may_stand_in_the_body_over_http_and_must_be_that_of_the_header(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let post = || hub.post("/api/mcp/chat").bearer(&ada.api_key).json(&ask("a", "k", "hello", false));
        let first = post().send().await.expect(200);
        let again = post().header("idempotency-key", "k").send().await.expect(200);
        assert_eq!((&again.body, again.header("idempotent-replayed")), (&first.body, "true"));
        assert_eq!(post().header("idempotency-key", "j").send().await.expect(400).error_code(), "VALIDATION_ERROR");
        assert_eq!(charges(&hub, &ada).await, 1);
        hub.finish().await;
    }
}
