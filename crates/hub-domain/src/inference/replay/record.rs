//! The recorder: stands between a call and its caller, writes every event down and passes it on.
//!
//! It listens to the call in the caller's place. So a caller who is cut off does not hang up on the call: the recorder does, when the
//! caller's patience has run out and nobody reads the log.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hub_types::{Credits, HoldId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::entry::{Entry, Preface};
use super::log::Log;
use super::{EventId, reader_key};
use crate::Hub;
use crate::inference::{Bill, Frame, Later, room};

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

/// What became of a recorded call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its last frame came: it is complete, or failed and charged for what there was.
    Answered,
    /// Nothing was charged, or the call was hung up on: a repetition is a new call.
    Free,
    /// It may have been charged, or will be: this process cannot tell.
    Unknown,
}

/// How a recorded stream ended.
#[derive(Debug)]
pub struct Ending {
    /// What became of its call.
    pub ended: Ended,
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
            let (frame, last) = match self.end_of(frame, &mut write).await {
                Turn::Goes(frame) => (frame, None),
                Turn::Ends(frame, ended) => (frame, Some(ended)),
                Turn::Unknown => {
                    self.log.push(Entry::Cut);
                    return Ending { ended: Ended::Unknown, bytes: None };
                }
            };
            let mut events = write(self.next(), frame).into_iter().peekable();
            while let Some(event) = events.next() {
                let ends = last.is_some() && events.peek().is_none();
                self.log.push(if ends { Entry::Last(event.clone()) } else { Entry::Event(event.clone()) });
                self.collect(&event);
                self.sent += 1;
                self.pass_on(event).await;
            }
            if let Some(last) = last {
                self.out = None;
                let ended = match last {
                    Last::Known(ended) => ended,
                    Last::Waits(later) => of_bill(later.bill().await.as_ref()),
                };
                return Ending { ended, bytes: self.collected.map(BytesMut::freeze) };
            }
        }
        self.log.push(Entry::Cut);
        Ending { ended: Ended::Free, bytes: None }
    }

    /// Whether this frame is the last one. A complete answer that is not paid for yet has no end before it is: the caller is told why it
    /// must come back, and whoever reads the log waits.
    async fn end_of(&mut self, frame: Frame, write: &mut (impl FnMut(EventId, Frame) -> Vec<Bytes> + Send)) -> Turn {
        match frame {
            Frame::Event { .. } => Turn::Goes(frame),
            Frame::Done { .. } => Turn::Ends(frame, Last::Known(Ended::Answered)),
            Frame::Failed { ref bill, .. } => {
                let ended = of_bill(bill.as_deref());
                Turn::Ends(frame, Last::Known(ended))
            }
            Frame::Unsettled { error, end: None, later } => {
                Turn::Ends(Frame::Failed { error, bill: None }, Last::Waits(later))
            }
            Frame::Unsettled { error, end: Some(raw), later } => {
                for event in write(self.next(), Frame::Failed { error, bill: None }) {
                    self.pass_on(event).await;
                }
                self.out = None;
                match later.bill().await {
                    Some(bill) => Turn::Ends(Frame::Done { raw, bill: Box::new(bill) }, Last::Known(Ended::Answered)),
                    None => Turn::Unknown,
                }
            }
        }
    }

    const fn next(&self) -> EventId {
        EventId { stream: self.plan.stream, number: self.sent + 1 }
    }

    /// A caller who does not take an event in time is gone.
    async fn pass_on(&mut self, event: Bytes) {
        let Some(out) = &self.out else { return };
        let (bytes, patience) = (event.len(), self.hub.settings.inference.slow_reader());
        if !room::send(out, event, bytes, patience).await {
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

/// What a frame is in its stream.
enum Turn {
    Goes(Frame),
    Ends(Frame, Last),
    /// Whether there is an end nobody will know here.
    Unknown,
}

/// What is known at the last frame of what became of the call.
enum Last {
    Known(Ended),
    Waits(Box<Later>),
}

/// What a call that failed was.
fn of_bill(bill: Option<&Bill>) -> Ended {
    match bill {
        Some(bill) if bill.credits > Credits::ZERO => Ended::Answered,
        Some(_) => Ended::Free,
        None => Ended::Unknown,
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
