//! The facts of message events. A stream is complete after `message_stop`, or after a stop reason has come.

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::de::IgnoredAny;

use crate::llm::count::Estimate;
use crate::llm::http::{Reader, Reject};
use crate::llm::sse::SseEvent;
use crate::llm::{ChatEvent, ChatEventKind, LlmError};
use crate::wire::anthropic::{Event, WireUsage};

/// Reads the events of one message.
pub(super) struct Events {
    usage: WireUsage,
    stopped: bool,
    /// Cut out of any error in the stream.
    key: Option<SecretString>,
}

impl Events {
    pub(super) fn new(key: Option<SecretString>) -> Self {
        Self { usage: WireUsage::default(), stopped: false, key }
    }

    fn facts(&mut self, event: &Event<'_>, raw: Bytes) -> ChatEvent {
        let mut facts = ChatEvent::bare(ChatEventKind::Chunk, raw);
        match event.kind.as_str() {
            "ping" => facts.kind = ChatEventKind::Comment,
            "message_stop" => facts.kind = ChatEventKind::Done,
            "message_start" => {
                if let Some(message) = &event.message {
                    self.usage.supersede(message.usage.clone());
                    facts.terms = self.usage.terms.told();
                    // Its output is only that of the first moment: the whole is reported at the end.
                    facts.prompt = self.usage.tokens();
                }
            }
            "content_block_start" => {
                if let Some(block) = &event.content_block {
                    block.text.as_str().clone_into(&mut facts.text);
                    facts.output = sum(&[block.text.as_str(), block.name.as_str()]);
                    facts.reasoning = Estimate::of(block.thinking.as_str());
                }
            }
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    delta.text.as_str().clone_into(&mut facts.text);
                    facts.output = sum(&[delta.text.as_str(), delta.partial_json.as_str()]);
                    facts.reasoning = Estimate::of(delta.thinking.as_str());
                }
            }
            "message_delta" => {
                if let Some(usage) = &event.usage {
                    self.usage.supersede(usage.clone());
                    facts.terms = self.usage.terms.told();
                    facts.usage = self.usage.tokens();
                }
                let reason = event.delta.as_ref().and_then(|delta| delta.stop_reason.get());
                self.stopped |= reason.is_some();
                facts.finish = reason.map(str::to_owned);
            }
            _ => {}
        }
        facts
    }
}

fn sum(texts: &[&str]) -> Estimate {
    let mut sum = Estimate::default();
    for text in texts {
        sum.add(Estimate::of(text));
    }
    sum
}

impl Reader for Events {
    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError> {
        let data = event.data.unwrap_or_default();
        let Ok(read) = serde_json::from_slice::<Event<'_>>(&data) else {
            // A shape nobody knows is passed on; what is no JSON at all is not.
            return match serde_json::from_slice::<IgnoredAny>(&data) {
                Ok(_) => Ok(ChatEvent::bare(ChatEventKind::Chunk, event.raw)),
                Err(_) => Err(LlmError::Protocol("an event that is not JSON")),
            };
        };
        if read.kind.as_str() == "error" || event.name.is_some_and(|name| name == "error") {
            let reject = Reject { secret: self.key.as_ref().map(ExposeSecret::expose_secret) };
            return Err(reject.answer(&data));
        }
        Ok(self.facts(&read, event.raw))
    }

    fn missing_end(&mut self) -> Option<ChatEvent> {
        let end = Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        self.stopped.then(|| ChatEvent::bare(ChatEventKind::Done, end))
    }
}
