//! `GET /api/mcp/streams/{id}`: the rest of a stream of the spec's protocol whose connection was lost.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_types::HoldId;
use hub_web::{ApiError, Authenticated, Path, RequestId};

use crate::asked::Asked;
use crate::streams;

/// The same as `GET /v1/streams/{id}`, with errors in the hub's own form.
#[utoipa::path(get, path = "/api/mcp/streams/{id}", tag = "mcp", operation_id = "mcp_resume_stream",
    params(("id" = HoldId, Path, description = "The stream")),
    responses((status = 200, description = "Server-sent events"),
        (status = 410, description = "Too large to be kept", body = hub_web::openapi::ErrorEnvelope)))]
pub(crate) async fn resume(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    Path(id): Path<HoldId>,
    asked: Asked,
) -> Result<Response, ApiError> {
    streams::resume(&hub, &caller, request_id, id, &asked).await
}
