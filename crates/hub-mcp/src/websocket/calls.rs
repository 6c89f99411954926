//! One request of a socket: a call, or the rest of a recorded stream.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use hub_domain::audit::{self, DeniedCall};
use hub_domain::inference::idempotent::Act;
use hub_domain::inference::replay::{self, EventId, Form, Interrupted, Patience, Plan, Preface, Recorder};
use hub_domain::inference::{self, Bill, ChatInput, ChatReply, Frame, Head, InferenceError, Progress};
use hub_domain::rbac::Denied;
use hub_domain::{Hub, Origin};
use hub_types::{Caller, ErrorCode};
use hub_web::{ApiError, RequestId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::keyed::{self, Asking, Frames};
use super::out::Out;
use super::running::Place;
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
    Made(ChatReply),
    /// Not any more: the client cancelled it before there was an answer, and this is what it cost.
    Cancelled(Box<Bill>),
    /// By the call its key names.
    Keyed(Frames),
}

/// Runs one request to its last frame, of which there is exactly one, while somebody reads.
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
    let cancel = &place.stop().call;
    let reply = match (request.into_input("/api/ws", request_id.as_str().to_owned()), act) {
        (Ok(input), None) => chat(hub, out, caller, &id, input, cancel).await,
        (Ok(input), Some(act)) => {
            let asking = Asking { hub, caller, id: &id, kind, request_id };
            let answer = |progress| keyed::answer(asking, &act, input, progress);
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(unread()),
                answer = queued(out, &id, answer) => answer.map(Reply::Keyed),
            }
        }
        (Err(error), _) => Err(error),
    };
    match reply {
        Err(error) => {
            if error.code.status() == ErrorCode::Forbidden.status() {
                record_denied(hub, caller, origin, request_id, &error).await;
            }
            refuse(hub, out, (id, request_id, place), &error).await;
        }
        Ok(Reply::Cancelled(bill)) => {
            place.leave();
            out.frame(&McpFrame::cancelled(id, *bill)).await;
        }
        Ok(Reply::Keyed(events)) => read_on(hub, out, events, (id, request_id, place)).await,
        Ok(Reply::Made(ChatReply::Whole(whole))) => {
            let completion = McpCompletion::new(id, kind, *whole);
            place.leave();
            out.json(serde_json::to_string(&completion).unwrap_or_default()).await;
        }
        Ok(Reply::Made(ChatReply::Unsettled(error, _))) => {
            refuse(hub, out, (id, request_id, place), &errors::inference(*error)).await;
        }
        Ok(Reply::Made(ChatReply::Stream(about, received))) if resume && hub.settings.inference.resume_seconds > 0 => {
            let mut events = recorded(hub, caller, (&about, id.clone()), received, request_id).await;
            while let Some(event) = events.recv().await {
                let ends = is_last(&event);
                if !pass_on(out, place, text(&event), ends).await || ends {
                    return;
                }
            }
            refuse(hub, out, (id, request_id, place), &errors::interrupted(Interrupted::Cut)).await;
        }
        Ok(Reply::Made(ChatReply::Stream(_, mut received))) => {
            while let Some(frame) = received.recv().await {
                let Some(frame) = frames::translate(hub, &id, request_id, frame) else { continue };
                let ends = !matches!(frame, McpFrame::Chunk { .. });
                if !pass_on(out, place, frame.to_json(), ends).await || ends {
                    return;
                }
            }
            refuse(hub, out, (id, request_id, place), &errors::inference(InferenceError::Lost)).await;
        }
    }
}

/// Ends a request with an error: its last frame.
async fn refuse(hub: &Hub, out: &Out, (id, request_id, place): (String, &RequestId, &Place), error: &ApiError) {
    place.leave();
    out.frame(&frames::refusal(hub, Some(id), request_id, error)).await;
}

/// Passes a frame on; before the last one the request's place is given back. `false`: the socket is gone.
async fn pass_on(out: &Out, place: &Place, frame: String, ends: bool) -> bool {
    if ends {
        place.leave();
    }
    out.json(frame).await
}

/// Begins the recording of a stream, in a task that outlives the socket.
async fn recorded(
    hub: &Arc<Hub>,
    caller: &Caller,
    (about, id): (&Head, String),
    received: mpsc::Receiver<Frame>,
    request_id: &RequestId,
) -> mpsc::Receiver<Bytes> {
    let preface = Preface {
        user: caller.user,
        form: Form::Socket,
        wire: "protocol".to_owned(),
        model: about.model.clone(),
        headers: head::of(about),
        name: Some(id.clone()),
    };
    let plan = Plan {
        stream: about.receipt,
        preface,
        patience: Patience::Grace(hub.settings.inference.resume_grace()),
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
        Ok(followed) => read_on(hub, out, followed.events, (id, request_id, place)).await,
        Err(error) => refuse(hub, out, (id, request_id, place), &error).await,
    }
}

/// Reads a recorded stream to its last frame, or to the error that is there in its place.
async fn read_on(hub: &Hub, out: &Out, mut events: Frames, about: (String, &RequestId, &Place)) {
    let place = about.2;
    let error = loop {
        let event = tokio::select! {
            biased;
            () = place.stop().call.cancelled() => break unread(),
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => {
                let ends = is_last(&event);
                if !pass_on(out, place, text(&event), ends).await || ends {
                    return;
                }
            }
            Some(Err(interrupted)) => break errors::interrupted(interrupted),
            None => break errors::interrupted(Interrupted::Cut),
        }
    };
    refuse(hub, out, about, &error).await;
}

/// A reading that its client cancelled. The call itself goes on: under a key to its end, else, as another socket's, until nobody has read it
/// for a while.
fn unread() -> ApiError {
    ApiError::new(ErrorCode::Conflict).message("The reading was cancelled, not the call")
}

/// A recorded frame that is no chunk is the last one.
fn is_last(event: &Bytes) -> bool {
    !event.starts_with(br#"{"type":"chunk""#)
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

/// Makes the call. One that was cancelled ends with what it cost.
async fn chat(
    hub: &Arc<Hub>,
    out: &Out,
    caller: &Caller,
    id: &str,
    input: ChatInput,
    cancel: &CancellationToken,
) -> Result<Reply, ApiError> {
    let call = |progress| inference::chat_with_progress(hub, caller, input, progress, cancel.clone());
    match queued(out, id, call).await {
        // An answer in one piece may have been waited for all the same, for what it costs; nobody wants it any more.
        Ok(ChatReply::Whole(whole)) if cancel.is_cancelled() => Ok(Reply::Cancelled(Box::new(whole.bill))),
        Ok(reply) => Ok(Reply::Made(reply)),
        Err(InferenceError::Cancelled(bill)) => Ok(Reply::Cancelled(bill)),
        Err(error) => Err(errors::inference(error)),
    }
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
