//! A stream of chat chunks as response events. Every event is numbered; there is no end mark, the last event holds the whole response.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Echo;
use super::answer::{end, function_call, message, reasoning};
use crate::llm::{ChatEvent, ChatEventKind};
use crate::wire::opaque;
use crate::wire::translate::chat::{Document, Said, ToolCall};
use crate::wire::translate::origin::Tally;
use crate::wire::translate::{Origin, Retell, data_of, renamed, write_event};

/// Tells the chunks of the first choice. Reasoning that a server shows is told as a summary, and what can be sent back of it as encrypted.
#[derive(Debug)]
pub(crate) struct Teller {
    echo: Echo,
    origin: Origin,
    response: Value,
    begun: bool,
    sequence: u64,
    items: Vec<Item>,
    finish: String,
    tally: Tally,
}

/// One item of the output; its place in the list is its `output_index`.
#[derive(Debug)]
enum Item {
    Message { id: String, text: String, refusal: String, open: bool },
    Reasoning { id: String, text: String, encrypted: Option<String>, open: bool },
    Call { key: u64, id: String, call_id: String, name: String, arguments: String },
}

impl Item {
    fn finished(&self) -> Value {
        match self {
            Self::Message { id, text, refusal, .. } => message(id, text, refusal),
            Self::Reasoning { id, text, encrypted, .. } => reasoning(id, text, encrypted.as_deref()),
            Self::Call { id, call_id, name, arguments, .. } => function_call(id, call_id, name, arguments),
        }
    }
}

impl Teller {
    /// A teller whose responses repeat `echo`.
    pub(crate) fn new(echo: Echo) -> Self {
        Self {
            echo,
            origin: Origin::default(),
            response: Value::Null,
            begun: false,
            sequence: 0,
            items: Vec::new(),
            finish: String::new(),
            tally: Tally::default(),
        }
    }

    /// The same for a call of which more is known than its answer.
    pub(crate) fn of(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    fn write(&mut self, name: &str, mut event: Value, out: &mut Vec<u8>) {
        event["type"] = name.into();
        event["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        write_event(out, name, &event);
    }

    fn begin(&mut self, chunk: Option<&Document<'_>>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let (id, model) = chunk.map_or(("", ""), |chunk| (chunk.id.as_str(), chunk.model.as_str()));
        let id = renamed(self.origin.id(id), &["chatcmpl-"], "resp_");
        let created = chunk.and_then(|chunk| chunk.created).unwrap_or(0);
        self.response = self.echo.response(&id, created, self.origin.model(model));
        for name in ["response.created", "response.in_progress"] {
            let event = json!({"response": self.response});
            self.write(name, event, out);
        }
    }

    fn say(&mut self, said: &Said<'_>, out: &mut Vec<u8>) {
        self.add_thought(said.reasoning(), out);
        for block in said.thinking_blocks() {
            self.end_thought(block, out);
        }
        self.add_text(said.content.as_str(), false, out);
        self.add_text(said.refusal.as_str(), true, out);
        for call in said.tool_calls.iter().flatten() {
            self.close(out);
            self.add_call(call, out);
        }
    }

    /// The id of the next item, which is its own in this response.
    fn id(&self, prefix: &str) -> String {
        let response = self.response["id"].as_str().unwrap_or_default();
        format!("{}_{}", renamed(response, &["resp_"], prefix), self.items.len())
    }

    fn add_thought(&mut self, more: &str, out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        if !matches!(self.items.last(), Some(Item::Reasoning { open: true, .. })) {
            self.begin_thought(out);
        }
        let index = self.items.len() - 1;
        let Some(Item::Reasoning { id, text, .. }) = self.items.last_mut() else { return };
        let first = text.is_empty();
        text.push_str(more);
        let at = json!({"item_id": id, "output_index": index, "summary_index": 0});
        if first {
            let mut event = at.clone();
            event["part"] = json!({"type": "summary_text", "text": ""});
            self.write("response.reasoning_summary_part.added", event, out);
        }
        let mut event = at;
        event["delta"] = more.into();
        self.write("response.reasoning_summary_text.delta", event, out);
    }

    fn begin_thought(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let (id, index) = (self.id("rs_"), self.items.len());
        let item = reasoning(&id, "", None);
        self.items.push(Item::Reasoning { id, text: String::new(), encrypted: None, open: true });
        self.write("response.output_item.added", json!({"output_index": index, "item": item}), out);
    }

    /// Ends the thought that is open with what can be sent back of it; one of which nothing was shown is an item of its own.
    fn end_thought(&mut self, block: &RawValue, out: &mut Vec<u8>) {
        if !matches!(self.items.last(), Some(Item::Reasoning { open: true, .. })) {
            self.begin_thought(out);
        }
        if let Some(Item::Reasoning { encrypted, .. }) = self.items.last_mut() {
            *encrypted = opaque::content_of(block);
        }
        self.close(out);
    }

    fn add_text(&mut self, more: &str, refuses: bool, out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        if !matches!(self.items.last(), Some(Item::Message { open: true, .. })) {
            self.close(out);
            let id = self.id("msg_");
            let item =
                json!({"id": id, "type": "message", "role": "assistant", "status": "in_progress", "content": []});
            let index = self.items.len();
            self.items.push(Item::Message { id, text: String::new(), refusal: String::new(), open: true });
            self.write("response.output_item.added", json!({"output_index": index, "item": item}), out);
        }
        let index = self.items.len() - 1;
        let Some(Item::Message { id, text, refusal, .. }) = self.items.last_mut() else { return };
        let (id, has_text) = (id.clone(), !text.is_empty());
        let place = usize::from(refuses && has_text);
        let part = if refuses { refusal } else { text };
        let first = part.is_empty();
        part.push_str(more);
        let at = |mut event: Value| {
            event["item_id"] = id.as_str().into();
            event["output_index"] = index.into();
            event["content_index"] = place.into();
            event
        };
        if first {
            let empty = if refuses {
                json!({"type": "refusal", "refusal": ""})
            } else {
                json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []})
            };
            self.write("response.content_part.added", at(json!({"part": empty})), out);
        }
        if refuses {
            self.write("response.refusal.delta", at(json!({"delta": more})), out);
        } else {
            self.write("response.output_text.delta", at(json!({"delta": more, "logprobs": []})), out);
        }
    }

    /// Ends the message or the thought that is open, if one is.
    fn close(&mut self, out: &mut Vec<u8>) {
        let index = self.items.len().saturating_sub(1);
        let Some(last) = self.items.last_mut() else { return };
        let (Item::Message { id, open: open @ true, .. } | Item::Reasoning { id, open: open @ true, .. }) = last else {
            return;
        };
        *open = false;
        let id = id.clone();
        let item = last.finished();
        let parts = |name: &str| item[name].as_array().into_iter().flatten().enumerate();
        for (place, part) in parts("summary") {
            let at = |mut event: Value| {
                event["item_id"] = id.as_str().into();
                event["output_index"] = index.into();
                event["summary_index"] = place.into();
                event
            };
            self.write("response.reasoning_summary_text.done", at(json!({"text": part["text"]})), out);
            self.write("response.reasoning_summary_part.done", at(json!({"part": part})), out);
        }
        for (place, part) in parts("content") {
            let at = |mut event: Value| {
                event["item_id"] = id.as_str().into();
                event["output_index"] = index.into();
                event["content_index"] = place.into();
                event
            };
            if part["type"] == "refusal" {
                self.write("response.refusal.done", at(json!({"refusal": part["refusal"]})), out);
            } else {
                self.write("response.output_text.done", at(json!({"text": part["text"], "logprobs": []})), out);
            }
            self.write("response.content_part.done", at(json!({"part": part})), out);
        }
        self.write("response.output_item.done", json!({"output_index": index, "item": item}), out);
    }

    /// Items of this wire have places of their own, so calls told in turns stay so.
    fn add_call(&mut self, piece: &ToolCall<'_>, out: &mut Vec<u8>) {
        let calls = |item: &Item| matches!(item, Item::Call { .. });
        let known = match piece.index {
            Some(wanted) => self.items.iter().position(|item| matches!(item, Item::Call { key, .. } if *key == wanted)),
            None => match piece.id.get() {
                Some(id) => {
                    self.items.iter().position(|item| matches!(item, Item::Call { call_id, .. } if call_id == id))
                }
                None => self.items.iter().rposition(calls),
            },
        };
        let function = piece.function.as_ref();
        let index = known.unwrap_or_else(|| {
            let call_id = piece.id.as_str().to_owned();
            let name = function.map_or("", |function| function.name.as_str()).to_owned();
            let key = piece.index.unwrap_or(self.items.len() as u64);
            let (id, index) = (format!("fc_{call_id}"), self.items.len());
            let item = json!({"id": id, "type": "function_call", "status": "in_progress", "call_id": call_id, "name": name, "arguments": ""});
            self.items.push(Item::Call { key, id, call_id, name, arguments: String::new() });
            self.write("response.output_item.added", json!({"output_index": index, "item": item}), out);
            index
        });
        let more = function.map_or("", |function| function.arguments.as_str());
        if let (Some(Item::Call { id, arguments, .. }), false) = (self.items.get_mut(index), more.is_empty()) {
            arguments.push_str(more);
            let event = json!({"item_id": id, "output_index": index, "delta": more});
            self.write("response.function_call_arguments.delta", event, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(None, out);
        self.close(out);
        let output: Vec<Value> = self.items.iter().map(Item::finished).collect();
        for (index, item) in output.iter().enumerate().filter(|(_, item)| item["type"] == "function_call") {
            let event = json!({"item_id": item["id"], "output_index": index, "name": item["name"], "arguments": item["arguments"]});
            self.write("response.function_call_arguments.done", event, out);
            self.write("response.output_item.done", json!({"output_index": index, "item": item}), out);
        }
        let mut response = self.response.take();
        end(&mut response, output, &self.finish, &self.tally.usage(&self.origin));
        let name = if response["status"] == "completed" { "response.completed" } else { "response.incomplete" };
        self.write(name, json!({"response": response}), out);
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
                    for choice in chunk.choices.iter().flatten().filter(|choice| choice.index.unwrap_or(0) == 0) {
                        if let Some(said) = choice.added() {
                            self.say(said, &mut told);
                        }
                        if let Some(reason) = choice.finish_reason.get() {
                            reason.clone_into(&mut self.finish);
                        }
                    }
                }
            }
        }
        out.push(event.told(told.into()));
    }
}

#[cfg(test)]
mod tests {
    use hub_types::TokenUsage;

    use super::*;
    use crate::wire::openai::ResponsesRequest;
    use crate::wire::translate::responses_over_chat::request;
    use crate::wire::translate::testing::tell;

    const CHAT: &str = include_str!("../testdata/chat_stream.txt");

    #[test]
    fn every_chunk_is_told_as_openais_responses_would() {
        let asked = ResponsesRequest::parse(r#"{"model":"m","input":"x"}"#.into()).unwrap();
        let (_, echo) = request(&asked).unwrap();
        let (told, _) = tell(CHAT, &mut Teller::new(echo), |data| {
            let kind = match data {
                b"" => ChatEventKind::Comment,
                b"[DONE]" => ChatEventKind::Done,
                _ => ChatEventKind::Chunk,
            };
            let usage = TokenUsage {
                input: 11,
                cache_read: 5,
                cache_write: 4,
                output: 4,
                reasoning: 8,
                ..TokenUsage::default()
            };
            let last = kind == ChatEventKind::Done;
            ChatEvent { usage: last.then_some(usage), ..ChatEvent::bare(kind, bytes::Bytes::new()) }
        });
        insta::assert_snapshot!(told);
    }

    /// A message of Anthropic's, told as chat and from there as a response.
    #[test]
    fn every_event_of_a_message_is_told_as_openais_responses_would() {
        let asked = ResponsesRequest::parse(r#"{"model":"m","input":"x"}"#.into()).unwrap();
        let (_, echo) = request(&asked).unwrap();
        let mut chat = crate::wire::translate::chat_over_messages::Teller::new(1_795_000_000);
        let (chat, _) = tell(include_str!("../testdata/message_stream.txt"), &mut chat, |data| {
            let kind = match serde_json::from_slice::<Value>(data).unwrap()["type"].as_str().unwrap() {
                "message_stop" => ChatEventKind::Done,
                "ping" => ChatEventKind::Comment,
                _ => ChatEventKind::Chunk,
            };
            ChatEvent::bare(kind, bytes::Bytes::new())
        });
        let (told, _) = tell(&chat, &mut Teller::new(echo), |data| {
            let kind = match data {
                b"" => ChatEventKind::Comment,
                b"[DONE]" => ChatEventKind::Done,
                _ => ChatEventKind::Chunk,
            };
            ChatEvent::bare(kind, bytes::Bytes::new())
        });
        insta::assert_snapshot!(told);
    }

    #[test]
    fn a_refusal_and_an_answer_cut_short_are_told_as_such() {
        let asked = ResponsesRequest::parse(r#"{"model":"m","input":"x","max_output_tokens":3}"#.into()).unwrap();
        let (_, echo) = request(&asked).unwrap();
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"chatcmpl-1\",\"created\":7,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let chat = [
            chunk(r#"{"role":"assistant","content":"As"}"#, "null"),
            chunk(r#"{"refusal":"I will "}"#, "null"),
            chunk(r#"{"refusal":"not"}"#, "null"),
            chunk("{}", "\"length\""),
            "data: [DONE]\n\n".to_owned(),
        ];
        let (told, _) = tell(&chat.concat(), &mut Teller::new(echo), |data| {
            let kind = if data == b"[DONE]" { ChatEventKind::Done } else { ChatEventKind::Chunk };
            ChatEvent::bare(kind, bytes::Bytes::new())
        });
        insta::assert_snapshot!(told);
    }
}
