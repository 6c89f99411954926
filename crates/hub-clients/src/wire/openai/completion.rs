//! A request of the old text completions as its caller wrote it (providers.md §1.6), with what the hub needs read out of it.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::encode::with_usage;
use crate::llm::count::Estimate;
use crate::wire::document::{self, BadRequest, Document};

/// Most prompts of one request.
const PROMPT_LIMIT: usize = 2_048;
/// Most answers to one prompt (OpenAI's limit of chat).
const CHOICES_LIMIT: i64 = 128;
/// The limit per answer of a request that names none, as OpenAI defines this wire; written out, because other servers have others.
const MAX_TOKENS: i64 = 16;
/// Top-level fields that never reach the model as tokens, or are measured apart; every other one is counted by its bytes.
const NOT_PROMPT: [&str; 19] = [
    "model",
    "prompt",
    "suffix",
    "stream",
    "stream_options",
    "max_tokens",
    "n",
    "best_of",
    "echo",
    "logprobs",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "stop",
    "user",
    "metadata",
];

/// A well-formed completions request. Cheap to clone.
#[derive(Clone)]
pub struct CompletionRequest {
    document: Document,
    model: String,
    stream: bool,
    include_usage: bool,
    max_tokens: Option<i64>,
    prompts: usize,
    answers: i64,
    generated: i64,
    echo: bool,
    texts: usize,
    text_bytes: usize,
    tokens: usize,
}

/// `prompt`: one text or one list of tokens, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Prompt {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl CompletionRequest {
    /// Reads a request body. Checked: `model`; `prompt` up to 2048 texts or lists of token numbers; `stream` and `echo` booleans; `max_tokens`
    /// 0 or more; `n` and `best_of` 1 to 128. Without a prompt there is one, of a single token.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let text = document::text(&body)?;
        let top = document::top(text)?;
        let model = top.model()?;
        let prompt: Option<Prompt> = top.read("prompt", "a string, an array of strings, or arrays of token numbers")?;
        let (prompts, mut texts, mut text_bytes, tokens) = match &prompt {
            None => (1, 0, 0, 1),
            Some(Prompt::Text(text)) => (1, 1, text.len(), 0),
            Some(Prompt::Texts(texts)) => (texts.len(), texts.len(), texts.iter().map(String::len).sum(), 0),
            Some(Prompt::Tokens(tokens)) => (1, 0, 0, tokens.len()),
            Some(Prompt::TokenLists(lists)) => (lists.len(), 0, 0, lists.iter().map(Vec::len).sum()),
        };
        if prompts == 0 || prompts > PROMPT_LIMIT {
            return Err(BadRequest::at("prompt", &format!("must be 1 to {PROMPT_LIMIT} prompts")));
        }
        if let Some(suffix) = top.read::<String>("suffix", "a string")?.filter(|suffix| !suffix.is_empty()) {
            // It is read with each of the prompts.
            texts += prompts;
            text_bytes += suffix.len() * prompts;
        }
        for (name, value) in
            top.0.iter().filter(|(name, value)| !NOT_PROMPT.contains(&&**name) && value.get() != "null")
        {
            text_bytes += (name.len() + value.get().len()) * prompts;
        }
        let stream = top.read::<bool>("stream", "a boolean")?.unwrap_or(false);
        let options: Option<StreamOptions> = top.read("stream_options", "an object with a boolean `include_usage`")?;
        let max_tokens = top.read::<i64>("max_tokens", "an integer")?;
        if max_tokens.is_some_and(|limit| limit < 0) {
            return Err(BadRequest::at("max_tokens", "must be 0 or more"));
        }
        let number = |name: &str| {
            let number = top.read::<i64>(name, "an integer")?.unwrap_or(1);
            let fits = (1..=CHOICES_LIMIT).contains(&number);
            fits.then_some(number).ok_or_else(|| BadRequest::at(name, &format!("must be 1 to {CHOICES_LIMIT}")))
        };
        let (answers, candidates) = (number("n")?, number("best_of")?);
        let count = i64::try_from(prompts).unwrap_or(i64::MAX);
        let fields = top.fields(text);
        Ok(Self {
            model,
            stream,
            include_usage: options.and_then(|options| options.include_usage).unwrap_or(false),
            max_tokens,
            prompts,
            answers: answers.saturating_mul(count),
            generated: answers.max(candidates).saturating_mul(count),
            echo: top.read::<bool>("echo", "a boolean")?.unwrap_or(false),
            texts,
            text_bytes,
            tokens,
            document: Document { body, fields },
        })
    }

    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the caller wants a stream.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the caller wants the usage chunk of a stream.
    pub fn wants_usage(&self) -> bool {
        self.stream && self.include_usage
    }

    /// The caller's limit of completion tokens per answer.
    pub fn max_output(&self) -> Option<i64> {
        self.max_tokens
    }

    /// The limit per answer that a provider of this wire is told.
    pub fn limit(&self) -> i64 {
        self.max_tokens.unwrap_or(MAX_TOKENS)
    }

    /// How many answers come, to all prompts together.
    pub fn answers(&self) -> i64 {
        self.answers
    }

    /// How many are generated and billed: with `best_of` more than come.
    pub fn generated(&self) -> i64 {
        self.generated
    }

    /// How many prompts there are.
    pub fn prompts(&self) -> usize {
        self.prompts
    }

    /// How many texts a model reads: prompts that are no token numbers, and a suffix with each.
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// UTF-8 bytes of those texts, and of fields nobody here knows.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Token numbers in the prompts.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Prompt tokens by estimate: those given as numbers, and about four bytes of text for each.
    pub fn estimate(&self) -> Estimate {
        let text = i64::try_from(self.text_bytes.div_ceil(4)).unwrap_or(i64::MAX);
        Estimate::exactly(i64::try_from(self.tokens).unwrap_or(i64::MAX).saturating_add(text))
    }

    /// Completion tokens of an answer whose visible text was estimated as `output`: without the prompts that `echo` repeats, and then no
    /// more than was asked for.
    pub fn generated_of(&self, output: Estimate) -> i64 {
        if !self.echo {
            return output.tokens();
        }
        let share = self.answers.saturating_div(i64::try_from(self.prompts).unwrap_or(1).max(1));
        let repeated = self.estimate().tokens().saturating_mul(share);
        output.tokens().saturating_sub(repeated).clamp(0, self.limit().saturating_mul(self.generated).max(0))
    }

    /// The body as the caller sent it.
    pub fn body(&self) -> &Bytes {
        &self.document.body
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

    /// The body to send upstream: another model, a limit, and on streams the wish for usage. Without a real change it is the caller's own
    /// buffer.
    pub fn encode(&self, model: &str, max_output: Option<i64>) -> Bytes {
        let model = Value::from(model).to_string();
        let limit = max_output.map_or(self.limit(), |limit| limit.min(self.limit())).to_string();
        let mut changes = vec![("model", Some(model.as_str())), ("max_tokens", Some(limit.as_str()))];
        let options = (self.stream && !self.include_usage).then(|| with_usage(self.raw("stream_options")));
        if let Some(options) = options.as_deref().and_then(|options| std::str::from_utf8(options).ok()) {
            changes.push(("stream_options", Some(options)));
        }
        self.document.with(&changes)
    }
}

/// Shows the shape and no prompt.
impl fmt::Debug for CompletionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionRequest")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("prompts", &self.prompts)
            .field("texts", &self.texts)
            .field("text_bytes", &self.text_bytes)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> CompletionRequest {
        CompletionRequest::parse(body.to_owned().into()).unwrap()
    }

    #[test]
    fn prompts_of_every_shape_are_measured() {
        for (rest, expected) in [
            (r#""prompt":"hé""#, (1, 1, 3, 0)),
            (r#""prompt":["a","bc"]"#, (2, 2, 3, 0)),
            (r#""prompt":[1,2,3]"#, (1, 0, 0, 3)),
            (r#""prompt":[[1,2],[3]]"#, (2, 0, 0, 3)),
            (r#""prompt":null"#, (1, 0, 0, 1)),
            (r#""prompt":["a","b"],"suffix":"xyz""#, (2, 4, 8, 0)),
            (r#""prompt":[1],"x-new":true"#, (1, 0, 9, 1)),
        ] {
            let request = parse(&format!(r#"{{"model":"m",{rest}}}"#));
            let measured = (request.prompts(), request.texts(), request.text_bytes(), request.tokens());
            assert_eq!(measured, expected, "{rest}");
        }
    }

    #[test]
    fn answers_are_counted_for_every_prompt_and_the_best_of_them_are_billed() {
        let request = parse(r#"{"model":"m","prompt":["a","b"],"n":2,"best_of":5,"max_tokens":10}"#);
        assert_eq!((request.answers(), request.generated(), request.limit()), (4, 10, 10));
        assert_eq!(parse(r#"{"model":"m","prompt":"a"}"#).limit(), 16, "what OpenAI's wire says where nothing is said");
    }

    #[test]
    fn an_echo_is_not_output_and_no_output_is_longer_than_asked_for() {
        let request = parse(r#"{"model":"m","prompt":"12345678","echo":true,"n":2,"max_tokens":3}"#);
        assert_eq!(request.generated_of(Estimate::exactly(2 * 2 + 5)), 5);
        assert_eq!(request.generated_of(Estimate::exactly(1)), 0);
        assert_eq!(request.generated_of(Estimate::exactly(100)), 6);
        let plain = parse(r#"{"model":"m","prompt":"12345678","max_tokens":3}"#);
        assert_eq!(plain.generated_of(Estimate::exactly(2)), 2);
    }

    #[test]
    fn only_what_must_change_is_rewritten() {
        let body = r#"{ "x-odd": [1.50], "model":"m","prompt" : [ [1, 2] ],"echo":true,"stream":true}"#;
        let expected = r#"{"x-odd":[1.50],"model":"up","prompt":[ [1, 2] ],"echo":true,"stream":true,"max_tokens":16,"stream_options":{"include_usage":true}}"#;
        assert_eq!(parse(body).encode("up", Some(100)), expected);
        let same = Bytes::from_static(br#"{"model":"up" ,"prompt":"x","max_tokens":0,"echo":true,"logprobs":1}"#);
        let request = CompletionRequest::parse(same.clone()).unwrap();
        assert_eq!(request.encode("up", None).as_ptr(), same.as_ptr());
        assert_eq!(
            parse(r#"{"model":"up","prompt":"x","max_tokens":9}"#).encode("up", Some(4)),
            r#"{"model":"up","prompt":"x","max_tokens":4}"#
        );
    }

    #[test]
    fn a_bad_request_names_the_field_at_fault() {
        for (rest, param) in [
            (r#""prompt":[]"#, "prompt"),
            (r#""prompt":["a",1]"#, "prompt"),
            (r#""prompt":[-1]"#, "prompt"),
            (r#""prompt":"a","n":0"#, "n"),
            (r#""prompt":"a","best_of":129"#, "best_of"),
            (r#""prompt":"a","max_tokens":-1"#, "max_tokens"),
            (r#""prompt":"a","echo":1"#, "echo"),
            (r#""prompt":"a","suffix":2"#, "suffix"),
        ] {
            let error = CompletionRequest::parse(format!(r#"{{"model":"m",{rest}}}"#).into()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{rest}");
        }
        assert!(!format!("{:?}", parse(r#"{"model":"m","prompt":"a secret plan"}"#)).contains("secret"));
    }
}
