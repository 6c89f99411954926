//! A whole chat completion as a message.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::{Value, json};

use super::{stop_reason, usage_json};
use crate::wire::translate::chat::Document;
use crate::wire::translate::renamed;

/// Writes the message; `usage` is what the completion reports, or what was counted. Reasoning is told where `thinking` was asked for.
/// `None` when the body is no completion, or holds a tool call whose arguments are no JSON object.
pub(crate) fn whole(body: &[u8], usage: &TokenUsage, thinking: bool) -> Option<Bytes> {
    let completion: Document<'_> = serde_json::from_slice(body).ok()?;
    let choice = completion.choices?.into_iter().next()?;
    let said = choice.delta?;
    let mut content = Vec::new();
    if thinking && !said.reasoning().is_empty() {
        content.push(json!({"type": "thinking", "thinking": said.reasoning(), "signature": ""}));
    }
    for text in [said.content.as_str(), said.refusal.as_str()].into_iter().filter(|text| !text.is_empty()) {
        content.push(json!({"type": "text", "text": text, "citations": null}));
    }
    for call in said.tool_calls.iter().flatten() {
        let function = call.function.as_ref()?;
        let arguments = function.arguments.as_str();
        let input: Value =
            if arguments.trim().is_empty() { json!({}) } else { serde_json::from_str(arguments).ok()? };
        if !input.is_object() {
            return None;
        }
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
