//! A streamed answer: events are handed on as they came, with the facts a [`Reader`] finds in them.
//!
//! Must never end well without having seen the end: a stream counts as complete after its end mark, or when its reader says that all
//! is there but the mark (some servers forget it, and then it is made up).

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::Response;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::Timeouts;
use crate::llm::sse::{EVENT_LIMIT, EventTooLarge, SseEvent, SseReader};
use crate::llm::{ChatEvent, ChatEventKind, LlmError, Wait};

/// How long to wait, after `[DONE]`, for the end of the body, so that the connection can be used again.
const TAIL: Duration = Duration::from_millis(250);
/// How many more pieces of body are read in that time.
const TAIL_PIECES: usize = 8;

/// Finds the facts of one wire's events.
pub(in crate::llm) trait Reader: Send + 'static {
    /// Largest event of the wire, in bytes.
    const EVENT_LIMIT: usize = EVENT_LIMIT;

    /// Reads an event. An event of kind `Done` is the end mark.
    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError>;

    /// The end mark, made up, when all is there but the mark.
    fn missing_end(&mut self) -> Option<ChatEvent>;
}

/// The events of an answer.
pub(in crate::llm) fn events<R: Reader>(
    mut response: Response,
    timeouts: Timeouts,
    facts: R,
) -> BoxStream<'static, Result<ChatEvent, LlmError>> {
    // Headers are slices of the connection's first buffer, and would keep its 8 KiB for as long as the stream lasts.
    response.headers_mut().clear();
    let relay = Relay {
        response,
        reader: SseReader::up_to(R::EVENT_LIMIT),
        phase: Phase::Open,
        begun: false,
        deadline: Instant::now() + timeouts.total,
        timeouts,
        facts,
    };
    stream::unfold(relay, async |mut relay| {
        let event = relay.next().await?;
        if event.is_err() {
            relay.phase = Phase::Ended;
        }
        Some((event, relay))
    })
    .boxed()
}

struct Relay<R> {
    response: Response,
    reader: SseReader,
    phase: Phase,
    /// A byte of the body has arrived.
    begun: bool,
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
    /// The end mark has been handed out.
    Done,
    /// Nothing follows.
    Ended,
}

impl<R: Reader> Relay<R> {
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmError>> {
        while self.phase == Phase::Open {
            match self.reader.next_event() {
                Some(Ok(event)) => return Some(self.read(event)),
                Some(Err(EventTooLarge)) => return Some(Err(LlmError::TooLarge { limit: R::EVENT_LIMIT })),
                None => {}
            }
            match self.fill().await {
                Ok(Some(chunk)) => self.reader.push(chunk),
                Ok(None) => {
                    self.phase = Phase::Closed;
                    if let Some(Ok(event)) = self.reader.finish() {
                        return Some(self.read_last(event));
                    }
                }
                Err(error) => return Some(self.end(error)),
            }
        }
        match self.phase {
            Phase::Closed => Some(self.end(LlmError::Truncated(None))),
            Phase::Done => {
                self.read_tail().await;
                self.phase = Phase::Ended;
                None
            }
            Phase::Open | Phase::Ended => None,
        }
    }

    /// The next piece of the body, in time; `None` at its end.
    async fn fill(&mut self) -> Result<Option<Bytes>, LlmError> {
        let (pause, wait) =
            if self.begun { (self.timeouts.idle, Wait::Idle) } else { (self.timeouts.first_byte, Wait::FirstByte) };
        let pause_ends = Instant::now() + pause;
        match timeout_at(pause_ends.min(self.deadline), self.response.chunk()).await {
            Ok(Ok(chunk)) => {
                self.begun = true;
                Ok(chunk)
            }
            Ok(Err(error)) => Err(LlmError::Truncated(Some(error.into()))),
            Err(_) if self.deadline < pause_ends => Err(LlmError::Timeout(Wait::Total)),
            Err(_) => Err(LlmError::Timeout(wait)),
        }
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
            self.phase = Phase::Done;
        }
        Ok(event)
    }

    /// Reads on to the end of the body for a moment: only a body that was read to its end frees its connection.
    async fn read_tail(&mut self) {
        let tail = async {
            for _ in 0..TAIL_PIECES {
                if !matches!(self.response.chunk().await, Ok(Some(_))) {
                    break;
                }
            }
        };
        // Late or broken, the answer is complete either way.
        let _ = timeout(TAIL, tail).await;
    }
}
