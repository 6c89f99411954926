//! The one place that renders errors and the one place that logs them.
//!
//! Nothing leaves the hub as a bare 4xx or 5xx: an [`ApiError`] left in the response's extensions is written out, an
//! answer made outside our rules (the router's 404, 405, an extractor's 415, a timeout) is given a code and written
//! out too. A JSON error body of a service behind us passes untouched, and so does a page an edge wrote for a person. The cause of a 5xx is never written out.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue};
use hub_types::{Clock, ErrorCode, Timestamp};
use serde_json::{Value, json};

use crate::{ApiError, ErrorShape, RequestId};

/// Puts the envelope around every error of `router`.
pub fn with_envelope(router: Router, clock: &Clock) -> Router {
    router.layer(from_fn_with_state(clock.clone(), envelope))
}

/// The inner object of the hub's error: `{code, message, details?, timestamp, requestId}`. Used as it is in SSE and
/// WebSocket error frames. `timestamp` is RFC 3339 in UTC with milliseconds.
pub fn error_body(error: &ApiError, request_id: &str, now: Timestamp) -> Value {
    let mut body = json!({
        "code": error.code.as_str(),
        "message": error.message,
        "timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
        "requestId": request_id,
    });
    if let (Value::Object(fields), Some(details)) = (&mut body, &error.details) {
        fields.insert("details".into(), details.clone());
    }
    body
}

async fn envelope(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let shape = ErrorShape::of(request.uri().path(), request.headers());
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_default();
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        log(&error, &id);
        *response.status_mut() = shape.status(&error);
        return write(response, shape, &error, &id, &clock);
    }
    let status = response.status();
    let written = is_json(response.headers()) || is_page(response.headers());
    if !(status.is_client_error() || status.is_server_error()) || written {
        return response;
    }
    let error = ApiError::new(ErrorCode::from_status(status.as_u16()));
    // Headers such as `WWW-Authenticate` that our own errors carry belong to foreign ones as well.
    for (name, value) in ApiError::new(error.code).into_response().headers() {
        response.headers_mut().entry(name).or_insert(value.clone());
    }
    if status.is_server_error() {
        tracing::error!(requestId = %id, code = error.code.as_str(), status = status.as_u16(), "request failed");
    }
    write(response, shape, &error, &id, &clock)
}

/// Replaces the body and keeps all headers that do not describe the old one.
fn write(response: Response, shape: ErrorShape, error: &ApiError, id: &RequestId, clock: &Clock) -> Response {
    let (mut parts, _) = response.into_parts();
    for stale in [CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING, ETAG, LAST_MODIFIED] {
        parts.headers.remove(stale);
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = shape.render(error, id.as_str(), clock.now()).to_string();
    Response::from_parts(parts, Body::from(body))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_json_type)
}

/// True for a page that one of our edges wrote for a person, here or behind a forwarder: it brings a policy of its own, which the error
/// page of some proxy on the way does not.
fn is_page(headers: &HeaderMap) -> bool {
    let html = headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    html && headers.contains_key(CONTENT_SECURITY_POLICY)
}

/// True for `application/json` and `…/…+json`, with or without parameters.
pub(crate) fn is_json_type(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.contains('/') && essence.ends_with("+json"))
}

/// A 5xx is somebody's work to repair, a 4xx with a cause is of interest only while looking for it.
fn log(error: &ApiError, id: &RequestId) {
    let cause = error.cause_chain();
    let code = error.code.as_str();
    if error.code.status() >= 500 {
        tracing::error!(requestId = %id, code, cause, shown = %error.message, "request failed");
    } else if cause.is_some() {
        tracing::debug!(requestId = %id, code, cause, shown = %error.message, "request refused");
    }
}

#[cfg(test)]
mod tests {
    use super::is_json_type;

    #[test]
    fn json_is_recognised_by_its_essence() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(is_json_type(yes), "{yes}");
        }
        for no in ["text/plain", "text/json-lines", "application/jsonx", "+json", ""] {
            assert!(!is_json_type(no), "{no}");
        }
    }
}
