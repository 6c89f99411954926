//! A streamed answer: events are handed on as they came, with the facts a [`Reader`] finds in them.
//!
//! Must never end well without having seen the end: a stream counts as complete after its end mark, or when its reader says that all
//! is there but the mark (some servers forget it, and then it is made up).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Body;
use super::config::Timeouts;
use crate::llm::sse::{EVENT_LIMIT, EventTooLarge, SseEvent, SseReader};
use crate::llm::{ChatEvent, ChatEventKind, LlmError, Wait};

/// How long to wait, after `[DONE]`, for the end of the body, so that the connection can be used again.
const TAIL: Duration = Duration::from_millis(250);
/// How many more pieces of body are read in that time.
const TAIL_PIECES: u8 = 8;

/// Finds the facts of one wire's events.
pub(in crate::llm) trait Reader: Send + 'static {
    /// Reads an event. An event of kind `Done` is the end mark.
    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError>;

    /// The end mark, made up, when all is there but the mark.
    fn missing_end(&mut self) -> Option<ChatEvent>;
}

/// The events of an answer.
pub(in crate::llm) fn events<R: Reader + Unpin>(
    body: Body,
    timeouts: Timeouts,
    facts: R,
) -> BoxStream<'static, Result<ChatEvent, LlmError>> {
    let now = Instant::now();
    Box::pin(Relay {
        body,
        reader: SseReader::new(),
        phase: Phase::Open,
        begun: false,
        waiting: None,
        timer: Box::pin(sleep_until(now + timeouts.first_byte)),
        deadline: now + timeouts.total,
        timeouts,
        facts,
    })
}

struct Relay<R> {
    body: Body,
    reader: SseReader,
    phase: Phase,
    /// A byte of the body has arrived.
    begun: bool,
    /// Since when the next byte is awaited.
    waiting: Option<Instant>,
    /// Fires no later than the next deadline. It is not moved with every piece, only when it has fired too early.
    timer: Pin<Box<Sleep>>,
    timeouts: Timeouts,
    deadline: Instant,
    facts: R,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Events are being read.
    Open,
    /// The body has ended without its end mark; what was left of it has been handed out.
    Closed,
    /// The end mark has been handed out; so many more pieces of the body are read, until its end.
    Done(u8),
    /// Nothing follows.
    Ended,
}

impl<R: Reader + Unpin> Stream for Relay<R> {
    type Item = Result<ChatEvent, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = ready!(self.poll_event(cx));
        if matches!(event, Some(Err(_))) {
            self.phase = Phase::Ended;
        }
        Poll::Ready(event)
    }
}

impl<R: Reader> Relay<R> {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<ChatEvent, LlmError>>> {
        loop {
            match self.phase {
                Phase::Open => {}
                Phase::Closed => return Poll::Ready(Some(self.end(LlmError::Truncated(None)))),
                Phase::Done(_) => {
                    ready!(self.poll_tail(cx));
                    self.phase = Phase::Ended;
                    return Poll::Ready(None);
                }
                Phase::Ended => return Poll::Ready(None),
            }
            match self.reader.next_event() {
                Some(Ok(event)) => return Poll::Ready(Some(self.read(event))),
                Some(Err(EventTooLarge)) => {
                    return Poll::Ready(Some(Err(LlmError::TooLarge { limit: EVENT_LIMIT })));
                }
                None => {}
            }
            match ready!(self.poll_fill(cx)) {
                Ok(Some(chunk)) => self.reader.push(chunk),
                Ok(None) => {
                    self.phase = Phase::Closed;
                    if let Some(Ok(event)) = self.reader.finish() {
                        return Poll::Ready(Some(self.read_last(event)));
                    }
                }
                Err(error) => return Poll::Ready(Some(self.end(error))),
            }
        }
    }

    /// The next piece of the body, in time; `None` at its end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, LlmError>> {
        if let Poll::Ready(read) = self.body.poll_chunk(cx) {
            self.begun = true;
            self.waiting = None;
            return Poll::Ready(read.map_err(|error| LlmError::Truncated(Some(error))));
        }
        let (pause, wait) =
            if self.begun { (self.timeouts.idle, Wait::Idle) } else { (self.timeouts.first_byte, Wait::FirstByte) };
        let pause_ends = *self.waiting.get_or_insert_with(Instant::now) + pause;
        let deadline = pause_ends.min(self.deadline);
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(Err(LlmError::Timeout(if self.deadline < pause_ends {
                    Wait::Total
                } else {
                    wait
                })));
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// The body is over, for the reason `error`. That is no error when only the end mark is missing.
    fn end(&mut self, error: LlmError) -> Result<ChatEvent, LlmError> {
        let end = self.facts.missing_end().ok_or(error)?;
        self.phase = Phase::Ended;
        Ok(end)
    }

    /// Reads an event that the body's end has cut off before its blank line. Half an event is no protocol error.
    fn read_last(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError> {
        let closed = [&event.raw[..], b"\n\n"].concat().into();
        match self.read(SseEvent { raw: closed, ..event }) {
            Err(LlmError::Protocol(_)) => self.end(LlmError::Truncated(None)),
            read => read,
        }
    }

    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError> {
        if event.data.as_ref().is_none_or(Bytes::is_empty) {
            return Ok(ChatEvent::bare(ChatEventKind::Comment, event.raw));
        }
        let event = self.facts.read(event)?;
        if event.kind == ChatEventKind::Done {
            self.phase = Phase::Done(TAIL_PIECES);
            self.timer.as_mut().reset(Instant::now() + TAIL);
        }
        Ok(event)
    }

    /// Reads on to the end of the body for a moment: only a body that was read to its end frees its connection. Late or broken, the answer
    /// is complete either way.
    fn poll_tail(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Phase::Done(left @ 1..) = self.phase {
            match self.body.poll_chunk(cx) {
                Poll::Ready(Ok(Some(_))) => self.phase = Phase::Done(left - 1),
                Poll::Ready(Ok(None) | Err(_)) => break,
                Poll::Pending => return self.timer.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}
