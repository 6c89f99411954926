//! `POST /v1/chat/completions`: OpenAI in, OpenAI out. The provider's bytes are passed on as they come.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, future};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use hub_domain::Hub;
use hub_domain::inference::{self, ChatInput, ChatReply, ChatRequest, Choice, Frame, Head};
use hub_web::sse::{Event, sse_response};
use hub_web::{ApiError, Authenticated, ErrorShape, JsonBytes, RequestId};
use tokio_stream::wrappers::ReceiverStream;

use crate::errors;

const ROUTE: &str = "/v1/chat/completions";
/// The receipt of the call, readable at `/api/credits/receipts/{id}` once the answer is complete.
const RECEIPT: HeaderName = HeaderName::from_static("x-hub-receipt");
/// The provider that answered.
const PROVIDER: HeaderName = HeaderName::from_static("x-hub-provider");
/// The limit of completion tokens the balance forced.
const CLAMPED: HeaderName = HeaderName::from_static("x-hub-max-tokens");
/// What a whole answer cost, in credits.
const CREDITS: HeaderName = HeaderName::from_static("x-hub-credits");

/// Makes a chat call. Request and answer are OpenAI's; fields this hub does not know reach the provider unchanged. With `stream` the
/// answer is server-sent events, ended by `[DONE]` once the call is paid for.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = Object, responses((status = 200, body = Object)))]
pub(crate) async fn chat_completions(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    request_id: RequestId,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let request = ChatRequest::parse(body).map_err(errors::bad_request)?;
    let input = ChatInput {
        request,
        choice: Choice::Auto,
        route: ROUTE,
        kind: "chat",
        request_id: request_id.as_str().to_owned(),
    };
    match inference::chat(&hub, &caller, input).await.map_err(errors::inference)? {
        ChatReply::Whole(whole) => {
            let mut response = Response::new(Body::from(whole.body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            insert(&mut response, CREDITS, &whole.bill.credits.to_string());
            Ok(with_head(response, &whole.head))
        }
        ChatReply::Stream(head, frames) => {
            let events = ReceiverStream::new(frames).map(move |frame| to_bytes(&hub, &request_id, frame));
            Ok(with_head(sse_response(skip_empty(events)).into_response(), &head))
        }
    }
}

fn with_head(mut response: Response, head: &Head) -> Response {
    insert(&mut response, RECEIPT, &head.receipt.to_string());
    insert(&mut response, PROVIDER, &head.provider);
    if let Some(limit) = head.clamped_to {
        insert(&mut response, CLAMPED, &limit.to_string());
    }
    response
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    // A provider's name comes from the settings and may hold what a header cannot; the answer does not depend on it.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn to_bytes(hub: &Hub, request_id: &RequestId, frame: Frame) -> Bytes {
    match frame {
        Frame::Event { raw, .. } | Frame::Done { raw, .. } => raw,
        Frame::Failed { error, .. } => {
            let error = errors::inference(error);
            tracing::warn!(requestId = %request_id, %error, "a stream broke off");
            // OpenAI's clients raise on any data object with `error` (providers.md §1.3).
            let body = ErrorShape::OpenAi.render(&error, request_id.as_str(), hub.clock.now());
            Event::data(body.to_string()).to_bytes()
        }
    }
}

fn skip_empty(events: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Bytes> + Send + 'static {
    events.filter(|bytes| future::ready(!bytes.is_empty()))
}
