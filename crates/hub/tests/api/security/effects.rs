//! What is taken away acts within two seconds, also on another process and on what runs already.

use std::time::{Duration, Instant};

use axum::http::Method;
use futures::{SinkExt, StreamExt};
use hub_testkit::{Pair, TestHub, TestUser, on_both_pairs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// One thing that is taken away: what is sent, by whom, and what the credential gets afterwards.
struct Taken {
    what: &'static str,
    by_key: bool,
    left: u16,
    /// False where the credential lives on and may only call no longer: its socket stays open.
    closes: bool,
}

const TABLE: &[Taken] = &[
    Taken { what: "a role is taken", by_key: false, left: 401, closes: false },
    Taken { what: "a role is taken from a key's owner", by_key: true, left: 403, closes: false },
    Taken { what: "a role permits less", by_key: true, left: 403, closes: false },
    Taken { what: "the account is switched off", by_key: false, left: 401, closes: true },
    Taken { what: "the account is deleted", by_key: true, left: 401, closes: true },
    Taken { what: "the key is revoked", by_key: true, left: 401, closes: true },
    Taken { what: "the key runs out", by_key: true, left: 401, closes: true },
    Taken { what: "the key's scopes shrink", by_key: true, left: 403, closes: false },
    Taken { what: "the key's models shrink", by_key: true, left: 404, closes: false },
    Taken { what: "the password is changed elsewhere", by_key: false, left: 401, closes: true },
];

/// Two seconds, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(5);

async fn take(hub: &TestHub, taken: &Taken, admin: &TestUser, ada: &mut TestUser) {
    let user = format!("/api/users/{}", ada.id);
    let send = async |method: Method, path: &str, who: &TestUser, body: Value| {
        let answer = hub.request(method, path).bearer(&who.access_token).json(&body).send().await;
        assert!(answer.status.is_success(), "{}: {}", taken.what, answer.text());
        answer
    };
    let keys = hub.get("/api/keys").bearer(&ada.access_token).send().await.expect(200).json();
    let key = format!("/api/keys/{}", keys["keys"][0]["id"].as_str().unwrap());
    match taken.what {
        "a role is taken" | "a role is taken from a key's owner" => {
            send(Method::DELETE, &format!("{user}/roles/caller"), admin, json!({})).await;
        }
        "a role permits less" => {
            let roles = hub.get("/api/roles").bearer(&admin.access_token).send().await.expect(200).json();
            let caller =
                roles["roles"].as_array().unwrap().iter().find(|role| role["name"] == "caller").unwrap().clone();
            let path = format!("/api/roles/{}/permissions", caller["id"].as_str().unwrap());
            send(Method::DELETE, &format!("{path}/inference:create"), admin, json!({})).await;
        }
        "the account is switched off" => drop(send(Method::PATCH, &user, admin, json!({ "status": "disabled" })).await),
        "the account is deleted" => drop(send(Method::DELETE, &user, admin, json!({})).await),
        "the key is revoked" => drop(send(Method::DELETE, &key, ada, json!({})).await),
        "the key runs out" => {
            let end = hub.clock().now() + chrono::Duration::seconds(10);
            send(Method::PATCH, &key, ada, json!({ "expiresAt": end })).await;
            hub.advance(chrono::Duration::seconds(11));
        }
        "the key's scopes shrink" => drop(send(Method::PATCH, &key, ada, json!({ "scopes": ["models:read"] })).await),
        "the key's models shrink" => drop(send(Method::PATCH, &key, ada, json!({ "models": ["another"] })).await),
        _ => {
            let mut desk = ada.clone();
            hub.sign_in(&mut desk).await;
            let body = json!({ "currentPassword": ada.password, "newPassword": crate::auth::GOOD });
            send(Method::POST, "/api/auth/change-password", &desk, body).await;
        }
    }
}

on_both_pairs! {
    async fn res_05_what_is_taken_away_ends_running_streams_on_another_process_within_two_seconds(pair: Pair) {
        for taken in TABLE {
            Box::pin(one(pair, taken)).await;
        }
    }
}

async fn one(pair: Pair, taken: &Taken) {
    let what = taken.what;
    let hub = TestHub::start(pair).await;
    let twin = hub.sibling().await;
    let admin = hub.admin().await;
    let all =
        ["inference:create", "models:read", "credits:read", "keys:read", "keys:create", "keys:update", "keys:delete"];
    let role = json!({ "name": "caller", "rank": 5, "permissions": all });
    hub.post("/api/roles").bearer(&admin.access_token).json(&role).send().await.expect(201);
    let credits = hub_types::Credits::whole(100);
    let mut ada = hub.member(hub_testkit::NewMember { name: "ada", role: "caller", credits }).await;
    let credential = if taken.by_key { ada.api_key.clone() } else { ada.access_token.clone() };

    let prompt = json!([{ "role": "user", "content": "sandbox:words=20000 sandbox:delay=5 go" }]);
    let body = json!({ "model": "sandbox", "stream": true, "messages": prompt, "max_tokens": 20_000 });
    let mut events = twin.post("/v1/chat/completions").bearer(&credential).json(&body).stream().await;
    assert_eq!(events.status, 200, "{what}");
    let receipt = events.headers["x-hub-receipt"].to_str().unwrap().to_owned();
    let mut socket = twin.socket().await.websocket("/api/ws", Some(&credential)).await.unwrap();
    let request = json!({ "id": "r", "type": "chat", "provider": "auto", "model": "sandbox", "stream": true, "messages": prompt, "maxTokens": 20_000 });
    socket.send(Message::text(request.to_string())).await.unwrap();
    let first = socket.next().await.unwrap().unwrap();
    assert!(first.to_text().unwrap().contains("chunk"), "{what}: {first}");
    for _ in 0..5 {
        events.event().await.unwrap();
    }

    take(&hub, taken, &admin, &mut ada).await;
    let begun = Instant::now();
    let next = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] });
    let refused = twin.post("/v1/chat/completions").bearer(&credential).json(&next).send().await;
    assert_eq!(refused.status, taken.left, "{what}: the next call is refused at once");
    let (mut words, mut last) = (5, None);
    while let Some(event) = events.event().await {
        words += 1;
        last = Some(event);
    }
    let last = last.expect("more events").data;
    assert!(last.contains("\"error\"") && !last.contains("[DONE]"), "{what}: {last}");
    // A socket whose credential is dead closes; one whose credential may only call no longer is told so and stays.
    let told = if taken.closes { until_closed(&mut socket).await } else { error_in(&mut socket).await };
    assert!(!told.contains("\"done\""), "{what}: {told}");
    assert!(begun.elapsed() < SOON, "{what}: {:?}", begun.elapsed());

    // Billed for what was produced, which is what was sent and at most what waited in between.
    let path = format!("/api/credits/receipts/{receipt}");
    let receipt = hub.get(&path).bearer(&admin.access_token).send().await.expect(200).json();
    let billed = receipt["usage"]["output"].as_i64().unwrap();
    assert_eq!(receipt["outcome"], "cancelled", "{what}");
    assert!((words - 3..words + 100).contains(&billed), "{what}: {billed} words billed, {words} sent");
    twin.finish().await;
    hub.finish().await;
}

/// The last text before the hub closes this socket.
async fn until_closed(socket: &mut hub_testkit::Socket) -> String {
    let mut told = String::new();
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                told = text.to_string();
            }
        }
    };
    tokio::time::timeout(SOON, closed).await.expect("the socket closes");
    told
}

/// The error that ends the one request of this socket.
async fn error_in(socket: &mut hub_testkit::Socket) -> String {
    loop {
        let message = tokio::time::timeout(SOON, socket.next()).await.expect("the call ends").unwrap().unwrap();
        let text = message.to_text().unwrap_or_default().to_owned();
        if text.contains("\"error\"") {
            return text;
        }
    }
}
