//! A chat request as its caller wrote it, with the few facts the hub needs read out of it.
//!
//! The body stays one buffer; the top level is an index into it, in the caller's order. Fields nobody here knows are
//! checked by the provider, not by us. What decides about money (model, limits, choices, prompt) is checked here, and
//! a name that stands twice is refused, because two readers could disagree about which one counts.

use std::fmt;

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::value::RawValue;

use super::messages::{self, MessageText, PromptSize};
use crate::llm::count::Estimate;
use crate::wire::document::{self, BadRequest, Document};
use crate::wire::{hosted, kept};

/// Most choices of one call (OpenAI's limit).
const CHOICES_LIMIT: i64 = 128;

/// Top-level fields that never reach the model as tokens; every other one is counted by its bytes.
const NOT_PROMPT: [&str; 29] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "logprobs",
    "top_logprobs",
    "stop",
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "moderation",
];

/// A well-formed chat request. Cheap to clone.
#[derive(Clone)]
pub struct ChatRequest {
    pub(super) document: Document,
    pub(super) include_usage: bool,
    model: String,
    stream: bool,
    max_output: Option<i64>,
    choices: i64,
    size: PromptSize,
    hosted: Vec<String>,
}

impl ChatRequest {
    /// Reads a request body.
    ///
    /// Checked: one JSON object in UTF-8 without a name that stands twice; `model` a string of 1 to 256 bytes; `messages`
    /// 1 to 10 000 objects with known roles; `stream` a boolean; the token limits positive; `n` 1 to 128. `null` stands
    /// for an absent field, as at OpenAI. Refused: `store` where it is true, and every name of something kept at the provider.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let text = document::text(&body)?;
        let top = document::top(text)?;
        let model = top.model()?;
        let max_tokens = top.limit("max_tokens")?;
        let max_completion_tokens = top.limit("max_completion_tokens")?;
        let choices = top.read::<i64>("n", "an integer")?.unwrap_or(1);
        if !(1..=CHOICES_LIMIT).contains(&choices) {
            return Err(BadRequest::at("n", &format!("must be 1 to {CHOICES_LIMIT}")));
        }
        let stream = top.read::<bool>("stream", "a boolean")?.unwrap_or(false);
        let options: Option<StreamOptions> = top.read("stream_options", "an object with a boolean `include_usage`")?;

        if top.read::<bool>("store", "a boolean")? == Some(true) {
            return Err(BadRequest::at("store", "is not available: this hub keeps no completions"));
        }
        let caching = "prompt_cache_options";
        top.get(caching).map_or(Ok(()), |raw| kept::refuse(caching, raw))?;
        let hosted = hosted::of_chat(&top)?;

        let mut size = PromptSize { unsizable: hosted.len(), ..PromptSize::default() };
        let list = top.get("messages").ok_or_else(|| BadRequest::at("messages", "is required"))?;
        messages::measure(list, &mut size)?;
        for (name, value) in
            top.0.iter().filter(|(name, value)| !NOT_PROMPT.contains(&&**name) && value.get() != "null")
        {
            size.other_bytes += name.len() + value.get().len();
        }

        let fields = top.fields(text);
        Ok(Self {
            include_usage: options.and_then(|options| options.include_usage).unwrap_or(false),
            model,
            stream,
            max_output: match (max_completion_tokens, max_tokens) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
            choices,
            size,
            hosted,
            document: Document { body, fields },
        })
    }

    /// A request made of plain texts, `(role, content)` each: for the spec's own protocol. `max_tokens` is per choice.
    pub fn from_messages(
        model: &str,
        messages: &[(&str, &str)],
        max_tokens: Option<i64>,
        stream: bool,
    ) -> Result<Self, BadRequest> {
        let messages: Vec<_> =
            messages.iter().map(|(role, content)| serde_json::json!({"role": role, "content": content})).collect();
        let mut body = serde_json::json!({"model": model, "messages": messages, "stream": stream});
        if let Some(limit) = max_tokens {
            body["max_completion_tokens"] = limit.into();
        }
        Self::parse(body.to_string().into())
    }

    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the caller wants a stream.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the caller wants the usage chunk of a stream. Without it, a usage-only chunk is withheld from it.
    pub fn wants_usage(&self) -> bool {
        self.stream && self.include_usage
    }

    /// The caller's limit of completion tokens per choice; the smaller one where both fields stand.
    pub fn max_output(&self) -> Option<i64> {
        self.max_output
    }

    /// How many answers are asked for (`n`).
    pub fn choices(&self) -> i64 {
        self.choices
    }

    /// Whether the model may call tools.
    pub fn has_tools(&self) -> bool {
        ["tools", "functions"].iter().any(|name| self.raw(name).is_some_and(|raw| raw != "null" && raw != "[]"))
    }

    /// UTF-8 bytes of text in the prompt, and of everything else that reaches the model as text.
    pub fn prompt_bytes(&self) -> usize {
        self.size.text_bytes.saturating_add(self.size.other_bytes)
    }

    /// The prompt's parts, measured.
    pub fn size(&self) -> &PromptSize {
        &self.size
    }

    /// The types of tools that the provider would run itself; empty when the caller runs all.
    pub fn hosted_tools(&self) -> &[String] {
        &self.hosted
    }

    /// The messages as text: role and visible text of each. Reads them again; not for hot paths.
    pub fn messages(&self) -> Vec<MessageText> {
        let list = self.raw("messages").and_then(|raw| serde_json::from_str::<&RawValue>(raw).ok());
        list.map(messages::texts).unwrap_or_default()
    }

    /// Usage by estimate, for a call whose provider reported nothing. Pictures and sound are not guessed.
    pub fn estimate_usage(&self, output: Estimate, reasoning: Estimate) -> TokenUsage {
        let mut input = Estimate::exactly(i64::try_from(self.size.messages).unwrap_or(i64::MAX).saturating_mul(4));
        for message in self.messages() {
            input.add(Estimate::of(&message.text));
        }
        let other = i64::try_from(self.size.other_bytes / 4).unwrap_or(i64::MAX);
        input.add(Estimate::exactly(other));
        TokenUsage {
            input: input.tokens(),
            output: output.tokens(),
            reasoning: reasoning.tokens(),
            ..TokenUsage::default()
        }
    }

    /// The body as the caller sent it.
    pub fn body(&self) -> &Bytes {
        &self.document.body
    }

    /// The names of the top-level fields, in order.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        self.document.names()
    }

    /// The JSON text of a top-level field.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.document.raw(name)
    }

    /// The request without these top-level fields; as it is, when it would be none without them.
    #[must_use]
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let changes: Vec<(&str, Option<&str>)> = names.iter().map(|name| (*name, None)).collect();
        Self::parse(self.document.with(&changes)).unwrap_or_else(|_| self.clone())
    }
}

impl ChatRequest {
    /// The request without `thinking_blocks` in its messages; as it is, when it has none.
    #[must_use]
    pub(crate) fn without_thoughts(&self) -> Self {
        let less = self.raw("messages").and_then(messages::without_thoughts);
        let body = less.map(|messages| self.document.with(&[("messages", Some(&messages))]));
        body.and_then(|body| Self::parse(body).ok()).unwrap_or_else(|| self.clone())
    }
}

/// Shows the shape and no prompt.
impl fmt::Debug for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatRequest")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("max_output", &self.max_output)
            .field("choices", &self.choices)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

#[derive(serde::Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ChatRequest, BadRequest> {
        ChatRequest::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn refused(text: &str) -> (Option<String>, String) {
        let error = parse(text).expect_err(text);
        (error.param, error.message)
    }

    #[test]
    fn the_facts_are_read_and_the_rest_is_left() {
        let request = parse(
            r#" {"model":"m\u0031","messages":[{"role":"system","content":"be \"kind\""},
            {"role":"user","content":[{"type":"text","text":"hé"},{"type":"image_url","image_url":{"url":"data:x","detail":"low"}},
              {"type":"image_url","image_url":{"url":"data:y"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
              {"type":"text","text":"!"}]},
            {"role":"assistant","content":null,"tool_calls":[]}],
            "stream":true,"stream_options":{"include_usage":true},"max_tokens":50,"max_completion_tokens":70,"n":2,
            "tools":[{"type":"function"}],"temperature":0.5,"mystery":{"a":1}} "#,
        )
        .unwrap();
        assert_eq!((request.model(), request.stream(), request.wants_usage()), ("m1", true, true));
        assert_eq!((request.max_output(), request.choices(), request.has_tools()), (Some(50), 2, true));
        let size = request.size();
        assert_eq!((size.messages, size.text_bytes, size.images, size.low_images), (3, 9 + 3 + 1, 1, 1));
        let other = r#"tool_calls[]tools[{"type":"function"}]mystery{"a":1}"#;
        assert_eq!((size.other_bytes, size.unsizable), (other.len(), 0));
        assert_eq!(size.audio_bytes, r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#.len());
        let texts: Vec<_> = request.messages().into_iter().map(|m| (m.role, m.text)).collect();
        let expected = [("system", "be \"kind\""), ("user", "hé\n!"), ("assistant", "")];
        assert_eq!(texts, expected.map(|(role, text)| (role.to_owned(), text.to_owned())));
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let request = parse(
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":null,"max_tokens":null,"n":null,
                "stream_options":null,"tools":null}"#,
        )
        .unwrap();
        assert_eq!((request.stream(), request.max_output(), request.choices()), (false, None, 1));
        assert!(!request.has_tools() && request.size().other_bytes == 0);
    }

    #[test]
    fn a_bad_request_names_the_field_at_fault() {
        let with = |rest: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{rest}}}"#);
        let cases = [
            (with(r#","n":0"#), "n", "must be 1 to 128"),
            (with(r#","n":129"#), "n", "must be 1 to 128"),
            (with(r#","n":"2""#), "n", "must be an integer"),
            (with(r#","stream":"yes""#), "stream", "must be a boolean"),
            (with(r#","max_tokens":0"#), "max_tokens", "must be a positive integer"),
            (with(r#","max_tokens":1.5"#), "max_tokens", "must be a positive integer"),
            (with(r#","max_completion_tokens":-3"#), "max_completion_tokens", "must be a positive integer"),
            (
                with(r#","stream_options":{"include_usage":1}"#),
                "stream_options",
                "must be an object with a boolean `include_usage`",
            ),
            (with(r#","mod\u0065l":"x""#), "model", "stands twice"),
            (r#"{"messages":[]}"#.to_owned(), "model", "is required"),
            (r#"{"model":"","messages":[]}"#.to_owned(), "model", "must have 1 to 256 bytes"),
            (format!(r#"{{"model":"{}"}}"#, "m".repeat(257)), "model", "must have 1 to 256 bytes"),
            (r#"{"model":"m"}"#.to_owned(), "messages", "is required"),
            (r#"{"model":"m","messages":null}"#.to_owned(), "messages", "must be an array"),
            (r#"{"model":"m","messages":[]}"#.to_owned(), "messages", "must not be empty"),
            (
                format!(r#"{{"model":"m","messages":[{}{{"role":"user"}}]}}"#, r#"{"role":"user"},"#.repeat(10_000)),
                "messages",
                "must have at most 10000 items",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user"},{"role":"boss","content":"x"}]}"#.to_owned(),
                "messages[1]",
                "role must be one of developer, system, user, assistant, tool, function",
            ),
            (r#"{"model":"m","messages":[{"content":"x"}]}"#.to_owned(), "messages[0]", "role is missing"),
            (
                r#"{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}"#.to_owned(),
                "messages[0]",
                "has `content` twice",
            ),
        ];
        for (body, param, message) in cases {
            assert_eq!(refused(&body), (Some(param.to_owned()), message.to_owned()), "{body:.90}");
        }
        for body in ["", "[]", "3", "{", "{} x", r#"{"model":"m",}"#] {
            assert_eq!(refused(body).0, None, "{body}");
        }
        let (param, message) = refused(r#"{"model":"m","messages":[{"role":"user","content":5}]}"#);
        assert_eq!(param.as_deref(), Some("messages[0]"));
        assert!(message.contains("content as a string"), "{message}");
    }

    #[test]
    fn bytes_that_are_no_text_and_endless_fields_are_refused() {
        let error = ChatRequest::parse(Bytes::from_static(b"{\"model\":\"\xff\"}")).unwrap_err();
        assert_eq!(error.message, "the body is not valid UTF-8");
        let fields: Vec<String> = (0..500).map(|n| format!(r#""f{n}":0"#)).collect();
        assert!(refused(&format!("{{{}}}", fields.join(","))).1.contains("more than 200 fields"));
        let deep = format!(r#"{{"model":"m","messages":[{{"role":"user","x":{}}}]}}"#, "[".repeat(100_000));
        assert_eq!(refused(&deep).0, None);
    }

    #[test]
    fn input_that_cannot_be_sized_is_said_so() {
        let request = parse(
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:,x"}}]},
                {"role":"assistant","content":"x","audio":null}],"web_search_options":{},"tools":[{"type":"web_search"}]}"#,
        )
        .unwrap();
        assert_eq!((request.size().unsizable, request.hosted_tools().len()), (3, 2));
    }

    #[test]
    fn nothing_kept_at_the_provider_is_reached_or_left_there() {
        let with = |message: &str, rest: &str| {
            refused(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{message}]{rest}}}"#))
        };
        let user = r#"{"role":"user","content":"x"}"#;
        for (message, rest, param, word) in [
            (r#"{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}"#, "", "messages[1]", "file_id"),
            (r#"{"role":"assistant","audio":{"id":"audio_1"}}"#, "", "messages[1]", "audio.id"),
            (user, r#","store":true"#, "store", "keeps no completions"),
            (user, r#","tools":[{"type":"file_search","vector_store_ids":["v"]}]"#, "tools[0]", "vector_store_ids"),
        ] {
            let (at, message) = with(message, rest);
            assert_eq!(at.as_deref(), Some(param), "{message}");
            assert!(message.contains(word), "{message}");
        }
        let fine = r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"file_id\":\"x\"}"}}]}],"store":false}"#;
        assert!(parse(fine).is_ok() && parse(&fine.replace("false", "null")).is_ok());
    }

    #[test]
    fn thinking_of_earlier_answers_is_taken_out_and_nothing_else() {
        let request = parse(r#"{"model":"m","messages":[{"role":"assistant","content":"x","thinking_blocks":[{"type":"thinking"}],"n" : 1}, {"role":"user","content":"y"}],"odd":[ ]}"#).unwrap();
        let expected = r#"{"model":"m","messages":[{"role":"assistant","content":"x","n":1},{"role":"user","content":"y"}],"odd":[ ]}"#;
        assert_eq!(request.without_thoughts().body(), expected);
        let plain = parse(r#"{"model":"m","messages":[{"role":"user","content":"y"}]}"#).unwrap();
        assert_eq!(plain.without_thoughts().body().as_ptr(), plain.body().as_ptr());
    }

    #[test]
    fn plain_texts_make_a_request() {
        let request = ChatRequest::from_messages("m", &[("user", "a \"b\"")], Some(9), true).unwrap();
        assert_eq!(
            (request.max_output(), request.stream(), request.messages()[0].text.as_str()),
            (Some(9), true, "a \"b\"")
        );
        assert!(ChatRequest::from_messages("m", &[("nobody", "x")], None, false).is_err());
    }

    #[test]
    fn a_debug_text_shows_no_prompt() {
        let request = ChatRequest::from_messages("m", &[("user", "a secret plan")], None, false).unwrap();
        assert!(!format!("{request:?}").contains("plan"));
    }
}
