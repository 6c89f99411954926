//! Edge: registration, sign-in, tokens, sessions and password reset over HTTP. Parses, calls one rule of `hub-domain`, wraps
//! the answer.
//!
//! No rule lives here: a handler that decides something is in the wrong room. Only the refresh cookie is this room's own matter,
//! because the rules know no cookies.

mod accept_invite;
mod change_email;
mod change_password;
mod cookie;
mod csrf;
mod errors;
mod forgot_password;
mod jwks;
mod login;
mod logout;
mod me;
mod oauth;
mod reauthenticate;
mod refresh;
mod register;
mod resend_verification;
mod reset_password;
mod sessions;
mod totp;
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
    ("POST", "/api/auth/accept-invite"),
    ("POST", "/api/auth/change-email/confirm"),
    ("POST", "/api/auth/change-email/revert"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/api/auth/oauth"),
    ("GET", "/api/auth/oauth/{provider}"),
    ("GET", "/api/auth/oauth/{provider}/callback"),
    ("POST", "/api/auth/oauth/exchange"),
    ("POST", "/api/auth/oauth/session"),
    ("POST", "/api/auth/oauth/session/verify"),
    ("POST", "/api/auth/oauth/session/confirm"),
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
        .routes(routes!(accept_invite::accept_invite))
        .routes(routes!(change_password::change_password))
        .routes(routes!(reauthenticate::reauthenticate))
        .routes(routes!(jwks::jwks))
        .routes(routes!(me::me))
        .routes(routes!(ws_ticket::ws_ticket))
        .merge(sessions::router())
        .merge(change_email::router())
        .merge(totp::router())
        .merge(oauth::router())
        .with_state(hub)
        .split_for_parts();
    (router.layer(map_response(never_stored)), document)
}

/// Answers here carry tokens or depend on who asks; no cache on the way may keep one (RFC 6749 §5.1). An endpoint whose answer is the
/// same for everybody says so itself.
async fn never_stored(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
