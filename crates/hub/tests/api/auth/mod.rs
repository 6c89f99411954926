//! Accounts through the front door: registration, sign-in, tokens, sessions, passwords, the cookie of browsers.

mod cookie;
mod login;
mod password;
mod refresh;
mod registration;
mod sessions;
mod tickets;
mod tokens;

use axum::http::HeaderName;
use chrono::Duration;
use hub_clients::mail::Mail;
use hub_store::audit::{self, Entry};
use hub_store::users::{self, UserStatus};
use hub_testkit::{TestHub, TestResponse, TestUser};
use hub_types::{AuditId, UserId};
use serde_json::{Value, json};

/// A password that the policy takes, unlike the one all members of a test have.
pub(crate) const GOOD: &str = "eleven herons left at dawn";

/// What a client is told: status, and body without what differs from request to request by design.
pub(crate) fn told(answer: &TestResponse) -> (u16, Value) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        assert!(error.remove("requestId").is_some() && error.remove("timestamp").is_some(), "{}", answer.text());
    }
    if let Some(body) = body.as_object_mut() {
        // Where Anthropic's wire says the id.
        body.remove("request_id");
    }
    (answer.status.as_u16(), body)
}

/// The same, with all headers but the request's id and the count of requests left.
fn told_with_headers(answer: &TestResponse) -> (u16, Value, Vec<(String, String)>) {
    let (status, body) = told(answer);
    let counted = |name: &HeaderName| *name == "x-request-id" || *name == "ratelimit-remaining";
    let pairs = answer.headers.iter().filter(|(name, _)| !counted(name));
    let mut headers: Vec<_> =
        pairs.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    headers.sort();
    (status, body, headers)
}

pub(crate) async fn post(hub: &TestHub, path: &str, body: &Value) -> TestResponse {
    hub.post(&format!("/api/auth/{path}")).json(body).send().await
}

pub(crate) async fn register(hub: &TestHub, email: &str, password: &str) -> TestResponse {
    post(hub, "register", &json!({ "email": email, "password": password, "name": "Somebody" })).await
}

pub(crate) async fn login(hub: &TestHub, email: &str, password: &str) -> TestResponse {
    post(hub, "login", &json!({ "email": email, "password": password })).await
}

async fn refresh(hub: &TestHub, token: &str) -> TestResponse {
    post(hub, "refresh", &json!({ "refreshToken": token })).await
}

/// Whether an access token or key still opens the account, asked afresh.
async fn me(hub: &TestHub, token: &str) -> u16 {
    hub.get("/api/auth/me").bearer(token).send().await.status.as_u16()
}

pub(crate) async fn mails_to(hub: &TestHub, email: &str) -> Vec<Mail> {
    hub.mails().await.into_iter().filter(|mail| mail.to.as_str() == email).collect()
}

pub(crate) async fn last_mail_to(hub: &TestHub, email: &str) -> Mail {
    mails_to(hub, email).await.pop().unwrap_or_else(|| panic!("no mail to {email}"))
}

/// The six digits that stand on a line of their own.
pub(crate) fn code_in(mail: &Mail) -> String {
    let mut codes = mail.text.lines().filter(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit()));
    let code = codes.next().unwrap_or_else(|| panic!("no code in: {}", mail.text));
    assert_eq!(codes.next(), None, "{}", mail.text);
    code.to_owned()
}

/// Another code of six digits.
pub(crate) fn wrong(code: &str, by: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + by) % 1_000_000)
}

/// The secret of the link, which must lead to `page` of this hub and nowhere else.
pub(crate) fn token_in(mail: &Mail, page: &str) -> String {
    let beginning = format!("http://127.0.0.1:3000/{page}?token=");
    let links: Vec<&str> = mail.text.lines().filter(|line| line.contains("://")).collect();
    let [link] = links[..] else { panic!("not one link in: {}", mail.text) };
    link.strip_prefix(&beginning).unwrap_or_else(|| panic!("{link}")).to_owned()
}

/// Registers and proves the mailbox.
pub(crate) async fn member(hub: &TestHub, email: &str, password: &str) {
    register(hub, email, password).await.expect(202);
    let code = code_in(&last_mail_to(hub, email).await);
    post(hub, "verify-email", &json!({ "email": email, "code": code })).await.expect(200);
}

/// Signs in from another device, leaving the first tokens as they are.
async fn another_device(hub: &TestHub, user: &TestUser) -> TestUser {
    let mut device = user.clone();
    hub.sign_in(&mut device).await;
    device
}

/// The audit trail, newest first.
async fn trail(hub: &TestHub) -> Vec<Entry> {
    let mut tx = hub.hub.store.read().await.unwrap();
    let end = (hub.clock().now() + Duration::days(1), AuditId::new(hub.clock()));
    audit::list(&mut tx, &audit::Filter::default(), end, 1000).await.unwrap()
}

/// Rows of one kind in the audit trail.
pub(crate) async fn trail_of(hub: &TestHub, action: &str) -> Vec<Entry> {
    trail(hub).await.into_iter().filter(|entry| entry.action == action).collect()
}

/// Switches an account off behind the hub's back, as an operator with a database client would; it acts within two seconds.
pub(crate) async fn disable(hub: &TestHub, user: UserId) {
    let mut tx = hub.hub.store.write().await.unwrap();
    assert!(users::set_status(&mut tx, user, UserStatus::Disabled, hub.clock().now()).await.unwrap());
    tx.commit().await.unwrap();
    hub.advance(Duration::seconds(2));
}
