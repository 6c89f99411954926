//! `POST /api/mcp/chat`: the spec's request over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_web::{ApiError, Authenticated, Json, MaxCredits, RequestId};

use super::{Kind, McpCompletion, McpRequest, answer};

/// Makes a chat or completion call. With `stream` the answer is server-sent events whose data are `chunk` frames and, last, a `done`
/// or an `error` frame.
#[utoipa::path(post, path = "/api/mcp/chat", tag = "mcp", request_body = McpRequest, responses((status = 200, body = McpCompletion)))]
pub(crate) async fn chat(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    MaxCredits(cap): MaxCredits,
    Json(body): Json<McpRequest>,
) -> Result<Response, ApiError> {
    answer::answer(hub, &caller, request_id, body.capped(cap), "/api/mcp/chat", &[Kind::Chat, Kind::Completion]).await
}
