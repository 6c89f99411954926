//! An OpenAI-compatible provider that takes some keys and no others, remembers under which key and for whom it was called, and counts how
//! many calls it works on at once. While it is held, calls wait until they are let go.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub_web::Json;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A running provider; it ends with the test.
pub(super) struct Upstream {
    pub(super) url: String,
    seen: Arc<Seen>,
    _serving: JoinSet<()>,
}

struct Seen {
    keys: Mutex<HashSet<String>>,
    calls: Mutex<Calls>,
    /// For each of the next calls: the pause to ask for, in milliseconds, in place of an answer.
    limits: Mutex<Vec<u64>>,
    /// Each call takes one permit for good.
    go: Semaphore,
}

#[derive(Default)]
struct Calls {
    running: usize,
    most: usize,
    /// Key and last message of each, in the order in which they began.
    begun: Vec<(String, String)>,
}

impl Upstream {
    /// A provider that answers at once.
    pub(super) async fn start(keys: &[&str]) -> Self {
        let upstream = Self::held(keys).await;
        upstream.seen.go.add_permits(1_000_000);
        upstream
    }

    /// A provider that answers only when told to.
    pub(super) async fn held(keys: &[&str]) -> Self {
        let seen = Arc::new(Seen {
            keys: Mutex::new(keys.iter().map(|key| (*key).to_owned()).collect()),
            calls: Mutex::default(),
            limits: Mutex::default(),
            go: Semaphore::new(0),
        });
        let app = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/models", get(models))
            .with_state(Arc::clone(&seen));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen, _serving: serving }
    }

    /// Limits the rate of the next call: it asks for a pause of so many milliseconds.
    pub(super) fn limit_next(&self, milliseconds: u64) {
        self.seen.limits.lock().unwrap().push(milliseconds);
    }

    /// Lets this many calls go on.
    pub(super) fn let_go(&self, calls: usize) {
        self.seen.go.add_permits(calls);
    }

    /// The most calls it worked on at once.
    pub(super) fn most(&self) -> usize {
        self.seen.calls.lock().unwrap().most
    }

    /// Calls under this key so far.
    pub(super) fn calls_under(&self, key: &str) -> usize {
        self.seen.calls.lock().unwrap().begun.iter().filter(|(used, _)| used == key).count()
    }

    /// Last messages of all calls, in the order in which they began.
    pub(super) fn begun(&self) -> Vec<String> {
        self.seen.calls.lock().unwrap().begun.iter().map(|(_, text)| text.clone()).collect()
    }
}

/// Running while it lives.
struct Place<'a>(&'a Seen);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.calls.lock().unwrap().running -= 1;
    }
}

fn key(seen: &Seen, headers: &HeaderMap) -> Result<String, Box<Response>> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = given.trim_start_matches("Bearer ").to_owned();
    if seen.keys.lock().unwrap().contains(&key) {
        return Ok(key);
    }
    let message = format!("Incorrect API key provided: {key}");
    let body = json!({ "error": { "message": message, "type": "invalid_request_error", "code": "invalid_api_key" } });
    Err(Box::new((StatusCode::UNAUTHORIZED, Json(body)).into_response()))
}

async fn models(State(seen): State<Arc<Seen>>, headers: HeaderMap) -> Response {
    match key(&seen, &headers) {
        Ok(_) => Json(json!({ "object": "list", "data": [{ "id": "m", "object": "model" }] })).into_response(),
        Err(refusal) => *refusal,
    }
}

async fn chat(State(seen): State<Arc<Seen>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let key = match key(&seen, &headers) {
        Ok(key) => key,
        Err(refusal) => return *refusal,
    };
    let limit = seen.limits.lock().unwrap().pop();
    if let Some(pause) = limit {
        let body = json!({ "error": { "message": "slow down", "type": "requests", "code": "rate_limit_exceeded" } });
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after-ms", pause.to_string())], Json(body)).into_response();
    }
    let text = body["messages"].as_array().and_then(|all| all.last()).map(|last| last["content"].clone());
    {
        let mut calls = seen.calls.lock().unwrap();
        calls.running += 1;
        calls.most = calls.most.max(calls.running);
        calls.begun.push((key, text.unwrap_or_default().as_str().unwrap_or_default().to_owned()));
    }
    let _place = Place(&seen);
    seen.go.acquire().await.unwrap().forget();
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
    let choice = json!({ "index": 0, "message": { "role": "assistant", "content": "hello" }, "finish_reason": "stop" });
    Json(json!({ "id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage }))
        .into_response()
}
