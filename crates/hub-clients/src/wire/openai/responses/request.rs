//! A responses request as its caller wrote it, with the few facts the hub needs read out of it.
//!
//! The stateless part of the wire is known. Whatever would reach, or leave, something in the account that all members share is refused, and
//! what goes upstream always says `store: false`.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

use super::{input, thoughts, tools};
use crate::wire::document::{self, BadRequest, Document, Object};
use crate::wire::openai::PromptSize;
use crate::wire::{kept, opaque};

/// Top-level fields that never reach the model as tokens, or are measured apart; every other one is counted by its bytes.
const NOT_PROMPT: [&str; 25] = [
    "model",
    "input",
    "instructions",
    "tools",
    "stream",
    "stream_options",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    "reasoning",
    "include",
    "store",
    "background",
    "truncation",
    "metadata",
    "service_tier",
    "safety_identifier",
    "user",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "moderation",
];
/// Fields that name something kept at the provider.
const KEPT: [&str; 4] = ["previous_response_id", "conversation", "prompt", "background_options"];
/// Fields by which the provider would keep something.
const KEEPING: [&str; 2] = ["store", "background"];
/// How chat names what is here a field or a part of one; operators may use either name for what a model does not take.
const CHAT_NAMES: [(&str, &str); 4] = [
    ("reasoning_effort", "reasoning"),
    ("verbosity", "text"),
    ("response_format", "text"),
    ("max_completion_tokens", "max_output_tokens"),
];

/// A well-formed, stateless responses request. Cheap to clone.
#[derive(Clone)]
pub struct ResponsesRequest {
    document: Document,
    model: String,
    stream: bool,
    max_output: Option<i64>,
    size: PromptSize,
    hosted: Vec<String>,
}

impl ResponsesRequest {
    /// Reads a request body.
    ///
    /// Checked: one JSON object in UTF-8 without a name that stands twice; `model` a string of 1 to 256 bytes; `input` a string or at most
    /// 10 000 items; `stream` a boolean; `max_output_tokens` positive. Refused: `store` and `background` where they are true, and every
    /// name of something kept at the provider.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let text = document::text(&body)?;
        let top = document::top(text)?;
        let model = top.model()?;
        refuse_kept(&top)?;
        let stream = top.read::<bool>("stream", "a boolean")?.unwrap_or(false);
        let max_output = top.limit("max_output_tokens")?;
        let (mut size, mut hosted) = (PromptSize::default(), Vec::new());
        if let Some(instructions) = top.read::<String>("instructions", "a string")? {
            size.messages += 1;
            size.text_bytes += instructions.len();
        }
        let list = top.get("input").ok_or_else(|| BadRequest::at("input", "is required"))?;
        input::measure(list, &mut size, &mut hosted)?;
        if let Some(list) = top.get("tools") {
            tools::read(list, "tools", &mut hosted)?;
            size.other_bytes += list.get().len();
        }
        size.unsizable += hosted.len();
        for (name, value) in
            top.0.iter().filter(|(name, value)| !NOT_PROMPT.contains(&&**name) && value.get() != "null")
        {
            size.other_bytes += name.len() + value.get().len();
        }
        let fields = top.fields(text);
        Ok(Self { model, stream, max_output, size, hosted, document: Document { body, fields } })
    }

    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the caller wants a stream.
    pub fn stream(&self) -> bool {
        self.stream
    }

    /// The caller's limit of output tokens.
    pub fn max_output(&self) -> Option<i64> {
        self.max_output
    }

    /// The prompt's parts, measured.
    pub fn size(&self) -> &PromptSize {
        &self.size
    }

    /// The types of tools that the provider would run itself; empty when the caller runs all.
    pub fn hosted_tools(&self) -> &[String] {
        &self.hosted
    }

    /// The body as the caller sent it.
    pub fn body(&self) -> &Bytes {
        &self.document.body
    }

    /// The JSON text of a top-level field, asked for by its name here or in chat.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.document.raw(here(name))
    }

    /// The request without these top-level fields; as it is, when it would be none without them.
    #[must_use]
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let changes: Vec<(&str, Option<&str>)> = names.iter().map(|name| (here(name), None)).collect();
        Self::parse(self.document.with(&changes)).unwrap_or_else(|_| self.clone())
    }

    /// The request without the reasoning of earlier answers: what one account has encrypted is refused by another.
    #[must_use]
    pub(crate) fn without_thoughts(&self) -> Self {
        let less = self.raw("input").and_then(thoughts::without_any);
        let body = less.map(|input| self.document.with(&[("input", Some(&input))]));
        body.and_then(|body| Self::parse(body).ok()).unwrap_or_else(|| self.clone())
    }

    /// The body to send upstream: another model, `max_output` where it is smaller than the caller's limit, nothing kept, and no reasoning that
    /// another provider has signed. Without a real change it is the caller's own buffer.
    pub fn encode(&self, model: &str, max_output: Option<i64>) -> Bytes {
        let model = Value::from(model).to_string();
        let limit = [max_output, self.max_output].into_iter().flatten().min().map(|limit| limit.to_string());
        let input = self.raw("input").filter(|input| opaque::mentions_block(input)).and_then(thoughts::without_foreign);
        let mut changes = vec![
            ("model", Some(model.as_str())),
            ("max_output_tokens", limit.as_deref()),
            // OpenAI stores where nothing is said.
            ("store", Some("false")),
        ];
        changes.extend(input.iter().map(|input| ("input", Some(input.as_str()))));
        self.document.with(&changes)
    }
}

/// The name of a field in this wire.
fn here(name: &str) -> &str {
    CHAT_NAMES.into_iter().find(|(chat, _)| *chat == name).map_or(name, |(_, here)| here)
}

fn refuse_kept(top: &Object<'_>) -> Result<(), BadRequest> {
    let stands = |name: &&str| top.get(name).is_some_and(|raw| raw.get() != "null");
    if let Some(name) = KEPT.into_iter().find(stands) {
        return Err(BadRequest::at(name, "is not available: this hub keeps no responses; send the whole input"));
    }
    // OpenAI's default is to store, so its absence is no wish for it.
    for name in KEEPING {
        if top.read::<bool>(name, "a boolean")? == Some(true) {
            return Err(BadRequest::at(name, "is not available: this hub keeps no responses"));
        }
    }
    let caching = "prompt_cache_options";
    top.get(caching).map_or(Ok(()), |raw| kept::refuse(caching, raw))
}

/// Shows the shape and no prompt.
impl fmt::Debug for ResponsesRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponsesRequest")
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("max_output", &self.max_output)
            .field("size", &self.size)
            .field("hosted", &self.hosted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<ResponsesRequest, BadRequest> {
        ResponsesRequest::parse(body.to_string().into())
    }

    fn with(fields: &Value) -> Result<ResponsesRequest, BadRequest> {
        let mut body = json!({"model": "m", "input": "x"});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        parse(&body)
    }

    #[test]
    fn only_what_must_change_is_rewritten() {
        let body = r#"{ "x-odd": {"b" : 1.50, "a":"\u00e9"}, "model":"m","max_output_tokens" : 9, "input":[ {"role":"user","content":"x"} ] }"#;
        let request = ResponsesRequest::parse(Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(
            request.encode("up", Some(7)),
            r#"{"x-odd":{"b" : 1.50, "a":"\u00e9"},"model":"up","max_output_tokens":7,"input":[ {"role":"user","content":"x"} ],"store":false}"#
        );
        let same = Bytes::from_static(br#"{"model":"up" ,"input":"x","store":false,"max_output_tokens":9}"#);
        assert_eq!(ResponsesRequest::parse(same.clone()).unwrap().encode("up", Some(20)).as_ptr(), same.as_ptr());
        let request = with(&json!({"store": null, "max_output_tokens": null})).unwrap();
        assert_eq!(request.encode("m", None), r#"{"input":"x","model":"m","store":false}"#);
    }

    #[test]
    fn the_parts_of_a_prompt_are_measured() {
        let items = json!([
            {"role": "user", "content": [
                {"type": "input_text", "text": "hé"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                {"type": "input_image", "image_url": "https://a.b/c", "detail": "low"},
                {"type": "input_file", "file_data": "data:,x"}]},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "abc", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "four"}]},
            {"type": "computer_call_output", "call_id": "c2", "output": {"type": "computer_screenshot", "image_url": "data:,"}},
            {"type": "compaction", "encrypted_content": "abc"},
        ]);
        let request = with(&json!({"instructions": "Be.", "input": items})).unwrap();
        let size = request.size();
        assert_eq!((size.messages, size.text_bytes), (7, 3 + 3 + 4));
        assert_eq!((size.images, size.low_images, size.unsizable), (2, 1, 2));
        let sized = [items[1].to_string(), items[2].to_string(), items[0]["content"][3].to_string()];
        let sized: usize = sized.iter().map(String::len).sum();
        assert!(size.other_bytes > sized && size.other_bytes < sized + 150, "{}", size.other_bytes);
        let tools = json!([{"type": "function", "name": "f"}, {"type": "web_search"}]);
        let hosted = with(&json!({"tools": tools, "x-new": "four"})).unwrap();
        assert_eq!((hosted.size().unsizable, hosted.hosted_tools()), (1, &["web_search".to_owned()][..]));
        assert_eq!(hosted.size().other_bytes, tools.to_string().len() + "x-new\"four\"".len());
    }

    #[test]
    fn what_is_kept_or_would_be_is_refused_and_named() {
        for (name, value, param) in [
            ("previous_response_id", json!("resp_1"), "previous_response_id"),
            ("conversation", json!({"id": "conv_1"}), "conversation"),
            ("prompt", json!({"id": "p"}), "prompt"),
            ("store", json!(true), "store"),
            ("store", json!("yes"), "store"),
            ("background", json!(true), "background"),
            ("background_options", json!({"continuation_id": "x"}), "background_options"),
            ("prompt_cache_options", json!({"comparison_response_id": "resp_1"}), "prompt_cache_options"),
            ("input", json!([{"type": "item_reference", "id": "msg_1"}]), "input[0]"),
            ("input", json!([{"role": "user", "content": "x"}, {"id": "msg_1"}]), "input[1]"),
            ("input", json!([{"role": "assistant", "id": "msg_1"}]), "input[0]"),
            ("input", json!([{"type": "image_generation_call", "id": "ig_1", "result": null}]), "input[0]"),
            ("input", json!([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]), "input[0]"),
            ("input", json!([{"type": "computer_call_output", "output": {"file_id": "f"}}]), "input[0]"),
            (
                "input",
                json!([{"type": "additional_tools", "tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}]),
                "input[0]",
            ),
            ("tools", json!([{"type": "file_search", "vector_store_ids": ["v"]}]), "tools[0]"),
            ("input", json!(3), "input"),
            ("instructions", json!([]), "instructions"),
            ("max_output_tokens", json!(0), "max_output_tokens"),
            ("stream", json!(1), "stream"),
        ] {
            let error = with(&json!({ name: value })).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{name} {value}");
        }
        let nothing = json!({"store": false, "background": false, "previous_response_id": null, "prompt_cache_options": {"ttl": "12h"}});
        assert!(with(&nothing).is_ok());
        let twice = r#"{"model":"m","input":[{"type":"message","role":"user","type":"item_reference","id":"x"}]}"#;
        let error = ResponsesRequest::parse(Bytes::from_static(twice.as_bytes())).unwrap_err();
        assert_eq!((error.param.as_deref(), error.message.as_str()), (Some("input[0]"), "duplicate field `type`"));
    }

    #[test]
    fn a_field_is_left_out_under_either_of_its_names() {
        let request = with(&json!({"reasoning": {"effort": "low"}, "temperature": 1, "x": 1})).unwrap();
        assert!(request.raw("reasoning_effort").is_some());
        let less = request.without(&["reasoning_effort", "temperature", "input"]);
        assert!(less.raw("reasoning").is_some(), "a request without input is none");
        let less = request.without(&["reasoning_effort", "temperature"]);
        assert_eq!(less.body(), r#"{"input":"x","model":"m","x":1}"#);
    }

    #[test]
    fn a_debug_text_shows_no_prompt() {
        let request = with(&json!({"input": "a secret plan", "instructions": "secret"})).unwrap();
        assert!(!format!("{request:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn unknown_fields_pass_byte_for_byte(
            unknown in prop::collection::btree_map("x-[a-z]{0,6}", "[ -~]{0,12}", 0..6),
            place in any::<prop::sample::Index>(),
            blanks in "[ \t\r\n]{0,3}",
        ) {
            let mut members: Vec<String> =
                unknown.iter().map(|(name, value)| format!("{}:{blanks}{}", Value::from(name.as_str()), Value::from(value.as_str()))).collect();
            let known = format!(r#""model":"m",{blanks}"input":"x","store":false"#);
            members.insert(place.index(members.len() + 1), known);
            let body = format!("{{{blanks}{}{blanks}}}", members.join(&format!("{blanks},")));
            let request = ResponsesRequest::parse(body.clone().into()).unwrap();
            prop_assert_eq!(request.encode("m", None), body.as_bytes(), "nothing to change, nothing changed");
            let changed = ResponsesRequest::parse(request.encode("up", Some(9))).unwrap();
            for name in unknown.keys() {
                prop_assert_eq!(changed.raw(name), request.raw(name));
            }
            let odd = |request: &ResponsesRequest| request.document.names().filter(|name| name.starts_with("x-")).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(odd(&changed), odd(&request), "in their order");
        }
    }
}
