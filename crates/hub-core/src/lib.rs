//! Edge: credits, API keys and administration over HTTP. Parses, calls one rule of `hub-domain`, wraps the answer.
//!
//! No rule lives here: a handler that decides something is in the wrong room.

#![expect(unused_qualifications, reason = "utoipa expands `params(T)` to a qualified path")]

mod admin;
mod audit;
mod credits;
mod errors;
mod keys;
mod promo;

use std::sync::Arc;

use axum::Router;
use hub_domain::Hub;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Routes that need no credential: none.
pub const PUBLIC: &[(&str, &str)] = &[];

/// All routes of this edge, with their part of the OpenAPI document.
pub fn router(hub: Arc<Hub>) -> (Router, OpenApi) {
    OpenApiRouter::new()
        .merge(credits::router())
        .merge(promo::router())
        .merge(keys::router())
        .merge(admin::router())
        .merge(audit::router())
        .with_state(hub)
        .split_for_parts()
}
