//! The recorder: stands between a call and its caller, writes every event down and passes it on.
//!
//! It listens to the call in the caller's place. So a caller who is cut off does not hang up on the call: the recorder does, when the
//! caller's patience has run out and nobody reads the log.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hub_types::{Credits, HoldId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::entry::{Entry, Preface};
use super::log::Log;
use super::{EventId, reader_key};
use crate::Hub;
use crate::inference::Frame;

/// How long a call goes on for a caller who is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// So long, and as long as somebody reads the log; then the provider's own policy applies.
    Grace(Duration),
    /// To its end: the caller has said that it comes back for the answer.
    ToTheEnd,
}

/// How a stream is recorded.
#[derive(Debug)]
pub struct Plan {
    /// The stream: the receipt of its call.
    pub stream: HoldId,
    /// What is known of it at the start.
    pub preface: Preface,
    /// How long the call goes on for a caller who is gone.
    pub patience: Patience,
    /// Whether [`Ending::bytes`] is wanted, up to so many.
    pub collect: Option<usize>,
}

/// How a recorded stream ended.
#[derive(Debug)]
pub struct Ending {
    /// True when its last frame came: it is complete, or failed and charged for what there was. Otherwise nothing was charged, or the
    /// call was hung up on.
    pub answered: bool,
    /// Everything that went out, when it was wanted and not too large.
    pub bytes: Option<Bytes>,
}

/// Records one stream.
pub struct Recorder {
    hub: Arc<Hub>,
    plan: Plan,
    log: Log,
    frames: mpsc::Receiver<Frame>,
    out: Option<mpsc::Sender<Bytes>>,
    collected: Option<BytesMut>,
    sent: u64,
}

impl Recorder {
    /// Begins a recording. What comes out of the channel is what the caller gets; drop it when the caller is gone. Nothing moves before
    /// [`Recorder::run`].
    pub async fn begin(hub: &Arc<Hub>, plan: Plan, frames: mpsc::Receiver<Frame>) -> (Self, mpsc::Receiver<Bytes>) {
        let log = Log::begin(hub, plan.stream, &plan.preface).await;
        let (out, events) = mpsc::channel(hub.settings.inference.stream_buffer.clamp(1, 4096));
        let collected = plan.collect.map(|_| BytesMut::new());
        (Self { hub: Arc::clone(hub), plan, log, frames, out: Some(out), collected, sent: 0 }, events)
    }

    /// True while the stream can be read again.
    pub const fn kept(&self) -> bool {
        self.log.kept()
    }

    /// Records to the end, in a tracked task. `write` turns a frame into events; the first of them has the id it is given, the next
    /// ones those after it.
    pub async fn run(mut self, mut write: impl FnMut(EventId, Frame) -> Vec<Bytes> + Send) -> Ending {
        let mut alone = None;
        loop {
            let frame = tokio::select! {
                biased;
                () = closed(self.out.as_ref()), if self.out.is_some() => {
                    self.out = None;
                    continue;
                }
                () = deserted(&self.hub, &self.plan, &mut alone), if self.out.is_none() => break,
                frame = self.frames.recv() => frame,
            };
            let Some(frame) = frame else { break };
            let last = match &frame {
                Frame::Event { .. } => None,
                Frame::Done { .. } => Some(true),
                Frame::Failed { bill, .. } => Some(bill.as_ref().is_some_and(|bill| bill.credits > Credits::ZERO)),
            };
            let next = EventId { stream: self.plan.stream, number: self.sent + 1 };
            let mut events = write(next, frame).into_iter().peekable();
            while let Some(event) = events.next() {
                let ends = last.is_some() && events.peek().is_none();
                self.log.push(if ends { Entry::Last(event.clone()) } else { Entry::Event(event.clone()) });
                self.collect(&event);
                self.sent += 1;
                self.pass_on(event).await;
            }
            if let Some(answered) = last {
                return Ending { answered, bytes: self.collected.map(BytesMut::freeze) };
            }
        }
        self.log.push(Entry::Cut);
        Ending { answered: false, bytes: None }
    }

    /// A caller who does not take an event in time is gone.
    async fn pass_on(&mut self, event: Bytes) {
        let Some(out) = &self.out else { return };
        let patience = self.hub.settings.inference.slow_reader();
        if !matches!(timeout(patience, out.send(event)).await, Ok(Ok(()))) {
            self.out = None;
        }
    }

    fn collect(&mut self, event: &Bytes) {
        let most = self.plan.collect.unwrap_or_default();
        if self.collected.as_ref().is_some_and(|bytes| bytes.len() + event.len() > most) {
            self.collected = None;
        }
        if let Some(bytes) = &mut self.collected {
            bytes.extend_from_slice(event);
        }
    }
}

/// Waits until nobody waits for this stream any more. `alone` is since when the caller is gone, or the last reader was seen.
async fn deserted(hub: &Hub, plan: &Plan, alone: &mut Option<Instant>) {
    let stopping = hub.tasks.stop().cancelled();
    let Patience::Grace(grace) = plan.patience else { return stopping.await };
    let impatient = async {
        loop {
            sleep_until(*alone.get_or_insert_with(Instant::now) + grace).await;
            if !matches!(hub.cache.get(&reader_key(plan.stream)).await, Ok(Some(_))) {
                return;
            }
            *alone = Some(Instant::now());
        }
    };
    tokio::select! {
        () = stopping => {}
        () = impatient => {}
    }
}

/// Waits until the caller is gone.
async fn closed(out: Option<&mpsc::Sender<Bytes>>) {
    match out {
        Some(out) => out.closed().await,
        None => std::future::pending().await,
    }
}
