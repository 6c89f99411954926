//! How long a handler may think before its answer begins.
//!
//! Bounds the time to the response's headers, never the body: a stream may run as long as it likes. Routes that wait for
//! a provider have limits of their own and are left out by prefix.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hub_types::ErrorCode;

use crate::{ApiError, path_is_under};

/// Answers 504 when a handler of `router` has not begun to answer within `limit`; paths under a prefix of `except` are
/// not bounded. The handler's future is dropped, so work that must finish belongs in a tracked task.
pub fn with_handler_timeout(router: Router, limit: Duration, except: &'static [&'static str]) -> Router {
    router.layer(from_fn_with_state((limit, except), handler_timeout))
}

async fn handler_timeout(
    State((limit, except)): State<(Duration, &'static [&'static str])>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if except.iter().any(|prefix| path_is_under(path, prefix)) {
        return next.run(request).await;
    }
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(ErrorCode::GatewayTimeout).into_response(),
    }
}
