//! A streamed answer: events are handed on as they came, with their facts beside them.
//!
//! Must never end well without having seen the end: a stream counts as complete after `[DONE]`, or after every choice has
//! given its finish reason (some servers forget the mark, and then it is made up).

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::Response;
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::Timeouts;
use super::fault::Reject;
use crate::llm::sse::{EVENT_LIMIT, EventTooLarge, SseEvent, SseReader};
use crate::llm::{ChatEvent, ChatEventKind, LlmError, Wait};
use crate::wire::openai::Chunk;

/// How long to wait, after `[DONE]`, for the end of the body, so that the connection can be used again.
const TAIL: Duration = Duration::from_millis(250);
/// How many more pieces of body are read in that time.
const TAIL_PIECES: usize = 8;

/// The events of an answer whose request asked for `choices` choices. `key` is cut out of any error in the stream.
pub(super) fn events(
    response: Response,
    choices: usize,
    timeouts: Timeouts,
    key: Option<SecretString>,
) -> BoxStream<'static, Result<ChatEvent, LlmError>> {
    let relay = Relay {
        response,
        reader: SseReader::new(),
        phase: Phase::Open,
        begun: false,
        deadline: Instant::now() + timeouts.total,
        timeouts,
        unfinished: choices,
        key,
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

struct Relay {
    response: Response,
    reader: SseReader,
    phase: Phase,
    /// A byte of the body has arrived.
    begun: bool,
    timeouts: Timeouts,
    deadline: Instant,
    /// Choices that have not given a finish reason.
    unfinished: usize,
    key: Option<SecretString>,
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

impl Relay {
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmError>> {
        while self.phase == Phase::Open {
            match self.reader.next_event() {
                Some(Ok(event)) => return Some(self.read(event)),
                Some(Err(EventTooLarge)) => return Some(Err(LlmError::TooLarge { limit: EVENT_LIMIT })),
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

    /// The body is over, for the reason `error`. That is no error when every choice had finished.
    fn end(&mut self, error: LlmError) -> Result<ChatEvent, LlmError> {
        if self.unfinished > 0 {
            return Err(error);
        }
        self.phase = Phase::Ended;
        Ok(ChatEvent::done())
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
        let Some(data) = event.data.filter(|data| !data.is_empty()) else {
            return Ok(ChatEvent::bare(ChatEventKind::Comment, event.raw));
        };
        if data.trim_ascii() == b"[DONE]" {
            self.phase = Phase::Done;
            return Ok(ChatEvent::bare(ChatEventKind::Done, event.raw));
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(&data) else {
            // A shape nobody knows is passed on; what is no JSON at all is not.
            return match serde_json::from_slice::<IgnoredAny>(&data) {
                Ok(_) => Ok(ChatEvent::bare(ChatEventKind::Chunk, event.raw)),
                Err(_) => Err(LlmError::Protocol("an event that is not JSON")),
            };
        };
        let failed = chunk.error.is_some_and(|error| error.get() != "null");
        if failed || event.name.is_some_and(|name| name == "error") {
            let reject = Reject { secret: self.key.as_ref().map(ExposeSecret::expose_secret) };
            return Err(reject.answer(&data));
        }
        let usage = chunk.usage();
        let choices = chunk.choices.unwrap_or_default();
        self.unfinished = self.unfinished.saturating_sub(choices.finished);
        let kind = if choices.count == 0 && usage.is_some() { ChatEventKind::UsageOnly } else { ChatEventKind::Chunk };
        Ok(ChatEvent {
            raw: event.raw,
            text: choices.text,
            output: choices.output,
            reasoning: choices.reasoning,
            usage,
            finish: choices.finish,
            kind,
        })
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
