//! A whole chat completion as a response.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::opaque;
use crate::wire::translate::chat::{Document, Said};
use crate::wire::translate::renamed;

/// What every response repeats of its request.
#[derive(Debug, Clone)]
pub(crate) struct Echo {
    pub(super) instructions: Option<Value>,
    pub(super) metadata: Option<Value>,
    pub(super) max_output_tokens: Option<i64>,
    pub(super) tools: Value,
    pub(super) tool_choice: Value,
    pub(super) text: Value,
    pub(super) temperature: Option<Value>,
    pub(super) top_p: Option<Value>,
    pub(super) parallel_tool_calls: Value,
}

impl Echo {
    /// A response with nothing in it yet.
    pub(super) fn response(&self, id: &str, created: i64, model: &str) -> Value {
        json!({
            "id": id,
            "object": "response",
            "created_at": created,
            "completed_at": null,
            "status": "in_progress",
            "background": false,
            "error": null,
            "incomplete_details": null,
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata.clone().unwrap_or_else(|| json!({})),
            "model": model,
            "output": [],
            "parallel_tool_calls": self.parallel_tool_calls,
            "previous_response_id": null,
            "store": false,
            "temperature": self.temperature,
            "text": self.text,
            "tool_choice": self.tool_choice,
            "tools": self.tools,
            "top_p": self.top_p,
            "truncation": "disabled",
            "usage": null,
        })
    }
}

/// Ends a response: its status follows from how the choice ended.
pub(super) fn end(response: &mut Value, output: Vec<Value>, finish: &str, usage: &TokenUsage) {
    let (status, reason) = match finish {
        "length" => ("incomplete", Some("max_output_tokens")),
        "content_filter" => ("incomplete", Some("content_filter")),
        _ => ("completed", None),
    };
    response["status"] = status.into();
    response["completed_at"] = response["created_at"].clone();
    response["incomplete_details"] = reason.map_or(Value::Null, |reason| json!({"reason": reason}));
    response["output"] = output.into();
    response["usage"] = json!({
        "input_tokens": usage.prompt(),
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.coarse().cache_write},
        "output_tokens": usage.completion(),
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    });
}

/// An item that holds text.
pub(super) fn message(id: &str, text: &str, refusal: &str) -> Value {
    let mut content = Vec::new();
    if !text.is_empty() {
        content.push(json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}));
    }
    if !refusal.is_empty() {
        content.push(json!({"type": "refusal", "refusal": refusal}));
    }
    json!({"id": id, "type": "message", "role": "assistant", "status": "completed", "content": content})
}

/// An item that says what was thought; `encrypted` is what can be sent back of it.
pub(super) fn reasoning(id: &str, text: &str, encrypted: Option<&str>) -> Value {
    let summary = if text.is_empty() { Vec::new() } else { vec![json!({"type": "summary_text", "text": text})] };
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if let Some(encrypted) = encrypted {
        item["encrypted_content"] = encrypted.into();
    }
    item
}

/// The items of what a whole answer says was thought: one for each block that can be sent back, else one for all.
fn thoughts(said: &Said<'_>, id: &str) -> Vec<Value> {
    #[derive(Deserialize)]
    struct Block {
        #[serde(default)]
        thinking: String,
    }
    let id = |place: usize| format!("{}_{place}", renamed(id, &["resp_"], "rs_"));
    let blocks = said.thinking_blocks();
    if blocks.is_empty() && !said.reasoning().is_empty() {
        return vec![reasoning(&id(0), said.reasoning(), None)];
    }
    let item = |(place, raw): (usize, &RawValue)| {
        let text = serde_json::from_str::<Block>(raw.get()).map(|block| block.thinking).unwrap_or_default();
        reasoning(&id(place), &text, opaque::content_of(raw).as_deref())
    };
    blocks.into_iter().enumerate().map(item).collect()
}

/// An item that calls a function.
pub(super) fn function_call(id: &str, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function_call", "status": "completed", "call_id": call_id, "name": name, "arguments": arguments})
}

/// Writes the response; `None` when the body is no completion.
pub(crate) fn whole(body: &[u8], usage: &TokenUsage, echo: &Echo) -> Option<Bytes> {
    let completion: Document<'_> = serde_json::from_slice(body).ok()?;
    let id = renamed(completion.id.as_str(), &["chatcmpl-"], "resp_");
    let mut response = echo.response(&id, completion.created.unwrap_or(0), completion.model.as_str());
    let choice = completion.choices?.into_iter().next()?;
    let said = choice.said()?;
    let mut output = thoughts(said, &id);
    let (text, refusal) = (said.content.as_str(), said.refusal.as_str());
    let calls: Vec<_> = said.tool_calls.iter().flatten().collect();
    if !text.is_empty() || !refusal.is_empty() || calls.is_empty() {
        output.push(message(&renamed(&id, &["resp_"], "msg_"), text, refusal));
    }
    for call in calls {
        let Some(function) = &call.function else { continue };
        let item = renamed(call.id.as_str(), &[], "fc_");
        output.push(function_call(&item, call.id.as_str(), function.name.as_str(), function.arguments.as_str()));
    }
    end(&mut response, output, choice.finish_reason.as_str(), usage);
    Some(response.to_string().into())
}
