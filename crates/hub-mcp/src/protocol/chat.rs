//! `POST /api/mcp/chat`: the spec's request over HTTP; the answer whole, or as server-sent events.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use hub_domain::Hub;
use hub_domain::inference::{self, ChatReply};
use hub_web::sse::{Event, sse_response};
use hub_web::{ApiError, Authenticated, Json, RequestId};
use tokio_stream::wrappers::ReceiverStream;

use super::{McpCompletion, McpFrame, McpRequest, frames};
use crate::errors;

const ROUTE: &str = "/api/mcp/chat";

/// Makes a chat or completion call. With `stream` the answer is server-sent events whose data are `chunk` frames and, last, a `done`
/// or an `error` frame.
#[utoipa::path(post, path = "/api/mcp/chat", tag = "mcp", request_body = McpRequest, responses((status = 200, body = McpCompletion)))]
pub(crate) async fn chat(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    Json(body): Json<McpRequest>,
) -> Result<Response, ApiError> {
    let id = body.id.clone();
    let input = body.into_input(ROUTE, request_id.as_str().to_owned())?;
    match inference::chat(&hub, &caller, input).await.map_err(errors::inference)? {
        ChatReply::Whole(whole) => Ok(Json(McpCompletion::new(id, *whole)).into_response()),
        ChatReply::Stream(_, received) => {
            let events = ReceiverStream::new(received).filter_map(move |frame| {
                let frame = frames::translate(&hub, &id, &request_id, frame);
                futures::future::ready(frame.map(|frame| to_bytes(&frame)))
            });
            Ok(sse_response(events))
        }
    }
}

fn to_bytes(frame: &McpFrame) -> Bytes {
    // A frame is made of strings and numbers: it always has a JSON form.
    Event::data(serde_json::to_string(frame).unwrap_or_default()).to_bytes()
}
