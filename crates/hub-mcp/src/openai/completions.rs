//! `POST /v1/completions`: OpenAI's old text completions. The bytes of a provider that speaks them are passed on as they come; chat models
//! serve them elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::CompletionRequest;
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, RequestId};

use crate::asked::{Ask, Asked};
use crate::wire::Wire;
use crate::{errors, reply};

const ROUTE: &str = "/v1/completions";

/// Goes on from one prompt or several, in text or in token numbers. At a provider that does not speak this wire the prompt becomes a message
/// to a chat model, and what chat has no place for (`suffix`, `echo`, `logprobs`, several prompts) is refused.
#[utoipa::path(post, path = "/v1/completions", tag = "openai", request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn completions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ask = Ask::new(asked, Wire::Compatible(ErrorShape::OpenAi), body.clone());
    let request = CompletionRequest::parse(body).map_err(errors::bad_request)?.into();
    let input = ask.input(request, ROUTE, "completion", &request_id);
    reply::answer(hub, &caller, request_id, ask, input).await
}
