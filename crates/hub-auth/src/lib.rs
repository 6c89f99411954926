//! Edge: registration, sign-in, tokens, sessions and password reset over HTTP. Parses, calls one rule of `hub-domain`, wraps
//! the answer.
//!
//! No rule lives here: a handler that decides something is in the wrong room. Only the refresh cookie is this room's own matter,
//! because the rules know no cookies.

mod cookie;
mod csrf;
mod errors;
mod forgot_password;
mod login;
mod logout;
mod me;
mod refresh;
mod register;
mod resend_verification;
mod reset_password;
mod sessions;
mod verify_email;
mod views;
mod ws_ticket;

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use hub_domain::Hub;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Routes that need no credential, as `(METHOD, path)`.
pub const PUBLIC: &[(&str, &str)] = &[
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/verify-email"),
    ("POST", "/api/auth/resend-verification"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/forgot-password"),
    ("POST", "/api/auth/reset-password"),
];

/// All routes of this edge, with their part of the OpenAPI document.
pub fn router(hub: Arc<Hub>) -> (Router, OpenApi) {
    let (router, document) = OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(verify_email::verify_email))
        .routes(routes!(resend_verification::resend_verification))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(forgot_password::forgot_password))
        .routes(routes!(reset_password::reset_password))
        .routes(routes!(me::me))
        .routes(routes!(ws_ticket::ws_ticket))
        .merge(sessions::router())
        .with_state(hub)
        .split_for_parts();
    (router.layer(map_response(never_stored)), document)
}

/// Answers here carry tokens or depend on who asks; no cache on the way may keep one (RFC 6749 §5.1).
async fn never_stored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
