//! A whole message as a chat completion.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::finish_reason;
use crate::wire::anthropic::{Block, Message};
use crate::wire::openai::usage_json;
use crate::wire::translate::renamed;

/// Writes the completion. `created` is in seconds since 1970.
pub(crate) fn whole(message: &Message<'_>, created: i64) -> Bytes {
    let mut text = String::new();
    let (mut thinking, mut kept, mut calls) = (String::new(), Vec::new(), Vec::new());
    for block in message.content.iter().flatten() {
        match block.kind.as_str() {
            "text" => text.push_str(block.text.as_str()),
            "thinking" | "redacted_thinking" => {
                thinking.push_str(block.thinking.as_str());
                kept.push(thinking_block(block));
            }
            "tool_use" => calls.push(json!({
                "id": block.id.as_str(),
                "type": "function",
                "function": {"name": block.name.as_str(), "arguments": block.input.map_or("{}", RawValue::get)},
            })),
            _ => {}
        }
    }
    let stop = message.stop_reason.as_str();
    let refusal = message.stop_details.as_ref().and_then(|details| details.explanation.get());
    let mut said = json!({
        "role": "assistant",
        "content": if text.is_empty() { Value::Null } else { text.into() },
        "refusal": if stop == "refusal" { refusal.into() } else { Value::Null },
        "annotations": [],
    });
    if !calls.is_empty() {
        said["tool_calls"] = calls.into();
    }
    if !kept.is_empty() {
        said["reasoning_content"] = thinking.into();
        said["thinking_blocks"] = kept.into();
    }
    let mut answer = json!({
        "id": renamed(message.id.as_str(), &["msg_"], "chatcmpl-"),
        "object": "chat.completion",
        "created": created,
        "model": message.model.as_str(),
        "choices": [{"index": 0, "message": said, "logprobs": null, "finish_reason": finish_reason(stop)}],
    });
    if let Some(usage) = message.usage.tokens() {
        answer["usage"] = usage_json(&usage);
    }
    answer.to_string().into()
}

/// A block of thinking as the next request gives it back; its signature is void when anything in it changes.
fn thinking_block(block: &Block<'_>) -> Value {
    match block.kind.as_str() {
        "thinking" => {
            json!({"type": "thinking", "thinking": block.thinking.as_str(), "signature": block.signature.as_str()})
        }
        _ => json!({"type": "redacted_thinking", "data": block.data.as_str()}),
    }
}
