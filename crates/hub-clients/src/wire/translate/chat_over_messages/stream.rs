//! A stream of message events as chat chunks.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::json;
use serde_json::value::RawValue;

use super::finish_reason;
use crate::llm::{ChatEvent, ChatEventKind};
use crate::wire::anthropic::{Block, Delta, Event};
use crate::wire::translate::chunks::Chunks;
use crate::wire::translate::{Retell, data_of, renamed};

const PING: Bytes = Bytes::from_static(b": ping\n\n");

/// Tells the events of one message as chunks. The usage chunk is always told, marked as such: whoever did not ask for it does not get it.
#[derive(Debug)]
pub(crate) struct Teller {
    chunks: Chunks,
    /// Tool calls begun; chunks number them apart from the other blocks.
    tools: usize,
    open: Option<Open>,
    usage: Option<TokenUsage>,
}

/// The block being told; blocks never overlap.
#[derive(Debug)]
enum Open {
    Tool { index: usize, silent: bool },
    Thinking { thinking: String, signature: String },
}

impl Teller {
    /// A teller whose chunks are dated `created`, in seconds since 1970.
    pub(crate) fn new(created: i64) -> Self {
        Self { chunks: Chunks { created, ..Chunks::default() }, tools: 0, open: None, usage: None }
    }

    fn tell(&mut self, event: &Event<'_>) -> Option<Bytes> {
        match event.kind.as_str() {
            "message_start" => {
                let message = event.message.as_ref()?;
                self.chunks.id = renamed(message.id.as_str(), &["msg_"], "chatcmpl-");
                message.model.as_str().clone_into(&mut self.chunks.model);
                Some(self.chunks.chunk(&json!({"role": "assistant", "content": ""}), None))
            }
            "content_block_start" => self.begin(event.content_block.as_ref()?),
            "content_block_delta" => self.add(event.delta.as_ref()?),
            "content_block_stop" => match self.open.take()? {
                Open::Tool { index, silent: true } => Some(self.arguments(index, "{}")),
                Open::Thinking { thinking, signature } => {
                    let block = json!({"type": "thinking", "thinking": thinking, "signature": signature});
                    Some(self.chunks.chunk(&json!({"thinking_blocks": [block]}), None))
                }
                Open::Tool { .. } => None,
            },
            "message_delta" => {
                let delta = event.delta.as_ref()?;
                let reason = delta.stop_reason.get()?;
                let explanation = delta.stop_details.as_ref().and_then(|details| details.explanation.get());
                let last = match explanation {
                    Some(explanation) if reason == "refusal" => json!({"refusal": explanation}),
                    _ => json!({}),
                };
                Some(self.chunks.chunk(&last, Some(finish_reason(reason))))
            }
            _ => None,
        }
    }

    fn begin(&mut self, block: &Block<'_>) -> Option<Bytes> {
        match block.kind.as_str() {
            "text" if !block.text.as_str().is_empty() => {
                Some(self.chunks.chunk(&json!({"content": block.text.as_str()}), None))
            }
            "thinking" => {
                let thinking = block.thinking.as_str().to_owned();
                let told =
                    (!thinking.is_empty()).then(|| self.chunks.chunk(&json!({"reasoning_content": thinking}), None));
                self.open = Some(Open::Thinking { thinking, signature: block.signature.as_str().to_owned() });
                told
            }
            "redacted_thinking" => {
                let block = json!({"type": "redacted_thinking", "data": block.data.as_str()});
                Some(self.chunks.chunk(&json!({"thinking_blocks": [block]}), None))
            }
            "tool_use" => {
                let index = self.tools;
                self.tools += 1;
                // The whole input may stand here already; usually it is `{}` and comes in pieces.
                let input =
                    block.input.map(RawValue::get).filter(|input| *input != "{}" && *input != "null").unwrap_or("");
                self.open = Some(Open::Tool { index, silent: input.is_empty() });
                let function = json!({"name": block.name.as_str(), "arguments": input});
                let call = json!({"index": index, "id": block.id.as_str(), "type": "function", "function": function});
                Some(self.chunks.chunk(&json!({"tool_calls": [call]}), None))
            }
            _ => None,
        }
    }

    fn add(&mut self, delta: &Delta<'_>) -> Option<Bytes> {
        match (delta.kind.as_str(), &mut self.open) {
            ("text_delta", _) => Some(self.chunks.chunk(&json!({"content": delta.text.as_str()}), None)),
            ("thinking_delta", open) => {
                if let Some(Open::Thinking { thinking, .. }) = open {
                    thinking.push_str(delta.thinking.as_str());
                }
                Some(self.chunks.chunk(&json!({"reasoning_content": delta.thinking.as_str()}), None))
            }
            ("signature_delta", Some(Open::Thinking { signature, .. })) => {
                signature.push_str(delta.signature.as_str());
                None
            }
            ("input_json_delta", Some(Open::Tool { index, silent })) if !delta.partial_json.as_str().is_empty() => {
                *silent = false;
                let index = *index;
                Some(self.arguments(index, delta.partial_json.as_str()))
            }
            _ => None,
        }
    }

    fn arguments(&self, index: usize, piece: &str) -> Bytes {
        self.chunks.chunk(&json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}), None)
    }
}

impl Retell for Teller {
    fn event(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        self.usage = event.usage.or(self.usage);
        match event.kind {
            ChatEventKind::Comment => out.push(event.told(PING)),
            ChatEventKind::Done => {
                if let Some(usage) = self.usage {
                    let raw = self.chunks.usage(&usage);
                    out.push(ChatEvent::bare(ChatEventKind::UsageOnly, raw));
                }
                out.push(ChatEvent { kind: ChatEventKind::Done, ..event.told(ChatEvent::done().raw) });
            }
            ChatEventKind::Chunk | ChatEventKind::UsageOnly => {
                let data = data_of(&event);
                let read = data.as_deref().and_then(|data| serde_json::from_slice::<Event<'_>>(data).ok());
                let raw = read.and_then(|read| self.tell(&read)).unwrap_or_default();
                out.push(event.told(raw));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::wire::translate::testing::tell;

    /// Every event of providers.md §3.4, thinking with its signature, two tool calls of which one has no arguments, and unknown ones.
    const MESSAGE: &str = include_str!("../testdata/message_stream.txt");

    /// Everything of tools that Anthropic runs itself, of compaction, and of kinds nobody knows yet.
    const HOSTED: &str = include_str!("../testdata/hosted_message_stream.txt");

    fn told(message: &str) -> (String, Vec<ChatEventKind>) {
        tell(message, &mut Teller::new(1_795_000_000), |data| {
            let usage = TokenUsage {
                input: 10,
                cache_read: 3,
                cache_write: 2,
                output: 13,
                reasoning: 12,
                ..TokenUsage::default()
            };
            let kind = match serde_json::from_slice::<Value>(data).unwrap()["type"].as_str().unwrap() {
                "message_stop" => ChatEventKind::Done,
                "ping" => ChatEventKind::Comment,
                _ => ChatEventKind::Chunk,
            };
            let last = kind == ChatEventKind::Done;
            ChatEvent { usage: last.then_some(usage), ..ChatEvent::bare(kind, Bytes::new()) }
        })
    }

    #[test]
    fn what_a_provider_did_itself_is_left_out_and_what_it_said_is_told() {
        let (told, _) = told(HOSTED);
        insta::assert_snapshot!(told);
        assert!(told.contains("Found") && !told.contains("not said") && !told.contains("tool_calls"), "{told}");
    }

    #[test]
    fn a_refusal_is_told_with_its_reason() {
        let delta = json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "Not this."}}});
        let (told, _) = told(&format!("event: message_delta\ndata: {delta}\n\n"));
        assert!(
            told.contains(r#""refusal":"Not this.""#) && told.contains(r#""finish_reason":"content_filter""#),
            "{told}"
        );
    }

    #[test]
    fn every_event_of_a_message_is_told_as_openai_would() {
        let (told, kinds) = told(MESSAGE);
        insta::assert_snapshot!(told);
        assert_eq!(kinds[kinds.len() - 2..], [ChatEventKind::UsageOnly, ChatEventKind::Done]);
    }
}
