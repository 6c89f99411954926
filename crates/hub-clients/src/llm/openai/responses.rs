//! The facts of responses, whole and in events (providers.md §1.5). A stream is complete after its terminal event, which holds the whole
//! response and its usage; there is no other end mark, and none is made up.

use bytes::{Bytes, BytesMut};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::llm::count::Estimate;
use crate::llm::http::{Reader, Reject};
use crate::llm::sse::SseEvent;
use crate::llm::{ChatEvent, ChatEventKind, LastWords, LlmError, ProviderFault, WholeAnswer};
use crate::wire::openai::{Response, ResponseEvent, Text};

/// Codes of errors that the request is at fault for; others are the provider's own trouble.
const AT_FAULT: [&str; 4] =
    ["invalid_prompt", "bio_policy", "misalignment_policy_violation", "data_residency_mismatch"];
/// Events that promise an answer and hold none of it.
const PRELUDE: [&str; 3] = ["response.created", "response.queued", "response.in_progress"];
/// Most bytes of them that are held back.
const PRELUDE_LIMIT: usize = 1024 * 1024;

/// Reads the facts out of a response with status 200; such a response may still have failed.
pub(super) fn read(body: Bytes, upstream_id: Option<String>, reject: Reject<'_>) -> Result<WholeAnswer, LlmError> {
    let response: Response<'_> =
        serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a JSON answer was expected"))?;
    if let Some(error) = response.error() {
        return Err(failed(error, reject));
    }
    if response.status.as_str() == "failed" {
        return Err(reject.answer(&body));
    }
    if !response.is_response() {
        return Err(LlmError::Protocol("an answer without output"));
    }
    let (usage, finish, said) = (response.usage(), response.finish(), response.said());
    Ok(WholeAnswer {
        text: said.text,
        usage,
        terms: response.terms(),
        output: said.output,
        reasoning: said.reasoning,
        finish,
        upstream_id,
        dropped: Vec::new(),
        body,
    })
}

#[derive(Deserialize)]
struct Fault<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    param: Text<'a>,
}

/// The error object of a response, or of an event of type `error`. It has no type that says whose fault it is, only a code.
fn failed(error: &RawValue, reject: Reject<'_>) -> LlmError {
    let Ok(fault) = serde_json::from_str::<Fault<'_>>(error.get()) else {
        return reject.answer(error.get().as_bytes());
    };
    let code = fault.code.as_str();
    // `invalid_image`, `image_too_large` and their like.
    let kind = (AT_FAULT.contains(&code) || code.contains("image")).then_some("invalid_request_error");
    let said =
        json!({"code": fault.code.get(), "message": fault.message.get(), "param": fault.param.get(), "type": kind});
    reject.answer(said.to_string().as_bytes())
}

/// The event with the message of its error as callers may see it; empty where that cannot be put in its place.
fn scrubbed(raw: &Bytes, error: &RawValue, fault: Option<&ProviderFault>) -> Bytes {
    let (Ok(mut said), Some(fault)) = (serde_json::from_str::<Value>(error.get()), fault) else { return Bytes::new() };
    let Some(message) = said.get("message").and_then(Value::as_str) else { return raw.clone() };
    if message == fault.message() {
        return raw.clone();
    }
    said["message"] = fault.message().into();
    let Ok(text) = std::str::from_utf8(raw) else { return Bytes::new() };
    text.split_once(error.get()).map(|(before, after)| format!("{before}{said}{after}").into()).unwrap_or_default()
}

/// Reads the events of one response.
pub(super) struct Events {
    /// Promises of an answer, as they came. They are handed on with the first event that keeps them: until then the call may still go
    /// elsewhere.
    prelude: BytesMut,
    begun: bool,
    /// Something was counted.
    counted: bool,
    /// Cut out of any error in the stream.
    key: Option<SecretString>,
}

impl Events {
    pub(super) fn new(key: Option<SecretString>) -> Self {
        Self { prelude: BytesMut::new(), begun: false, counted: false, key }
    }

    /// The bytes to hand on with this event.
    fn raw(&mut self, raw: Bytes) -> Bytes {
        self.begun = true;
        if self.prelude.is_empty() {
            return raw;
        }
        let mut all = std::mem::take(&mut self.prelude);
        all.extend_from_slice(&raw);
        all.freeze()
    }

    fn facts(&mut self, event: &ResponseEvent<'_>, raw: Bytes) -> Result<ChatEvent, LlmError> {
        let kind = event.kind.as_str();
        if !self.begun && PRELUDE.contains(&kind) && self.prelude.len() + raw.len() <= PRELUDE_LIMIT {
            self.prelude.extend_from_slice(&raw);
            return Ok(ChatEvent::bare(ChatEventKind::Comment, Bytes::new()));
        }
        let mut facts = ChatEvent::bare(ChatEventKind::Chunk, Bytes::new());
        match kind {
            "response.completed" | "response.incomplete" => {
                facts.kind = ChatEventKind::Done;
                if let Some(response) = event.response() {
                    facts.usage = response.usage();
                    facts.terms = response.terms();
                    facts.finish = response.finish();
                    // A server that sends the answer in one piece, and does not say what it cost.
                    if facts.usage.is_none() && !self.counted {
                        let said = response.said();
                        (facts.output, facts.reasoning) = (said.output, said.reasoning);
                    }
                }
            }
            "response.failed" => return Err(self.last_words(event.response().as_ref(), &raw)),
            "response.output_text.delta" | "response.refusal.delta" | "response.audio.transcript.delta" => {
                event.delta.as_str().clone_into(&mut facts.text);
                facts.output = Estimate::of(event.delta.as_str());
            }
            "response.output_item.added" => facts.output = event.item_name(),
            // Sound is no text, and what a tool printed is not generated.
            "response.audio.delta" | "response.shell_call_output_content.delta" => {}
            _ => match kind.strip_suffix(".delta") {
                Some(what) if what.starts_with("response.reasoning") => {
                    facts.reasoning = Estimate::of(event.delta.as_str());
                }
                Some(_) => facts.output = Estimate::of(event.delta.as_str()),
                None => {}
            },
        }
        self.counted |= facts.output.tokens() + facts.reasoning.tokens() > 0;
        facts.raw = self.raw(raw);
        Ok(facts)
    }

    /// The provider's word that the response failed. It reaches the caller as it is, with what it says the response cost; before anything
    /// has, the call may still go elsewhere.
    fn last_words(&self, response: Option<&Response<'_>>, raw: &Bytes) -> LlmError {
        let said = response.and_then(Response::error);
        let error = said.map_or_else(|| self.reject().answer(b"{}"), |error| failed(error, self.reject()));
        if !self.begun {
            return error;
        }
        LlmError::Last(Box::new(LastWords {
            raw: said.map_or_else(|| raw.clone(), |said| scrubbed(raw, said, error.fault())),
            usage: response.and_then(Response::usage),
            terms: response.and_then(Response::terms),
            error,
        }))
    }

    fn reject(&self) -> Reject<'_> {
        Reject { secret: self.key.as_ref().map(ExposeSecret::expose_secret) }
    }
}

impl Reader for Events {
    fn read(&mut self, event: SseEvent) -> Result<ChatEvent, LlmError> {
        let data = event.data.unwrap_or_default();
        if data.trim_ascii() == b"[DONE]" {
            let raw = self.raw(event.raw);
            return Ok(ChatEvent::bare(ChatEventKind::Done, raw));
        }
        let Ok(read) = serde_json::from_slice::<ResponseEvent<'_>>(&data) else {
            // A shape nobody knows is passed on; what is no JSON at all is not.
            return match serde_json::from_slice::<IgnoredAny>(&data) {
                Ok(_) => Ok(ChatEvent::bare(ChatEventKind::Chunk, self.raw(event.raw))),
                Err(_) => Err(LlmError::Protocol("an event that is not JSON")),
            };
        };
        if let Some(error) = read.error.filter(|error| error.get() != "null") {
            return Err(failed(error, self.reject()));
        }
        if read.kind.as_str() == "error" || event.name.is_some_and(|name| name == "error") {
            let whole = serde_json::from_slice::<&RawValue>(&data);
            return Err(whole.map_or_else(|_| self.reject().answer(&data), |whole| failed(whole, self.reject())));
        }
        self.facts(&read, event.raw)
    }

    fn missing_end(&mut self) -> Option<ChatEvent> {
        None
    }
}
