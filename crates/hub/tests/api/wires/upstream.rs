//! An Anthropic provider made of rules: as strict as the real one about versions and required fields (providers.md §3), it answers by the
//! last text of the user and remembers what it heard.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hub_web::Json;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running provider; it ends with the test.
pub(super) struct Upstream {
    pub(super) url: String,
    heard: Arc<Mutex<Vec<Value>>>,
    _serving: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new()
            .route("/v1/messages", post(messages))
            .route("/v1/messages/count_tokens", post(count))
            .with_state(Arc::clone(&heard));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, heard, _serving: serving }
    }

    /// The last body that arrived.
    pub(super) fn heard(&self) -> Value {
        self.heard.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// What the answers cost: fresh, written to the cache, read from it, answered.
pub(super) const USAGE: [i64; 4] = [10, 40, 300, 25];
/// What of that is written to the cache for an hour.
pub(super) const FOR_AN_HOUR: i64 = 15;

fn error(status: u16, kind: &str, message: &str) -> Response {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

/// Fields the stub takes.
const KNOWN: [&str; 14] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
    "temperature",
    "top_p",
];

fn checked(headers: &HeaderMap, body: &Bytes) -> Result<Value, Box<Response>> {
    let refuse = |message: &str| Box::new(error(400, "invalid_request_error", message));
    let version = headers.get("anthropic-version").and_then(|value| value.to_str().ok());
    if !matches!(version, Some("2023-06-01" | "2026-10-21")) {
        return Err(refuse("anthropic-version: header is required"));
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| refuse("not JSON"))?;
    for name in ["temperature", "top_p", "top_k"] {
        if version == Some("2026-10-21") && body.get(name).is_some() {
            return Err(refuse(&format!("{name}: Extra inputs are not permitted")));
        }
    }
    for name in body.as_object().into_iter().flat_map(|body| body.keys()) {
        if !KNOWN.contains(&name.as_str()) {
            return Err(refuse(&format!("{name}: Extra inputs are not permitted")));
        }
    }
    let mut last = "";
    for turn in body["messages"].as_array().into_iter().flatten() {
        let role = turn["role"].as_str().unwrap_or_default();
        if role == last {
            return Err(refuse("messages: this stub wants sides to alternate"));
        }
        last = role;
        let mut text_seen = false;
        for block in turn["content"].as_array().into_iter().flatten() {
            text_seen |= block["type"] == "text";
            if block["type"] == "tool_result" && text_seen {
                return Err(refuse("messages: tool_result blocks must come first"));
            }
            if block["type"] == "text" && block["text"] == "" {
                return Err(refuse("messages: text content blocks must be non-empty"));
            }
        }
    }
    Ok(body)
}

fn question(body: &Value) -> String {
    let turns = body["messages"].as_array().unwrap();
    let content = &turns.last().unwrap()["content"];
    let last = content.as_array().and_then(|blocks| blocks.iter().rev().find_map(|block| block["text"].as_str()));
    content.as_str().or(last).unwrap_or_default().to_owned()
}

async fn count(State(heard): State<Arc<Mutex<Vec<Value>>>>, headers: HeaderMap, body: Bytes) -> Response {
    match checked(&headers, &body) {
        Ok(body) => {
            heard.lock().unwrap().push(body);
            Json(json!({"input_tokens": 123})).into_response()
        }
        Err(refusal) => *refusal,
    }
}

async fn messages(State(heard): State<Arc<Mutex<Vec<Value>>>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = match checked(&headers, &body) {
        Ok(body) if body["max_tokens"].is_i64() => body,
        Ok(_) => return error(400, "invalid_request_error", "max_tokens: Field required"),
        Err(refusal) => return *refusal,
    };
    heard.lock().unwrap().push(body.clone());
    let question = question(&body);
    match question.as_str() {
        "refuse me" => return error(400, "invalid_request_error", "the upstream does not like this"),
        "too busy" => return error(529, "overloaded_error", "Overloaded"),
        _ => {}
    }
    let blocks = match question.as_str() {
        "two tools" => json!([
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
            {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Rome"}}]),
        "as json" => json!([{"type": "text", "text": "{\"ok\":true}"}]),
        _ => json!([{"type": "thinking", "thinking": "hm", "signature": "Eq"}, {"type": "text", "text": "Hello you"}]),
    };
    let stop = if question == "two tools" { "tool_use" } else { "end_turn" };
    if body["stream"] == true {
        return streamed(&body, &blocks, stop, question == "break off");
    }
    Json(json!({"id": "msg_up", "type": "message", "role": "assistant", "model": body["model"], "content": blocks,
        "stop_reason": stop, "stop_sequence": null, "usage": usage(USAGE[3])}))
    .into_response()
}

fn usage(output: i64) -> Value {
    json!({"input_tokens": USAGE[0], "cache_creation_input_tokens": USAGE[1], "cache_read_input_tokens": USAGE[2],
        "cache_creation": {"ephemeral_5m_input_tokens": USAGE[1] - FOR_AN_HOUR, "ephemeral_1h_input_tokens": FOR_AN_HOUR},
        "output_tokens": output})
}

fn streamed(body: &Value, blocks: &Value, stop: &str, breaks: bool) -> Response {
    let mut text = String::new();
    let mut event = |data: Value| {
        write!(text, "event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()).unwrap();
    };
    event(json!({"type": "message_start", "message": {"id": "msg_up", "type": "message", "role": "assistant",
        "model": body["model"], "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(1)}}));
    event(json!({"type": "ping"}));
    for (index, block) in blocks.as_array().unwrap().iter().enumerate() {
        let (start, deltas) = match block["type"].as_str().unwrap() {
            "text" => {
                let pieces = block["text"].as_str().unwrap().split_inclusive(' ');
                let deltas = pieces.map(|piece| json!({"type": "text_delta", "text": piece})).collect();
                (json!({"type": "text", "text": ""}), deltas)
            }
            "thinking" => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                    json!({"type": "signature_delta", "signature": block["signature"]}),
                ],
            ),
            _ => {
                let input = block["input"].to_string();
                let (one, two) = input.split_at(5);
                let deltas = [one, two].map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
                (json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}), deltas.into())
            }
        };
        event(json!({"type": "content_block_start", "index": index, "content_block": start}));
        for delta in deltas {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        event(json!({"type": "content_block_stop", "index": index}));
    }
    if breaks {
        event(json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded just now"}}));
    } else {
        event(
            json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": USAGE[3]}}),
        );
        event(json!({"type": "message_stop"}));
    }
    ([("content-type", "text/event-stream")], text).into_response()
}
