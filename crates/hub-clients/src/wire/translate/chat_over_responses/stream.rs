//! A stream of response events as chat chunks.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::{Value, json};

use super::document::{Event, Item, Response, Said, tool_call};
use crate::llm::{ChatEvent, ChatEventKind};
use crate::wire::translate::chunks::Chunks;
use crate::wire::translate::{Retell, all_data_of, renamed};

/// Tells the events of one response as chunks. The usage chunk is always told, marked as such: whoever did not ask for it does not get it.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    chunks: Chunks,
    begun: bool,
    /// Something of the answer has been told. Some servers send it only as a whole, in their last event.
    said: bool,
    /// Something of what was thought has been told.
    thought: bool,
    /// Tool calls begun; chunks number them apart from the other items.
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    /// Its place in the output.
    place: Option<u64>,
    custom: bool,
    /// Something of its input has been told.
    told: bool,
}

impl Teller {
    fn begin(&mut self, response: Option<&Response<'_>>, out: &mut Vec<Bytes>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        if let Some(response) = response {
            self.chunks.id = renamed(response.id.as_str(), &["resp_"], "chatcmpl-");
            response.model.as_str().clone_into(&mut self.chunks.model);
            self.chunks.created = response.created();
        }
        out.push(self.chunks.chunk(&json!({"role": "assistant", "content": ""}), None));
    }

    fn add(&mut self, delta: &Value, out: &mut Vec<Bytes>) {
        self.begin(None, out);
        self.said = true;
        out.push(self.chunks.chunk(delta, None));
    }

    fn tell(&mut self, event: &Event<'_>, out: &mut Vec<Bytes>) {
        let delta = event.delta.as_str();
        match event.kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.begin(event.response().as_ref(), out);
            }
            "response.output_text.delta" if !delta.is_empty() => self.add(&json!({"content": delta}), out),
            "response.refusal.delta" if !delta.is_empty() => self.add(&json!({"refusal": delta}), out),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" if !delta.is_empty() => {
                self.thought = true;
                self.add(&json!({"reasoning_content": delta}), out);
            }
            // The parts of a summary are paragraphs.
            "response.reasoning_summary_part.added" if self.thought => {
                self.add(&json!({"reasoning_content": "\n\n"}), out);
            }
            "response.output_item.added" => {
                if let Some(item) = event.item() {
                    self.begin_call(&item, event.output_index, out);
                }
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.add_input(event.output_index, delta, out);
            }
            "response.output_text.annotation.added" => {
                if let Some(source) = event.annotation() {
                    self.add(&json!({"annotations": [source]}), out);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.item() {
                    self.end_item(&item, event.output_index, out);
                }
            }
            _ => {}
        }
    }

    fn begin_call(&mut self, item: &Item<'_>, place: Option<u64>, out: &mut Vec<Bytes>) {
        let Some(custom) = item.is_custom_call() else { return };
        // Its input usually comes in pieces, but may stand here already.
        let input = item.called_with();
        let mut call = tool_call(item, custom, input);
        call["index"] = self.calls.len().into();
        self.calls.push(Call { place, custom, told: !input.is_empty() });
        self.add(&json!({"tool_calls": [call]}), out);
    }

    fn add_input(&mut self, place: Option<u64>, piece: &str, out: &mut Vec<Bytes>) {
        let known = self.calls.iter_mut().enumerate().rev().find(|(_, call)| call.place == place);
        let Some((index, call)) = known.filter(|_| !piece.is_empty()) else { return };
        call.told = true;
        let call = if call.custom {
            json!({"index": index, "custom": {"input": piece}})
        } else {
            json!({"index": index, "function": {"arguments": piece}})
        };
        self.add(&json!({"tool_calls": [call]}), out);
    }

    /// Tells what an item holds when it is whole: what was encrypted, and a call whose pieces never came.
    fn end_item(&mut self, item: &Item<'_>, place: Option<u64>, out: &mut Vec<Bytes>) {
        if item.kind.as_str() == "reasoning" {
            if let Some(block) = item.thinking_block() {
                self.add(&json!({"thinking_blocks": [block]}), out);
            }
            return;
        }
        match self.calls.iter().find(|call| call.place == place) {
            None => self.begin_call(item, place, out),
            Some(call) if !call.told => self.add_input(place, item.called_with(), out),
            Some(_) => {}
        }
    }

    /// An answer of which nothing was told before its end.
    fn tell_all(&mut self, said: Said, out: &mut Vec<Bytes>) {
        let texts = [("reasoning_content", said.reasoning), ("content", said.text), ("refusal", said.refusal)];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            self.add(&json!({ name: text }), out);
        }
        for (name, list) in [("thinking_blocks", said.thinking_blocks), ("annotations", said.annotations)] {
            if !list.is_empty() {
                self.add(&json!({ name: list }), out);
            }
        }
        for (index, mut call) in said.tool_calls.into_iter().enumerate() {
            call["index"] = index.into();
            self.calls.push(Call { place: None, custom: call["custom"].is_object(), told: true });
            self.add(&json!({"tool_calls": [call]}), out);
        }
    }

    /// The last chunk of the choice.
    fn end(&mut self, response: Option<&Response<'_>>, out: &mut Vec<Bytes>) -> Bytes {
        self.begin(response, out);
        if let Some(response) = response.filter(|_| !self.said) {
            self.tell_all(response.said(), out);
        }
        let called = !self.calls.is_empty();
        let usual = if called { "tool_calls" } else { "stop" };
        let finish = response.map_or(usual, |response| response.finish_reason(called));
        self.chunks.chunk(&json!({}), Some(finish))
    }

    /// The end of the answer is told in three events: the last chunk with all facts, the usage, the mark.
    fn finish(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        let all = all_data_of(&event);
        let (mut chunks, mut last) = (Vec::new(), None);
        for data in &all {
            if let Ok(read) = serde_json::from_slice::<Event<'_>>(data) {
                self.tell(&read, &mut chunks);
                last = read.response().or(last);
            }
        }
        let end = self.end(last.as_ref(), &mut chunks);
        out.extend(chunks.into_iter().map(|chunk| ChatEvent::bare(ChatEventKind::Chunk, chunk)));
        let usage: Option<TokenUsage> = event.usage;
        out.push(ChatEvent { kind: ChatEventKind::Chunk, ..event.told(end) });
        out.extend(usage.map(|usage| ChatEvent::bare(ChatEventKind::UsageOnly, self.chunks.usage(&usage))));
        out.push(ChatEvent::done());
    }
}

impl Retell for Teller {
    fn event(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        match event.kind {
            ChatEventKind::Comment => out.push(event),
            ChatEventKind::Done => self.finish(event, out),
            ChatEventKind::Chunk | ChatEventKind::UsageOnly => {
                // The promises of an answer come along with its first event.
                let all = all_data_of(&event);
                let mut chunks = Vec::new();
                for data in &all {
                    if let Ok(read) = serde_json::from_slice::<Event<'_>>(data) {
                        self.tell(&read, &mut chunks);
                    }
                }
                // Whoever tells a chunk again reads one of them at a time.
                let last = chunks.pop().unwrap_or_default();
                out.extend(chunks.into_iter().map(|chunk| ChatEvent::bare(ChatEventKind::Chunk, chunk)));
                out.push(event.told(last));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::translate::testing::tell;

    /// Every event of providers.md §1.5, two calls told in turns among them.
    const RESPONSE: &str = include_str!("../../../llm/openai/testdata/responses_stream.txt");

    fn told(response: &str) -> (String, Vec<ChatEventKind>) {
        tell(response, &mut Teller::default(), |data| {
            let usage = TokenUsage {
                input: 11,
                cache_read: 5,
                cache_write: 4,
                output: 4,
                reasoning: 8,
                ..TokenUsage::default()
            };
            let kind = match serde_json::from_slice::<Value>(data).unwrap_or_default()["type"].as_str() {
                None => ChatEventKind::Comment,
                Some("response.completed" | "response.incomplete") => ChatEventKind::Done,
                Some(_) => ChatEventKind::Chunk,
            };
            let last = kind == ChatEventKind::Done;
            ChatEvent { usage: last.then_some(usage), ..ChatEvent::bare(kind, Bytes::new()) }
        })
    }

    /// The deltas, and why the choice ended.
    fn deltas(response: &str) -> (Vec<Value>, Value) {
        let (told, _) = told(response);
        let chunks = told.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
        let choices: Vec<Value> = chunks.map(|chunk| chunk["choices"][0].clone()).filter(Value::is_object).collect();
        let finish = choices.last().unwrap()["finish_reason"].clone();
        (choices.into_iter().map(|choice| choice["delta"].clone()).collect(), finish)
    }

    fn event(data: &Value) -> String {
        format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
    }

    #[test]
    fn every_event_of_a_response_is_told_as_chat_would() {
        let (told, kinds) = told(RESPONSE);
        insta::assert_snapshot!(told);
        assert_eq!(kinds[kinds.len() - 3..], [ChatEventKind::Chunk, ChatEventKind::UsageOnly, ChatEventKind::Done]);
    }

    #[test]
    fn an_answer_that_comes_in_one_piece_is_told_whole() {
        let call = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"});
        let output = json!([{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}, call]);
        let whole =
            event(&json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m", "output": output}}));
        let (deltas, finish) = deltas(&whole);
        assert_eq!(
            (&deltas[1], &deltas[2]["tool_calls"][0]["function"]),
            (&json!({"content": "Hi"}), &json!({"name": "f", "arguments": "{\"a\":1}"}))
        );
        assert_eq!(finish, "tool_calls");
        let item = |kind: &str| json!({"type": kind, "output_index": 1, "item": call});
        for pieces in [
            vec![item("response.output_item.done")],
            vec![item("response.output_item.added"), item("response.output_item.done")],
        ] {
            let text: String = pieces.iter().map(event).collect();
            let (deltas, finish) = self::deltas(&format!("{text}{whole}"));
            let input: Vec<&Value> = deltas
                .iter()
                .map(|delta| &delta["tool_calls"][0]["function"]["arguments"])
                .filter(|input| input.is_string())
                .collect();
            assert_eq!((input, finish), (vec![&json!("{\"a\":1}")], json!("tool_calls")));
        }
    }

    #[test]
    fn an_answer_cut_short_is_told_as_such() {
        let delta = event(&json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"}));
        for (reason, finish) in
            [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "stop")]
        {
            let response =
                json!({"id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": reason}, "output": []});
            let end = event(&json!({"type": "response.incomplete", "response": response}));
            assert_eq!(deltas(&format!("{delta}{end}")).1, finish);
        }
    }

    #[test]
    fn promises_that_come_with_the_first_event_are_kept() {
        let created =
            event(&json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 7}}));
        let delta = event(&json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"}));
        let glued = ChatEvent {
            text: "Hi".to_owned(),
            ..ChatEvent::bare(ChatEventKind::Chunk, format!("{created}{delta}").into())
        };
        let mut out = Vec::new();
        Teller::default().event(glued, &mut out);
        let texts: Vec<&str> = out.iter().map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["", "Hi"], "one chunk at a time, and each fact once");
        assert!(out.iter().all(|event| String::from_utf8_lossy(&event.raw).contains("chatcmpl-1")));
    }
}
