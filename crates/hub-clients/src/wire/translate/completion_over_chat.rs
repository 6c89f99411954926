//! A caller of the old text completions, served by chat: the prompt is one message of the user (providers.md §1.6).

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::chat::{Choice, Document as Chat, Said};
use super::{Origin, Retell, data_of, renamed, write_data};
use crate::llm::{ChatEvent, ChatEventKind};
use crate::wire::document::{self, BadRequest, Document};
use crate::wire::openai::{ChatRequest, CompletionRequest, usage_json};

/// Values that ask for nothing.
const NOTHING: [&str; 4] = ["null", "false", "\"\"", "0"];

/// Writes the chat request; fields both know are carried as they stand. Refused: several prompts, prompts in
/// token numbers, `suffix`, `echo`, `logprobs` and `best_of`, which chat has no place for.
pub(crate) fn request(completion: &CompletionRequest) -> Result<ChatRequest, BadRequest> {
    let body = completion.body();
    let text = document::text(body)?;
    let top = document::top(text)?;
    let prompt = top.get("prompt").ok_or_else(|| BadRequest::at("prompt", "is required"))?;
    let prompt = serde_json::from_str::<String>(prompt.get())
        .or_else(|_| serde_json::from_str::<[String; 1]>(prompt.get()).map(|[only]| only))
        .map_err(|_| BadRequest::at("prompt", "must be one string"))?;
    for name in ["suffix", "echo", "logprobs", "best_of"] {
        let asked = top.get(name).map_or("null", RawValue::get);
        let nothing = NOTHING.contains(&asked) || (name == "best_of" && asked == "1");
        if !nothing {
            return Err(BadRequest::at(name, "is not available: completions are served by chat models"));
        }
    }
    let fields = top.fields(text);
    let messages = json!([{"role": "user", "content": prompt}]).to_string();
    let gone = ["prompt", "suffix", "echo", "logprobs", "best_of"].map(|name| (name, None));
    let mut changes: Vec<(&str, Option<&str>)> =
        gone.into_iter().chain([("messages", Some(messages.as_str()))]).collect();
    // Where no limit is named, this wire has a short one, and chat has none.
    let limit = completion.limit().to_string();
    if completion.max_output().is_none() {
        changes.push(("max_tokens", Some(&limit)));
    }
    let chat = Document { body: body.clone(), fields }.with(&changes);
    ChatRequest::parse(chat)
}

/// A whole completion. `None` when the body is no chat completion.
pub(crate) fn whole(body: &[u8]) -> Option<Bytes> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    let chat: Chat<'_> = serde_json::from_slice(body).ok()?;
    answer["id"] = renamed(chat.id.as_str(), &["chatcmpl-"], "cmpl-").into();
    answer["object"] = "text_completion".into();
    answer["choices"] = choices(&chat, Choice::said);
    Some(answer.to_string().into())
}

fn choices<'a>(chat: &'a Chat<'a>, said: fn(&'a Choice<'a>) -> Option<&'a Said<'a>>) -> Value {
    let choice = |(place, choice): (usize, &'a Choice<'a>)| {
        json!({
            "index": choice.index.unwrap_or(place as u64),
            "text": said(choice).map_or("", |said| said.content.as_str()),
            "logprobs": null,
            "finish_reason": choice.finish_reason.get(),
        })
    };
    chat.choices.iter().flatten().enumerate().map(choice).collect()
}

/// Tells chat chunks as completion chunks.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// What was reported last; a provider of a third wire reports before the chunk that tells it.
    usage: Option<TokenUsage>,
    origin: Origin,
}

impl Teller {
    /// A teller for a call of which more is known than its answer.
    pub(crate) fn of(origin: Origin) -> Self {
        Self { usage: None, origin }
    }
}

impl Retell for Teller {
    fn event(&mut self, event: ChatEvent, out: &mut Vec<ChatEvent>) {
        self.usage = event.usage.or(self.usage);
        if matches!(event.kind, ChatEventKind::Comment | ChatEventKind::Done) {
            out.push(event);
            return;
        }
        let mut told = Vec::new();
        let data = data_of(&event);
        if let Some(chat) = data.as_deref().and_then(|data| serde_json::from_slice::<Chat<'_>>(data).ok()) {
            let speaks = |choice: &Choice<'_>| {
                let text = choice.added().is_some_and(|said| !said.content.as_str().is_empty());
                text || choice.finish_reason.get().is_some()
            };
            let mut chunk = json!({
                "id": renamed(self.origin.id(chat.id.as_str()), &["chatcmpl-"], "cmpl-"),
                "object": "text_completion",
                "created": chat.created.unwrap_or(0),
                "model": self.origin.model(chat.model.as_str()),
                "choices": choices(&chat, Choice::added),
            });
            if let (ChatEventKind::UsageOnly, Some(usage)) = (event.kind, &self.usage) {
                chunk["usage"] = usage_json(usage);
            }
            if event.kind == ChatEventKind::UsageOnly || chat.choices.iter().flatten().any(speaks) {
                write_data(&mut told, &chunk);
            }
        }
        out.push(event.told(told.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::translate::testing::tell;

    const CHAT: &str = include_str!("testdata/chat_stream.txt");

    fn request(body: &Bytes) -> Result<ChatRequest, BadRequest> {
        super::request(&CompletionRequest::parse(body.clone())?)
    }

    #[test]
    fn a_prompt_becomes_a_message_and_the_rest_stays() {
        let body = r#"{"model":"m","prompt":"Say \"x\"","max_tokens":9,"temperature":0.50,"echo":false,"x-odd":[1]}"#;
        let chat = request(&Bytes::from_static(body.as_bytes())).unwrap();
        let expected = r#"{"model":"m","max_tokens":9,"temperature":0.50,"x-odd":[1],"messages":[{"content":"Say \"x\"","role":"user"}]}"#;
        assert_eq!(std::str::from_utf8(chat.body()).unwrap(), expected);
        assert!(request(&Bytes::from_static(br#"{"model":"m","prompt":["x"],"n":2,"best_of":1}"#)).is_ok());
    }

    #[test]
    fn what_chat_has_no_place_for_is_refused() {
        for (rest, param) in [
            (r#""prompt":["a","b"]"#, "prompt"),
            (r#""prompt":[1,2]"#, "prompt"),
            (r#""x":1"#, "prompt"),
            (r#""prompt":"a","suffix":"b""#, "suffix"),
            (r#""prompt":"a","echo":true"#, "echo"),
            (r#""prompt":"a","logprobs":2"#, "logprobs"),
            (r#""prompt":"a","best_of":3"#, "best_of"),
        ] {
            let error = request(&format!(r#"{{"model":"m",{rest}}}"#).into()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{rest}");
        }
    }

    #[test]
    fn chunks_with_text_or_an_end_are_told() {
        let (told, _) = tell(CHAT, &mut Teller::default(), |data| {
            let kind = match data {
                b"" => ChatEventKind::Comment,
                b"[DONE]" => ChatEventKind::Done,
                _ => ChatEventKind::Chunk,
            };
            ChatEvent::bare(kind, Bytes::new())
        });
        insta::assert_snapshot!(told);
    }

    #[test]
    fn usage_reported_before_its_chunk_is_told_in_it() {
        let usage = TokenUsage { input: 11, output: 4, ..TokenUsage::default() };
        let end = r#"data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let last = r#"data: {"id":"chatcmpl-1","choices":[]}"#;
        let (told, _) = tell(&format!("{end}\n\n{last}\n\n"), &mut Teller::default(), |data| {
            if data.ends_with(b"[]}") {
                return ChatEvent::bare(ChatEventKind::UsageOnly, Bytes::new());
            }
            ChatEvent { usage: Some(usage), ..ChatEvent::bare(ChatEventKind::Chunk, Bytes::new()) }
        });
        assert_eq!(told.matches("\"prompt_tokens\":11").count(), 1, "{told}");
    }
}
