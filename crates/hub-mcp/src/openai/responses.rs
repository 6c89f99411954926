//! `POST /v1/responses`: the stateless part of OpenAI's responses. The bytes of a provider that speaks them are passed on as they come; chat
//! models serve them elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hub_domain::Hub;
use hub_domain::inference::ResponsesRequest;
use hub_web::{ApiError, Authenticated, JsonBytes, RequestId};

use crate::asked::{Ask, Asked};
use crate::wire::{Sequence, Wire};
use crate::{errors, reply};

const ROUTE: &str = "/v1/responses";

/// Makes a call. Nothing is kept: what goes to the provider says `store: false`, and `store`, `background`, `previous_response_id`,
/// `conversation`, `prompt`, item references and ids of files are refused, because members share the account there. So are tools that the
/// provider would run itself, unless the operator allows them. With `stream` the answer is server-sent events whose last one holds the whole response.
#[utoipa::path(post, path = "/v1/responses", tag = "openai", operation_id = "create_response",
    request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn responses(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ask = Ask::new(asked, Wire::Responses(Sequence::default()), body.clone());
    let request = ResponsesRequest::parse(body).map_err(errors::bad_request)?.into();
    let input = ask.input(request, ROUTE, "chat", &request_id);
    reply::answer(hub, &caller, request_id, ask, input).await
}
