//! Edge: credits, API keys and administration over HTTP. Parses, calls one rule of `hub-domain`, wraps the answer.
//!
//! No rule lives here: a handler that decides something is in the wrong room.

#![expect(unused_qualifications, reason = "utoipa expands `params(T)` to a qualified path")]

mod admin;
mod audit;
mod credits;
mod errors;
mod keys;
mod patch;
mod payments;
mod permissions;
mod promo;
mod roles;
mod usage;
mod users;

use std::sync::Arc;

use axum::Router;
use hub_domain::Hub;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Routes that need no credential: pages for people who come from a payment, and what is signed.
pub const PUBLIC: &[(&str, &str)] = &[
    ("GET", "/api/credits/checkout/done"),
    ("GET", "/api/credits/checkout/cancelled"),
    ("GET", "/api/credits/sandbox/{session}"),
    ("POST", "/api/credits/sandbox/{session}"),
    ("POST", "/api/webhooks/stripe"),
];

/// Of these, the routes whose requests prove themselves by a signature and so are under no limit by address.
pub const SIGNED: &[(&str, &str)] = &[("POST", "/api/webhooks/stripe")];

/// All routes of this edge, with their part of the OpenAPI document.
pub fn router(hub: Arc<Hub>) -> (Router, OpenApi) {
    OpenApiRouter::new()
        .merge(credits::router())
        .merge(payments::router())
        .merge(promo::router())
        .merge(keys::router())
        .merge(users::router())
        .merge(roles::router())
        .merge(permissions::router())
        .merge(admin::router())
        .merge(audit::router())
        .merge(usage::router())
        .with_state(hub)
        .split_for_parts()
}
