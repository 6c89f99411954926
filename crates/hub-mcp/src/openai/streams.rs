//! `GET /v1/streams/{id}`: the rest of a stream whose connection was lost.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_types::HoldId;
use hub_web::{ApiError, Authenticated, Path, RequestId};

use crate::asked::Asked;
use crate::streams;

/// Goes on with a stream of one's own after the event that `Last-Event-ID` names, or from its start: what has come, then what comes. The
/// stream must have been asked for with `x-hub-resume: 1` or an `Idempotency-Key`; its id is in `x-hub-stream`. 404 once its time is over, 410
/// when it was too large to be kept. A reading that cannot go on to the last event ends with an error event in the words of the stream.
#[utoipa::path(get, path = "/v1/streams/{id}", tag = "openai", operation_id = "resume_stream",
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
