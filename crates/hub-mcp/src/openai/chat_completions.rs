//! `POST /v1/chat/completions`: OpenAI in, OpenAI out. The bytes of a provider that speaks it too are passed on as they come.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::ChatRequest;
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, RequestId};

use crate::asked::{Ask, Asked};
use crate::wire::Wire;
use crate::{errors, reply};

const ROUTE: &str = "/v1/chat/completions";

/// Makes a chat call. Request and answer are OpenAI's; fields this hub does not know reach the provider unchanged. With `stream` the
/// answer is server-sent events, ended by `[DONE]` once the call is paid for.
///
/// Here as on every route that calls a model: with an `Idempotency-Key` a repetition calls nothing and costs nothing, it gets the same answer, or
/// the stream while it runs. With `x-hub-resume: 1` the events of a stream have ids and can be read again at `/v1/streams/{id}`.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn chat_completions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ask = Ask::new(asked, Wire::Compatible(ErrorShape::OpenAi), body.clone());
    let request = ChatRequest::parse(body).map_err(errors::bad_request)?.into();
    let input = ask.input(request, ROUTE, "chat", &request_id);
    reply::answer(hub, &caller, request_id, ask, input).await
}
