//! A whole response as a chat completion.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde_json::{Value, json};

use super::document::Response;
use crate::wire::openai::usage_json;
use crate::wire::translate::renamed;

/// Writes the completion; `usage` is what the response reports. `None` when the body is no response.
pub(crate) fn whole(body: &[u8], usage: Option<&TokenUsage>) -> Option<Bytes> {
    let response: Response<'_> = serde_json::from_slice(body).ok()?;
    let said = response.said();
    let finish = response.finish_reason(!said.tool_calls.is_empty());
    let text_or_null = |text: String| if text.is_empty() { Value::Null } else { text.into() };
    let mut message = json!({
        "role": "assistant",
        "content": text_or_null(said.text),
        "refusal": text_or_null(said.refusal),
        "annotations": said.annotations,
    });
    if !said.tool_calls.is_empty() {
        message["tool_calls"] = said.tool_calls.into();
    }
    if !said.reasoning.is_empty() {
        message["reasoning_content"] = said.reasoning.into();
    }
    if !said.thinking_blocks.is_empty() {
        message["thinking_blocks"] = said.thinking_blocks.into();
    }
    let mut answer = json!({
        "id": renamed(response.id.as_str(), &["resp_"], "chatcmpl-"),
        "object": "chat.completion",
        "created": response.created(),
        "model": response.model.as_str(),
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
    });
    if let Some(tier) = response.service_tier.get() {
        answer["service_tier"] = tier.into();
    }
    if let Some(usage) = usage {
        answer["usage"] = usage_json(usage);
    }
    Some(answer.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(more: &Value) -> Value {
        let mut response = json!({"id": "resp_7", "object": "response", "created_at": 1_795_000_000.5, "model": "m", "status": "completed",
            "incomplete_details": null, "output": []});
        for (name, value) in more.as_object().unwrap() {
            response[name] = value.clone();
        }
        serde_json::from_slice(&whole(response.to_string().as_bytes(), None).unwrap()).unwrap()
    }

    #[test]
    fn every_item_finds_its_place_or_none() {
        let output = json!([
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}], "encrypted_content": "gAAA"},
            {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "Three"}]},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "Hé \"you\"", "annotations": [
                    {"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://a.b", "title": "A"}, {"type": "file_citation", "file_id": "f"}]},
                {"type": "refusal", "refusal": "No."}, {"type": "x_new"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{\"a\":"},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "write", "input": "free text"},
            {"type": "web_search_call"}, {"type": "file_search_call"}, {"type": "code_interpreter_call", "code": "x"}, {"type": "image_generation_call", "result": "AAAA"},
            {"type": "mcp_call"}, {"type": "mcp_list_tools"}, {"type": "mcp_approval_request"}, {"type": "computer_call"}, {"type": "compaction"}, {"type": "x_new", "content": 7}, 3]);
        let usage =
            TokenUsage { input: 11, cache_read: 5, cache_write: 4, output: 4, reasoning: 8, ..TokenUsage::default() };
        let body = json!({"id": "resp_7", "created_at": 1_795_000_000, "model": "m", "service_tier": "flex", "output": output});
        let whole: Value = serde_json::from_slice(&whole(body.to_string().as_bytes(), Some(&usage)).unwrap()).unwrap();
        insta::assert_json_snapshot!(whole);
    }

    #[test]
    fn an_answer_ends_as_chat_would_say() {
        let call = json!([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]);
        for (more, finish) in [
            (json!({}), "stop"),
            (json!({"output": call}), "tool_calls"),
            (
                json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": call}),
                "length",
            ),
            (json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}), "content_filter"),
            (json!({"status": "incomplete", "incomplete_details": {"reason": "max_messages"}}), "stop"),
            (json!({"status": "incomplete", "incomplete_details": {"reason": "steered"}}), "stop"),
        ] {
            assert_eq!(told(&more)["choices"][0]["finish_reason"], finish, "{more}");
        }
        let answer = told(&json!({}));
        assert_eq!(
            (&answer["created"], &answer["choices"][0]["message"]["content"]),
            (&json!(1_795_000_000), &Value::Null)
        );
    }
}
