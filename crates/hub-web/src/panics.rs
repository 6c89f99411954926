//! A panic is a bug, but the caller still gets an answer and the connection lives on.
//!
//! The message of a panic goes to the log, never to the caller.

use std::any::Any;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use hub_types::ErrorCode;
use tower_http::catch_panic::CatchPanicLayer;

use crate::ApiError;

/// The cause in the log of a request that panicked.
#[derive(Debug, thiserror::Error)]
#[error("panic: {0}")]
struct Panicked(String);

/// Turns a panic in a handler of `router` into an error of ours, to be rendered by the envelope outside.
pub fn with_panics_caught(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(|payload: Box<dyn Any + Send>| {
        ApiError::internal(Panicked(text_of(&*payload))).into_response()
    }))
}

/// The outermost layer: catches a panic of the layers themselves. Nothing is left to name a request id, so the answer
/// is fixed.
pub fn with_last_resort(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(|payload: Box<dyn Any + Send>| {
        tracing::error!(cause = %Panicked(text_of(&*payload)), "a layer failed");
        let code = ErrorCode::Internal;
        let body = serde_json::json!({ "error": { "code": code.as_str(), "message": code.message() } });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }))
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)").to_owned()
}
