//! An OpenAI-compatible provider that fails as it is told, byte by byte, checks what it is sent, and meters what it bills.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What becomes of one request. Whoever is not told answers well.
#[derive(Debug, Clone)]
pub(super) enum Play {
    /// A status, headers (each line ended), and a body; bills nothing.
    Status(u16, &'static str, &'static str),
    /// Takes the request and says nothing; bills nothing.
    Silence,
    /// Takes the request, generates all, and says nothing; bills it.
    SilentWork,
    /// Three words of a stream, then nothing.
    Stall,
    /// Three words of a stream, then half a chunk and the end.
    HalfChunk,
    /// An answer that is no JSON, though generated and billed.
    Garbage,
    /// All but the usage.
    NoUsage,
    /// A stream whose usage comes before its last words.
    EarlyUsage,
    /// Three words of a stream, then an error event.
    ErrorEvent,
    /// An answer of so many bytes.
    Huge(usize),
    /// A whole answer of which only the head comes, though all of it was generated and billed.
    StalledHead,
    /// The same, with half of its body.
    StalledBody,
    /// The same, whose body never stops coming, a little at a time.
    Dribble,
    /// An answer of so many bytes that were not announced.
    Flood(usize),
    /// Three words of a stream, then an event of so many bytes without an end.
    EndlessEvent(usize),
    /// Three words of a stream, then an event that is no JSON.
    GarbageEvent,
    /// A head of so many bytes without an end; bills nothing.
    EndlessHead(usize),
}

/// What every good answer costs: prompt and completion. The text has 4 bytes a token, so that an estimate comes to the same.
pub(super) const USAGE: (i64, i64) = (6, 8);
const WORDS: [&str; 8] = ["Hell", "o to", " you", " all", " and", " to ", "ever", "ybod"];

#[derive(Default)]
struct State {
    plays: Mutex<VecDeque<Play>>,
    requests: Mutex<Vec<Value>>,
    billed: Mutex<(i64, i64)>,
    flooded: AtomicUsize,
    credential: Option<&'static str>,
}

/// A running provider; it ends with the test.
pub(super) struct Upstream {
    pub(super) url: String,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

impl Upstream {
    /// Plays these, one for each request, and then answers well.
    pub(super) async fn plays(plays: impl IntoIterator<Item = Play>) -> Self {
        Self::start(plays, None).await
    }

    /// Takes this credential only.
    pub(super) async fn with_credential(credential: &'static str) -> Self {
        Self::start([], Some(credential)).await
    }

    async fn start(plays: impl IntoIterator<Item = Play>, credential: Option<&'static str>) -> Self {
        let plays = Mutex::new(plays.into_iter().collect());
        let state = Arc::new(State { plays, credential, ..State::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (mut serving, of_all) = (JoinSet::new(), Arc::clone(&state));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                connections.spawn(serve(socket, Arc::clone(&of_all)));
            }
        });
        Self { url, state, _serving: serving }
    }

    /// The requests that arrived.
    pub(super) fn requests(&self) -> Vec<Value> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Prompt and completion tokens billed.
    pub(super) fn billed(&self) -> (i64, i64) {
        *self.state.billed.lock().unwrap()
    }

    /// Bytes of floods and endless things that were taken, by the hub or by the machine's buffers before it.
    pub(super) fn flooded(&self) -> usize {
        self.state.flooded.load(Ordering::Relaxed)
    }
}

/// A request's head and body, or nothing when the other side went away.
async fn read(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..].to_vec()));
            }
        }
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

/// What a strict server says to a request that is not as it must be.
fn fault(head: &str, body: &Value, credential: Option<&str>) -> Option<(u16, &'static str)> {
    let authorized = credential.is_none_or(|key| head.contains(&format!("authorization: bearer {key}")));
    let known = ["model", "messages", "stream", "stream_options", "max_completion_tokens", "temperature"];
    let strange = body.as_object().is_none_or(|body| body.keys().any(|name| !known.contains(&name.as_str())));
    let bad_key =
        r#"{"error":{"message":"bad key","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    if !authorized {
        return Some((401, bad_key));
    }
    if !head.starts_with("post /v1/chat/completions http/1.1") {
        return Some((404, "{}"));
    }
    if strange || !body["max_completion_tokens"].is_i64() {
        return Some((400, r#"{"error":{"message":"strange"}}"#));
    }
    let asks_usage = body["stream"] != true || body["stream_options"]["include_usage"] == true;
    (!asks_usage).then_some((400, r#"{"error":{"message":"no usage?"}}"#))
}

async fn serve(mut socket: TcpStream, state: Arc<State>) {
    let Some((head, body)) = read(&mut socket).await else { return };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    state.requests.lock().unwrap().push(body.clone());
    let play = state.plays.lock().unwrap().pop_front();
    let play = match fault(&head, &body, state.credential) {
        Some((status, body)) => Some(Play::Status(status, "", body)),
        None => play,
    };
    let bill = |words: usize| {
        let mut billed = state.billed.lock().unwrap();
        billed.0 += USAGE.0;
        billed.1 += i64::try_from(words).unwrap();
    };
    let streams = body["stream"] == true;
    match play {
        Some(Play::Status(status, headers, body)) => {
            let length = body.len();
            send(
                &mut socket,
                &format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"),
            )
            .await;
        }
        Some(Play::Silence) => hold(&mut socket).await,
        Some(Play::SilentWork) => {
            bill(WORDS.len());
            hold(&mut socket).await;
        }
        Some(Play::Stall) => {
            bill(3);
            stream(&mut socket, &events(&WORDS[..3], Usage::Missing, false), false).await;
            hold(&mut socket).await;
        }
        Some(Play::HalfChunk) => {
            bill(3);
            stream(&mut socket, &events(&WORDS[..3], Usage::Missing, false), false).await;
            send(&mut socket, "40\r\ndata: {\"choices\":").await;
        }
        Some(Play::Garbage) => {
            bill(WORDS.len());
            send(&mut socket, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\nconnection: close\r\n\r\n{oops").await;
        }
        Some(Play::ErrorEvent) => {
            bill(3);
            let error = "data: {\"error\":{\"message\":\"secret detail\",\"type\":\"server_error\"}}\n\n";
            stream(&mut socket, &(events(&WORDS[..3], Usage::Missing, false) + error), true).await;
        }
        Some(Play::Huge(length)) => {
            bill(WORDS.len());
            send(
                &mut socket,
                &format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{{"),
            )
            .await;
            hold(&mut socket).await;
        }
        Some(Play::StalledHead | Play::StalledBody | Play::Dribble) => {
            bill(WORDS.len());
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n";
            let half = if matches!(play, Some(Play::StalledHead)) { "" } else { "{\"id\":\"c\",\"choices\":" };
            send(&mut socket, &format!("{head}{half}")).await;
            while matches!(play, Some(Play::Dribble)) && socket.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            hold(&mut socket).await;
        }
        Some(Play::Flood(length)) => {
            bill(WORDS.len());
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            send(&mut socket, &format!("{head}{length:x}\r\n{{")).await;
            flood(&mut socket, &state, length - 1).await;
        }
        Some(Play::EndlessEvent(length)) => {
            bill(3);
            stream(&mut socket, &events(&WORDS[..3], Usage::Missing, false), false).await;
            send(&mut socket, &format!("{length:x}\r\ndata: ")).await;
            flood(&mut socket, &state, length - 6).await;
        }
        Some(Play::GarbageEvent) => {
            bill(3);
            stream(&mut socket, &(events(&WORDS[..3], Usage::Missing, false) + "data: {oops\n\n"), true).await;
        }
        Some(Play::EndlessHead(length)) => {
            send(&mut socket, "HTTP/1.1 200 OK\r\nx-more: ").await;
            flood(&mut socket, &state, length).await;
        }
        play => {
            bill(WORDS.len());
            let usage = match play {
                Some(Play::NoUsage) => Usage::Missing,
                Some(Play::EarlyUsage) => Usage::Early,
                _ => Usage::Last,
            };
            if streams {
                stream(&mut socket, &events(&WORDS, usage, true), true).await;
            } else {
                whole(&mut socket, usage).await;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    Missing,
    Early,
    Last,
}

fn usage() -> Value {
    json!({ "prompt_tokens": USAGE.0, "completion_tokens": USAGE.1, "total_tokens": USAGE.0 + USAGE.1 })
}

fn events(words: &[&str], usage_at: Usage, finished: bool) -> String {
    let event = |choices: Value, usage: Value| {
        format!(
            "data: {}\n\n",
            json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, "usage": usage })
        )
    };
    let word =
        |text: &str| event(json!([{ "index": 0, "delta": { "content": text }, "finish_reason": null }]), Value::Null);
    let mut text = String::new();
    for (index, one) in words.iter().enumerate() {
        if index == 4 && usage_at == Usage::Early {
            text += &event(json!([]), usage());
        }
        text += &word(one);
    }
    if finished {
        text += &event(json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), Value::Null);
        if usage_at == Usage::Last {
            text += &event(json!([]), usage());
        }
        text += "data: [DONE]\n\n";
    }
    text
}

async fn whole(socket: &mut TcpStream, usage_at: Usage) {
    let message = json!({ "role": "assistant", "content": WORDS.concat() });
    let mut body = json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }] });
    if usage_at != Usage::Missing {
        body["usage"] = usage();
    }
    let body = body.to_string();
    let length = body.len();
    send(socket, &format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")).await;
}

async fn stream(socket: &mut TcpStream, events: &str, ends: bool) {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    send(socket, &format!("{head}{:x}\r\n{events}\r\n{}", events.len(), if ends { "0\r\n\r\n" } else { "" })).await;
}

async fn send(socket: &mut TcpStream, text: &str) {
    // Who has heard enough may have gone.
    drop(socket.write_all(text.as_bytes()).await);
}

/// So many bytes, or as many as the other side takes.
async fn flood(socket: &mut TcpStream, state: &State, length: usize) {
    let piece = [b' '; 64 * 1024];
    for _ in 0..length / piece.len() {
        if socket.write_all(&piece).await.is_err() {
            return;
        }
        state.flooded.fetch_add(piece.len(), Ordering::Relaxed);
    }
}

/// Says nothing until the other side goes.
async fn hold(socket: &mut TcpStream) {
    drop(socket.read(&mut [0; 64]).await);
}
