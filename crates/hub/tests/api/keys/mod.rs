//! API keys: shown once, kept as a hash, narrowed, taken back, and never able to make more of themselves.

mod exam;
mod life;
mod narrow;
mod rotate;

use hub_testkit::{TestHub, TestResponse, TestUser};
use serde_json::{Value, json};

async fn create(hub: &TestHub, user: &TestUser, body: &Value) -> TestResponse {
    hub.post("/api/keys").bearer(&user.access_token).json(body).send().await
}

/// A key narrowed by these fields.
async fn key(hub: &TestHub, user: &TestUser, fields: &Value) -> String {
    let mut body = json!({ "name": "narrow" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    create(hub, user, &body).await.expect(201).json()["key"].as_str().unwrap().to_owned()
}

async fn list(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/keys").bearer(&user.access_token).send().await.expect(200).json()
}

async fn status(hub: &TestHub, path: &str, credential: &str) -> u16 {
    hub.get(path).bearer(credential).send().await.status.as_u16()
}

async fn chat(hub: &TestHub, credential: &str, model: &str) -> TestResponse {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
    hub.post("/v1/chat/completions").bearer(credential).json(&body).send().await
}

async fn mcp_chat(hub: &TestHub, credential: &str) -> TestResponse {
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let body = json!({ "id": "r", "type": "chat", "provider": "auto", "model": "sandbox", "messages": messages });
    hub.post("/api/mcp/chat").bearer(credential).json(&body).send().await
}

fn looks_like_a_key(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.strip_prefix("sk_").is_some_and(|body| body.len() == 43 && body.bytes().all(letter))
}
