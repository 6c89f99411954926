//! One request of the protocol over HTTP: the answer whole, or as server-sent events.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use hub_domain::Hub;
use hub_domain::inference::{self, ChatReply};
use hub_types::Caller;
use hub_web::sse::{Event, sse_response};
use hub_web::{ApiError, Json, RequestId};
use tokio_stream::wrappers::ReceiverStream;

use super::{Kind, McpCompletion, McpFrame, McpRequest, frames};
use crate::errors;

/// Makes the call of a request whose type is one of `kinds`.
pub(super) async fn answer(
    hub: Arc<Hub>,
    caller: &Caller,
    request_id: RequestId,
    body: McpRequest,
    route: &'static str,
    kinds: &[Kind],
) -> Result<Response, ApiError> {
    let (id, kind) = (body.id.clone(), body.kind);
    if !kinds.contains(&kind) {
        return Err(ApiError::validation("type", "has a route of its own under /api/mcp"));
    }
    let input = body.into_input(route, request_id.as_str().to_owned())?;
    match inference::chat(&hub, caller, input).await.map_err(errors::inference)? {
        ChatReply::Whole(whole) => Ok(Json(McpCompletion::new(id, kind, *whole)).into_response()),
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
