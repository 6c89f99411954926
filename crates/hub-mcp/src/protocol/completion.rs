//! `POST /api/mcp/completion`: the spec's request of type `completion` over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_web::{ApiError, Authenticated, JsonBytes, RequestId};

use super::{Kind, McpCompletion, McpRequest, answer};
use crate::asked::Asked;

/// Goes on from a prompt. With `stream` the answer is server-sent events as at `/api/mcp/chat`.
#[utoipa::path(post, path = "/api/mcp/completion", tag = "mcp", operation_id = "mcp_completion",
    request_body = McpRequest, responses((status = 200, body = McpCompletion)))]
pub(crate) async fn completion(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    answer::answer(hub, &caller, request_id, (asked, body), "/api/mcp/completion", &[Kind::Completion]).await
}
