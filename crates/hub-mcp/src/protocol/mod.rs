//! The spec's own protocol (MCP Server): the same requests and answers over HTTP, SSE and WebSocket.

mod answer;
mod chat;
mod completion;
mod embedding;
pub(crate) mod frames;
mod providers;
mod request;
mod response;
mod streams;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use request::{Kind, McpRequest};
pub(crate) use response::{McpCompletion, McpFrame};

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(chat::chat))
        .routes(routes!(completion::completion))
        .routes(routes!(embedding::embedding))
        .routes(routes!(providers::list))
        .routes(routes!(streams::resume))
}
