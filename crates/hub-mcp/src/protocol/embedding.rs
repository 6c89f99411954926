//! `POST /api/mcp/embedding`: the spec's request of type `embedding` over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_web::{ApiError, Authenticated, JsonBytes, RequestId};

use super::{Kind, McpCompletion, McpRequest, answer};
use crate::asked::Asked;

/// Turns a prompt into a vector: `data` is the JSON text of an array of numbers.
#[utoipa::path(post, path = "/api/mcp/embedding", tag = "mcp", operation_id = "mcp_embedding",
    request_body = McpRequest, responses((status = 200, body = McpCompletion)))]
pub(crate) async fn embedding(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    answer::answer(hub, &caller, request_id, (asked, body), "/api/mcp/embedding", &[Kind::Embedding]).await
}
