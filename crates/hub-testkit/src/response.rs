//! Answers, whole or piece by piece.

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use crate::request::PATIENCE;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct TestResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl TestResponse {
    pub(crate) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let read = tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, usize::MAX)).await;
        let body = read.expect("the answer does not end").expect("the answer breaks off");
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// Asserts the status; a failure shows the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code in the hub's error envelope; empty when it is none.
    pub fn error_code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// An answer whose body is read piece by piece.
pub struct TestStream {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: BodyDataStream,
    /// Bytes of an event that is not complete.
    rest: String,
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// Its name; empty when it has none.
    pub event: String,
    /// Its data, lines joined.
    pub data: String,
}

impl SseEvent {
    /// The data as JSON; `Null` for `[DONE]` and other text.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

impl TestStream {
    pub(crate) fn new(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body: body.into_data_stream(), rest: String::new() }
    }

    /// The next piece as it arrives; `None` at the end. An answer that breaks off ends with an error.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, axum::Error>> {
        tokio::time::timeout(PATIENCE, self.body.next()).await.expect("the stream is silent")
    }

    /// The next server-sent event; comments are skipped. `None` at the end.
    pub async fn event(&mut self) -> Option<SseEvent> {
        loop {
            while let Some(end) = self.rest.find("\n\n") {
                let block: String = self.rest.drain(..end + 2).collect();
                let event = parse(&block);
                if event != SseEvent::default() {
                    return Some(event);
                }
            }
            let chunk = self.chunk().await?.expect("the stream breaks off");
            self.rest.push_str(&String::from_utf8_lossy(&chunk).replace('\r', ""));
        }
    }

    /// All events to the end.
    pub async fn events(mut self) -> Vec<SseEvent> {
        let mut all = Vec::new();
        while let Some(event) = self.event().await {
            all.push(event);
        }
        all
    }
}

fn parse(block: &str) -> SseEvent {
    let mut event = SseEvent::default();
    let mut data: Vec<&str> = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.event),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    event
}
