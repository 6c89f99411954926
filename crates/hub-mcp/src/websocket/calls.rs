//! One request of a socket: a call, or the rest of a recorded stream.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use hub_domain::audit::{self, DeniedCall};
use hub_domain::inference::idempotent::Act;
use hub_domain::inference::replay::{self, EventId, Form, Patience, Plan, Preface, Recorder};
use hub_domain::inference::{self, ChatInput, ChatReply, Frame, Head, Progress};
use hub_domain::rbac::Denied;
use hub_domain::{Hub, Origin};
use hub_types::{Caller, ErrorCode};
use hub_web::{ApiError, RequestId};
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use super::keyed::{self, Asking, Frames};
use super::out::Out;
use super::running::{Place, Stop};
use crate::protocol::{McpCompletion, McpFrame, McpRequest, frames};
use crate::{errors, head};

/// What a client asks for.
pub(super) enum Wanted {
    /// A call, and the act that its key names.
    Call(Box<McpRequest>, Option<Act>),
    /// What a recorded stream says after this event.
    Rest { id: String, after: EventId },
}

impl Wanted {
    /// The client's name for it.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Call(request, _) => &request.id,
            Self::Rest { id, .. } => id,
        }
    }
}

/// How a request is answered.
enum Reply {
    /// By a call of its own.
    Plain(ChatReply),
    /// By the call its key names.
    Keyed(Frames),
}

/// Runs one request until it is answered or stopped.
pub(super) async fn run(
    hub: Arc<Hub>,
    out: Out,
    (caller, origin): (Caller, Arc<Origin>),
    wanted: Wanted,
    place: Place,
) {
    let request_id = RequestId::new(hub_types::HoldId::new(&hub.clock).to_string());
    let answer = async {
        match wanted {
            Wanted::Call(request, act) => {
                call(&hub, &out, (&caller, &origin), (*request, act), &request_id, &place).await;
            }
            Wanted::Rest { id, after } => rest(&hub, &out, &caller, (id, after), &request_id, &place).await,
        }
    };
    tokio::select! {
        () = place.stop().reading.cancelled() => {}
        () = answer => {}
    }
}

async fn call(
    hub: &Arc<Hub>,
    out: &Out,
    (caller, origin): (&Caller, &Origin),
    (request, act): (McpRequest, Option<Act>),
    request_id: &RequestId,
    place: &Place,
) {
    let (id, kind, resume) = (request.id.clone(), request.kind, request.resume);
    let reply = match (request.into_input("/api/ws", request_id.as_str().to_owned()), act) {
        (Ok(input), None) => chat(hub, out, caller, &id, input).await.map(Reply::Plain),
        (Ok(input), Some(act)) => {
            let asking = Asking { hub, caller, id: &id, kind, request_id };
            let answer = |progress| keyed::answer(asking, &act, input, progress);
            queued(out, &id, answer).await.map(Reply::Keyed)
        }
        (Err(error), _) => Err(error),
    };
    match reply {
        Err(error) => {
            if error.code.status() == ErrorCode::Forbidden.status() {
                record_denied(hub, caller, origin, request_id, &error).await;
            }
            place.leave();
            out.frame(&frames::refusal(hub, Some(id), request_id, &error)).await;
        }
        Ok(Reply::Keyed(mut events)) => {
            while let Some(event) = events.next().await {
                leave_at_end(place, &event);
                if !out.json(text(&event)).await {
                    return;
                }
            }
        }
        Ok(Reply::Plain(ChatReply::Whole(whole))) => {
            let completion = McpCompletion::new(id, kind, *whole);
            place.leave();
            out.json(serde_json::to_string(&completion).unwrap_or_default()).await;
        }
        Ok(Reply::Plain(ChatReply::Stream(about, received))) if resume && hub.settings.inference.resume_seconds > 0 => {
            let mut events = recorded(hub, caller, (&about, id), received, request_id, place.stop()).await;
            while let Some(event) = events.recv().await {
                leave_at_end(place, &event);
                if !out.json(text(&event)).await {
                    return;
                }
            }
        }
        Ok(Reply::Plain(ChatReply::Stream(_, mut received))) => {
            while let Some(frame) = received.recv().await {
                let Some(frame) = frames::translate(hub, &id, request_id, frame) else { continue };
                if !matches!(frame, McpFrame::Chunk { .. }) {
                    place.leave();
                }
                if !out.frame(&frame).await {
                    return;
                }
            }
        }
    }
}

/// Begins the recording of a stream, in a task that outlives the socket.
async fn recorded(
    hub: &Arc<Hub>,
    caller: &Caller,
    (about, id): (&Head, String),
    received: mpsc::Receiver<Frame>,
    request_id: &RequestId,
    stop: &Stop,
) -> mpsc::Receiver<Bytes> {
    let preface = Preface { user: caller.user, form: Form::Socket, headers: head::of(about), name: Some(id.clone()) };
    let plan = Plan {
        stream: about.receipt,
        preface,
        patience: Patience::Grace(hub.settings.inference.resume_grace()),
        stop: stop.call.clone(),
        collect: None,
    };
    let (recorder, events) = Recorder::begin(hub, plan, received).await;
    let (shared, request_id) = (Arc::clone(hub), request_id.clone());
    let write = move |next, frame| {
        let frame = frames::translate(&shared, &id, &request_id, frame);
        frame.map(|frame| Bytes::from(frame.numbered(next).to_json())).into_iter().collect()
    };
    hub.tasks.spawn(recorder.run(write).in_current_span());
    events
}

/// Goes on with a recorded stream of an earlier socket.
async fn rest(
    hub: &Arc<Hub>,
    out: &Out,
    caller: &Caller,
    (id, after): (String, EventId),
    request_id: &RequestId,
    place: &Place,
) {
    let followed = match replay::follow(hub, caller, after, Form::Socket).await {
        // Its frames carry the id it began with; under another one the client would not know them.
        Ok(followed) if followed.preface.name.as_ref() != Some(&id) => {
            Err(ApiError::validation("id", "must be the id the request had"))
        }
        Ok(followed) => Ok(followed),
        Err(error) => Err(errors::resume(error)),
    };
    match followed {
        Err(error) => {
            place.leave();
            out.frame(&frames::refusal(hub, Some(id), request_id, &error)).await;
        }
        Ok(mut followed) => {
            while let Some(event) = followed.events.next().await {
                leave_at_end(place, &event);
                if !out.json(text(&event)).await {
                    return;
                }
            }
        }
    }
}

/// A recorded frame that is no chunk is the last one.
fn leave_at_end(place: &Place, event: &Bytes) {
    if !event.starts_with(br#"{"type":"chunk""#) {
        place.leave();
    }
}

fn text(event: &Bytes) -> String {
    String::from_utf8_lossy(event).into_owned()
}

/// The audit row that the gatekeeper writes for a refused request: inside a socket there is no answer for it to see.
async fn record_denied(hub: &Hub, caller: &Caller, origin: &Origin, request_id: &RequestId, error: &ApiError) {
    let origin = Origin { request_id: request_id.as_str().to_owned(), ..origin.clone() };
    let permission = Denied::behind(error);
    let call = DeniedCall {
        user: caller.user,
        email: &caller.email,
        acting: caller.acting.as_ref(),
        permission,
        method: "GET",
        route: "/api/ws",
    };
    audit::record_denied(hub, &origin, &call).await;
}

/// Makes the call.
async fn chat(hub: &Arc<Hub>, out: &Out, caller: &Caller, id: &str, input: ChatInput) -> Result<ChatReply, ApiError> {
    let call = |progress| inference::chat_with_progress(hub, caller, input, progress);
    queued(out, id, call).await.map_err(errors::inference)
}

/// While a call waits for its turn, the client is told where it stands.
async fn queued<T, C: Future<Output = T>>(out: &Out, id: &str, call: impl FnOnce(Progress) -> C) -> T {
    let (progress, mut position) = watch::channel(None);
    let mut call = std::pin::pin!(call(progress));
    loop {
        tokio::select! {
            reply = &mut call => return reply,
            Ok(()) = position.changed() => {
                let position: Option<usize> = *position.borrow_and_update();
                if let Some(position) = position {
                    out.json(serde_json::json!({ "type": "queued", "id": id, "position": position }).to_string()).await;
                }
            }
        }
    }
}
