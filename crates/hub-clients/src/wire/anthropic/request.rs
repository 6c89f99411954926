//! A messages request as its caller wrote it, with the few facts the hub needs read out of it.
//!
//! What decides about money (model, limit, prompt, and the fields that change the price) is checked here; all else is the provider's.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ApiVersion, thoughts};
use crate::wire::document::{self, BadRequest, Document, Object};
use crate::wire::openai::{PromptSize, Text};
use crate::wire::{hosted, kept};

/// Most messages of one request (Anthropic's limit).
const MESSAGE_LIMIT: usize = 100_000;
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];
/// Top-level fields that never reach the model as tokens; every other one is counted by its bytes.
const NOT_PROMPT: [&str; 9] = [
    "model",
    "messages",
    "stream",
    "max_tokens",
    "metadata",
    "stop_sequences",
    "service_tier",
    "thinking",
    "cache_control",
];

/// Bytes that count for the description of a tool that Anthropic knows itself: its longest known one has some 750 tokens.
const TOOL_BYTES: usize = 1_024;

/// A well-formed messages request. Cheap to clone.
#[derive(Clone)]
pub struct MessagesRequest {
    document: Document,
    model: String,
    stream: bool,
    max_tokens: Option<i64>,
    has_tools: bool,
    hosted: Vec<String>,
    /// Holds thinking that nobody has signed.
    unsigned: bool,
    size: PromptSize,
    version: ApiVersion,
    betas: Option<String>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow, default)]
    role: Text<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
}

impl MessagesRequest {
    /// Reads a request body.
    ///
    /// Checked: one JSON object without a name that stands twice; `model` 1 to 256 bytes; `max_tokens` 0 or more; `stream` a boolean;
    /// `messages` 1 to 100 000 turns with known roles; no sampling parameters where `version` forbids them; no option that
    /// multiplies the price; no name of something kept at the provider.
    pub fn parse(body: Bytes, version: ApiVersion) -> Result<Self, BadRequest> {
        let request = Self::read(body, version)?;
        if request.max_tokens.is_none() {
            return Err(BadRequest::at("max_tokens", "is required"));
        }
        Ok(request)
    }

    /// Reads a request whose tokens are only to be counted: `max_tokens` may be missing.
    pub fn parse_for_count(body: Bytes, version: ApiVersion) -> Result<Self, BadRequest> {
        Self::read(body, version)
    }

    fn read(body: Bytes, version: ApiVersion) -> Result<Self, BadRequest> {
        let text = document::text(&body)?;
        let top = document::top(text)?;
        let model = top.model()?;
        let max_tokens = top.read::<i64>("max_tokens", "an integer")?;
        if max_tokens.is_some_and(|limit| limit < 0) {
            return Err(BadRequest::at("max_tokens", "must be 0 or more"));
        }
        let stream = top.read::<bool>("stream", "a boolean")?.unwrap_or(false);
        if let Some(name) = SAMPLING.into_iter().find(|name| !version.takes_sampling() && top.get(name).is_some()) {
            return Err(BadRequest::at(name, "Extra inputs are not permitted"));
        }
        let hosted = hosted::of_messages(&top)?;
        top.get("system").map_or(Ok(()), |raw| kept::refuse_in_blocks("system", raw))?;
        let mut measured = Measured::default();
        measure_messages(&top, &mut measured)?;
        let Measured { mut size, unsigned } = measured;
        size.unsizable += hosted.len();
        for (name, value) in
            top.0.iter().filter(|(name, value)| !NOT_PROMPT.contains(&&**name) && value.get() != "null")
        {
            size.other_bytes += name.len() + value.get().len();
        }
        let tools: Vec<Kind<'_>> = top.read("tools", "an array of tools")?.unwrap_or_default();
        // What a tool with a type of its own does stands nowhere in the request: Anthropic adds it.
        size.other_bytes +=
            tools.iter().filter(|tool| !matches!(tool.kind.as_str(), "" | "custom")).count() * TOOL_BYTES;
        let fields = top.fields(text);
        Ok(Self {
            model,
            stream,
            max_tokens,
            has_tools: !tools.is_empty(),
            hosted,
            unsigned,
            size,
            version,
            betas: None,
            document: Document { body, fields },
        })
    }

    /// The request without these top-level fields; as it is, when it would be none without them.
    #[must_use]
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let changes: Vec<(&str, Option<&str>)> = names.iter().map(|name| (*name, None)).collect();
        let less = Self::read(self.document.with(&changes), self.version);
        less.map_or_else(|_| self.clone(), |less| Self { betas: self.betas.clone(), ..less })
    }

    /// Adds the caller's `anthropic-beta`: a comma-separated list of 1 to 1000 printable bytes, anything else is left out.
    #[must_use]
    pub fn with_betas(mut self, betas: Option<&str>) -> Self {
        let sane = |text: &&str| {
            (1..=1000).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        self.betas = betas.filter(sane).map(str::to_owned);
        self
    }

    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the caller wants a stream.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// The caller's limit of completion tokens; `None` only when tokens are to be counted.
    pub fn max_output(&self) -> Option<i64> {
        self.max_tokens
    }

    /// Whether the model may call tools.
    pub fn has_tools(&self) -> bool {
        self.has_tools
    }

    /// The types of tools that the provider would run itself, and the fields that switch such on; empty when the caller runs all.
    pub fn hosted_tools(&self) -> &[String] {
        &self.hosted
    }

    /// The request without the thinking of earlier answers: what one account has signed is refused by another.
    #[must_use]
    pub(crate) fn without_thoughts(&self) -> Self {
        let Some(messages) = self.raw("messages").and_then(thoughts::without_any) else { return self.clone() };
        let less = Self::read(self.document.with(&[("messages", Some(&messages))]), self.version);
        less.map_or_else(|_| self.clone(), |less| Self { betas: self.betas.clone(), ..less })
    }

    /// The prompt's parts, measured. Text counts with its JSON escapes.
    pub fn size(&self) -> &PromptSize {
        &self.size
    }

    /// The version whose rules the caller follows.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// The caller's `anthropic-beta`.
    pub fn betas(&self) -> Option<&str> {
        self.betas.as_deref()
    }

    /// The names of the top-level fields, in order.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        self.document.names()
    }

    /// The JSON text of a top-level field.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.document.raw(name)
    }

    /// The body as the caller sent it.
    pub fn body(&self) -> &Bytes {
        &self.document.body
    }

    /// The body to send upstream: another model, `max_output` where it is smaller than the caller's limit, and no thinking that nobody has
    /// signed.
    pub fn encode(&self, model: &str, max_output: Option<i64>) -> Bytes {
        let model = serde_json::Value::from(model).to_string();
        let limit = [max_output, self.max_tokens].into_iter().flatten().min().map(|limit| limit.to_string());
        let messages = self.signed();
        let mut changes = vec![("model", Some(model.as_str())), ("max_tokens", limit.as_deref())];
        changes.extend(messages.iter().map(|messages| ("messages", Some(messages.as_str()))));
        self.document.with(&changes)
    }

    /// The messages without unsigned thinking; `None` when there is none. Other providers' models sign nothing, and Anthropic refuses what
    /// is not signed.
    fn signed(&self) -> Option<String> {
        if self.unsigned { self.raw("messages").and_then(thoughts::without_unsigned) } else { None }
    }

    /// The body for counting tokens: without the limit and `stream`, which that endpoint does not take.
    pub fn encode_for_count(&self, model: &str) -> Bytes {
        let model = serde_json::Value::from(model).to_string();
        let drop = ["max_tokens", "stream", "metadata", "service_tier", "stop_sequences"].map(|name| (name, None));
        let messages = self.signed();
        let written = messages.iter().map(|messages| ("messages", Some(messages.as_str())));
        let changes: Vec<(&str, Option<&str>)> =
            [("model", Some(model.as_str()))].into_iter().chain(drop).chain(written).collect();
        self.document.with(&changes)
    }
}

/// Shows the shape and no prompt.
impl fmt::Debug for MessagesRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagesRequest")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("max_tokens", &self.max_tokens)
            .field("size", &self.size)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What the messages of a request hold.
#[derive(Default)]
struct Measured {
    size: PromptSize,
    unsigned: bool,
}

fn measure_messages(top: &Object<'_>, found: &mut Measured) -> Result<(), BadRequest> {
    let list = top.get("messages").ok_or_else(|| BadRequest::at("messages", "is required"))?;
    let turns: Vec<Turn<'_>> =
        serde_json::from_str(list.get()).map_err(|_| BadRequest::at("messages", "must be an array of messages"))?;
    if turns.is_empty() || turns.len() > MESSAGE_LIMIT {
        return Err(BadRequest::at("messages", &format!("must have 1 to {MESSAGE_LIMIT} items")));
    }
    for (index, turn) in turns.iter().enumerate() {
        let at = |what: &str| BadRequest::at(&format!("messages[{index}]"), what);
        if !matches!(turn.role.as_str(), "user" | "assistant" | "system") {
            return Err(at("role must be one of user, assistant, system"));
        }
        let content = turn.content.ok_or_else(|| at("content is missing"))?;
        found.size.messages += 1;
        measure_content(content, found).map_err(|()| at("content must be a string or an array of blocks"))?;
        kept::refuse_in_blocks(&format!("messages[{index}]"), content)?;
    }
    Ok(())
}

fn measure_content(content: &RawValue, found: &mut Measured) -> Result<(), ()> {
    let (text, size) = (content.get(), &mut found.size);
    if text.starts_with('"') {
        size.text_bytes += text.len() - 2;
        return Ok(());
    }
    if !text.starts_with('[') {
        return Err(());
    }
    let blocks: Vec<&RawValue> = serde_json::from_str(text).map_err(drop)?;
    for raw in blocks {
        let size = &mut found.size;
        let block: Block<'_> = serde_json::from_str(raw.get()).map_err(drop)?;
        let source = block.source.and_then(|source| serde_json::from_str::<Kind<'_>>(source.get()).ok());
        match block.kind.as_str() {
            "image" => size.images += 1,
            "document" if source.is_some_and(|source| source.kind.as_str() == "text") => {
                size.other_bytes += raw.get().len();
            }
            "document" | "container_upload" => size.unsizable += 1,
            "tool_result" => {
                if let Some(content) = block.content {
                    measure_content(content, found)?;
                }
            }
            kind => {
                size.other_bytes += raw.get().len();
                found.unsigned |= kind == "thinking" && !thoughts::is_signature(block.signature.as_str());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<MessagesRequest, BadRequest> {
        MessagesRequest::parse(Bytes::copy_from_slice(body.as_bytes()), ApiVersion::V20230601)
    }

    #[test]
    fn the_facts_are_read_and_only_what_must_change_is_rewritten() {
        let body = r#"{"x-odd":{"b" : 1.50}, "model":"m","max_tokens" : 9, "messages":[ {"role":"user","content":[
            {"type":"text","text":"hé"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
            {"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url","url":"u"}}]},
            {"type":"document","source":{"type":"base64","data":"AAAA"}}]} ],
            "tools":[{"name":"a","input_schema":{}},{"type":"web_search_20260209","name":"w"}],"stream":true}"#;
        let request = parse(body).unwrap();
        assert_eq!(
            (request.model(), request.stream(), request.max_output(), request.has_tools()),
            ("m", true, Some(9), true)
        );
        let size = request.size();
        assert_eq!((size.messages, size.images, size.unsizable), (1, 2, 2));
        let sent = String::from_utf8(request.encode("up", Some(5)).to_vec()).unwrap();
        assert!(
            sent.starts_with(r#"{"x-odd":{"b" : 1.50},"model":"up","max_tokens":5,"messages":[ {"role""#),
            "{sent}"
        );
        assert_eq!(request.encode("m", None).as_ptr(), request.body().as_ptr());
        let count = String::from_utf8(request.encode_for_count("m").to_vec()).unwrap();
        assert!(!count.contains("max_tokens") && !count.contains("stream") && count.contains("web_search"));
    }

    #[test]
    fn a_bad_request_names_the_field_at_fault() {
        let with = |rest: &str| {
            format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"x"}}]{rest}}}"#)
        };
        let cases = [
            (r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#.to_owned(), "max_tokens"),
            (r#"{"model":"m","max_tokens":1}"#.to_owned(), "messages"),
            (r#"{"model":"m","max_tokens":1,"messages":[]}"#.to_owned(), "messages"),
            (r#"{"model":"m","max_tokens":1,"messages":[{"role":"boss","content":"x"}]}"#.to_owned(), "messages[0]"),
            (r#"{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}"#.to_owned(), "messages[0]"),
            (r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":3}]}"#.to_owned(), "messages[0]"),
            (with(r#","stream":"yes""#), "stream"),
            (with(r#","max_tokens":1"#), "max_tokens"),
        ];
        for (body, param) in cases {
            assert_eq!(parse(&body).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn the_newer_version_takes_no_sampling_parameters_even_at_their_defaults() {
        for name in SAMPLING {
            let body =
                format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"x"}}],"{name}":1}}"#);
            assert!(parse(&body).is_ok());
            let error = MessagesRequest::parse(body.into(), ApiVersion::V20261021).unwrap_err();
            assert_eq!(error.to_string(), format!("{name}: Extra inputs are not permitted"));
        }
    }

    #[test]
    fn a_debug_text_shows_no_prompt() {
        let request =
            parse(r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a secret plan"}]}"#).unwrap();
        assert!(!format!("{request:?}").contains("plan"));
    }
}
