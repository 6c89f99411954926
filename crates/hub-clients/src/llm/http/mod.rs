//! What all adapters over HTTP share: pooled connections per upstream, no redirects, no proxy from the environment, a deadline on every
//! wait, a limit on every body. Knows no wire.

mod config;
mod fault;
mod plain;
mod stream;
#[cfg(test)]
mod tests;
mod transport;
#[cfg(test)]
pub(in crate::llm) mod upstream;

use std::time::Duration;

use bytes::Bytes;
use hub_types::Clock;
use reqwest::Method;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

pub use config::{ConfigError, Timeouts, check_address};
pub(super) use config::{check_base, join};
pub(super) use fault::Reject;
pub(super) use stream::{Reader, events};
use transport::{Answer, Transport};
pub(super) use transport::{Body, Request};

use super::{BadRequest, LlmError, Wait};

/// Largest answer that is not a stream, in bytes.
pub const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// Largest answer that holds no more than a number or two, in bytes.
const BRIEF_LIMIT: usize = 64 * 1024;
const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("smart-ai-hub/", env!("CARGO_PKG_VERSION")));

/// One upstream's client.
pub(super) struct Http {
    transport: Transport,
    timeouts: Timeouts,
    /// Sent on every call; holds the credential and our name.
    headers: HeaderMap,
    /// Where the upstream says its id of a request.
    request_id: HeaderName,
    /// The credential, to cut it out of errors.
    secret: Option<SecretString>,
    clock: Clock,
}

/// An answer to a call that asked for a stream.
pub(super) enum Opened {
    /// The stream, and the provider's id of the request.
    Stream(Body, Option<String>),
    /// A JSON document instead.
    Json(Bytes),
}

impl Http {
    /// Builds the client; with `outside_only` it connects to no name that leads into a private network.
    pub(super) fn new(
        timeouts: Timeouts,
        pool_max_idle: usize,
        mut headers: HeaderMap,
        request_id: HeaderName,
        secret: Option<SecretString>,
        clock: Clock,
        outside_only: bool,
    ) -> Result<Self, ConfigError> {
        headers.insert(USER_AGENT, OUR_NAME);
        // Without a word any coding may come (RFC 9110 §12.5.3), and what is passed on and metered as it comes must be readable.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let transport = Transport::new(&timeouts, pool_max_idle, outside_only)?;
        Ok(Self { transport, timeouts, headers, request_id, secret, clock })
    }

    /// A call with a JSON body.
    pub(super) fn post(&self, url: Url, body: Bytes, streams: bool) -> Request {
        let accept = if streams { "text/event-stream" } else { "application/json" };
        Request::new(Method::POST, url, self.headers.clone(), body)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static(accept))
    }

    /// Sends a call whose answer is one document: the provider's id of the request, and the document.
    pub(super) async fn whole(&self, request: Request) -> Result<(Option<String>, Bytes), LlmError> {
        // The first byte comes when all has been generated, so head and body share one long deadline.
        let deadline = Instant::now() + self.timeouts.whole;
        let answer = in_time(self.timeouts.whole, self.send(request)).await?;
        let upstream_id = request_id(&answer.headers, &self.request_id);
        Ok((upstream_id, self.body(answer, deadline).await?))
    }

    /// Reads an answer that is one document. It has begun: one that is late now was generated, and is not asked for again.
    async fn body(&self, answer: Answer, deadline: Instant) -> Result<Bytes, LlmError> {
        let reading = read_body(answer, ANSWER_LIMIT, self.timeouts.idle);
        timeout_at(deadline, reading).await.unwrap_or(Err(LlmError::Timeout(Wait::Total)))
    }

    /// Sends a call whose answer is one short document that nothing is generated for.
    pub(super) async fn brief(&self, request: Request) -> Result<Bytes, LlmError> {
        in_time(self.timeouts.first_byte, async {
            read_body(self.send(request).await?, BRIEF_LIMIT, self.timeouts.idle).await
        })
        .await
    }

    /// Sends a call whose answer is a stream.
    pub(super) async fn open(&self, request: Request) -> Result<Opened, LlmError> {
        let answer = in_time(self.timeouts.first_byte, self.send(request)).await?;
        if is_json(&answer.headers) {
            return self.body(answer, Instant::now() + self.timeouts.whole).await.map(Opened::Json);
        }
        let upstream_id = request_id(&answer.headers, &self.request_id);
        Ok(Opened::Stream(answer.body, upstream_id))
    }

    /// Reads a document of at most `limit` bytes.
    pub(super) async fn get(
        &self,
        url: Url,
        headers: &[(HeaderName, &'static str)],
        limit: usize,
    ) -> Result<Bytes, LlmError> {
        let mut request = Request::new(Method::GET, url, self.headers.clone(), Bytes::new());
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            request.headers.insert(name, HeaderValue::from_static(value));
        }
        in_time(self.timeouts.first_byte, async {
            read_body(self.send(request).await?, limit, self.timeouts.idle).await
        })
        .await
    }

    /// Sends once; gives back only a success.
    async fn send(&self, request: Request) -> Result<Answer, LlmError> {
        let answer = self.transport.send(request).await?;
        if answer.is_success() {
            return match coding(&answer.headers) {
                None => Ok(answer),
                Some(coding) => Err(LlmError::Encoded { coding }),
            };
        }
        // An error body that is late, broken or endless must not hide the status.
        let body = fault::read_prefix(answer.body, self.timeouts.idle).await;
        Err(self.reject().response(answer.status, &answer.headers, &body, self.clock.now()))
    }

    /// Turns the provider's refusals into errors.
    pub(super) fn reject(&self) -> Reject<'_> {
        Reject { secret: self.secret.as_ref().map(ExposeSecret::expose_secret) }
    }

    /// The time, for documents that must be dated.
    pub(super) fn seconds(&self) -> i64 {
        self.clock.now().timestamp()
    }
}

/// Adds our id of the request, if a header can carry it.
pub(super) fn with_id(request: Request, name: HeaderName, id: &str) -> Request {
    match HeaderValue::from_str(id) {
        Ok(id) => request.header(name, id),
        Err(_) => request,
    }
}

/// Errors when the operator wants calls refused whose fields cannot all be carried.
pub(super) fn refuse_dropped(dropped: &[String], refuse: bool) -> Result<(), LlmError> {
    check_dropped(dropped, refuse).map_err(LlmError::unsendable)
}

/// The same, before anything is held.
pub(super) fn check_dropped(dropped: &[String], refuse: bool) -> Result<(), BadRequest> {
    match dropped.first() {
        Some(first) if refuse => Err(BadRequest::at(first, "has no place at this model's provider")),
        _ => Ok(()),
    }
}

/// The provider's id of the request: printable, at most 200 bytes, or none.
fn request_id(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let id = headers.get(name)?.to_str().ok()?;
    (!id.is_empty() && id.len() <= 200).then(|| id.to_owned())
}

/// The coding of an answer, if it has one.
fn coding(headers: &HeaderMap) -> Option<&'static str> {
    const KNOWN: [&str; 5] = ["gzip", "deflate", "br", "zstd", "compress"];
    let coding = headers.get(CONTENT_ENCODING)?.as_bytes().trim_ascii();
    if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
        return None;
    }
    let known = KNOWN.into_iter().find(|known| coding.eq_ignore_ascii_case(known.as_bytes()));
    Some(known.unwrap_or("something unknown"))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// Runs a call that must have answered within `limit`.
async fn in_time<T>(limit: Duration, call: impl Future<Output = Result<T, LlmError>>) -> Result<T, LlmError> {
    timeout(limit, call).await.unwrap_or(Err(LlmError::Timeout(Wait::FirstByte)))
}

/// Reads a body of at most `limit` bytes; every chunk has `idle` to arrive.
async fn read_body(mut answer: Answer, limit: usize, idle: Duration) -> Result<Bytes, LlmError> {
    let announced = answer.length.and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(LlmError::TooLarge { limit });
    }
    let mut body = Vec::new();
    loop {
        match timeout(idle, answer.body.chunk()).await {
            Err(_) => return Err(LlmError::Timeout(Wait::Idle)),
            Ok(Err(error)) => return Err(LlmError::Truncated(Some(error))),
            Ok(Ok(None)) => return Ok(body.into()),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > limit => return Err(LlmError::TooLarge { limit }),
            // Most answers come in one piece, which is handed on as it is.
            Ok(Ok(Some(chunk))) if body.is_empty() && announced == Some(chunk.len()) => return Ok(chunk),
            Ok(Ok(Some(chunk))) => {
                body.reserve(announced.unwrap_or(0).saturating_sub(body.len()).max(chunk.len()));
                body.extend_from_slice(&chunk);
            }
        }
    }
}
