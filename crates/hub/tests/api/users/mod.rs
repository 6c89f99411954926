//! Accounts in the hands of those who look after them: seen, made, invited, switched off, deleted, given roles.

mod credentials;
mod hostile;
mod impersonate;
mod invitations;
mod invite;
mod life;
mod list;
mod rights;

use axum::http::Method;
use hub_testkit::{NewMember, TestHub, TestResponse, TestUser};
use hub_types::{Credits, Email};
use serde_json::{Value, json};

/// A password that the policy takes, unlike the one all members of a test have.
const GOOD: &str = "eleven herons left at dawn";

async fn send(hub: &TestHub, who: &TestUser, method: Method, path: &str, body: &Value) -> TestResponse {
    hub.request(method, path).bearer(&who.access_token).json(body).send().await
}

async fn get(hub: &TestHub, who: &TestUser, path: &str) -> TestResponse {
    hub.get(path).bearer(&who.access_token).send().await
}

async fn patch(hub: &TestHub, who: &TestUser, whom: &TestUser, body: &Value) -> TestResponse {
    send(hub, who, Method::PATCH, &format!("/api/users/{}", whom.id), body).await
}

async fn delete(hub: &TestHub, who: &TestUser, whom: &TestUser) -> TestResponse {
    hub.delete(&format!("/api/users/{}", whom.id)).bearer(&who.access_token).send().await
}

async fn restore(hub: &TestHub, who: &TestUser, whom: &TestUser) -> TestResponse {
    hub.post(&format!("/api/users/{}/restore", whom.id)).bearer(&who.access_token).send().await
}

async fn grant(hub: &TestHub, who: &TestUser, whom: &TestUser, role: &str) -> TestResponse {
    let path = format!("/api/users/{}/roles", whom.id);
    send(hub, who, Method::POST, &path, &json!({ "role": role })).await
}

async fn revoke(hub: &TestHub, who: &TestUser, whom: &TestUser, role: &str) -> TestResponse {
    let path = format!("/api/users/{}/roles/{role}", whom.id);
    hub.delete(&path).bearer(&who.access_token).send().await
}

async fn login(hub: &TestHub, email: &str, password: &str) -> TestResponse {
    hub.post("/api/auth/login").json(&json!({ "email": email, "password": password })).send().await
}

/// Whether a token or key still opens the account.
async fn me(hub: &TestHub, credential: &str) -> u16 {
    hub.get("/api/auth/me").bearer(credential).send().await.status.as_u16()
}

/// Somebody without credits who holds this role.
async fn holder(hub: &TestHub, name: &str, role: &str) -> TestUser {
    hub.member(NewMember { name, role, credits: Credits::ZERO }).await
}

/// Subjects of all mails to this address, sorted: mails of one moment come in any order.
async fn subjects(hub: &TestHub, to: &str) -> Vec<String> {
    let to: Email = to.parse().unwrap();
    let mails = hub.mails().await.into_iter().filter(|mail| mail.to == to);
    let mut subjects: Vec<String> = mails.map(|mail| mail.subject).collect();
    subjects.sort();
    subjects
}

/// Rows of the trail about this account whose action begins so, newest first.
async fn trail(hub: &TestHub, admin: &TestUser, about: &TestUser, action: &str) -> Vec<Value> {
    let path = format!("/api/admin/audit?limit=100&user={}&action={action}", about.id);
    let found = get(hub, admin, &path).await.expect(200).json();
    found["entries"].as_array().unwrap().clone()
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["action"].as_str().unwrap()).collect()
}
