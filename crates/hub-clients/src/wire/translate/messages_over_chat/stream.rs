//! A stream of chat chunks as message events.
//!
//! Blocks of a message follow one another, tool calls of a chat may be told in turns: the call that is open is told live, the others
//! wait until its arguments are whole. Input tokens are not known at the start, so `message_start` says 0 and `message_delta` the truth: what
//! the provider reports, else what the hub counts and bills.

use std::mem;

use hub_types::TokenUsage;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{stop_reason, usage_json};
use crate::llm::{ChatEvent, ChatEventKind};
use crate::wire::translate::chat::{Document, Said, ToolCall};
use crate::wire::translate::origin::Tally;
use crate::wire::translate::{Origin, Retell, data_of, renamed, write_event};

/// Tells the chunks of the first choice.
#[derive(Debug)]
pub(crate) struct Teller {
    thinking: bool,
    origin: Origin,
    begun: bool,
    /// Number of the block that is open, or of the next one.
    block: usize,
    open: Open,
    tools: Vec<Tool>,
    /// Text that came while a tool call was open: it is told after the calls.
    late: String,
    stop: &'static str,
    refused: bool,
    tally: Tally,
}

/// What is being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    /// The tool call with this place in the list.
    Tool(usize),
}

#[derive(Debug)]
struct Tool {
    key: u64,
    id: String,
    name: String,
    /// All arguments so far, and how many bytes of them have been told.
    arguments: String,
    told: usize,
    ended: bool,
}

impl Tool {
    fn is_whole(&self) -> bool {
        serde_json::from_str::<IgnoredAny>(&self.arguments).is_ok()
    }
}

impl Teller {
    /// A teller for a caller who wants to see reasoning or not.
    pub(crate) fn new(thinking: bool) -> Self {
        Self {
            thinking,
            origin: Origin::default(),
            begun: false,
            block: 0,
            open: Open::Nothing,
            tools: Vec::new(),
            late: String::new(),
            stop: "end_turn",
            refused: false,
            tally: Tally::default(),
        }
    }

    /// The same for a call of which more is known than its answer.
    pub(crate) fn of(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    fn begin(&mut self, chunk: Option<&Document<'_>>, out: &mut Vec<u8>) {
        if mem::replace(&mut self.begun, true) {
            return;
        }
        let (id, model) = chunk.map_or(("", ""), |chunk| (chunk.id.as_str(), chunk.model.as_str()));
        let message = json!({
            "id": renamed(self.origin.id(id), &["chatcmpl-"], "msg_"),
            "type": "message",
            "role": "assistant",
            "model": self.origin.model(model),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "stop_details": null,
            "usage": usage_json(&TokenUsage::default()),
        });
        write_event(out, "message_start", &json!({"type": "message_start", "message": message}));
    }

    fn tell(&mut self, chunk: &Document<'_>, out: &mut Vec<u8>) {
        let choices = chunk.choices.iter().flatten();
        for choice in choices.filter(|choice| choice.index.unwrap_or(0) == 0) {
            if let Some(said) = choice.added() {
                self.say(said, out);
            }
            if let Some(reason) = choice.finish_reason.get().filter(|reason| !reason.is_empty()) {
                self.stop = stop_reason(reason);
            }
        }
    }

    fn say(&mut self, said: &Said<'_>, out: &mut Vec<u8>) {
        if self.thinking && !said.reasoning().is_empty() && self.tools.is_empty() {
            self.switch(Open::Thinking, out);
            self.delta(&json!({"type": "thinking_delta", "thinking": said.reasoning()}), out);
        }
        if self.thinking && self.tools.is_empty() {
            for block in said.thinking_blocks() {
                self.sign(block, out);
            }
        }
        self.refused |= !said.refusal.as_str().is_empty();
        for text in [said.content.as_str(), said.refusal.as_str()].into_iter().filter(|text| !text.is_empty()) {
            if self.tools.iter().all(|tool| tool.ended) {
                self.say_text(text, out);
            } else {
                self.late.push_str(text);
            }
        }
        for call in said.tool_calls.iter().flatten() {
            self.note(call);
            self.tell_tools(false, out);
        }
    }

    /// Ends the thinking that is open with its signature; a block of which nothing was shown is told whole.
    fn sign(&mut self, block: &RawValue, out: &mut Vec<u8>) {
        let Ok(mut block) = serde_json::from_str::<Value>(block.get()) else { return };
        let signature = match block.get_mut("signature").map(Value::take) {
            Some(Value::String(signature)) => Some(signature),
            _ => None,
        };
        if let (Open::Thinking, Some(signature)) = (self.open, &signature) {
            self.delta(&json!({"type": "signature_delta", "signature": signature}), out);
            self.close(out);
            return;
        }
        self.close(out);
        if let Some(signature) = signature {
            self.switch(Open::Thinking, out);
            if block["thinking"].as_str().is_some_and(|text| !text.is_empty()) {
                self.delta(&json!({"type": "thinking_delta", "thinking": block["thinking"]}), out);
            }
            self.delta(&json!({"type": "signature_delta", "signature": signature}), out);
            self.close(out);
        } else if block["type"] == "redacted_thinking" {
            self.write("content_block_start", json!({"index": self.block, "content_block": block}), out);
            self.write("content_block_stop", json!({"index": self.block}), out);
            self.block += 1;
        }
    }

    fn say_text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.switch(Open::Text, out);
        self.delta(&json!({"type": "text_delta", "text": text}), out);
    }

    /// Adds a piece of a tool call to what is known of it.
    fn note(&mut self, piece: &ToolCall<'_>) {
        let known = match piece.index {
            Some(key) => self.tools.iter().position(|tool| tool.key == key),
            // Some servers leave the index out: a new id is then a new call, and none goes on with the last one.
            None => match piece.id.get() {
                Some(id) => self.tools.iter().position(|tool| tool.id == id),
                None => self.tools.len().checked_sub(1),
            },
        };
        let place = known.unwrap_or_else(|| {
            let key = piece.index.unwrap_or(self.tools.len() as u64);
            let (id, name, arguments) = (String::new(), String::new(), String::new());
            self.tools.push(Tool { key, id, name, arguments, told: 0, ended: false });
            self.tools.len() - 1
        });
        let Some(tool) = self.tools.get_mut(place) else { return };
        if tool.id.is_empty() {
            piece.id.as_str().clone_into(&mut tool.id);
        }
        if let Some(function) = &piece.function {
            if tool.name.is_empty() {
                function.name.as_str().clone_into(&mut tool.name);
            }
            tool.arguments.push_str(function.arguments.as_str());
        }
    }

    /// Tells what can be told of the tool calls in their order; with `last`, all of them.
    fn tell_tools(&mut self, last: bool, out: &mut Vec<u8>) {
        loop {
            let Some(place) = self.tools.iter().position(|tool| !tool.ended) else { return };
            if self.tools[place].name.is_empty() && !last {
                return;
            }
            self.switch(Open::Tool(place), out);
            let tool = &mut self.tools[place];
            let piece = tool.arguments[tool.told..].to_owned();
            tool.told = tool.arguments.len();
            if !piece.is_empty() {
                self.delta(&json!({"type": "input_json_delta", "partial_json": piece}), out);
            }
            // The next call's turn comes when this one can take no more.
            let is_whole = place + 1 < self.tools.len() && self.tools[place].is_whole();
            if !last && !is_whole {
                return;
            }
            self.tools[place].ended = true;
            self.close(out);
        }
    }

    /// Makes `next` the open block.
    fn switch(&mut self, next: Open, out: &mut Vec<u8>) {
        if self.open == next {
            return;
        }
        self.close(out);
        let block = match next {
            Open::Nothing => return,
            Open::Text => json!({"type": "text", "text": ""}),
            Open::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Open::Tool(place) => {
                let tool = &self.tools[place];
                json!({"type": "tool_use", "id": tool.id, "name": tool.name, "input": {}})
            }
        };
        self.open = next;
        self.write("content_block_start", json!({"index": self.block, "content_block": block}), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            self.write("content_block_stop", json!({"index": self.block}), out);
            self.block += 1;
        }
    }

    fn delta(&self, delta: &Value, out: &mut Vec<u8>) {
        self.write("content_block_delta", json!({"index": self.block, "delta": delta}), out);
    }

    #[expect(clippy::unused_self, reason = "reads as the other tellers' steps")]
    fn write(&self, name: &str, mut event: Value, out: &mut Vec<u8>) {
        event["type"] = name.into();
        write_event(out, name, &event);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(None, out);
        self.tell_tools(true, out);
        let late = mem::take(&mut self.late);
        if !late.is_empty() {
            self.say_text(&late, out);
        }
        self.close(out);
        let usage = usage_json(&self.tally.usage(&self.origin));
        let stop = if self.refused { "refusal" } else { self.stop };
        let delta = json!({"stop_reason": stop, "stop_sequence": null, "stop_details": null});
        self.write("message_delta", json!({"delta": delta, "usage": usage}), out);
        self.write("message_stop", json!({}), out);
    }
}

impl Retell for Teller {
    fn event(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        self.tally.see(&event);
        let mut told = Vec::new();
        match event.kind {
            ChatEventKind::Comment => told.extend_from_slice(&event.raw),
            ChatEventKind::Done => self.end(&mut told),
            ChatEventKind::Chunk | ChatEventKind::UsageOnly => {
                let data = data_of(&event);
                let chunk = data.as_deref().and_then(|data| serde_json::from_slice::<Document<'_>>(data).ok());
                if let Some(chunk) = chunk.filter(|chunk| self.begun || chunk.may_begin()) {
                    self.begin(Some(&chunk), &mut told);
                    self.tell(&chunk, &mut told);
                }
            }
        }
        out.push(event.told(told.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ChatRequest;
    use crate::wire::translate::testing::tell;

    /// Reasoning, text, and three tool calls of which two are told in turns and one has no arguments.
    const CHAT: &str = include_str!("../testdata/chat_stream.txt");

    fn told(thinking: bool) -> String {
        let usage =
            TokenUsage { input: 11, cache_read: 5, cache_write: 4, output: 4, reasoning: 8, ..TokenUsage::default() };
        let (told, _) = tell(CHAT, &mut Teller::new(thinking), |data| {
            let kind = match data {
                b"" => ChatEventKind::Comment,
                b"[DONE]" => ChatEventKind::Done,
                _ => ChatEventKind::Chunk,
            };
            let last = kind == ChatEventKind::Done;
            ChatEvent { usage: last.then_some(usage), ..ChatEvent::bare(kind, bytes::Bytes::new()) }
        });
        told
    }

    #[test]
    fn every_chunk_is_told_as_anthropic_would_and_calls_in_turns_one_after_the_other() {
        insta::assert_snapshot!(told(true));
    }

    /// Some servers begin with a chunk that has neither names nor choices.
    #[test]
    fn names_come_from_the_first_chunk_that_has_them_or_from_the_call() {
        let head = |chunks: &[&str]| {
            let asked = ChatRequest::from_messages("asked", &[("user", "hi")], None, true).unwrap();
            let mut teller = Teller::new(false).of(Origin::of(&asked.into(), "r-1"));
            let chunks: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
            let (told, _) = tell(&chunks.concat(), &mut teller, |data| {
                let kind = if data == b"[DONE]" { ChatEventKind::Done } else { ChatEventKind::Chunk };
                ChatEvent::bare(kind, bytes::Bytes::new())
            });
            let first = told.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            let message = serde_json::from_str::<Value>(first).unwrap()["message"].take();
            (message["id"].as_str().unwrap().to_owned(), message["model"].as_str().unwrap().to_owned())
        };
        let empty = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}"#;
        let named = r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}],"id":"chatcmpl-7","model":"theirs"}"#;
        let nameless = r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}],"id":"","model":""}"#;
        let of = |id: &str, model: &str| (id.to_owned(), model.to_owned());
        assert_eq!(head(&[empty, named, "[DONE]"]), of("msg_7", "theirs"));
        assert_eq!(head(&[empty, nameless, named, "[DONE]"]), of("msg_r-1", "asked"));
        assert_eq!(head(&["[DONE]"]), of("msg_r-1", "asked"));
    }

    /// An answer of OpenAI's responses, told as chat and from there as a message.
    #[test]
    fn every_event_of_a_response_is_told_as_anthropic_would() {
        const RESPONSE: &str = include_str!("../../../llm/openai/testdata/responses_stream.txt");
        let read = |data: &[u8]| {
            let kind = match (data, serde_json::from_slice::<Value>(data).unwrap_or_default()["type"].as_str()) {
                (b"", _) => ChatEventKind::Comment,
                (b"[DONE]", _) | (_, Some("response.completed")) => ChatEventKind::Done,
                _ => ChatEventKind::Chunk,
            };
            ChatEvent::bare(kind, bytes::Bytes::new())
        };
        let (chat, _) = tell(RESPONSE, &mut crate::wire::translate::chat_over_responses::Teller::default(), read);
        let (told, _) = tell(&chat, &mut Teller::new(true), read);
        insta::assert_snapshot!(told);
    }

    #[test]
    fn thinking_of_which_nothing_is_shown_is_told_whole() {
        let chunk = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
        let chat = [
            chunk(
                r#"{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"Eq"},{"type":"redacted_thinking","data":"x"},3]}"#,
            ),
            chunk(r#"{"content":"Hi"}"#),
        ];
        let (told, _) = tell(&chat.concat(), &mut Teller::new(true), |_| {
            ChatEvent::bare(ChatEventKind::Chunk, bytes::Bytes::new())
        });
        let blocks: Vec<&str> = told.lines().filter(|line| line.contains("content_block\"")).collect();
        assert!(
            blocks[0].contains("thinking")
                && blocks[1].contains("redacted_thinking")
                && blocks[2].contains("\"index\":2"),
            "{told}"
        );
        assert!(told.contains("\"signature\":\"Eq\"") && blocks.len() == 3, "{told}");
    }

    #[test]
    fn reasoning_is_told_only_to_whom_asked_for_thinking() {
        assert!(told(true).contains("thinking_delta") && !told(false).contains("thinking_delta"));
    }
}
