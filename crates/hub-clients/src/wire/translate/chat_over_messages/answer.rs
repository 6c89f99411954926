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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &Value) -> Value {
        let body = message.to_string();
        serde_json::from_slice(&whole(&serde_json::from_str(&body).unwrap(), 1_795_000_000)).unwrap()
    }

    #[test]
    fn every_block_finds_its_place_or_none() {
        let content = json!([
            {"type": "thinking", "thinking": "Let me see", "signature": "Eq"}, {"type": "redacted_thinking", "data": "x"},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "text", "text": "Found", "citations": [{"type": "web_search_result_location", "url": "https://a.b"}]},
            {"type": "code_execution_tool_result"}, {"type": "mcp_tool_use", "id": "m", "name": "f", "input": {}}, {"type": "mcp_tool_result"},
            {"type": "compaction", "content": "not said"}, {"type": "future_block", "text": "not said"},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}]);
        let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 25, "server_tool_use": {"web_search_requests": 1}});
        let message =
            json!({"id": "msg_1", "model": "m", "content": content, "stop_reason": "tool_use", "usage": usage});
        insta::assert_json_snapshot!(told(&message));
    }

    #[test]
    fn every_stop_reason_is_told_in_chats_words() {
        for (reason, finish) in [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("tool_use", "tool_calls"),
            ("pause_turn", "stop"),
            ("refusal", "content_filter"),
            ("a_new_one", "stop"),
        ] {
            let details = json!({"type": "refusal", "category": "bio", "explanation": "Not this."});
            let choice = &told(&json!({"id": "msg_1", "content": [], "stop_reason": reason, "stop_details": details}))
                ["choices"][0];
            let refusal = if reason == "refusal" { json!("Not this.") } else { Value::Null };
            assert_eq!(
                (&choice["finish_reason"], &choice["message"]["refusal"]),
                (&json!(finish), &refusal),
                "{reason}"
            );
        }
    }
}
