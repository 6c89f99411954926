//! Which web sites may call the hub from a browser: exactly those on the list, none by default.
//!
//! The origin is compared as a whole string, so lookalikes and other schemes fail. `null` and `*` can never be listed.
//! Every answer says `Vary: Origin`, or a cache could give one site's answer to another.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, request-id, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, content-disposition, etag, \
     x-hub-receipt, x-hub-stream, idempotent-replayed",
);

/// Answers preflights and marks answers for the listed origins.
pub(crate) fn with_cors(router: Router, origins: &[String]) -> Router {
    let allowed: Vec<String> = origins
        .iter()
        .map(|origin| origin.trim().trim_end_matches('/').to_owned())
        .filter(|origin| !origin.is_empty() && origin != "null" && !origin.contains('*'))
        .collect();
    router.layer(from_fn_with_state(Arc::<[String]>::from(allowed), cors))
}

async fn cors(State(allowed): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let origin = origin.filter(|value| allowed.iter().any(|allowed| allowed.as_bytes() == value.as_bytes()));
    let is_preflight =
        *request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if is_preflight { preflight(request.headers(), origin.is_some()) } else { next.run(request).await };
    let headers = response.headers_mut();
    // An upstream with a front door of its own may have set these for a list that is not ours.
    for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS] {
        headers.remove(name);
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    vary_by_origin(headers);
    response
}

/// The headers asked for are granted as asked: which of them mean something is decided where they are read.
fn preflight(asked: &HeaderMap, allowed: bool) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allowed {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
    }
    response
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let named = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|name| name.trim().parse::<HeaderName>().is_ok_and(|name| name == ORIGIN))
    };
    if !headers.get_all(VARY).iter().any(named) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}
