//! What is written down: the rows of the rarer events, refusals inside a socket, and the line of each request.

use axum::http::Method;
use futures::{SinkExt, StreamExt};
use hub_domain::keys::{self, NewKey};
use hub_testkit::{Pair, TestHub, on_both_pairs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::auth::{GOOD, last_mail_to, token_in, trail_of};
use crate::factors;
use crate::oauth::silence::capture;

on_both_pairs! {
    async fn aud_01_changes_of_password_address_and_factor_leave_a_row_each(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let mut ada = hub.user("ada").await;
        let (_, codes) = factors::set_up(&hub, &ada).await;
        let send = async |method: Method, path: &str, token: &str, body: Value| {
            let request = hub.request(method, path).bearer(token).from("203.0.113.7").header("user-agent", "Fox");
            request.json(&body).send().await
        };
        let off = json!({ "password": ada.password, "code": codes[0] });
        send(Method::DELETE, "/api/auth/totp", &ada.access_token, off).await.expect(204);
        let wrong = json!({ "currentPassword": "wrong", "newPassword": GOOD });
        send(Method::POST, "/api/auth/change-password", &ada.access_token, wrong).await.expect(400);
        let right = json!({ "currentPassword": ada.password, "newPassword": GOOD });
        send(Method::POST, "/api/auth/change-password", &ada.access_token, right).await.expect(200);
        GOOD.clone_into(&mut ada.password);
        hub.sign_in(&mut ada).await;
        let change = json!({ "newEmail": "new@example.com", "password": ada.password });
        send(Method::POST, "/api/auth/change-email", &ada.access_token, change).await.expect(202);
        for address in ["ada@example.com", "new@example.com"] {
            let mails = hub.mails().await;
            let mail = mails.iter().rev().find(|mail| mail.to.as_str() == address && mail.text.contains("token=")).unwrap();
            let token = mail.text.split_once("token=").unwrap().1.lines().next().unwrap().to_owned();
            let confirm = hub.post("/api/auth/change-email/confirm").from("203.0.113.7").header("user-agent", "Fox");
            confirm.json(&json!({ "token": token })).send().await.expect(200);
        }
        for action in [
            "auth.totp_enabled",
            "auth.totp_disabled",
            "auth.password_refused",
            "auth.password_changed",
            "auth.email_change_requested",
            "auth.email_changed",
        ] {
            let rows = trail_of(&hub, action).await;
            assert_eq!((rows.len(), rows.first().and_then(|row| row.user)), (1, Some(ada.id)), "{action}");
            if action != "auth.totp_enabled" {
                assert_eq!((rows[0].address.as_str(), rows[0].user_agent.as_str()), ("203.0.113.7", "Fox"), "{action}");
                assert_eq!(rows[0].request_id.len(), 36, "{action}");
            }
            let written = format!("{:?}", rows[0]);
            assert!(!written.contains(GOOD) && !written.contains("herons stand") && !written.contains(&codes[0]), "{written}");
        }
        hub.finish().await;
    }

    async fn aud_01_a_refusal_inside_a_socket_leaves_a_row(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let new = NewKey { name: "narrow".to_owned(), scopes: vec!["models:read".to_owned()], ..NewKey::default() };
        let narrow = keys::create_for(&hub.hub, &hub::first_start::operator().unwrap(), ada.id, new).await.unwrap().key;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&narrow)).await.unwrap();
        for id in ["a", "b", "c"] {
            let request = json!({ "id": id, "type": "completion", "model": "sandbox", "prompt": "hello" });
            socket.send(Message::text(request.to_string())).await.unwrap();
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("no text") };
            let frame: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(frame["error"]["code"], "FORBIDDEN", "{frame}");
        }
        let rows = trail_of(&hub, "access.denied").await;
        assert_eq!(rows.len(), 1, "one row a minute: {rows:#?}");
        assert_eq!((rows[0].user, rows[0].target_id.as_str()), (Some(ada.id), "inference:create"));
        assert_eq!(rows[0].details, json!({ "method": "GET", "route": "/api/ws" }));
        assert_eq!((rows[0].address.as_str(), rows[0].request_id.len()), ("127.0.0.1", 36));
        drop(socket);
        hub.finish().await;
    }
}

mod access_log {
    #[test]
    fn oau_07_the_line_of_a_request_says_what_happened_and_no_secret() {
        let lines = super::capture();
        hub_testkit::run(hub_testkit::Pair::SqliteMemory, async |pair| super::one_line(pair, &lines).await);
    }
}

/// Method, path, status and request id, and nothing of the query, the headers or the body.
async fn one_line(pair: Pair, captured: &std::sync::Mutex<Vec<u8>>) {
    let hub = TestHub::start(pair).await;
    let ada = hub.user("ada").await;
    hub.post("/api/auth/forgot-password").json(&json!({ "email": ada.email })).send().await.expect(202);
    let link = token_in(&last_mail_to(&hub, ada.email.as_str()).await, "reset-password");
    let body = json!({ "token": link, "password": "Password1!" });
    let request = hub.post("/api/auth/reset-password?token=in-the-query").bearer(&ada.access_token);
    let answer = request.header("cookie", "hub-refresh=rt_in-the-cookie").header("x-secret", "in-a-header").json(&body);
    let answer = answer.send().await.expect(400);
    let logged = String::from_utf8(captured.lock().unwrap().clone()).unwrap();
    let id = answer.header("x-request-id");
    let of_request = |line: &&str| line.contains(id) && line.contains("status=400");
    let answered: Vec<&str> = logged.lines().filter(of_request).collect();
    let [entry] = answered[..] else { panic!("not one line of the request: {answered:#?} of {logged}") };
    for part in ["POST", "/api/auth/reset-password", "INFO"] {
        assert!(entry.contains(part), "{part} is not in {entry}");
    }
    let secrets = [&ada.access_token, &ada.refresh_token, &ada.api_key, &ada.password, &link];
    for secret in
        secrets.into_iter().map(String::as_str).chain(["in-the-query", "rt_in-the-cookie", "in-a-header", "Password1!"])
    {
        assert!(!logged.contains(secret), "{secret} was logged");
    }
    hub.finish().await;
}
