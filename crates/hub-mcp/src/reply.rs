//! The answer of a call in the caller's wire: headers, bytes, and what a failure in mid-stream looks like.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, future};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use hub_domain::Hub;
use hub_domain::inference::{ChatReply, Frame, Head};
use hub_web::sse::{Event, sse_response};
use hub_web::{ErrorShape, RequestId};
use tokio_stream::wrappers::ReceiverStream;

use crate::errors;

/// The receipt of the call, readable at `/api/credits/receipts/{id}` once the answer is complete.
const RECEIPT: HeaderName = HeaderName::from_static("x-hub-receipt");
/// The provider that answered.
const PROVIDER: HeaderName = HeaderName::from_static("x-hub-provider");
/// The limit of completion tokens the balance forced.
const CLAMPED: HeaderName = HeaderName::from_static("x-hub-max-tokens");
/// Fields of the request that had no place at the provider and were left out.
const DROPPED: HeaderName = HeaderName::from_static("x-hub-dropped");
/// What a whole answer cost, in credits.
const CREDITS: HeaderName = HeaderName::from_static("x-hub-credits");

/// Answers with what the call brought; `shape` is the wire of errors in a stream.
pub(crate) fn respond(hub: Arc<Hub>, request_id: RequestId, shape: ErrorShape, reply: ChatReply) -> Response {
    match reply {
        ChatReply::Whole(whole) => {
            let mut response = Response::new(Body::from(whole.body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            insert(&mut response, CREDITS, &whole.bill.credits.to_string());
            with_head(response, &whole.head)
        }
        ChatReply::Stream(head, frames) => {
            let events = ReceiverStream::new(frames).map(move |frame| to_bytes(&hub, &request_id, shape, frame));
            let events = events.filter(|bytes| future::ready(!bytes.is_empty()));
            with_head(sse_response(events), &head)
        }
    }
}

fn with_head(mut response: Response, head: &Head) -> Response {
    insert(&mut response, RECEIPT, &head.receipt.to_string());
    insert(&mut response, PROVIDER, &head.provider);
    if let Some(limit) = head.clamped_to {
        insert(&mut response, CLAMPED, &limit.to_string());
    }
    if !head.dropped.is_empty() {
        insert(&mut response, DROPPED, &head.dropped.join(", "));
    }
    response
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    // A provider's name or a caller's field may hold what a header cannot; the answer does not depend on it.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn to_bytes(hub: &Hub, request_id: &RequestId, shape: ErrorShape, frame: Frame) -> Bytes {
    match frame {
        Frame::Event { raw, .. } | Frame::Done { raw, .. } => raw,
        Frame::Failed { error, .. } => {
            let error = errors::inference(error);
            tracing::warn!(requestId = %request_id, %error, "a stream broke off");
            let body = shape.render(&error, request_id.as_str(), hub.clock.now()).to_string();
            match shape {
                // Anthropic's clients know an error by the name of its event (providers.md §3.4).
                ErrorShape::Anthropic => Event::named("error", body).to_bytes(),
                // OpenAI's clients raise on any data object with `error` (providers.md §1.3).
                ErrorShape::OpenAi | ErrorShape::Hub => Event::data(body).to_bytes(),
            }
        }
    }
}
