//! Requests with the client's own key: as over HTTP, a repetition gets the answer of the first, or its live stream, and one call is made and
//! paid.
//!
//! The call and its keeping belong to a task: a socket that closes, and `cancel`, end the reading and never the call, since the client has said
//! that it comes back for the answer. What names the act is the request without the client's name for it, so that it may be repeated on
//! another socket under another one.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use hub_domain::Hub;
use hub_domain::inference::idempotent::{self, Act, Begun, Claim, Kept};
use hub_domain::inference::replay::{self, EventId, Form, Interrupted, Patience, Plan, Preface, Recorder};
use hub_domain::inference::{self, ChatInput, ChatReply, Frame, Head, Progress, Whole};
use hub_types::{Caller, ErrorCode};
use hub_web::{ApiError, IdempotencyKey, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::protocol::{Kind, McpCompletion, McpRequest, frames};
use crate::{errors, head};

/// Fields of a request that do not belong to what is asked.
const OURS: [&str; 3] = ["id", "idempotencyKey", "resume"];

/// The frames that answer a request, or why they end before the last one.
pub(super) type Frames = BoxStream<'static, Result<Bytes, Interrupted>>;

/// Who asks, under which name, and in which request.
pub(super) struct Asking<'a> {
    pub(super) hub: &'a Arc<Hub>,
    pub(super) caller: &'a Caller,
    pub(super) id: &'a str,
    pub(super) kind: Kind,
    pub(super) request_id: &'a RequestId,
}

/// The act that a request names, if it has a key. `text` is the request as it came.
pub(super) fn act(request: &McpRequest, text: &str) -> Result<Option<Act>, ApiError> {
    let Some(key) = &request.idempotency_key else { return Ok(None) };
    let key = IdempotencyKey::checked(key, "idempotencyKey")?;
    // It was read as a request before.
    let mut fields: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    fields.retain(|name, _| !OURS.contains(&name.as_str()));
    Ok(Some(Act::new(key, "/api/ws", request.model(), Value::Object(fields).to_string().as_bytes())))
}

/// Makes the call, or finds what became of it.
pub(super) async fn answer(
    asking: Asking<'_>,
    act: &Act,
    input: ChatInput,
    progress: Progress,
) -> Result<Frames, ApiError> {
    let Asking { hub, caller, id, kind, request_id } = asking;
    match idempotent::begin(hub, caller, act).await.map_err(errors::inference)? {
        Begun::Ours(claim) => {
            let (tell, told) = oneshot::channel();
            let (hub, caller) = (Arc::clone(hub), caller.clone());
            let tasks = hub.tasks.clone();
            let call = Claimed { hub, caller, id: id.to_owned(), kind, request_id: request_id.clone() };
            tasks.spawn(call.run(claim, input, progress, tell).in_current_span());
            told.await.unwrap_or_else(|lost| Err(ApiError::internal(lost)))
        }
        Begun::Answered(kept) => {
            let body = kept.body.ok_or_else(|| errors::not_kept(kept.receipt))?;
            let frames = serde_json::Deserializer::from_slice(&body).into_iter::<Named>();
            let frames: Vec<Bytes> = frames.filter_map(Result::ok).map(|frame| frame.to(id)).collect();
            Ok(stream::iter(frames).map(Ok).boxed())
        }
        Begun::Streaming(stream) => {
            let after = EventId { stream, number: 0 };
            let followed = replay::follow(hub, caller, after, Form::Socket).await.map_err(|_| errors::running())?;
            let id = id.to_owned();
            Ok(followed.events.map(move |event| event.map(|event| renamed(event, &id))).boxed())
        }
        Begun::Running => Err(errors::running()),
        Begun::Conflict => Err(ErrorCode::IdempotencyConflict.into()),
    }
}

/// A call under the client's key.
struct Claimed {
    hub: Arc<Hub>,
    caller: Caller,
    id: String,
    kind: Kind,
    request_id: RequestId,
}

impl Claimed {
    /// Runs the call to its end and keeps its answer. Whether anybody still listens does not matter.
    async fn run(
        self,
        claim: Claim,
        input: ChatInput,
        progress: Progress,
        tell: oneshot::Sender<Result<Frames, ApiError>>,
    ) {
        match claim
            .keep(inference::chat_with_progress(&self.hub, &self.caller, input, progress, CancellationToken::new()))
            .await
        {
            Err(error) => {
                claim.failed(&error).await;
                drop(tell.send(Err(errors::inference(error))));
            }
            Ok(ChatReply::Whole(whole)) => {
                let body = self.keep(claim, *whole).await;
                drop(tell.send(Ok(stream::iter([Ok(body)]).boxed())));
            }
            Ok(ChatReply::Unsettled(error, unsettled)) => {
                // The key stays taken until the answer is paid for; then a repetition gets it.
                drop(tell.send(Err(errors::inference(*error))));
                match claim.keep(unsettled.whole()).await {
                    Some(whole) => drop(self.keep(claim, whole).await),
                    None => claim.leave(),
                }
            }
            Ok(ChatReply::Stream(about, received)) => self.stream(claim, about, received, tell).await,
        }
    }

    /// Keeps the answer, and gives its frame.
    async fn keep(self, claim: Claim, whole: Whole) -> Bytes {
        let (headers, receipt) = (head::of_whole(&whole), whole.head.receipt);
        let completion = McpCompletion::new(self.id, self.kind, whole);
        // Strings and numbers always have a JSON form.
        let body = Bytes::from(serde_json::to_vec(&completion).unwrap_or_default());
        claim.finish(Kept { status: 200, headers, receipt, body: Some(body.clone()) }).await;
        body
    }

    async fn stream(
        self,
        claim: Claim,
        about: Head,
        received: mpsc::Receiver<Frame>,
        tell: oneshot::Sender<Result<Frames, ApiError>>,
    ) {
        let Self { hub, caller, id, request_id, .. } = self;
        let headers = head::of(&about);
        let name = Some(id.clone());
        let plan = Plan {
            stream: about.receipt,
            preface: Preface {
                user: caller.user,
                form: Form::Socket,
                wire: "protocol".to_owned(),
                model: about.model.clone(),
                headers: headers.clone(),
                name,
            },
            patience: Patience::ToTheEnd,
            collect: Some(hub.settings.inference.idempotency_max_bytes),
        };
        let (recorder, events) = Recorder::begin(&hub, plan, received).await;
        if recorder.kept() {
            claim.stream(about.receipt).await;
        }
        drop(tell.send(Ok(ReceiverStream::new(events).map(Ok).boxed())));
        let write = move |next, frame| {
            let frame = frames::translate(&hub, &id, &request_id, frame);
            frame.map(|frame| Bytes::from(frame.numbered(next).to_json())).into_iter().collect()
        };
        let ending = claim.keep(recorder.run(write)).await;
        let answer = Kept { status: 200, headers, receipt: about.receipt, body: ending.bytes };
        claim.ended(ending.ended, answer).await;
    }
}

/// A frame whose request can be given another name.
#[derive(Deserialize, Serialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Named {
    fn to(mut self, id: &str) -> Bytes {
        self.id = Some(id.to_owned());
        serde_json::to_vec(&self).unwrap_or_default().into()
    }
}

/// The frame with the name that the request has on this socket.
fn renamed(event: Bytes, id: &str) -> Bytes {
    match serde_json::from_slice::<Named>(&event) {
        Ok(frame) if frame.id.as_deref() != Some(id) => frame.to(id),
        _ => event,
    }
}
