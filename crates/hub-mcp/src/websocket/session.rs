//! One open socket: reads requests, runs each as a call of its own, writes their frames as they come.
//!
//! Bounded everywhere: requests at once, frames waiting, message size, time without a sign of life. A request whose socket closes or
//! that is cancelled hangs up on its call, which is settled for what was produced.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use hub_domain::access::{self, AccessError};
use hub_domain::audit::{self, DeniedCall};
use hub_domain::inference::{self, ChatInput, ChatReply};
use hub_domain::rbac::Denied;
use hub_domain::{Hub, Origin, limits};
use hub_types::{Caller, ErrorCode};
use hub_web::{ApiError, Json, RequestId};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::CancellationToken;

use super::open::Open;
use super::running::Running;

use crate::errors;
use crate::protocol::{McpCompletion, McpFrame, McpRequest, frames};

/// Frames waiting to be written; a reader that is slower is felt by the calls behind them.
const WAITING: usize = 64;
/// How long a socket without a credential may take to show its ticket.
const AUTH: Duration = Duration::from_secs(10);
/// Pause between pings.
const PING: Duration = Duration::from_secs(20);
/// Without any frame from the other side for so long, the socket is dead.
const SILENCE: Duration = Duration::from_mins(1);
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(30);
/// While calls run, the credential is asked about this often, so that a revoked one ends them.
const RECHECK: Duration = Duration::from_millis(1500);

/// What a client may send besides requests.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Control {
    /// Shows a ticket.
    Auth { ticket: String },
    /// Stops a request.
    Cancel { id: String },
}

/// Where frames go: a channel to the task that writes.
#[derive(Clone)]
struct Out(mpsc::Sender<Message>);

impl Out {
    /// `false`: the socket is gone, or does not take frames in time.
    async fn frame(&self, frame: &McpFrame) -> bool {
        self.json(serde_json::to_string(frame).unwrap_or_default()).await
    }

    async fn json(&self, text: String) -> bool {
        matches!(timeout(WRITE, self.0.send(Message::Text(text.into()))).await, Ok(Ok(())))
    }
}

/// Serves one socket until either side closes it or the hub stops.
pub(super) async fn run(
    hub: Arc<Hub>,
    socket: WebSocket,
    open: Open,
    caller: Option<Caller>,
    address: IpAddr,
    origin: Origin,
) {
    let request_id = RequestId::new(origin.request_id.clone());
    let (sink, mut stream) = socket.split();
    let (sender, receiver) = mpsc::channel(WAITING);
    let out = Out(sender);
    let writer = hub.tasks.spawn(write(sink, receiver));
    let caller = match caller {
        Some(caller) => Some(caller),
        None => authenticate(&hub, &mut stream, &out, address, &request_id).await,
    };
    let running = Running::default();
    if let Some(caller) = caller {
        let goodbye = if let Some(_place) = open.enter(caller.user) {
            let from = (Arc::new(caller), Arc::new(origin));
            serve(&hub, &mut stream, &out, &from, &request_id, &running).await
        } else {
            let error = ApiError::new(ErrorCode::RateLimitExceeded).message("Too many open sockets");
            out.frame(&frames::refusal(&hub, None, &request_id, &error)).await;
            CloseFrame { code: close_code::POLICY, reason: "too many open sockets".into() }
        };
        drop(timeout(WRITE, out.0.send(Message::Close(Some(goodbye)))).await);
    }
    running.cancel_all();
    drop(out);
    drop(timeout(WRITE, writer).await);
}

/// Writes frames and pings until the channel closes.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut frames: mpsc::Receiver<Message>) {
    let mut pings = tokio::time::interval_at(Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            message = frames.recv() => match message {
                Some(message) => message,
                None => break,
            },
            _ = pings.tick() => Message::Ping(bytes::Bytes::new()),
        };
        let last = matches!(message, Message::Close(_));
        let written = timeout(WRITE, sink.send(message)).await;
        if last || !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    drop(timeout(WRITE, sink.close()).await);
}

/// Waits for the ticket of a socket that was opened without a credential.
async fn authenticate(
    hub: &Hub,
    stream: &mut SplitStream<WebSocket>,
    out: &Out,
    address: IpAddr,
    request_id: &RequestId,
) -> Option<Caller> {
    let first = timeout(AUTH, stream.next()).await;
    let caller = match first {
        Ok(Some(Ok(Message::Text(text)))) => match serde_json::from_str(&text) {
            Ok(Control::Auth { ticket }) => access::redeem_ticket(hub, &ticket, Some(address)).await.ok(),
            _ => None,
        },
        _ => None,
    };
    if caller.is_none() {
        let refusal = frames::refusal(hub, None, request_id, &ApiError::unauthenticated());
        out.frame(&refusal).await;
        let goodbye = CloseFrame { code: close_code::POLICY, reason: "authentication failed".into() };
        drop(out.0.send(Message::Close(Some(goodbye))).await);
    } else {
        out.json(serde_json::json!({ "type": "ready" }).to_string()).await;
    }
    caller
}

async fn serve(
    hub: &Arc<Hub>,
    stream: &mut SplitStream<WebSocket>,
    out: &Out,
    from: &(Arc<Caller>, Arc<Origin>),
    request_id: &RequestId,
    running: &Running,
) -> CloseFrame {
    let close = |code, reason: &'static str| CloseFrame { code, reason: reason.into() };
    let mut recheck = tokio::time::interval_at(Instant::now() + RECHECK, RECHECK);
    recheck.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let message = tokio::select! {
            biased;
            () = hub.tasks.stop().cancelled() => return close(close_code::RESTART, "the hub is stopping"),
            _ = recheck.tick() => {
                // Idle sockets are not asked about: whoever lost the right to call is told at the next request.
                if running.is_busy() && matches!(access::recheck(hub, &from.0).await, Err(AccessError::Invalid)) {
                    return close(close_code::POLICY, "the credential is no longer valid");
                }
                continue;
            }
            message = timeout_at(heard + SILENCE, stream.next()) => message,
        };
        heard = Instant::now();
        match message {
            Err(_) => return close(close_code::AWAY, "no sign of life"),
            Ok(None | Some(Ok(Message::Close(_)))) => return close(close_code::NORMAL, ""),
            Ok(Some(Err(error))) => return close(unreadable(&error), "not readable"),
            Ok(Some(Ok(Message::Text(text)))) => {
                if let Err((id, error)) = receive(hub, out, from, running, &text).await
                    && !out.frame(&frames::refusal(hub, id, request_id, &error)).await
                {
                    return close(close_code::AWAY, "too slow");
                }
            }
            Ok(Some(Ok(Message::Binary(_)))) => return close(close_code::UNSUPPORTED, "text only"),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
        }
    }
}

/// Handles one message. An error names the request it is about, as far as that could be read.
async fn receive(
    hub: &Arc<Hub>,
    out: &Out,
    (caller, origin): &(Arc<Caller>, Arc<Origin>),
    running: &Running,
    text: &str,
) -> Result<(), (Option<String>, ApiError)> {
    let about = peek(text);
    let fail = |error: ApiError| (about.id.clone(), error);
    if about.kind.as_deref() == Some("cancel") {
        let Json(Control::Cancel { id }) = Json::from_bytes(text.as_bytes()).map_err(fail)? else { return Ok(()) };
        running.cancel(&id);
        return Ok(());
    }
    let Json(request) = Json::<McpRequest>::from_bytes(text.as_bytes()).map_err(fail)?;
    let caller = access::recheck(hub, caller).await.map_err(|error| fail(unverified(error)))?;
    if let Some(counted) = limits::count_caller(hub, &caller).await.filter(|counted| !counted.window.allowed) {
        let error = ApiError::new(ErrorCode::RateLimitExceeded).details(counted.details());
        return Err(fail(error.retry_after(counted.window.reset)));
    }
    let cancel = running.enter(&request.id).map_err(fail)?;
    let task = call(Arc::clone(hub), out.clone(), (caller, Arc::clone(origin)), request, cancel, running.clone());
    hub.tasks.spawn(task);
    Ok(())
}

async fn call(
    hub: Arc<Hub>,
    out: Out,
    (caller, origin): (Caller, Arc<Origin>),
    request: McpRequest,
    cancel: CancellationToken,
    running: Running,
) {
    let id = request.id.clone();
    let request_id = RequestId::new(hub_types::HoldId::new(&hub.clock).to_string());
    tokio::select! {
        () = cancel.cancelled() => {}
        () = answer(&hub, &out, (&caller, &origin), request, &request_id) => {}
    }
    running.leave(&id);
}

async fn answer(
    hub: &Arc<Hub>,
    out: &Out,
    (caller, origin): (&Caller, &Origin),
    request: McpRequest,
    request_id: &RequestId,
) {
    let (id, kind) = (request.id.clone(), request.kind);
    let reply = match request.into_input("/api/ws", request_id.as_str().to_owned()) {
        Ok(input) => chat(hub, out, caller, &id, input).await,
        Err(error) => Err(error),
    };
    match reply {
        Err(error) => {
            if error.code.status() == ErrorCode::Forbidden.status() {
                record(hub, caller, origin, request_id, &error).await;
            }
            out.frame(&frames::refusal(hub, Some(id), request_id, &error)).await;
        }
        Ok(ChatReply::Whole(whole)) => {
            let completion = McpCompletion::new(id, kind, *whole);
            out.json(serde_json::to_string(&completion).unwrap_or_default()).await;
        }
        Ok(ChatReply::Stream(_, mut received)) => {
            while let Some(frame) = received.recv().await {
                let Some(frame) = frames::translate(hub, &id, request_id, frame) else { continue };
                if !out.frame(&frame).await {
                    return;
                }
            }
        }
    }
}

/// Makes the call; while it waits for its turn, the client is told where it stands.
async fn chat(hub: &Arc<Hub>, out: &Out, caller: &Caller, id: &str, input: ChatInput) -> Result<ChatReply, ApiError> {
    let (progress, mut position) = watch::channel(None);
    let mut call = std::pin::pin!(inference::chat_with_progress(hub, caller, input, progress));
    loop {
        tokio::select! {
            reply = &mut call => return reply.map_err(errors::inference),
            Ok(()) = position.changed() => {
                let position: Option<usize> = *position.borrow_and_update();
                if let Some(position) = position {
                    out.json(serde_json::json!({ "type": "queued", "id": id, "position": position }).to_string()).await;
                }
            }
        }
    }
}

/// The audit row that the gatekeeper writes for a refused request: inside a socket there is no answer for it to see.
async fn record(hub: &Hub, caller: &Caller, origin: &Origin, request_id: &RequestId, error: &ApiError) {
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

/// Why a message could not be read, as RFC 6455 numbers it.
fn unreadable(error: &axum::Error) -> u16 {
    match std::error::Error::source(error).and_then(<dyn std::error::Error>::downcast_ref) {
        Some(tungstenite::Error::Capacity(_)) => close_code::SIZE,
        Some(tungstenite::Error::Utf8(_)) => close_code::INVALID,
        _ => close_code::PROTOCOL,
    }
}

fn unverified(error: AccessError) -> ApiError {
    match error {
        AccessError::Invalid => ApiError::unauthenticated(),
        AccessError::Store(error) => ApiError::new(ErrorCode::Unavailable).source(error),
    }
}

/// What can be read of a message before it is known to be well-formed.
#[derive(Debug, Default, Deserialize)]
struct Peek {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

fn peek(text: &str) -> Peek {
    serde_json::from_str(text).unwrap_or_default()
}
