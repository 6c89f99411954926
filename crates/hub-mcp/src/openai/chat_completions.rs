//! `POST /v1/chat/completions`: OpenAI in, OpenAI out. The bytes of a provider that speaks it too are passed on as they come.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::{self, ChatInput, ChatRequest, Choice};
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, MaxCredits, RequestId};

use crate::{errors, reply};

const ROUTE: &str = "/v1/chat/completions";

/// Makes a chat call. Request and answer are OpenAI's; fields this hub does not know reach the provider unchanged. With `stream` the
/// answer is server-sent events, ended by `[DONE]` once the call is paid for.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn chat_completions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    MaxCredits(cap): MaxCredits,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let request = ChatRequest::parse(body).map_err(errors::bad_request)?.into();
    let input = ChatInput {
        request,
        choice: Choice::Auto,
        route: ROUTE,
        kind: "chat",
        request_id: request_id.as_str().to_owned(),
        cap,
    };
    let answer = inference::chat(&hub, &caller, input).await.map_err(errors::inference)?;
    Ok(reply::respond(hub, request_id, ErrorShape::OpenAi, answer))
}
