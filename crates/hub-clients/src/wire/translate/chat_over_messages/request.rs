//! A chat request as a messages request.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::blocks::{Content, OutBlock, blocks};
use super::effort::{self, Effort};
use crate::wire::BadRequest;
use crate::wire::anthropic::{ApiVersion, MessagesRequest, is_signed};
use crate::wire::openai::ChatRequest;
use crate::wire::translate::Translated;

/// What answers `json_object`, which has no place there.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else.";
/// Fields that are carried or need no place: how the answer is to come back is between us and the caller.
const CARRIED: [&str; 21] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "service_tier",
    "thinking",
    "temperature",
    "top_p",
    "user",
    "safety_identifier",
    // Names of the caller's caches: nothing in the answer depends on them.
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// Whom the request is written for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The model's name there.
    pub(crate) model: &'a str,
    /// Most completion tokens; the field is required there.
    pub(crate) max_tokens: i64,
    /// The version the request is sent under.
    pub(crate) version: ApiVersion,
}

impl Target<'_> {
    /// Whether the model still takes `temperature` and `top_p` (providers.md §3.1): those up to Opus 4.6, Sonnet 4.6 and Haiku 4.5 do.
    fn takes_sampling(self) -> bool {
        const NEWER: [&str; 2] = ["claude-opus-4-7", "claude-opus-4-8"];
        self.version.takes_sampling()
            && effort::is_older(self.model)
            && !NEWER.iter().any(|name| self.model.starts_with(name))
    }

    /// Whether thinking can be switched off: it is always on at the largest models of the fifth generation.
    fn may_rest(self) -> bool {
        const ALWAYS: [&str; 2] = ["claude-fable-5", "claude-opus-5-5"];
        !ALWAYS.iter().any(|name| self.model.starts_with(name))
    }
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Turn>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<serde_json::Value>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<ResponseFormat>,
    reasoning_effort: Option<String>,
    stop: Option<Stop>,
    service_tier: Option<String>,
    thinking: Option<Box<RawValue>>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    n: Option<i64>,
    user: Option<String>,
    safety_identifier: Option<String>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Option<Content>,
    tool_calls: Option<Vec<ToolCall>>,
    tool_call_id: Option<String>,
    function_call: Option<serde_json::Value>,
    /// Thinking of an earlier answer of this hub, which the model wants back.
    thinking_blocks: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct ToolCall {
    id: String,
    function: Option<CalledFunction>,
}

#[derive(Deserialize)]
struct CalledFunction {
    name: String,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    function: Option<Function>,
    cache_control: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
    json_schema: Option<JsonSchema>,
}

#[derive(Deserialize)]
struct JsonSchema {
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    max_tokens: i64,
    messages: Vec<OutTurn>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<OutBlock>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct Metadata {
    user_id: String,
}

#[derive(Serialize)]
struct OutTurn {
    role: &'static str,
    content: Vec<OutBlock>,
}

#[derive(Serialize)]
struct OutTool {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    input_schema: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Box<RawValue>>,
}

#[derive(Default, Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutFormat>,
}

#[derive(Serialize)]
struct OutFormat {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Box<RawValue>,
}

impl OutputConfig {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// Writes the request for `target`. Refused: more than one choice, sound, files kept at OpenAI, tools that are no functions, arguments of
/// an earlier tool call that are no JSON object.
pub(crate) fn request(chat: &ChatRequest, target: Target<'_>) -> Result<Translated<MessagesRequest>, BadRequest> {
    let asked: Chat = serde_json::from_slice(chat.body()).map_err(|error| BadRequest::body(&misread(&error)))?;
    if asked.n.is_some_and(|n| n > 1) {
        return Err(BadRequest::at("n", "this model's provider gives one answer at a time"));
    }
    let mut dropped = unknown_fields(chat);
    let mut sampling = |name: &str, value: Option<f64>| {
        let value = value?;
        if target.takes_sampling() {
            return Some(value.clamp(0.0, 1.0));
        }
        dropped.push(name.to_owned());
        None
    };
    let (mut temperature, mut top_p) = (sampling("temperature", asked.temperature), sampling("top_p", asked.top_p));
    let (mut system, messages) = turns(asked.messages)?;
    let mut output_config = OutputConfig::default();
    if let Some(format) = asked.response_format {
        match (format.kind.as_str(), format.json_schema.and_then(|schema| schema.schema)) {
            ("json_schema", Some(schema)) => output_config.format = Some(OutFormat { kind: "json_schema", schema }),
            ("json_object", _) => system.push(OutBlock::text(JSON_ONLY.to_owned())),
            ("text", _) => {}
            _ => return Err(BadRequest::at("response_format", "is not one this model's provider knows")),
        }
    }
    let tools = tools(asked.tools.unwrap_or_default())?;
    let tool_choice = tool_choice(asked.tool_choice, asked.parallel_tool_calls, !tools.is_empty())?;
    let mut thinking = asked.thinking.filter(|raw| raw.get() != "null");
    match asked.reasoning_effort.as_deref() {
        None => {}
        Some("none") if target.may_rest() && thinking.is_none() => thinking = raw(r#"{"type":"disabled"}"#),
        Some(effort) => match effort::of(target.model, effort, target.max_tokens) {
            Effort::Word(word) => output_config.effort = Some(word),
            Effort::Budget(tokens) if thinking.is_none() && may_think(&messages, tool_choice.as_ref()) => {
                thinking = raw(&format!(r#"{{"type":"enabled","budget_tokens":{tokens}}}"#));
                // Who thinks takes no sampling.
                let given = [("temperature", temperature.take()), ("top_p", top_p.take())];
                dropped.extend(given.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| (*name).to_owned()));
            }
            Effort::Budget(_) | Effort::Nowhere => dropped.push("reasoning_effort".to_owned()),
        },
    }
    let service_tier = match asked.service_tier.as_deref() {
        None => None,
        Some("auto") => Some("auto"),
        Some("default") => Some("standard_only"),
        Some(_) => {
            dropped.push("service_tier".to_owned());
            None
        }
    };
    let mut stop_sequences = match asked.stop {
        None => Vec::new(),
        Some(Stop::One(one)) => vec![one],
        Some(Stop::Many(many)) => many,
    };
    // Those of whitespace alone are refused there (providers.md §4.1).
    let asked_for = stop_sequences.len();
    stop_sequences.retain(|stop| !stop.trim().is_empty());
    if stop_sequences.len() < asked_for {
        dropped.push("stop".to_owned());
    }
    let out = Out {
        model: target.model,
        max_tokens: target.max_tokens,
        tool_choice,
        messages,
        system,
        tools,
        thinking,
        output_config,
        stop_sequences,
        metadata: asked.safety_identifier.or(asked.user).filter(|user| !user.is_empty()).map(|user| Metadata {
            // Callers write names and addresses there, which Anthropic does not want.
            user_id: hex::encode(Sha256::digest(user)),
        }),
        service_tier,
        temperature,
        top_p,
        stream: chat.stream(),
    };
    let body = serde_json::to_vec(&out).map_err(|_| BadRequest::body("the request cannot be translated"))?;
    Ok(Translated { request: MessagesRequest::parse(body.into(), target.version)?, dropped })
}

/// Whether models with a budget may think about this: not when a tool is forced upon them, nor in the middle of a use of tools that was begun
/// without thinking.
fn may_think(turns: &[OutTurn], tool_choice: Option<&serde_json::Value>) -> bool {
    let forced = tool_choice.is_some_and(|choice| matches!(choice["type"].as_str(), Some("any" | "tool")));
    let last = turns.iter().rev().find(|turn| turn.role == "assistant");
    let begun = last.is_some_and(|turn| {
        turn.content.iter().any(|block| matches!(block, OutBlock::ToolUse { .. }))
            && !matches!(turn.content.first(), Some(OutBlock::Kept(_)))
    });
    !forced && !begun
}

/// Fields without a place there. Values that ask for nothing are not missed.
fn unknown_fields(chat: &ChatRequest) -> Vec<String> {
    const NOTHING: [&str; 7] = ["null", "false", "0", "0.0", "[]", "{}", "\"\""];
    let unknown = chat.field_names().filter(|name| !CARRIED.contains(name));
    unknown.filter(|name| chat.raw(name).is_some_and(|raw| !NOTHING.contains(&raw))).map(str::to_owned).collect()
}

/// The system prompt, and the turns: turns of one side that follow each other become one, tool results first in theirs.
fn turns(asked: Vec<Turn>) -> Result<(Vec<OutBlock>, Vec<OutTurn>), BadRequest> {
    let (mut system, mut turns): (_, Vec<OutTurn>) = (Vec::new(), Vec::new());
    for (index, turn) in asked.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        if turn.function_call.as_ref().is_some_and(|call| !call.is_null()) {
            return Err(BadRequest::at(
                &at,
                "calls in the old form `function_call` cannot be sent to this model's provider",
            ));
        }
        let (role, content) = match turn.role.as_str() {
            "system" | "developer" => {
                system.extend(blocks(turn.content, &at)?);
                continue;
            }
            "user" => ("user", blocks(turn.content, &at)?),
            "tool" => {
                let id = turn.tool_call_id.ok_or_else(|| BadRequest::at(&at, "needs `tool_call_id`"))?;
                let content = blocks(turn.content, &at)?;
                ("user", vec![OutBlock::ToolResult { tool_use_id: id, content }])
            }
            "assistant" => {
                let mut content: Vec<OutBlock> = turn
                    .thinking_blocks
                    .into_iter()
                    .flatten()
                    .filter(|block| is_signed(block))
                    .map(OutBlock::Kept)
                    .collect();
                content.extend(blocks(turn.content, &at)?);
                for call in turn.tool_calls.into_iter().flatten() {
                    content.push(tool_use(call, &at)?);
                }
                ("assistant", content)
            }
            other => {
                return Err(BadRequest::at(&at, &format!("role {other:?} cannot be sent to this model's provider")));
            }
        };
        match turns.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            _ if content.is_empty() => {}
            _ => turns.push(OutTurn { role, content }),
        }
    }
    if turns.is_empty() {
        return Err(BadRequest::at("messages", "must hold a message of the user"));
    }
    for turn in &mut turns {
        turn.content.sort_by_key(|block| !matches!(block, OutBlock::ToolResult { .. }));
    }
    Ok((system, turns))
}

fn tool_use(call: ToolCall, at: &str) -> Result<OutBlock, BadRequest> {
    let Some(function) = call.function else {
        return Err(BadRequest::at(at, "only calls of functions can be sent to this model's provider"));
    };
    let arguments = function.arguments.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "{}".to_owned());
    let input = RawValue::from_string(arguments).ok().filter(|raw| raw.get().starts_with('{'));
    match input {
        Some(input) => Ok(OutBlock::ToolUse { id: call.id, name: function.name, input }),
        None => Err(BadRequest::at(at, "the arguments of a tool call must be a JSON object")),
    }
}

fn tools(asked: Vec<Tool>) -> Result<Vec<OutTool>, BadRequest> {
    let tool = |(index, tool): (usize, Tool)| {
        let at = format!("tools[{index}]");
        let function = tool
            .function
            .ok_or_else(|| BadRequest::at(&at, "only tools of type function can be sent to this model's provider"))?;
        let schema = function.parameters.filter(|raw| raw.get() != "null");
        Ok(OutTool {
            name: function.name,
            description: function.description,
            input_schema: schema
                .or_else(|| raw(r#"{"type":"object","properties":{}}"#))
                .ok_or_else(|| BadRequest::at(&at, "has no parameters"))?,
            strict: function.strict,
            cache_control: tool.cache_control,
        })
    };
    asked.into_iter().enumerate().map(tool).collect()
}

fn tool_choice(
    asked: Option<serde_json::Value>,
    parallel: Option<bool>,
    has_tools: bool,
) -> Result<Option<serde_json::Value>, BadRequest> {
    use serde_json::json;
    if !has_tools {
        return Ok(None);
    }
    let asked = asked.filter(|choice| !choice.is_null());
    let mut choice = match &asked {
        None => None,
        Some(choice) => Some(match (choice.as_str(), choice["type"].as_str()) {
            (Some("none"), _) => return Ok(Some(json!({"type": "none"}))),
            (Some("auto"), _) => json!({"type": "auto"}),
            (Some("required"), _) => json!({"type": "any"}),
            (_, Some("function")) if choice["function"]["name"].is_string() => {
                json!({"type": "tool", "name": choice["function"]["name"]})
            }
            _ => return Err(BadRequest::at("tool_choice", "is not one this model's provider knows")),
        }),
    };
    if parallel == Some(false) {
        choice.get_or_insert_with(|| json!({"type": "auto"}))["disable_parallel_tool_use"] = true.into();
    }
    Ok(choice)
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

/// What serde says, without where.
fn misread(error: &serde_json::Error) -> String {
    let said = error.to_string();
    format!("cannot be translated: {}", said.split(" at line ").next().unwrap_or("it is not a chat request"))
}
