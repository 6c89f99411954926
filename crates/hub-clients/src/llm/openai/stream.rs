//! The facts of chat chunks. A stream is complete after `[DONE]`, or after every choice has given its finish reason.

use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;

use crate::llm::http::{Reader, Reject};
use crate::llm::sse::SseEvent;
use crate::llm::{ChatEvent, ChatEventKind, LlmError};
use crate::wire::openai::Chunk;

/// Reads the chunks of one answer.
pub(super) struct Chunks {
    /// Choices that have not given a finish reason.
    pub(super) unfinished: usize,
    /// Cut out of any error in the stream.
    pub(super) key: Option<SecretString>,
}

impl Reader for Chunks {
    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError> {
        let data = event.data.unwrap_or_default();
        if data.trim_ascii() == b"[DONE]" {
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
        // Every chunk says it: the one with the usage is enough.
        let terms = usage.and_then(|_| chunk.terms());
        let choices = chunk.choices.unwrap_or_default();
        self.unfinished = self.unfinished.saturating_sub(choices.finished);
        let kind = if choices.count == 0 && usage.is_some() { ChatEventKind::UsageOnly } else { ChatEventKind::Chunk };
        Ok(ChatEvent {
            text: choices.text,
            output: choices.output,
            reasoning: choices.reasoning,
            usage,
            terms,
            finish: choices.finish,
            ..ChatEvent::bare(kind, event.raw)
        })
    }

    fn missing_end(&mut self) -> Option<ChatEvent> {
        (self.unfinished == 0).then(ChatEvent::done)
    }
}
