//! One open socket: reads requests, runs each as a call of its own, writes their frames as they come.
//!
//! Bounded everywhere: requests at once, frames waiting, message size, time without a sign of life. A request whose socket closes or
//! that is cancelled hangs up on its call, which is settled for what was produced.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures::StreamExt as _;
use futures::stream::{BoxStream, SplitStream};
use hub_domain::access::{self, AccessError};
use hub_domain::{Hub, Origin, limits};
use hub_types::{Caller, ErrorCode};
use hub_web::{ApiError, Json, RequestId};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite;

use super::calls::{self, Wanted};
use super::keyed;
use super::open::Open;
use super::out::{self, Out};
use super::running::Running;
use super::told::{self, Told};
use crate::protocol::{McpRequest, frames};

/// Frames waiting to be written; a reader that is slower is felt by the calls behind them.
const WAITING: usize = 64;
/// How long a socket without a credential may take to show its ticket.
const AUTH: Duration = Duration::from_secs(10);
/// Without any frame from the other side for so long, the socket is dead.
const SILENCE: Duration = Duration::from_mins(1);
/// While calls run, or changes are not told, the credential is asked about this often, so that a revoked one ends the socket.
const RECHECK: Duration = Duration::from_millis(1500);
/// An idle socket is told of changes; so often it asks all the same.
const IDLE_RECHECK: Duration = Duration::from_secs(15);

/// What a client may send besides requests.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Control {
    /// Shows a ticket.
    Auth { ticket: String },
    /// Stops a request.
    Cancel { id: String },
    /// Goes on with a recorded stream of an earlier socket: `id` is the request's, `after` the last event the client has.
    Resume { id: String, after: String },
}

/// Why a socket is closed.
struct Goodbye {
    frame: CloseFrame,
    /// The other side is lost rather than gone: it may come back for its recorded streams.
    lost: bool,
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
    let patience = hub.settings.inference.slow_reader();
    let out = Out::new(sender, patience);
    let writer = hub.tasks.spawn(out::write(sink, receiver, patience));
    let caller = match caller {
        Some(caller) => Some(caller),
        None => Box::pin(authenticate(&hub, &mut stream, &out, address, &request_id)).await,
    };
    let running = Running::default();
    if let Some(caller) = caller {
        let goodbye = if let Some(_place) = open.enter(caller.user) {
            let from = (Arc::new(caller), Arc::new(origin));
            serve(&hub, &mut stream, &out, &from, &request_id, &running).await
        } else {
            let error = ApiError::new(ErrorCode::RateLimitExceeded).message("Too many open sockets");
            out.frame(&frames::refusal(&hub, None, &request_id, &error)).await;
            gone(close_code::POLICY, "too many open sockets")
        };
        if goodbye.lost {
            running.desert_all();
        } else {
            running.cancel_all();
        }
        out.close(goodbye.frame).await;
    }
    drop(out);
    drop(timeout(patience, writer).await);
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
        out.close(gone(close_code::POLICY, "authentication failed").frame).await;
    } else {
        out.json(serde_json::json!({ "type": "ready" }).to_string()).await;
    }
    caller
}

/// The socket is closed on purpose: its calls end.
fn gone(code: u16, reason: &'static str) -> Goodbye {
    Goodbye { frame: CloseFrame { code, reason: reason.into() }, lost: false }
}

/// The connection is lost: recorded calls go on for a while.
fn lost(code: u16, reason: &'static str) -> Goodbye {
    Goodbye { lost: true, ..gone(code, reason) }
}

async fn serve(
    hub: &Arc<Hub>,
    stream: &mut SplitStream<WebSocket>,
    out: &Out,
    from: &(Arc<Caller>, Arc<Origin>),
    request_id: &RequestId,
    running: &Running,
) -> Goodbye {
    // Told from here on; what changed before is seen by the first look.
    let mut changes = access::changes(hub, &from.0).await;
    let mut told_of = Told::begin(hub, &from.0).await;
    let mut look = tokio::time::interval(RECHECK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut heard, mut looked) = (Instant::now(), None::<Instant>);
    loop {
        let message = tokio::select! {
            biased;
            () = hub.tasks.stop().cancelled() => return gone(close_code::RESTART, "the hub is stopping"),
            // The writer has given up, or cannot reach the other side.
            () = out.closed() => return lost(close_code::POLICY, "too slow"),
            more = next_change(&mut changes) => {
                if !more {
                    changes = None;
                }
                looked = None;
                None
            }
            _ = look.tick() => None,
            event = told_of.next() => {
                if let Some(frame) = Box::pin(told::frame(hub, &from.0, &event)).await
                    && !out.json(frame).await
                {
                    return lost(close_code::POLICY, "too slow");
                }
                continue;
            }
            message = timeout_at(heard + SILENCE, stream.next()) => Some(message),
        };
        let Some(message) = message else {
            let due = running.is_busy() || changes.is_none();
            if due || looked.is_none_or(|looked| looked.elapsed() >= IDLE_RECHECK) {
                looked = Some(Instant::now());
                told_of.mend(hub, &from.0).await;
                if matches!(access::recheck(hub, &from.0).await, Err(AccessError::Invalid)) {
                    return gone(close_code::POLICY, "the credential is no longer valid");
                }
            }
            continue;
        };
        heard = Instant::now();
        match message {
            Err(_) => return lost(close_code::AWAY, "no sign of life"),
            Ok(None) => return lost(close_code::NORMAL, ""),
            Ok(Some(Ok(Message::Close(_)))) => return gone(close_code::NORMAL, ""),
            Ok(Some(Err(error))) => return lost(unreadable(&error), "not readable"),
            Ok(Some(Ok(Message::Text(text)))) => {
                // Boxed, so that an idle socket has no room for what a request needs.
                if let Err((id, error)) = Box::pin(receive(hub, out, from, running, &text)).await
                    && !out.frame(&frames::refusal(hub, id, request_id, &error)).await
                {
                    return lost(close_code::POLICY, "too slow");
                }
            }
            Ok(Some(Ok(Message::Binary(_)))) => return gone(close_code::UNSUPPORTED, "text only"),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
        }
    }
}

/// Waits for a word about a change; `false` when none will come any more.
async fn next_change(changes: &mut Option<BoxStream<'static, Vec<u8>>>) -> bool {
    match changes {
        Some(changes) => changes.next().await.is_some(),
        None => std::future::pending().await,
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
    let wanted = if about.kind.as_deref() == Some("resume") {
        let Json(Control::Resume { id, after }) = Json::from_bytes(text.as_bytes()).map_err(fail)? else {
            return Ok(());
        };
        let after = after.parse().map_err(|_| fail(ApiError::validation("after", "must be the id of an event")))?;
        Wanted::Rest { id, after }
    } else {
        let Json(request) = Json::<McpRequest>::from_bytes(text.as_bytes()).map_err(fail)?;
        let act = keyed::act(&request, text).map_err(fail)?;
        Wanted::Call(Box::new(request), act)
    };
    let caller = access::recheck(hub, caller).await.map_err(|error| fail(unverified(error)))?;
    if let Some(counted) = limits::count_caller(hub, &caller).await.filter(|counted| !counted.window.allowed) {
        let error = ApiError::new(ErrorCode::RateLimitExceeded).details(counted.details());
        return Err(fail(error.retry_after(counted.window.reset)));
    }
    let place = running.enter(wanted.id()).map_err(fail)?;
    let from = (caller, Arc::clone(origin));
    hub.tasks.spawn(calls::run(Arc::clone(hub), out.clone(), from, wanted, place));
    Ok(())
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
