//! A messages request as a chat request.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::anthropic::MessagesRequest;
use crate::wire::openai::ChatRequest;
use crate::wire::translate::Translated;
use crate::wire::{BadRequest, opaque};

/// Fields that are carried or need no place.
const CARRIED: [&str; 14] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "output_config",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
    "temperature",
    "top_p",
    // Asks the provider to keep the prompt; the answer does not depend on it.
    "cache_control",
];

#[derive(Deserialize)]
struct Asked {
    messages: Vec<Turn>,
    system: Option<Content>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<ToolChoice>,
    output_config: Option<OutputConfig>,
    stop_sequences: Option<Box<RawValue>>,
    metadata: Option<Metadata>,
    service_tier: Option<String>,
    temperature: Option<Box<RawValue>>,
    top_p: Option<Box<RawValue>>,
    thinking: Option<Thinking>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

/// One block. Which fields stand depends on `type`; `input` is read as a value because blocks are read through a buffer.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type", default)]
    kind: String,
    text: Option<String>,
    source: Option<Source>,
    title: Option<String>,
    id: Option<String>,
    name: Option<String>,
    input: Option<Value>,
    tool_use_id: Option<String>,
    content: Option<Box<Content>>,
    is_error: Option<bool>,
    thinking: Option<String>,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type", default)]
    kind: String,
    media_type: Option<String>,
    data: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: String,
    description: Option<String>,
    input_schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Deserialize)]
struct OutputConfig {
    effort: Option<String>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Metadata {
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    messages: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<i64>,
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<OutFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct OutTool {
    #[serde(rename = "type")]
    kind: &'static str,
    function: OutFunction,
}

#[derive(Serialize)]
struct OutFunction {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct OutFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: OutSchema,
}

#[derive(Serialize)]
struct OutSchema {
    name: &'static str,
    schema: Box<RawValue>,
    strict: bool,
}

/// Writes the request. Refused: tools the provider itself would run, documents and pictures kept at Anthropic, blocks nobody knows.
/// Thinking of earlier answers is left out, because its signature is worth something only where it was made; what a provider of responses had
/// encrypted goes along, for such a provider.
pub(crate) fn request(asked: &MessagesRequest) -> Result<Translated<ChatRequest>, BadRequest> {
    let read: Asked = serde_json::from_slice(asked.body()).map_err(|error| BadRequest::body(&misread(&error)))?;
    let mut dropped: Vec<String> =
        asked.field_names().filter(|name| !CARRIED.contains(name)).map(str::to_owned).collect();
    dropped.retain(|name| asked.raw(name).is_some_and(|raw| raw != "null"));
    if read.thinking.is_some_and(|thinking| thinking.kind == "disabled") {
        dropped.retain(|name| name != "thinking");
    }
    let mut messages = Vec::with_capacity(read.messages.len() + 1);
    if let Some(system) = read.system {
        let text = plain(system, "system")?;
        if !text.is_empty() {
            messages.push(json!({"role": "system", "content": text}));
        }
    }
    for (index, turn) in read.messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        match turn.role.as_str() {
            "assistant" => messages.push(assistant(turn.content, &at)?),
            "system" => messages.push(json!({"role": "system", "content": plain(turn.content, &at)?})),
            _ => user(turn.content, &at, &mut messages)?,
        }
    }
    let config = read.output_config.unwrap_or(OutputConfig { effort: None, format: None });
    let (tool_choice, parallel_tool_calls) = tool_choice(read.tool_choice)?;
    let out = Out {
        model: asked.model(),
        messages,
        max_completion_tokens: asked.max_output(),
        stream: asked.stream(),
        tools: tools(read.tools.unwrap_or_default())?,
        tool_choice,
        parallel_tool_calls,
        response_format: response_format(config.format)?,
        reasoning_effort: config.effort,
        stop: read.stop_sequences.filter(|raw| raw.get() != "[]"),
        user: read.metadata.and_then(|metadata| metadata.user_id),
        service_tier: match read.service_tier.as_deref() {
            Some("standard_only") => Some("default"),
            Some("auto") => Some("auto"),
            _ => None,
        },
        temperature: read.temperature,
        top_p: read.top_p,
    };
    let body = serde_json::to_vec(&out).map_err(|_| BadRequest::body("the request cannot be translated"))?;
    Ok(Translated { request: ChatRequest::parse(body.into())?, dropped })
}

fn assistant(content: Content, at: &str) -> Result<Value, BadRequest> {
    let blocks = match content {
        Content::Text(text) => return Ok(json!({"role": "assistant", "content": text})),
        Content::Blocks(blocks) => blocks,
    };
    let (mut text, mut calls, mut thoughts) = (String::new(), Vec::new(), Vec::new());
    for block in blocks {
        match block.kind.as_str() {
            "text" => text.push_str(block.text.as_deref().unwrap_or_default()),
            "thinking" | "redacted_thinking" => {
                if let Some(signature) = block.signature.filter(|signature| opaque::is_item(signature)) {
                    let thinking = block.thinking.unwrap_or_default();
                    thoughts.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
                }
            }
            "tool_use" => {
                let (Some(id), Some(name)) = (block.id, block.name) else {
                    return Err(BadRequest::at(at, "a block of type tool_use needs `id` and `name`"));
                };
                let arguments = block.input.unwrap_or_else(|| json!({})).to_string();
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
            other => return Err(foreign(other, at)),
        }
    }
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() };
    let mut message = json!({"role": "assistant", "content": content});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    if !thoughts.is_empty() {
        message["thinking_blocks"] = thoughts.into();
    }
    Ok(message)
}

/// A user's turn: results of tools become messages of their own before it, their pictures are shown by the user after them.
fn user(content: Content, at: &str, messages: &mut Vec<Value>) -> Result<(), BadRequest> {
    let blocks = match content {
        Content::Text(text) => {
            messages.push(json!({"role": "user", "content": text}));
            return Ok(());
        }
        Content::Blocks(blocks) => blocks,
    };
    let mut parts = Vec::new();
    for block in blocks {
        if block.kind != "tool_result" {
            parts.push(part(block, at)?);
            continue;
        }
        let id =
            block.tool_use_id.ok_or_else(|| BadRequest::at(at, "a block of type tool_result needs `tool_use_id`"))?;
        let mut text = String::new();
        match block.content.map(|content| *content) {
            None => {}
            Some(Content::Text(said)) => text = said,
            Some(Content::Blocks(inner)) => {
                for block in inner {
                    match block.kind.as_str() {
                        "text" => join(&mut text, block.text.as_deref().unwrap_or_default()),
                        _ => parts.push(part(block, at)?),
                    }
                }
            }
        }
        if block.is_error == Some(true) {
            text = format!("The tool failed: {text}");
        }
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
    }
    match parts.as_slice() {
        [] => {}
        [only] if only["type"] == "text" => messages.push(json!({"role": "user", "content": only["text"]})),
        _ => messages.push(json!({"role": "user", "content": parts})),
    }
    Ok(())
}

fn part(block: Block, at: &str) -> Result<Value, BadRequest> {
    let missing = |what: &str| BadRequest::at(at, &format!("a block needs `{what}`"));
    match block.kind.as_str() {
        "text" => Ok(json!({"type": "text", "text": block.text.ok_or_else(|| missing("text"))?})),
        "image" => {
            let source = block.source.ok_or_else(|| missing("source"))?;
            let url = match (source.kind.as_str(), source.url, source.media_type, source.data) {
                ("url", Some(url), ..) => url,
                ("base64", _, Some(kind), Some(data)) => format!("data:{kind};base64,{data}"),
                _ => return Err(BadRequest::at(at, "an image must be base64 or a url for this model's provider")),
            };
            Ok(json!({"type": "image_url", "image_url": {"url": url}}))
        }
        "document" => {
            let source = block.source.ok_or_else(|| missing("source"))?;
            match (source.kind.as_str(), source.media_type, source.data) {
                ("base64", Some(kind), Some(data)) => {
                    let name = block.title.unwrap_or_else(|| "document.pdf".to_owned());
                    let file = json!({"filename": name, "file_data": format!("data:{kind};base64,{data}")});
                    Ok(json!({"type": "file", "file": file}))
                }
                ("text", _, Some(text)) => Ok(json!({"type": "text", "text": text})),
                _ => Err(BadRequest::at(at, "a document must be base64 or text for this model's provider")),
            }
        }
        other => Err(foreign(other, at)),
    }
}

/// Text blocks as one text.
fn plain(content: Content, at: &str) -> Result<String, BadRequest> {
    let blocks = match content {
        Content::Text(text) => return Ok(text),
        Content::Blocks(blocks) => blocks,
    };
    let mut text = String::new();
    for block in blocks {
        match (block.kind.as_str(), block.text) {
            ("text", Some(more)) => join(&mut text, &more),
            (other, _) => return Err(foreign(other, at)),
        }
    }
    Ok(text)
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

fn tools(asked: Vec<Tool>) -> Result<Vec<OutTool>, BadRequest> {
    let tool = |(index, tool): (usize, Tool)| match tool.kind.as_deref() {
        None | Some("custom") => {
            let parameters = tool.input_schema;
            let function =
                OutFunction { name: tool.name, description: tool.description, parameters, strict: tool.strict };
            Ok(OutTool { kind: "function", function })
        }
        Some(other) => {
            let what = format!("tools of type {other:?} are run by Anthropic and not by this model's provider");
            Err(BadRequest::at(&format!("tools[{index}]"), &what))
        }
    };
    asked.into_iter().enumerate().map(tool).collect()
}

fn tool_choice(asked: Option<ToolChoice>) -> Result<(Option<Value>, Option<bool>), BadRequest> {
    let Some(asked) = asked else { return Ok((None, None)) };
    let choice = match (asked.kind.as_str(), asked.name) {
        ("auto", _) => json!("auto"),
        ("none", _) => json!("none"),
        ("any", _) => json!("required"),
        ("tool", Some(name)) => json!({"type": "function", "function": {"name": name}}),
        _ => return Err(BadRequest::at("tool_choice", "must be auto, any, none or a named tool")),
    };
    Ok((Some(choice), asked.disable_parallel_tool_use.map(|disabled| !disabled)))
}

fn response_format(asked: Option<Format>) -> Result<Option<OutFormat>, BadRequest> {
    let Some(asked) = asked else { return Ok(None) };
    match (asked.kind.as_str(), asked.schema) {
        ("json_schema", Some(schema)) => {
            Ok(Some(OutFormat { kind: "json_schema", json_schema: OutSchema { name: "answer", schema, strict: true } }))
        }
        _ => Err(BadRequest::at("output_config.format", "must be a json_schema with a schema")),
    }
}

fn foreign(kind: &str, at: &str) -> BadRequest {
    BadRequest::at(at, &format!("blocks of type {kind:?} cannot be sent to this model's provider"))
}

/// What serde says, without where.
fn misread(error: &serde_json::Error) -> String {
    let said = error.to_string();
    format!("cannot be translated: {}", said.split(" at line ").next().unwrap_or("it is not a messages request"))
}
