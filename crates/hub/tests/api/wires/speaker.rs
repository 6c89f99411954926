//! A provider that speaks all of OpenAI's wires and says what it was told to say, byte for byte. It remembers what it heard.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running provider; it ends with the test.
pub(super) struct Speaker {
    pub(super) url: String,
    said: Arc<Said>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Said {
    answers: Mutex<VecDeque<String>>,
    /// What is said on a path when nothing else is left to say.
    usual: HashMap<&'static str, &'static str>,
    heard: Mutex<Vec<(String, String)>>,
    credential: Mutex<String>,
}

impl Speaker {
    /// A provider that gives these answers, one for each call; streams begin with a field of an event, documents with a brace.
    pub(super) async fn says(answers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let answers = Mutex::new(answers.into_iter().map(Into::into).collect());
        Self::start(Said { answers, ..Said::default() }).await
    }

    /// A provider that says the same on a path each time.
    pub(super) async fn speaks(usual: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        Self::start(Said { usual: usual.into_iter().collect(), ..Said::default() }).await
    }

    async fn start(said: Said) -> Self {
        let said = Arc::new(said);
        let app = Router::new().fallback(answer).with_state(Arc::clone(&said));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, said, _serving: serving }
    }

    /// The last path and body that arrived.
    pub(super) fn heard(&self) -> (String, String) {
        self.said.heard.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// The last `Authorization` that arrived.
    pub(super) fn credential(&self) -> String {
        self.said.credential.lock().unwrap().clone()
    }

    /// How many calls arrived.
    pub(super) fn calls(&self) -> usize {
        self.said.heard.lock().unwrap().len()
    }
}

async fn answer(State(said): State<Arc<Said>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    said.heard.lock().unwrap().push((uri.path().to_owned(), body));
    let credential = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    *said.credential.lock().unwrap() = credential.unwrap_or_default();
    let next = said.answers.lock().unwrap().pop_front();
    match next.or_else(|| said.usual.get(uri.path()).map(|text| (*text).to_owned())) {
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(text) if text.starts_with('{') => ([("content-type", "application/json")], text).into_response(),
        Some(text) => ([("content-type", "text/event-stream")], text).into_response(),
    }
}
