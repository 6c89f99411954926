//! An OpenAI provider made of rules: it answers by the last text of the user. For calls whose provider leaves things out or fails.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hub_testkit::{Builder, Pair, TestHub};
use hub_web::Json;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running provider; it ends with the test.
pub(crate) struct Stub {
    url: String,
    _serving: JoinSet<()>,
}

/// Ten tokens in the tokenizers of OpenAI's models.
pub(crate) const SENTENCE: &str = "The quick brown fox jumps over the lazy dog. ";
/// Sentences of an answer.
pub(crate) const SENTENCES: usize = 40;

impl Stub {
    pub(crate) async fn start() -> Self {
        let app = Router::new().route("/v1/chat/completions", post(answer));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, _serving: serving }
    }

    /// A hub with this provider and the price of its model `stub`, in credits per million tokens.
    pub(crate) fn hub(&self, pair: Pair, price: Value) -> Builder {
        let mut price = price;
        price["service"] = json!("stub");
        price["model"] = json!("stub");
        TestHub::builder(pair)
            .openai("stub", &self.url)
            .settings(|settings| settings.pricing.models.push(serde_json::from_value(price).unwrap()))
    }
}

async fn answer(Json(body): Json<Value>) -> Response {
    let question = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap_or_default();
    if question == "fail" {
        let error = json!({ "error": { "message": "it broke", "type": "server_error", "param": null, "code": null } });
        return (http::StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response();
    }
    if body["stream"] == true {
        return streamed(question);
    }
    let mut answer = json!({ "id": format!("chatcmpl-{question}"), "object": "chat.completion", "created": 1, "model": "stub",
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": SENTENCE.repeat(SENTENCES) } }] });
    if let Some(usage) = question.strip_prefix("usage ") {
        answer["usage"] = serde_json::from_str(usage).unwrap();
        answer["id"] = json!("chatcmpl-usage");
    }
    ([("x-request-id", format!("req-{question:.20}"))], Json(answer)).into_response()
}

fn streamed(question: &str) -> Response {
    let mut text = String::new();
    let mut event = |data: &str| text.extend(["data: ", data, "\n\n"]);
    if question == "fail at once" {
        event(&json!({ "error": { "message": "it broke", "type": "server_error" } }).to_string());
    } else {
        for _ in 0..SENTENCES {
            let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stub",
                "choices": [{ "index": 0, "delta": { "content": SENTENCE }, "finish_reason": null }] });
            event(&chunk.to_string());
        }
        event("[DONE]");
    }
    ([("content-type", "text/event-stream")], text).into_response()
}
