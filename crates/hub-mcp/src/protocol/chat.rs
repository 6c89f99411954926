//! `POST /api/mcp/chat`: the spec's request over HTTP.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_web::{ApiError, Authenticated, JsonBytes, RequestId};

use super::{Kind, McpCompletion, McpRequest, answer};
use crate::asked::Asked;

/// Makes a chat or completion call. With `stream` the answer is server-sent events whose data are `chunk` frames and, last, a `done`
/// or an `error` frame. `Idempotency-Key` and `x-hub-resume` as at `/v1/chat/completions`.
#[utoipa::path(post, path = "/api/mcp/chat", tag = "mcp", request_body = McpRequest, responses((status = 200, body = McpCompletion)))]
pub(crate) async fn chat(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    answer::answer(hub, &caller, request_id, (asked, body), "/api/mcp/chat", &[Kind::Chat, Kind::Completion]).await
}
