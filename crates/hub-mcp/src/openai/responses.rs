//! `POST /v1/responses`: the stateless part of OpenAI's responses, served by chat models.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::CallRequest;
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, RequestId};

use crate::asked::{Ask, Asked};
use crate::wire::Wire;
use crate::{errors, reply};

const ROUTE: &str = "/v1/responses";

/// Makes a call. Nothing is kept: `store`, `background`, `previous_response_id`, `conversation` and tools that OpenAI itself would run are
/// refused. With `stream` the answer is server-sent events whose last one holds the whole response.
#[utoipa::path(post, path = "/v1/responses", tag = "openai", operation_id = "create_response",
    request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn responses(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ask = Ask::new(asked, Wire::Compatible(ErrorShape::OpenAi), body.clone());
    let request = CallRequest::responses(&body).map_err(errors::bad_request)?;
    let input = ask.input(request, ROUTE, "chat", &request_id);
    reply::answer(hub, &caller, request_id, ask, input).await
}
