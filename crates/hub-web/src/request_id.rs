//! Gives every request an id and a trace id, and tells the caller the first.
//!
//! An id from outside is believed only from a trusted proxy and only in a harmless form: it ends in logs, bodies and
//! headers. The trace id follows W3C Trace Context (`traceparent`, version 00); it is no secret and no authority, so a
//! well-formed one is taken from anybody.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use hub_types::Clock;
use uuid::{NoContext, Uuid};

use crate::client_address::peer_of;
use crate::{ErrorShape, TrustedProxies};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where Anthropic's SDKs look for the id.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The id of one request, as in the header `x-request-id` and in every error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// An id from text that is already known to be harmless.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stands where no id was given out: a router that runs without [`with_request_id`].
impl Default for RequestId {
    fn default() -> Self {
        Self("-".into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// 32 lower-case hexadecimal digits that tie together the spans of one request across programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceId(pub Arc<str>);

/// Who named the trace of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceSource {
    /// Nobody: it begins here.
    Here,
    /// Somebody whose word is not believed.
    Stranger,
    /// A trusted proxy, or another process of the hub.
    Proxy,
}

/// Gives every request of `router` a [`RequestId`] (UUID v7 of `clock`) and a [`TraceId`], sets `x-request-id` on the
/// answer, and hands both on to services behind us through the request's headers.
pub fn with_request_id(router: Router, clock: &Clock, trusted: &TrustedProxies) -> Router {
    router.layer(from_fn_with_state((clock.clone(), trusted.clone()), request_id))
}

async fn request_id(
    State((clock, trusted)): State<(Clock, TrustedProxies)>,
    mut request: Request,
    next: Next,
) -> Response {
    let proxy = trusted.contains(peer_of(&request));
    let believed = if proxy { inbound(request.headers()) } else { None };
    let fresh = new_v7(&clock);
    let id = believed.unwrap_or_else(|| RequestId::new(fresh.to_string()));
    let (trace, source) = match trace_of(request.headers()) {
        Some(trace) => (trace, if proxy { TraceSource::Proxy } else { TraceSource::Stranger }),
        None => (begin_trace(request.headers_mut(), fresh), TraceSource::Here),
    };
    let header = HeaderValue::from_str(id.as_str()).ok();
    if let Some(value) = &header {
        request.headers_mut().insert(X_REQUEST_ID, value.clone());
    }
    let anthropic = ErrorShape::of(request.uri().path(), request.headers()) == ErrorShape::Anthropic;
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(TraceId(trace));
    request.extensions_mut().insert(source);
    let mut response = next.run(request).await;
    if let Some(value) = header {
        if anthropic {
            response.headers_mut().entry(REQUEST_ID).or_insert(value.clone());
        }
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

fn new_v7(clock: &Clock) -> Uuid {
    let now = clock.now();
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

fn inbound(headers: &HeaderMap) -> Option<RequestId> {
    let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    ((1..=128).contains(&text.len()) && text.bytes().all(harmless)).then(|| RequestId::new(text))
}

/// The trace id of a valid `traceparent`.
fn trace_of(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let parts: Vec<&str> = only.to_str().ok()?.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { return None };
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let valid = *version == "00" && hex(trace, 32) && hex(span, 16) && hex(flags, 2) && !zero(trace) && !zero(span);
    valid.then(|| Arc::from(*trace))
}

/// Starts a trace: its id is the fresh request id without dashes, so one search finds both.
fn begin_trace(headers: &mut HeaderMap, fresh: Uuid) -> Arc<str> {
    let trace = fresh.simple().to_string();
    let span = trace.get(16..).unwrap_or_default();
    match HeaderValue::from_str(&format!("00-{trace}-{span}-01")) {
        Ok(value) => headers.insert(TRACEPARENT, value),
        Err(_) => headers.remove(TRACEPARENT),
    };
    Arc::from(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traceparent(text: &'static str) -> Option<Arc<str>> {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(text));
        trace_of(&headers)
    }

    #[test]
    fn only_a_valid_traceparent_is_followed() {
        let good = traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(good.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "nonsense",
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_inbound_id_must_be_harmless() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(text).unwrap());
            inbound(&headers)
        };
        assert_eq!(read("abc-1.2_X").map(|id| id.to_string()).as_deref(), Some("abc-1.2_X"));
        assert_eq!(read("a b"), None);
        assert_eq!(read("<script>"), None);
        assert_eq!(read(""), None);
        assert_eq!(read(&"a".repeat(129)), None);
    }

    #[test]
    fn a_new_trace_is_itself_a_valid_traceparent() {
        let mut headers = HeaderMap::new();
        let trace = begin_trace(&mut headers, new_v7(&Clock::fixed_at("2026-11-23T10:00:00Z")));
        assert_eq!(trace_of(&headers), Some(trace));
    }
}
