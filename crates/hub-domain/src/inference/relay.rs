//! Relaying a stream: every event goes to the caller as it came and past the meter; the end mark is held back until the call is
//! paid for, so that what the caller reads afterwards is true.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use hub_clients::llm::{ChatEvent, ChatEventKind, ChatStream, LlmError, OnHangup};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::call::{Call, Lease, Unpaid, millis};
use super::meter::Meter;
use super::registry::Candidate;
use super::standing::Standing;
use super::{Bill, Frame, InferenceError, breaker, retry, room, trace};
use crate::credits::Outcome;

type Events = BoxStream<'static, Result<ChatEvent, LlmError>>;

/// How a stream ended.
enum End {
    /// The provider's end mark.
    Done(Bytes),
    /// The caller is gone, and the provider was stopped or has run out of time.
    HungUp,
    /// The provider failed.
    Broken(LlmError),
    /// The sweeper took the hold.
    LeaseLost,
    /// The caller lost the right to call.
    Revoked,
}

/// The caller's side of the channel; `None` once the caller is gone.
struct Audience {
    frames: Option<mpsc::Sender<Frame>>,
    wants_usage: bool,
    /// The caller has cancelled: it wants to be told of nothing but the end.
    cancelled: bool,
    patience: Duration,
}

impl Audience {
    /// Passes an event on. A caller who does not take it in time is gone.
    async fn tell(&mut self, event: ChatEvent) {
        let hidden = self.cancelled || (event.kind == ChatEventKind::UsageOnly && !self.wants_usage);
        let Some(frames) = self.frames.as_ref().filter(|_| !hidden) else { return };
        let bytes = event.raw.len();
        if !room::send(frames, Frame::Event { raw: event.raw, text: event.text }, bytes, self.patience).await {
            self.frames = None;
        }
    }

    async fn gone(&self) {
        match &self.frames {
            Some(frames) => frames.closed().await,
            None => std::future::pending().await,
        }
    }
}

/// All that a running stream keeps.
struct Running {
    call: Call,
    candidate: Candidate,
    upstream_id: Option<String>,
    events: Events,
    lease: Lease,
    audience: Audience,
    meter: Meter,
    /// When the first of what was generated came; the marks before it are none.
    first_token_ms: Option<i64>,
}

/// Relays until the end and settles. What the stream keeps is in one box: an `async fn` has room for its arguments twice.
pub(super) fn relay(
    call: Call,
    candidate: Candidate,
    stream: ChatStream,
    first: Box<ChatEvent>,
    lease: Lease,
    frames: mpsc::Sender<Frame>,
) -> impl Future<Output = ()> + Send + use<> {
    let audience = Audience {
        frames: Some(frames),
        wants_usage: call.input.request.wants_usage(),
        cancelled: false,
        patience: call.hub.settings.inference.slow_reader(),
    };
    let ChatStream { upstream_id, events, .. } = stream;
    let meter = Meter::default();
    run(Box::new(Running { call, candidate, upstream_id, events, lease, audience, meter, first_token_ms: None }), first)
}

async fn run(mut running: Box<Running>, first: Box<ChatEvent>) {
    let end = pump(&mut running, first).await;
    // Boxed, or every stream would have the room for its settle while it runs.
    Box::pin(finish(*running, end)).await;
}

/// Settles, and tells the caller.
async fn finish(running: Running, end: End) {
    let Running { call, candidate, upstream_id, events, lease, audience, meter, first_token_ms } = running;
    let outcome = match &end {
        End::Done(_) => Outcome::Completed,
        End::HungUp | End::Revoked => Outcome::Cancelled,
        End::Broken(_) | End::LeaseLost => Outcome::Failed,
    };
    // A stream that did not end well is closed before the settle: the provider should stop working at once.
    let rest = (outcome == Outcome::Completed).then_some(events);
    if let End::Broken(error) = &end
        && candidate.provider.has_health()
    {
        breaker::note(&call.hub, &candidate.key(), retry::verdict(error), false).await;
    }
    let bill = call.settle(&candidate, &lease.admitted, &meter, outcome, upstream_id, first_token_ms).await;
    if let Err(unpaid) = &bill {
        tracing::error!(hold = %lease.admitted.hold, error = %unpaid.error, "a settle failed");
    }
    match &end {
        End::Done(_) | End::HungUp => {}
        End::Broken(error) => trace::failed_as(error.kind()),
        End::LeaseLost => trace::failed_as("lease_lost"),
        End::Revoked => trace::failed_as("revoked"),
    }
    if let (Some(frames), Some(last)) = (audience.frames, last_frame(end, bill, audience.cancelled)) {
        // Whether the last frame arrives changes nothing: the call is paid for.
        drop(timeout(audience.patience, frames.send(last)).await);
    }
    if let Some(mut events) = rest {
        // Read to its very end, the provider's connection goes back to the pool; it has nothing more to say.
        drop(timeout(Duration::from_secs(1), events.next()).await);
    }
}

fn last_frame(end: End, bill: Result<Bill, Box<Unpaid>>, cancelled: bool) -> Option<Frame> {
    let bill = match bill {
        Ok(bill) => bill,
        Err(unpaid) => return unsettled(end, *unpaid, cancelled),
    };
    let error = match end {
        _ if cancelled => InferenceError::Cancelled(Box::new(bill.clone())),
        End::Done(raw) => return Some(Frame::Done { raw, bill: Box::new(bill) }),
        End::Broken(error) => InferenceError::Broken(error),
        End::LeaseLost => InferenceError::LeaseLost,
        End::Revoked => InferenceError::Revoked,
        End::HungUp => return None,
    };
    Some(Frame::Failed { error: Box::new(error), bill: Some(Box::new(bill)) })
}

/// The same while the settle waits.
fn unsettled(end: End, Unpaid { error, later }: Unpaid, cancelled: bool) -> Option<Frame> {
    let waits = InferenceError::Unsettled { receipt: later.bill.receipt, error };
    let (error, end) = match end {
        _ if cancelled => (waits, None),
        End::Done(raw) => (waits, Some(raw)),
        End::Broken(error) => (InferenceError::Broken(error), None),
        End::LeaseLost => (InferenceError::LeaseLost, None),
        End::Revoked => (InferenceError::Revoked, None),
        End::HungUp => return None,
    };
    Some(Frame::Unsettled { error: Box::new(error), end, later: Box::new(later) })
}

async fn pump(running: &mut Running, first: Box<ChatEvent>) -> End {
    let Running { call, candidate, events, lease, audience, meter, first_token_ms, .. } = running;
    let mut next: Option<Result<ChatEvent, LlmError>> = Some(Ok(*first));
    let mut deadline: Option<Instant> = None;
    let mut standing = Standing::of(&call.caller, call.input.request.model());
    loop {
        if let Some(Ok(event)) = &next
            && first_token_ms.is_none()
            && generated(event)
        {
            *first_token_ms = Some(millis(call.started.elapsed()));
        }
        match next.take() {
            Some(Ok(event)) if event.kind == ChatEventKind::Done => {
                // In some wires the end mark is what carries the usage.
                meter.see(&event);
                return End::Done(event.raw);
            }
            Some(Ok(event)) => {
                meter.see(&event);
                audience.tell(event).await;
            }
            Some(Err(error)) => {
                if let Some(words) = error.last_words() {
                    meter.see_last(words);
                }
                return End::Broken(error);
            }
            None => {}
        }
        audience.cancelled |= call.cancel.is_cancelled();
        if (audience.frames.is_none() || audience.cancelled) && deadline.is_none() {
            match candidate.provider.on_hangup() {
                OnHangup::Cancel => return End::HungUp,
                OnHangup::Drain { limit } => deadline = Some(Instant::now() + limit),
            }
        }
        tokio::select! {
            biased;
            () = audience.gone() => audience.frames = None,
            () = call.cancel.cancelled(), if !audience.cancelled => {}
            () = wait_until(deadline) => return End::HungUp,
            // Nobody listens and the process wants to stop: what was produced so far is charged now.
            () = call.hub.tasks.stop().cancelled(), if deadline.is_some() => return End::HungUp,
            () = lease.due() => {
                (lease.admitted.checkpoint.usage, _) = meter.usage(&*candidate.provider, &call.input.request);
                if !Box::pin(lease.renew()).await {
                    return End::LeaseLost;
                }
            }
            () = standing.due() => {
                if Box::pin(standing.is_lost(&call.hub)).await {
                    return End::Revoked;
                }
            }
            event = events.next() => {
                // The adapter promises an end mark or an error; a stream that just stops has broken off.
                next = Some(event.unwrap_or(Err(LlmError::Truncated(None))));
            }
        }
    }
}

/// Whether an event holds anything that a model has generated, shown or not.
fn generated(event: &ChatEvent) -> bool {
    !event.text.is_empty() || event.output.tokens() > 0 || event.reasoning.tokens() > 0
}

/// Waits for the moment, for ever without one.
pub(super) async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use hub_clients::llm::count::Estimate;

    use super::*;

    #[test]
    fn only_what_was_generated_is_a_first_token() {
        let bare = || ChatEvent {
            raw: Bytes::from_static(b"event: message_start\n\n"),
            kind: ChatEventKind::Chunk,
            text: String::new(),
            output: Estimate::default(),
            reasoning: Estimate::default(),
            prompt: None,
            usage: None,
            terms: None,
            finish: None,
        };
        assert!(!generated(&bare()));
        assert!(generated(&ChatEvent { text: "a".to_owned(), ..bare() }));
        assert!(generated(&ChatEvent { output: Estimate::of("f"), ..bare() }));
        assert!(generated(&ChatEvent { reasoning: Estimate::of("hm"), ..bare() }));
    }
}
