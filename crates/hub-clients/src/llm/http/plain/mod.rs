//! HTTP/1.1 without TLS, for models that run in the operator's own network.
//!
//! Written for streams that last for minutes and say little: an open answer costs its socket and a few words, no task, no channel and no
//! buffer, and a piece wakes one task. The client used otherwise keeps 31 KB for each and wakes three. What it cannot do, it leaves to
//! that one: TLS, HTTP/2, names that must not lead inside.
//!
//! Must never send a request twice: a call costs money, and whether to try again is decided elsewhere.

mod body;
mod chunked;
mod connect;
mod head;
mod pool;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use reqwest::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) use body::Body;
use connect::Origin;
use head::Head;
use pool::{Lent, Pool};

use super::Request;
use crate::llm::{LlmError, TransportError, Wait};

/// Largest head of an answer, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// Read at once while a head is awaited, in bytes; it seldom is larger.
const HEAD_READ: usize = 2 * 1024;
/// Interim answers (1xx) that are skipped before the one that counts.
const INTERIM_LIMIT: usize = 8;

/// A client with a pool of its own.
pub(super) struct Client {
    pool: Arc<Pool>,
    connect: Duration,
}

/// An answer whose head has come.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// As announced.
    pub(super) length: Option<u64>,
    pub(super) body: Body,
}

impl Client {
    /// Keeps at most `idle` unused connections, each for `idle_for`; making one may take `connect`.
    pub(super) fn new(connect: Duration, idle: usize, idle_for: Duration) -> Self {
        Self { pool: Arc::new(Pool::new(idle, idle_for)), connect }
    }

    /// Sends once. What fails before the head of an answer has come is [`LlmError::Connect`].
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, LlmError> {
        let broken = |error: io::Error| LlmError::Connect(TransportError::new(error));
        let origin = Origin::of(&request.url).map_err(broken)?;
        let mut lent = match self.pool.take(&origin) {
            Some(lent) => lent,
            None => match timeout(self.connect, origin.connect(self.connect)).await {
                Ok(Ok(stream)) => self.pool.lend(origin, stream),
                Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => return Err(broken(error)),
                Ok(Err(_)) | Err(_) => return Err(LlmError::Timeout(Wait::Connect)),
            },
        };
        let (head, rest) = exchange(&mut lent, request).await.map_err(broken)?;
        let Head { status, headers, framing, length, reusable } = head;
        lent.reusable(reusable);
        Ok(Answer { status, headers, length, body: Body::new(lent, framing, &rest) })
    }
}

/// Writes the request and reads the head of the answer, and what came with it.
async fn exchange(lent: &mut Lent, request: &Request) -> io::Result<(Head, Vec<u8>)> {
    let sent = write(lent.stream()?, request).await;
    if !matches!(sent, Ok(true)) {
        lent.reusable(false);
    }
    // A server that refuses a request may say so and close before it has read all of it: its words come first.
    match (read_head(lent.stream()?).await, sent) {
        (Err(_), Err(error)) => Err(error),
        (read, _) => read,
    }
}

/// Writes the request; `false` when the server answered before all of it was sent.
async fn write(stream: &mut TcpStream, request: &Request) -> io::Result<bool> {
    let mut bytes = head::of_request(request).chain(request.body.clone());
    let (mut reading, mut writing) = stream.split();
    let mut first = [0];
    tokio::select! {
        biased;
        written = writing.write_all_buf(&mut bytes) => written.map(|()| true),
        // Only looked at when the server does not take more for now.
        came = reading.peek(&mut first) => came.map(|_| false),
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<(Head, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(HEAD_READ);
    for _ in 0..=INTERIM_LIMIT {
        let end = loop {
            if let Some(end) = head::end(&bytes) {
                break end;
            }
            if bytes.len() > HEAD_LIMIT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the answer is too large"));
            }
            bytes.reserve(HEAD_READ);
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let rest = bytes.split_off(end);
        if let Some(head) = head::read(&bytes)? {
            return Ok((head, rest));
        }
        bytes = rest;
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "too many interim answers"))
}
