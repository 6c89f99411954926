//! Answers to calls that ask for their prompt to be kept long: what they wrote to the cache is a class of its own, whatever wire they speak.

use hub_types::TokenUsage;

use crate::llm::http::Reader;
use crate::llm::sse::SseEvent;
use crate::llm::{ChatEvent, LastWords, LlmError, WholeAnswer};
use crate::wire::openai::{keeps_long, kept_long};

/// How long what a call writes to the cache is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    Usual,
    Long,
}

impl Keeping {
    /// As the body that is sent asks for.
    pub(super) fn of(body: &[u8]) -> Self {
        if keeps_long(body) { Self::Long } else { Self::Usual }
    }

    /// The usage in the classes it is billed by.
    fn sorted(self, usage: Option<TokenUsage>) -> Option<TokenUsage> {
        match self {
            Self::Usual => usage,
            Self::Long => usage.map(kept_long),
        }
    }

    /// The same for a whole answer.
    pub(super) fn whole(self, answer: WholeAnswer) -> WholeAnswer {
        WholeAnswer { usage: self.sorted(answer.usage), ..answer }
    }

    /// The same for an answer that failed.
    fn last(self, error: LlmError) -> LlmError {
        match error {
            LlmError::Last(words) => {
                let usage = self.sorted(words.usage);
                LlmError::Last(Box::new(LastWords { usage, ..*words }))
            }
            other => other,
        }
    }

    /// The same for the events that `reader` finds.
    pub(super) const fn events<R>(self, reader: R) -> Kept<R> {
        Kept { reader, keeping: self }
    }
}

/// A reader whose usage is sorted.
pub(super) struct Kept<R> {
    reader: R,
    keeping: Keeping,
}

impl<R: Reader> Reader for Kept<R> {
    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError> {
        let mut event = self.reader.read(event).map_err(|error| self.keeping.last(error))?;
        event.usage = self.keeping.sorted(event.usage);
        Ok(event)
    }

    fn missing_end(&mut self) -> Option<ChatEvent> {
        self.reader.missing_end()
    }
}
