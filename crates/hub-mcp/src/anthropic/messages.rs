//! `POST /v1/messages`: Anthropic in, Anthropic out. The bytes of a provider that speaks it too are passed on as they come.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::inference::MessagesRequest;
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, RequestId};

use crate::asked::{Ask, Asked};
use crate::reply;
use crate::wire::Wire;

const ROUTE: &str = "/v1/messages";

/// Makes a call. Request and answer are Anthropic's, under either of its versions; the key may stand in `x-api-key` or as a bearer token.
/// With `stream` the answer is server-sent events, ended by `message_stop` once the call is paid for.
#[utoipa::path(post, path = "/v1/messages", tag = "anthropic", operation_id = "create_message",
    request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn messages(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    asked: Asked,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let ask = Ask::new(asked, Wire::Compatible(ErrorShape::Anthropic), body.clone());
    let request = super::read(&headers, body, MessagesRequest::parse)?.into();
    let input = ask.input(request, ROUTE, "chat", &request_id);
    reply::answer(hub, &caller, request_id, ask, input).await
}
