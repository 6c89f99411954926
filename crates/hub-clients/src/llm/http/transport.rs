//! Requests and answers, whoever carries them: our own client where nothing but plain HTTP is asked for, reqwest for TLS, HTTP/2 and names
//! that must not lead inside.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use url::Url;

use super::config::{ConfigError, Timeouts};
use super::plain;
use crate::llm::{LlmError, TransportError, Wait};
use crate::public::OutsideOnly;

/// A request, ready to be sent.
pub(in crate::llm) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn new(method: Method, url: Url, headers: HeaderMap, body: Bytes) -> Self {
        Self { method, url, headers, body }
    }

    /// Sets a header.
    pub(in crate::llm) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// An answer whose head has come.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// The body's length, if it was announced.
    pub(super) length: Option<u64>,
    pub(super) body: Body,
}

impl Answer {
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// An answer's body. Dropped before its end it is given up.
pub(in crate::llm) struct Body(Inner);

enum Inner {
    Plain(plain::Body),
    Tls(Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>),
}

impl Body {
    /// The next piece as it comes; `None` at the end.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, TransportError>> {
        match &mut self.0 {
            Inner::Plain(body) => body.poll_chunk(cx).map_err(TransportError::new),
            Inner::Tls(body) => Poll::Ready(ready!(body.as_mut().poll_next(cx)).transpose().map_err(Into::into)),
        }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }
}

/// The clients of one upstream.
pub(super) struct Transport {
    plain: Option<plain::Client>,
    tls: reqwest::Client,
}

impl Transport {
    /// Builds them; with `outside_only` they connect to no name that leads into a private network.
    pub(super) fn new(timeouts: &Timeouts, pool_max_idle: usize, outside_only: bool) -> Result<Self, ConfigError> {
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(timeouts.connect)
            .pool_idle_timeout(timeouts.pool_idle)
            .pool_max_idle_per_host(pool_max_idle);
        if outside_only {
            builder = builder.dns_resolver(Arc::new(OutsideOnly));
        }
        let tls = builder.build().map_err(|source| ConfigError::Client(source.into()))?;
        let plain = || plain::Client::new(timeouts.connect, pool_max_idle, timeouts.pool_idle);
        Ok(Self { plain: (!outside_only).then(plain), tls })
    }

    /// Sends once and waits for the head of the answer.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, LlmError> {
        if let Some(plain) = self.plain.as_ref().filter(|_| request.url.scheme() == "http") {
            let plain::Answer { status, headers, length, body } = plain.send(&request).await?;
            return Ok(Answer { status, headers, length, body: Body(Inner::Plain(body)) });
        }
        // Boxed, or every call would have the room for it.
        Box::pin(self.send_tls(request)).await
    }

    async fn send_tls(&self, request: Request) -> Result<Answer, LlmError> {
        let Request { method, url, headers, body } = request;
        let mut request = self.tls.request(method, url).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|error| {
            if error.is_connect() && error.is_timeout() {
                LlmError::Timeout(Wait::Connect)
            } else if is_certificate(&error) {
                LlmError::Certificate(TransportError::from(error))
            } else {
                LlmError::Connect(TransportError::from(error))
            }
        })?;
        Ok(Answer {
            status: response.status().as_u16(),
            length: response.content_length(),
            // Taken out: headers are slices of the connection's first buffer, and would keep it for as long as a stream lasts.
            headers: std::mem::take(response.headers_mut()),
            body: Body(Inner::Tls(Box::pin(response.bytes_stream()))),
        })
    }
}

/// True when the handshake failed at the other side's certificate. rustls says so behind several layers, in words that begin alike.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().starts_with("invalid peer certificate") {
            return true;
        }
        cause = error.source();
    }
    false
}
