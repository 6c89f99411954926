//! A responses request as a chat request.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Echo;
use crate::wire::document::{self, BadRequest, Object};
use crate::wire::opaque;
use crate::wire::openai::{ChatRequest, ResponsesRequest};
use crate::wire::translate::Translated;

/// Fields that both wires know by the same name and meaning.
const SAME: [&str; 9] = [
    "model",
    "stream",
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "user",
];
/// Fields that are carried under another name, or need no place because nothing is kept and nothing is hidden.
const CARRIED: [&str; 11] = [
    "input",
    "instructions",
    "max_output_tokens",
    "tools",
    "tool_choice",
    "reasoning",
    "text",
    "store",
    "stream_options",
    "metadata",
    "background",
];
/// Values that ask for nothing.
const NOTHING: [&str; 5] = ["null", "false", "[]", "{}", "\"disabled\""];

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    content: Option<Value>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    output: Option<Value>,
    encrypted_content: Option<String>,
}

/// Writes the chat request, and what the answer repeats of the call. Names of kept things were refused when the call was read; that nothing
/// is stored the answers say.
pub(crate) fn request(responses: &ResponsesRequest) -> Result<(Translated<ChatRequest>, Echo), BadRequest> {
    let text = document::text(responses.body())?;
    let top = document::top(text)?;
    let mut chat = serde_json::Map::new();
    for name in SAME {
        if let Some(value) = value(&top, name) {
            chat.insert(name.to_owned(), value);
        }
    }
    if top.read::<bool>("stream", "a boolean")?.unwrap_or(false) {
        chat.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(limit) = top.limit("max_output_tokens")? {
        chat.insert("max_completion_tokens".to_owned(), limit.into());
    }
    let mut messages = Vec::new();
    if let Some(instructions) = top.read::<Option<String>>("instructions", "a string")?.flatten() {
        messages.push(json!({"role": "system", "content": instructions}));
    }
    input(&top, &mut messages)?;
    chat.insert("messages".to_owned(), messages.into());
    let tools = value(&top, "tools");
    if let Some(tools) = &tools {
        chat.insert("tools".to_owned(), self::tools(tools)?);
    }
    let choice = value(&top, "tool_choice");
    if let Some(choice) = &choice {
        chat.insert("tool_choice".to_owned(), tool_choice(choice)?);
    }
    if let Some(effort) = value(&top, "reasoning").and_then(|reasoning| reasoning.get("effort").cloned()) {
        chat.insert("reasoning_effort".to_owned(), effort);
    }
    let format = value(&top, "text");
    if let Some(text) = &format {
        if let Some(verbosity) = text.get("verbosity") {
            chat.insert("verbosity".to_owned(), verbosity.clone());
        }
        if let Some(format) = text.get("format") {
            chat.insert("response_format".to_owned(), response_format(format));
        }
    }
    let known = |name: &str| SAME.contains(&name) || CARRIED.contains(&name);
    // What was thought is always told in a form that can be sent back.
    let asked = |name: &str| name != "include" || !includes_only_thoughts(&top);
    let unknown = top.0.iter().filter(|(name, raw)| !known(name) && !NOTHING.contains(&raw.get()) && asked(name));
    let dropped = unknown.map(|(name, _)| name.to_string()).collect();
    let request = ChatRequest::parse(Value::Object(chat).to_string().into())?;
    let echo = Echo {
        instructions: value(&top, "instructions"),
        metadata: value(&top, "metadata"),
        max_output_tokens: request.max_output(),
        tools: tools.unwrap_or_else(|| json!([])),
        tool_choice: choice.unwrap_or_else(|| json!("auto")),
        text: format.unwrap_or_else(|| json!({"format": {"type": "text"}})),
        temperature: value(&top, "temperature"),
        top_p: value(&top, "top_p"),
        parallel_tool_calls: value(&top, "parallel_tool_calls").unwrap_or(Value::Bool(true)),
    };
    Ok((Translated { request, dropped }, echo))
}

fn includes_only_thoughts(top: &Object<'_>) -> bool {
    let asked = value(top, "include");
    asked
        .as_ref()
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().all(|name| name == "reasoning.encrypted_content"))
}

/// A field that stands there and is not null.
fn value(top: &Object<'_>, name: &str) -> Option<Value> {
    serde_json::from_str(top.get(name)?.get()).ok().filter(|value: &Value| !value.is_null())
}

fn input(top: &Object<'_>, messages: &mut Vec<Value>) -> Result<(), BadRequest> {
    let raw = top.get("input").ok_or_else(|| BadRequest::at("input", "is required"))?.get();
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        messages.push(json!({"role": "user", "content": text}));
        return Ok(());
    }
    let items: Vec<Item> =
        serde_json::from_str(raw).map_err(|_| BadRequest::at("input", "must be a string or an array of items"))?;
    let mut thoughts = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("input[{index}]");
        match item.kind.as_deref() {
            None | Some("message") => {
                let role = item.role.ok_or_else(|| BadRequest::at(&at, "needs `role`"))?;
                let mut message = json!({"role": role, "content": content(item.content, &at)?});
                think(&mut message, &mut thoughts);
                messages.push(message);
            }
            Some("function_call") => {
                let (Some(id), Some(name)) = (item.call_id, item.name) else {
                    return Err(BadRequest::at(&at, "a function_call needs `call_id` and `name`"));
                };
                let function = json!({"name": name, "arguments": item.arguments.unwrap_or_default()});
                add_call(messages, json!({"id": id, "type": "function", "function": function}), &mut thoughts);
            }
            Some("function_call_output") => {
                let id = item.call_id.ok_or_else(|| BadRequest::at(&at, "a function_call_output needs `call_id`"))?;
                let output = content(item.output, &at)?;
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": output}));
            }
            // What a model thought is of use only where it was thought: what Anthropic has signed goes along.
            Some("reasoning") => thoughts.extend(item.encrypted_content.as_deref().and_then(opaque::block_in)),
            Some(other) => return Err(BadRequest::at(&at, &format!("items of type {other:?} are not available"))),
        }
    }
    Ok(())
}

/// Thoughts stand in the answer before which they were thought, and nowhere else.
fn think(message: &mut Value, thoughts: &mut Vec<Value>) {
    let thoughts = std::mem::take(thoughts);
    if !thoughts.is_empty() && message["role"] == "assistant" {
        message["thinking_blocks"] = thoughts.into();
    }
}

/// Calls of one turn stand in one message, after its text; what was thought in between begins another.
fn add_call(messages: &mut Vec<Value>, call: Value, thoughts: &mut Vec<Value>) {
    if !thoughts.is_empty() || messages.last().is_none_or(|last| last["role"] != "assistant") {
        let mut message = json!({"role": "assistant", "content": null});
        think(&mut message, thoughts);
        messages.push(message);
    }
    if let Some(last) = messages.last_mut() {
        match &mut last["tool_calls"] {
            Value::Array(calls) => calls.push(call),
            none => *none = json!([call]),
        }
    }
}

fn content(content: Option<Value>, at: &str) -> Result<Value, BadRequest> {
    let Some(Value::Array(parts)) = content else { return Ok(content.unwrap_or(Value::String(String::new()))) };
    let part = |part: &Value| match part["type"].as_str().unwrap_or_default() {
        "input_text" | "output_text" => Ok(json!({"type": "text", "text": part["text"]})),
        "refusal" => Ok(json!({"type": "refusal", "refusal": part["refusal"]})),
        "input_image" if part["image_url"].is_string() => {
            let mut image = json!({"url": part["image_url"]});
            if part["detail"].is_string() {
                image["detail"] = part["detail"].clone();
            }
            Ok(json!({"type": "image_url", "image_url": image}))
        }
        "input_file" if part["file_data"].is_string() => {
            Ok(json!({"type": "file", "file": {"filename": part["filename"], "file_data": part["file_data"]}}))
        }
        other => Err(BadRequest::at(at, &format!("content of type {other:?} is not available in this form"))),
    };
    parts.iter().map(part).collect()
}

/// Function tools are flat here and nested in chat.
fn tools(tools: &Value) -> Result<Value, BadRequest> {
    let tool = |(index, tool): (usize, &Value)| {
        if tool["type"] != "function" {
            return Err(BadRequest::at(&format!("tools[{index}]"), "only tools of type function are available"));
        }
        let mut function = json!({"name": tool["name"]});
        for name in ["description", "parameters", "strict"] {
            if !tool[name].is_null() {
                function[name] = tool[name].clone();
            }
        }
        Ok(json!({"type": "function", "function": function}))
    };
    tools.as_array().into_iter().flatten().enumerate().map(tool).collect()
}

fn tool_choice(choice: &Value) -> Result<Value, BadRequest> {
    match (choice.as_str(), choice["type"].as_str()) {
        (Some(_), _) => Ok(choice.clone()),
        (_, Some("function")) => Ok(json!({"type": "function", "function": {"name": choice["name"]}})),
        _ => Err(BadRequest::at("tool_choice", "must be none, auto, required or a function")),
    }
}

fn response_format(format: &Value) -> Value {
    if format["type"] != "json_schema" {
        return format.clone();
    }
    let mut schema = json!({});
    for name in ["name", "description", "schema", "strict"] {
        if !format[name].is_null() {
            schema[name] = format[name].clone();
        }
    }
    json!({"type": "json_schema", "json_schema": schema})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &Value) -> Result<Value, BadRequest> {
        let (told, _) = request(&ResponsesRequest::parse(body.to_string().into())?)?;
        Ok(serde_json::from_slice(told.request.body()).unwrap())
    }

    #[test]
    fn items_tools_and_schemas_find_their_places_in_chat() {
        let chat = told(&json!({
            "model": "m", "instructions": "Be brief.", "max_output_tokens": 9, "stream": true, "store": false,
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": "https://a.b/c"}]},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "sun"}],
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
            "tool_choice": {"type": "function", "name": "f"},
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
        }))
        .unwrap();
        let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        assert_eq!(
            chat,
            json!({
                "model": "m", "max_completion_tokens": 9, "stream": true, "stream_options": {"include_usage": true},
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "https://a.b/c"}}]},
                    {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}], "tool_calls": [call("c1"), call("c2")]},
                    {"role": "tool", "tool_call_id": "c1", "content": "sun"}],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "reasoning_effort": "low",
                "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
            })
        );
    }

    #[test]
    fn what_anthropic_has_signed_goes_along_before_what_was_said() {
        let block = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
        let thought = |signature: &str| {
            let raw = serde_json::value::to_raw_value(&block(signature)).unwrap();
            json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": opaque::content_of(&raw)})
        };
        let other = json!({"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAA"});
        let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
        let chat = told(&json!({"model": "m", "include": ["reasoning.encrypted_content"], "input": [
            {"role": "user", "content": "x"}, thought("One"), other, {"role": "assistant", "content": "y"}, call("c1"), thought("Two"), call("c2"),
            {"type": "function_call_output", "call_id": "c1", "output": "z"}, thought("Lost"), {"role": "user", "content": "more"}]}))
        .unwrap();
        let messages = chat["messages"].as_array().unwrap();
        assert_eq!(
            (&messages[1]["thinking_blocks"], &messages[1]["tool_calls"][0]["id"]),
            (&json!([block("One")]), &json!("c1"))
        );
        assert_eq!(
            (&messages[2]["thinking_blocks"], &messages[2]["tool_calls"][0]["id"]),
            (&json!([block("Two")]), &json!("c2"))
        );
        assert!(!chat.to_string().contains("Lost") && !chat.to_string().contains("gAAA"), "{chat}");
    }

    #[test]
    fn nothing_is_missed_where_only_thoughts_were_to_be_included() {
        for (include, dropped) in [
            (json!(["reasoning.encrypted_content"]), &[][..]),
            (json!([]), &[]),
            (json!(["reasoning.encrypted_content", "message.output_text.logprobs"]), &["include"]),
        ] {
            let body = json!({"model": "m", "input": "x", "include": include});
            let (told, _) = request(&ResponsesRequest::parse(body.to_string().into()).unwrap()).unwrap();
            assert_eq!(told.dropped, dropped, "{include}");
        }
    }

    #[test]
    fn what_chat_has_no_place_for_is_refused_and_named() {
        for (field, value, param) in [
            ("tools", json!([{"type": "web_search"}]), "tools[0]"),
            ("input", json!([{"type": "computer_call"}]), "input[0]"),
            (
                "input",
                json!([{"role": "user", "content": [{"type": "input_file", "file_url": "https://a.b"}]}]),
                "input[0]",
            ),
            ("tool_choice", json!({"type": "mcp"}), "tool_choice"),
        ] {
            let mut body = json!({"model": "m", "input": "x"});
            body[field] = value;
            assert_eq!(told(&body).unwrap_err().param.as_deref(), Some(param));
        }
        assert!(told(&json!({"model": "m", "input": "x", "store": false, "previous_response_id": null})).is_ok());
    }
}
