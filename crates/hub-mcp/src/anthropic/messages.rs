//! `POST /v1/messages`: Anthropic in, Anthropic out. The bytes of a provider that speaks it too are passed on as they come.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::inference::{self, ChatInput, Choice, MessagesRequest};
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, MaxCredits, RequestId};

use crate::{errors, reply};

const ROUTE: &str = "/v1/messages";

/// Makes a call. Request and answer are Anthropic's, under either of its versions; the key may stand in `x-api-key` or as a bearer token.
/// With `stream` the answer is server-sent events, ended by `message_stop` once the call is paid for.
#[utoipa::path(post, path = "/v1/messages", tag = "anthropic", operation_id = "create_message",
    request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn messages(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    MaxCredits(cap): MaxCredits,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let request = super::read(&headers, body, MessagesRequest::parse)?.into();
    let input = ChatInput {
        request,
        choice: Choice::Auto,
        route: ROUTE,
        kind: "chat",
        request_id: request_id.as_str().to_owned(),
        cap,
    };
    let answer = inference::chat(&hub, &caller, input).await.map_err(errors::inference)?;
    Ok(reply::respond(hub, request_id, ErrorShape::Anthropic, answer))
}
