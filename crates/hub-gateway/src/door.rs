//! Turns away forged and expired access tokens before they cost anything.
//!
//! Only the signature and the expiry are looked at, without a database. A token that passes is not yet believed: the edge
//! verifies it fully. Routes of `/api/auth` are left to their edge, because a client whose token just expired comes there
//! to refresh it, often with the old token still attached.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hub_web::{ApiError, Presented, path_is_under};

/// Says whether a presented access token has a valid signature and is not expired.
#[derive(Clone)]
pub struct DoorCheck(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for DoorCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoorCheck")
    }
}

/// Refuses with 401 what `check` refuses.
pub(crate) fn with_door(router: Router, check: Option<DoorCheck>) -> Router {
    match check {
        Some(check) => router.layer(from_fn_with_state(check, door)),
        None => router,
    }
}

async fn door(State(check): State<DoorCheck>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let guarded = ["/api", "/v1", "/mcp"].iter().any(|prefix| path_is_under(path, prefix));
    if guarded
        && !path_is_under(path, "/api/auth")
        && let Presented::AccessToken(token) = Presented::of(path, request.headers())
        && !(check.0)(&token)
    {
        return ApiError::unauthenticated().into_response();
    }
    next.run(request).await
}
