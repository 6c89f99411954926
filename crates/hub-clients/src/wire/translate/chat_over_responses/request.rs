//! A chat request as a responses request.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::input::{self, Turn};
use super::tools::{self, Tool};
use crate::wire::document::member;
use crate::wire::openai::{ChatRequest, ResponsesRequest};
use crate::wire::translate::Translated;
use crate::wire::{BadRequest, hosted};

/// Fields that both wires know by the same name and meaning; copied as they stand.
const SAME: [&str; 12] = [
    "model",
    "stream",
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "service_tier",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "moderation",
];
/// Fields that are carried otherwise or need no place: how the answer is to come back is between us and the caller.
const CARRIED: [&str; 14] = [
    "messages",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "thinking",
    "store",
    "user",
    "modalities",
];
/// Fields whose loss would make another answer, with what is said of them.
const REFUSED: [(&str, &str); 3] = [
    ("functions", "is the old form of `tools`, which this model's provider does not know"),
    ("function_call", "is the old form of `tool_choice`, which this model's provider does not know"),
    ("audio", "is not available: this model's provider answers in text"),
];
/// Values that ask for nothing.
const NOTHING: [&str; 7] = ["null", "false", "0", "0.0", "[]", "{}", "\"\""];
/// What a provider is asked for beside its answer: what it thought, to be sent back.
const INCLUDE: &str = "reasoning.encrypted_content";

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Turn>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<serde_json::Value>,
    response_format: Option<ResponseFormat>,
    reasoning_effort: Option<String>,
    verbosity: Option<Box<RawValue>>,
    user: Option<String>,
    modalities: Option<Vec<String>>,
    n: Option<i64>,
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<JsonSchema>,
}

/// The schema, nested in chat and flat here. Its own order is kept: answers follow it.
#[derive(Deserialize, Serialize)]
struct JsonSchema {
    name: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Box<RawValue>>,
    schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Format {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    schema: Option<JsonSchema>,
}

#[derive(Serialize)]
struct OutText {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<Box<RawValue>>,
}

/// Writes the request; `shown` asks for what the model thought, summed up. Refused: more than one choice, sound, tools that the provider would
/// run, and the old form of calls. The limit of tokens stays the caller's.
pub(crate) fn request(chat: &ChatRequest, shown: bool) -> Result<Translated<ResponsesRequest>, BadRequest> {
    hosted::refuse(chat.hosted_tools(), &[])?;
    for (name, message) in REFUSED {
        if chat.raw(name).is_some_and(|raw| !NOTHING.contains(&raw)) {
            return Err(BadRequest::at(name, message));
        }
    }
    let asked: Chat = serde_json::from_slice(chat.body()).map_err(|error| BadRequest::body(&misread(&error)))?;
    if asked.n.is_some_and(|n| n > 1) {
        return Err(BadRequest::at("n", "this model's provider gives one answer at a time"));
    }
    if asked.modalities.iter().flatten().any(|kind| kind != "text") {
        return Err(BadRequest::at("modalities", "is not available: this model's provider answers in text"));
    }
    let mut out = Fields(vec![b'{']);
    for name in SAME {
        if let Some(raw) = chat.raw(name).filter(|raw| *raw != "null") {
            member(&mut out.0, name, raw.as_bytes());
        }
    }
    let input = input::of(asked.messages)?;
    out.write("instructions", input.instructions.as_ref());
    out.write("input", Some(&input.items));
    out.write("max_output_tokens", chat.max_output().as_ref());
    let tools = tools::tools(asked.tools.unwrap_or_default())?;
    out.write("tools", Some(&tools).filter(|tools| !tools.is_empty()));
    let choice = asked.tool_choice.filter(|choice| !choice.is_null() && !tools.is_empty());
    out.write("tool_choice", choice.map(|choice| tools::choice(&choice)).transpose()?.as_ref());
    let text = OutText {
        format: format(asked.response_format)?,
        verbosity: asked.verbosity.filter(|raw| raw.get() != "null"),
    };
    out.write("text", Some(&text).filter(|text| text.format.is_some() || text.verbosity.is_some()));
    // A model that does not reason refuses to be asked about it, so nobody is who did not begin.
    let reasons = asked.reasoning_effort.as_deref().is_some_and(|effort| effort != "none");
    let mut reasoning = serde_json::Map::new();
    reasoning.extend(asked.reasoning_effort.map(|effort| ("effort".to_owned(), effort.into())));
    if shown {
        reasoning.insert("summary".to_owned(), "auto".into());
    }
    out.write("reasoning", Some(&reasoning).filter(|reasoning| !reasoning.is_empty()));
    out.write("include", (reasons || shown || input.thought).then(|| json!([INCLUDE])).as_ref());
    if chat.raw("safety_identifier").is_none_or(|raw| raw == "null") {
        // Callers write names and addresses in the field that came before it.
        let user = asked.user.filter(|user| !user.is_empty());
        out.write("safety_identifier", user.map(|user| hex::encode(Sha256::digest(user))).as_ref());
    }
    out.write("store", Some(&false));
    out.0.push(b'}');
    Ok(Translated { request: ResponsesRequest::parse(out.0.into())?, dropped: dropped(chat) })
}

/// An object that is being written.
struct Fields(Vec<u8>);

impl Fields {
    fn write(&mut self, name: &str, value: Option<&impl Serialize>) {
        // Strings, numbers and JSON that was read: writing them to memory cannot fail.
        if let Some(value) = value.and_then(|value| serde_json::to_vec(value).ok()) {
            member(&mut self.0, name, &value);
        }
    }
}

fn format(asked: Option<ResponseFormat>) -> Result<Option<Format>, BadRequest> {
    let Some(asked) = asked else { return Ok(None) };
    match (asked.kind.as_str(), asked.json_schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(Format { kind: "json_object", schema: None })),
        ("json_schema", Some(schema)) => Ok(Some(Format { kind: "json_schema", schema: Some(schema) })),
        _ => Err(BadRequest::at("response_format", "is not one this model's provider knows")),
    }
}

/// Fields without a place there. Values that ask for nothing are not missed.
fn dropped(chat: &ChatRequest) -> Vec<String> {
    let unknown = chat.field_names().filter(|name| !SAME.contains(name) && !CARRIED.contains(name));
    unknown.filter(|name| chat.raw(name).is_some_and(|raw| !NOTHING.contains(&raw))).map(str::to_owned).collect()
}

/// What serde says, without where.
fn misread(error: &serde_json::Error) -> String {
    let said = error.to_string();
    format!("cannot be translated: {}", said.split(" at line ").next().unwrap_or("it is not a chat request"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn told(more: &Value, shown: bool) -> Result<(Value, Vec<String>), BadRequest> {
        let mut chat = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        for (name, value) in more.as_object().unwrap() {
            chat[name] = value.clone();
        }
        let told = request(&ChatRequest::parse(chat.to_string().into())?, shown)?;
        Ok((serde_json::from_slice(told.request.body()).unwrap(), told.dropped))
    }

    #[test]
    fn a_rich_chat_becomes_a_response() {
        let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
        let custom = json!({"id": "call_3", "type": "custom", "custom": {"name": "write", "input": "free text"}});
        let (response, dropped) = told(
            &json!({
                "max_tokens": 9, "stream": true, "stream_options": {"include_usage": true}, "store": false, "n": 1,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
                    {"role": "user", "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://a.b/c.jpg"}},
                        {"type": "file", "file": {"filename": "x.pdf", "file_data": "data:application/pdf;base64,BBBB"}}]},
                    {"role": "assistant", "content": "I will look.", "tool_calls": [call("call_1", "{\"at\":1}"), call("call_2", ""), custom]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
                    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]},
                    {"role": "tool", "tool_call_id": "call_3", "content": "written"},
                    {"role": "assistant", "content": [{"type": "text", "text": "A cat."}, {"type": "refusal", "refusal": "No more."}]},
                    {"role": "assistant", "content": "", "refusal": "No."},
                    {"role": "system", "content": "It is late."},
                    {"role": "user", "content": "Thanks"}],
                "tools": [
                    {"type": "function", "function": {"name": "look", "description": "Looks", "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}, "strict": true}},
                    {"function": {"name": "now"}},
                    {"type": "custom", "custom": {"name": "write", "description": "Writes", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}}],
                "tool_choice": {"type": "function", "function": {"name": "look"}},
                "parallel_tool_calls": false,
                "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
                "reasoning_effort": "high", "verbosity": "low", "temperature": 0.5, "top_p": 1, "metadata": {"a": "b"}, "service_tier": "flex",
                "safety_identifier": "s", "user": "ada", "prompt_cache_key": "k", "prompt_cache_retention": "24h", "modalities": ["text"],
                "stop": ["END"], "seed": 7, "logprobs": true, "presence_penalty": 0, "logit_bias": {},
            }),
            false,
        )
        .unwrap();
        insta::assert_json_snapshot!(response);
        assert_eq!(dropped, ["logprobs", "seed", "stop"]);
    }

    #[test]
    fn schemas_keep_the_order_of_their_members() {
        let schema = r#"{"z":1,"a":{"y":2,"b":3}}"#;
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}}}"#
        );
        let told = request(&ChatRequest::parse(body.into()).unwrap(), false).unwrap();
        let sent = std::str::from_utf8(told.request.body()).unwrap();
        assert_eq!(sent.matches(schema).count(), 2, "{sent}");
    }

    #[test]
    fn what_a_model_thought_is_asked_for_where_it_was_asked_to_think() {
        let include = json!(["reasoning.encrypted_content"]);
        for (more, shown, reasoning, included) in [
            (json!({}), false, Value::Null, &Value::Null),
            (json!({"reasoning_effort": "none"}), false, json!({"effort": "none"}), &Value::Null),
            (json!({"reasoning_effort": "low"}), false, json!({"effort": "low"}), &include),
            (json!({}), true, json!({"summary": "auto"}), &include),
        ] {
            let (response, _) = told(&more, shown).unwrap();
            assert_eq!((&response["reasoning"], &response["include"]), (&reasoning, included), "{more}");
            assert_eq!(response["store"], false);
        }
    }

    #[test]
    fn thoughts_go_home_before_what_was_said_and_those_of_others_are_left_out() {
        let item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"});
        let raw = serde_json::value::to_raw_value(&item).unwrap();
        let ours = crate::wire::opaque::block_of(&raw, "hm").unwrap();
        let theirs = json!({"type": "thinking", "thinking": "hm", "signature": "Eq"});
        let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let (response, _) = told(
            &json!({"messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": "I see.", "thinking_blocks": [theirs, ours], "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "y"}]}),
            false,
        )
        .unwrap();
        assert_eq!(response["input"][1], item);
        assert_eq!(
            (&response["input"][2]["content"], &response["input"][3]["call_id"]),
            (&json!("I see."), &json!("c"))
        );
        assert_eq!((&response["include"][0], response["input"].as_array().unwrap().len()), (&json!(INCLUDE), 5));
    }

    #[test]
    fn names_of_users_are_not_told() {
        let (response, _) = told(&json!({"user": "ada@a.b"}), false).unwrap();
        assert_eq!(response["safety_identifier"].as_str().map(str::len), Some(64));
        assert_eq!(response.get("user"), None);
    }

    #[test]
    fn what_would_change_the_answer_is_refused_and_named() {
        let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        for (more, param) in [
            (json!({"n": 2}), "n"),
            (json!({"modalities": ["text", "audio"]}), "modalities"),
            (json!({"audio": {"voice": "x"}}), "audio"),
            (json!({"functions": [{"name": "f"}]}), "functions"),
            (json!({"tools": [{"type": "web_search"}]}), "tools"),
            (json!({"web_search_options": {}}), "web_search_options"),
            (json!({"response_format": {"type": "grammar"}}), "response_format"),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "mcp"}}),
                "tool_choice",
            ),
            (user(json!([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])), "messages[0]"),
            (user(json!([{"type": "file", "file": {"filename": "f"}}])), "messages[0]"),
            (json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}), "messages[0]"),
            (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0]"),
            (json!({"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}), "messages[0]"),
            (json!({"messages": [{"role": "system", "content": "x"}]}), "messages"),
        ] {
            assert_eq!(told(&more, false).unwrap_err().param.as_deref(), Some(param), "{more}");
        }
    }
}
