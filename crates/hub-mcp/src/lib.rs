//! Edge: model calls over HTTP, SSE and WebSocket, in OpenAI's and Anthropic's words and in the spec's own protocol.
//!
//! Every billable route hands its request to `hub_domain::inference`, which prices, holds, meters and settles; this room only
//! translates between a wire and that call.

mod anthropic;
mod asked;
mod errors;
mod head;
mod openai;
mod protocol;
mod reply;
mod streams;
mod websocket;
mod wire;

use std::sync::Arc;

use axum::Router;
use hub_domain::Hub;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Routes that need no credential: none.
pub const PUBLIC: &[(&str, &str)] = &[];

/// Routes where a credential may be left out, but must be valid where it is shown: a socket may be opened without one and then
/// shows a ticket as its first frame.
pub const OPTIONAL: &[(&str, &str)] = &[("GET", "/api/ws")];

/// All routes of this edge, with their part of the OpenAPI document.
pub fn router(hub: Arc<Hub>) -> (Router, OpenApi) {
    OpenApiRouter::new()
        .merge(openai::router())
        .merge(anthropic::router())
        .merge(protocol::router())
        .merge(websocket::router())
        .with_state(hub)
        .split_for_parts()
}
