//! A whole chat completion as a message.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::{Value, json};

use super::{stop_reason, usage_json};
use crate::wire::translate::chat::Document;
use crate::wire::translate::renamed;

/// Under which a tool call's arguments are told when they are no JSON object; the name is the one Anthropic's manual gives it.
const INVALID_JSON: &str = "INVALID_JSON";

/// Writes the message; `usage` is what the completion reports, or what was counted. Reasoning is told where `thinking` was asked for.
/// `None` when the body is no completion.
pub(crate) fn whole(body: &[u8], usage: &TokenUsage, thinking: bool) -> Option<Bytes> {
    let completion: Document<'_> = serde_json::from_slice(body).ok()?;
    let choice = completion.choices?.into_iter().next()?;
    let said = choice.said()?;
    let mut content = Vec::new();
    let blocks = said.thinking_blocks();
    if thinking && blocks.is_empty() && !said.reasoning().is_empty() {
        content.push(json!({"type": "thinking", "thinking": said.reasoning(), "signature": ""}));
    }
    if thinking {
        content
            .extend(blocks.iter().filter_map(|block| serde_json::from_str(block.get()).ok()).filter(Value::is_object));
    }
    for text in [said.content.as_str(), said.refusal.as_str()].into_iter().filter(|text| !text.is_empty()) {
        content.push(json!({"type": "text", "text": text, "citations": null}));
    }
    for call in said.tool_calls.iter().flatten() {
        let Some(function) = &call.function else { continue };
        let input = input(function.arguments.as_str());
        content
            .push(json!({"type": "tool_use", "id": call.id.as_str(), "name": function.name.as_str(), "input": input}));
    }
    let refused = !said.refusal.as_str().is_empty();
    let reason = if refused { "refusal" } else { stop_reason(choice.finish_reason.as_str()) };
    let message = json!({
        "id": renamed(completion.id.as_str(), &["chatcmpl-"], "msg_"),
        "type": "message",
        "role": "assistant",
        "model": completion.model.as_str(),
        "content": content,
        "stop_reason": reason,
        "stop_sequence": null,
        "stop_details": null,
        "usage": usage_json(usage),
    });
    Some(message.to_string().into())
}

/// What a tool is called with. A call that was cut off, by the limit of tokens or by its model, is told as it stands: in a stream it would
/// have been too.
fn input(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    let read = serde_json::from_str(arguments).ok().filter(Value::is_object);
    read.unwrap_or_else(|| json!({ INVALID_JSON: arguments }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(choice: &Value) -> Value {
        let body = json!({"id": "chatcmpl-1", "model": "m", "choices": [choice]}).to_string();
        serde_json::from_slice(&whole(body.as_bytes(), &TokenUsage::default(), false).unwrap()).unwrap()
    }

    #[test]
    fn a_tool_call_that_was_cut_off_is_told_as_it_stands() {
        for (arguments, input) in [
            ("{\"ci", json!({"INVALID_JSON": "{\"ci"})),
            ("[1]", json!({"INVALID_JSON": "[1]"})),
            (" ", json!({})),
            ("{\"a\":1}", json!({"a": 1})),
        ] {
            let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}});
            let message = told(&json!({"message": {"tool_calls": [call]}, "finish_reason": "length"}));
            assert_eq!((&message["content"][0]["input"], &message["stop_reason"]), (&input, &json!("max_tokens")));
        }
    }

    #[test]
    fn a_server_may_send_an_empty_delta_beside_its_message() {
        let message = told(&json!({"delta": {}, "message": {"content": "Hi"}, "finish_reason": "stop"}));
        assert_eq!(message["content"][0]["text"], "Hi");
    }
}
