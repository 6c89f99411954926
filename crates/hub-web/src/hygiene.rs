//! Requests that no honest client sends, refused before anybody looks at them.
//!
//! No or two `Host` headers (two readers could see two sites), `TRACE` and `CONNECT`, an address or headers of absurd length.
//! The HTTP parser has harder limits of its own; these are lower so that the refusal comes as an envelope.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, HOST};
use http::{Method, Version};
use hub_types::ErrorCode;

use crate::ApiError;

/// Path and query together, in bytes.
const MAX_URI: usize = 8 * 1024;
/// Names and values of all headers together, in bytes.
const MAX_HEADERS: usize = 32 * 1024;

/// Refuses malformed and forbidden requests with 400, 405, 414 or 431.
pub fn with_hygiene(router: Router) -> Router {
    router.layer(from_fn(hygiene))
}

async fn hygiene(request: Request, next: Next) -> Response {
    match refusal(&request) {
        None => next.run(request).await,
        Some(error) => {
            let not_allowed = error.code == ErrorCode::MethodNotAllowed;
            let mut response = error.into_response();
            if not_allowed {
                let methods = http::HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
                response.headers_mut().insert(ALLOW, methods);
            }
            response
        }
    }
}

fn refusal(request: &Request) -> Option<ApiError> {
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Some(ApiError::new(ErrorCode::MethodNotAllowed));
    }
    let hosts = request.headers().get_all(HOST).iter().count();
    // RFC 9112 §3.2: exactly one. HTTP/2 says it in `:authority` instead.
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11 && request.uri().authority().is_none()) {
        return Some(ApiError::new(ErrorCode::Validation).message("Send one Host header"));
    }
    if request.uri().path_and_query().is_some_and(|text| text.as_str().len() > MAX_URI) {
        return Some(ApiError::new(ErrorCode::UriTooLong));
    }
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    (size > MAX_HEADERS).then(|| ApiError::new(ErrorCode::HeadersTooLarge))
}
