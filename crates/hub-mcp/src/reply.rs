//! The way of every billable route: calls, and answers in the caller's wire, plainly, recorded, or under the caller's key.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, future};
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::inference::idempotent::{self, Begun, Claim, Kept};
use hub_domain::inference::replay::{EventId, Form, Patience, Plan, Preface, Recorder};
use hub_domain::inference::{self, ChatInput, ChatReply, Frame, Head, Whole};
use hub_types::{Caller, ErrorCode};
use hub_web::sse::sse_response;
use hub_web::{ApiError, RequestId};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument as _;

use crate::asked::Ask;
use crate::head::Headers;
use crate::wire::Wire;
use crate::{errors, head, streams};

/// Makes the call and answers. A repetition under the same key makes none: it gets the answer of the first, or its stream.
pub(crate) async fn answer(
    hub: Arc<Hub>,
    caller: &Caller,
    request_id: RequestId,
    ask: Ask,
    input: ChatInput,
) -> Result<Response, ApiError> {
    if let Some(after) = ask.asked.after {
        return streams::follow(&hub, caller, request_id, after).await;
    }
    let Some(act) = ask.act(input.route, input.request.model()) else {
        let reply = inference::chat(&hub, caller, input).await.map_err(errors::inference)?;
        return respond(hub, caller, request_id, ask, reply).await;
    };
    match idempotent::begin(&hub, caller, &act).await.map_err(errors::inference)? {
        Begun::Ours(claim) => {
            let (tell, told) = oneshot::channel();
            let call = Claimed { hub: Arc::clone(&hub), caller: caller.clone(), request_id, wire: ask.wire };
            // A caller who hangs up comes back for the answer: the call and its keeping belong to a task.
            hub.tasks.spawn(call.run(claim, input, tell).in_current_span());
            told.await.unwrap_or_else(|lost| Err(ApiError::internal(lost)))
        }
        Begun::Answered(kept) => again(kept),
        Begun::Streaming(stream) => {
            let followed = streams::follow(&hub, caller, request_id, EventId { stream, number: 0 }).await;
            let mut response = followed.map_err(|_| errors::running())?;
            head::put(&mut response, &[head::replayed()]);
            Ok(response)
        }
        Begun::Running => Err(errors::running()),
        Begun::Conflict => Err(ErrorCode::IdempotencyConflict.into()),
    }
}

async fn respond(
    hub: Arc<Hub>,
    caller: &Caller,
    request_id: RequestId,
    ask: Ask,
    reply: ChatReply,
) -> Result<Response, ApiError> {
    let Ask { asked, wire, .. } = ask;
    Ok(match reply {
        ChatReply::Unsettled(error, _) => return Err(errors::inference(*error)),
        ChatReply::Whole(whole) => {
            let headers = head::of_whole(&whole);
            given(StatusCode::OK, &headers, wire.whole(*whole))
        }
        ChatReply::Stream(about, frames) => {
            let settings = &hub.settings.inference;
            if settings.resume_seconds == 0 || !(asked.resume || settings.resume_always) {
                let events = ReceiverStream::new(frames).map(move |frame| wire.events(&hub, &request_id, frame));
                let events = events.filter(|bytes| future::ready(!bytes.is_empty()));
                return Ok(streamed(&head::of(&about), events));
            }
            let grace = if asked.resume { settings.resume_grace() } else { std::time::Duration::ZERO };
            let (headers, recorder, events) =
                record(&hub, caller, (&about, &wire), (Patience::Grace(grace), None), frames).await;
            let tasks = hub.tasks.clone();
            let write = move |next, frame| wire.numbered(&hub, &request_id, next, frame);
            tasks.spawn(recorder.run(write).in_current_span());
            streamed(&headers, ReceiverStream::new(events))
        }
    })
}

/// A call under the caller's key.
struct Claimed {
    hub: Arc<Hub>,
    caller: Caller,
    request_id: RequestId,
    wire: Wire,
}

impl Claimed {
    /// Runs the call to its end and keeps its answer. Whether anybody still listens does not matter.
    async fn run(self, claim: Claim, input: ChatInput, tell: oneshot::Sender<Result<Response, ApiError>>) {
        match claim.keep(inference::chat(&self.hub, &self.caller, input)).await {
            Err(error) => {
                claim.failed(&error).await;
                drop(tell.send(Err(errors::inference(error))));
            }
            Ok(ChatReply::Whole(whole)) => {
                let (headers, body) = self.keep(claim, *whole).await;
                drop(tell.send(Ok(given(StatusCode::OK, &headers, body))));
            }
            Ok(ChatReply::Unsettled(error, unsettled)) => {
                // The key stays taken until the answer is paid for; then a repetition gets it.
                drop(tell.send(Err(errors::inference(*error))));
                match claim.keep(unsettled.whole()).await {
                    Some(whole) => drop(self.keep(claim, whole).await),
                    None => claim.leave(),
                }
            }
            Ok(ChatReply::Stream(about, frames)) => self.stream(claim, about, frames, tell).await,
        }
    }

    /// Keeps the answer, and gives it in the caller's wire.
    async fn keep(&self, claim: Claim, whole: Whole) -> (Headers, Bytes) {
        let (headers, receipt) = (head::of_whole(&whole), whole.head.receipt);
        let body = self.wire.whole(whole);
        claim.finish(Kept { status: 200, headers: headers.clone(), receipt, body: Some(body.clone()) }).await;
        (headers, body)
    }

    async fn stream(
        self,
        claim: Claim,
        about: Head,
        frames: mpsc::Receiver<Frame>,
        tell: oneshot::Sender<Result<Response, ApiError>>,
    ) {
        let most = Some(self.hub.settings.inference.idempotency_max_bytes);
        let (headers, recorder, events) =
            record(&self.hub, &self.caller, (&about, &self.wire), (Patience::ToTheEnd, most), frames).await;
        if recorder.kept() {
            claim.stream(about.receipt).await;
        }
        drop(tell.send(Ok(streamed(&headers, ReceiverStream::new(events)))));
        let (hub, wire, request_id) = (self.hub, self.wire, self.request_id);
        let write = move |next, frame| wire.numbered(&hub, &request_id, next, frame);
        let ending = claim.keep(recorder.run(write)).await;
        let mut headers = headers;
        headers.push(("content-type".to_owned(), "text/event-stream".to_owned()));
        let answer = Kept { status: 200, headers, receipt: about.receipt, body: ending.bytes };
        claim.ended(ending.ended, answer).await;
    }
}

/// Begins the recording of a stream.
async fn record(
    hub: &Arc<Hub>,
    caller: &Caller,
    (about, wire): (&Head, &Wire),
    (patience, collect): (Patience, Option<usize>),
    frames: mpsc::Receiver<Frame>,
) -> (Headers, Recorder, mpsc::Receiver<Bytes>) {
    let mut headers = head::of(about);
    headers.push(head::stream(about.receipt));
    let preface = Preface {
        user: caller.user,
        form: Form::Sse,
        wire: wire.word().to_owned(),
        model: about.model.clone(),
        headers: headers.clone(),
        name: wire.name(),
    };
    let plan = Plan { stream: about.receipt, preface, patience, collect };
    let (recorder, events) = Recorder::begin(hub, plan, frames).await;
    if !recorder.kept() {
        headers.pop();
    }
    (headers, recorder, events)
}

/// The answer of the first call.
fn again(kept: Kept) -> Result<Response, ApiError> {
    let Kept { status, mut headers, receipt, body } = kept;
    let body = body.ok_or_else(|| errors::not_kept(receipt))?;
    headers.push(head::replayed());
    Ok(given(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), &headers, body))
}

fn given(status: StatusCode, headers: &[(String, String)], body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    head::put(&mut response, headers);
    response
}

fn streamed(headers: &[(String, String)], events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = sse_response(events);
    head::put(&mut response, headers);
    response
}
