//! Chat messages as the items of a responses request.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::{BadRequest, opaque};

/// What a responses request says first.
pub(super) struct Input {
    /// The system prompt, where the messages begin with one in plain text.
    pub(super) instructions: Option<String>,
    /// All else, in order.
    pub(super) items: Vec<Value>,
    /// Whether thoughts of earlier answers are among them.
    pub(super) thought: bool,
}

/// One chat message.
#[derive(Deserialize)]
pub(super) struct Turn {
    role: String,
    content: Option<Content>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
    tool_call_id: Option<String>,
    function_call: Option<Value>,
    /// Thinking of an earlier answer of this hub.
    thinking_blocks: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
}

#[derive(Deserialize)]
struct ToolCall {
    id: String,
    function: Option<Function>,
    custom: Option<Custom>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Custom {
    name: String,
    input: Option<String>,
}

/// The items of these messages.
pub(super) fn of(turns: Vec<Turn>) -> Result<Input, BadRequest> {
    let mut input = Input { instructions: None, items: Vec::with_capacity(turns.len()), thought: false };
    let mut custom = HashSet::new();
    for (index, turn) in turns.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        match (turn.role.as_str(), turn.content) {
            ("system", Some(Content::Text(text))) if index == 0 => input.instructions = Some(text),
            (role @ ("system" | "developer" | "user"), content) => {
                let content = said(content, "input_text", &at)?;
                input.items.push(json!({"role": role, "content": content}));
            }
            ("tool", content) => {
                let id = turn.tool_call_id.ok_or_else(|| BadRequest::at(&at, "needs `tool_call_id`"))?;
                let kind = if custom.contains(&id) { "custom_tool_call_output" } else { "function_call_output" };
                let output = said(content, "input_text", &at)?;
                input.items.push(json!({"type": kind, "call_id": id, "output": output}));
            }
            ("assistant", content) => {
                if turn.function_call.as_ref().is_some_and(|call| !call.is_null()) {
                    return Err(BadRequest::at(
                        &at,
                        "calls in the old form `function_call` cannot be sent to this model's provider",
                    ));
                }
                let thoughts = turn.thinking_blocks.iter().flatten().filter_map(|block| opaque::item_in(block));
                let before = input.items.len();
                input.items.extend(thoughts);
                input.thought |= input.items.len() > before;
                input.items.extend(answer(content, turn.refusal, turn.tool_calls.is_some(), &at)?);
                for call in turn.tool_calls.into_iter().flatten() {
                    input.items.push(tool_call(call, &mut custom, &at)?);
                }
            }
            (other, _) => {
                return Err(BadRequest::at(&at, &format!("role {other:?} cannot be sent to this model's provider")));
            }
        }
    }
    if input.items.is_empty() {
        return Err(BadRequest::at("messages", "must hold a message of the user"));
    }
    Ok(input)
}

/// What an earlier answer said; nothing where it only called tools.
fn answer(
    content: Option<Content>,
    refusal: Option<String>,
    called: bool,
    at: &str,
) -> Result<Option<Value>, BadRequest> {
    let refusal = refusal.filter(|refusal| !refusal.is_empty());
    let content = match (said(content, "output_text", at)?, refusal) {
        (content, None) => content,
        (content, Some(refusal)) => {
            let mut parts = match content {
                Value::Array(parts) => parts,
                Value::String(text) if !text.is_empty() => vec![json!({"type": "output_text", "text": text})],
                _ => Vec::new(),
            };
            parts.push(json!({"type": "refusal", "refusal": refusal}));
            parts.into()
        }
    };
    let nothing = content.as_str().is_some_and(str::is_empty) || content.as_array().is_some_and(Vec::is_empty);
    Ok((!(nothing && called)).then(|| json!({"role": "assistant", "content": content})))
}

fn tool_call(call: ToolCall, custom: &mut HashSet<String>, at: &str) -> Result<Value, BadRequest> {
    match (call.function, call.custom) {
        (Some(function), _) => Ok(json!({
            "type": "function_call",
            "call_id": call.id,
            "name": function.name,
            "arguments": function.arguments.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "{}".to_owned()),
        })),
        (None, Some(called)) => {
            custom.insert(call.id.clone());
            let input = called.input.unwrap_or_default();
            Ok(json!({"type": "custom_tool_call", "call_id": call.id, "name": called.name, "input": input}))
        }
        (None, None) => Err(BadRequest::at(at, "a tool call needs `function` or `custom`")),
    }
}

/// The content of a message, whose text is of type `text`.
fn said(content: Option<Content>, text: &str, at: &str) -> Result<Value, BadRequest> {
    match content {
        None => Ok(json!("")),
        Some(Content::Text(text)) => Ok(text.into()),
        Some(Content::Parts(parts)) => parts.iter().map(|read| part(read, text, at)).collect(),
    }
}

fn part(part: &Value, text: &str, at: &str) -> Result<Value, BadRequest> {
    match part["type"].as_str().unwrap_or_default() {
        "text" => Ok(json!({"type": text, "text": part["text"].as_str().unwrap_or_default()})),
        "refusal" => Ok(json!({"type": "refusal", "refusal": part["refusal"].as_str().unwrap_or_default()})),
        "image_url" if part["image_url"]["url"].is_string() => {
            let mut image = json!({"type": "input_image", "image_url": part["image_url"]["url"]});
            if part["image_url"]["detail"].is_string() {
                image["detail"] = part["image_url"]["detail"].clone();
            }
            Ok(image)
        }
        "file" if part["file"]["file_data"].is_string() => {
            let mut file = json!({"type": "input_file", "file_data": part["file"]["file_data"]});
            if part["file"]["filename"].is_string() {
                file["filename"] = part["file"]["filename"].clone();
            }
            Ok(file)
        }
        other => Err(BadRequest::at(
            at,
            &format!("parts of type {other:?} cannot be sent to this model's provider in this form"),
        )),
    }
}
