//! Requests and answers told there and back say the same.

use bytes::Bytes;
use hub_types::TokenUsage;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::chat_over_messages::Target;
use super::{chat_over_messages, chat_over_responses, messages_over_chat, responses_over_chat};
use crate::wire::BadRequest;
use crate::wire::anthropic::{ApiVersion, Message, MessagesRequest};
use crate::wire::openai::{ChatRequest, Response, ResponsesRequest};

const TARGET: Target<'_> = Target { model: "m", max_tokens: 9, version: ApiVersion::V20261021 };

fn to_messages(chat: &Value) -> Result<(Value, Vec<String>), BadRequest> {
    let told = chat_over_messages::request(&ChatRequest::parse(chat.to_string().into()).unwrap(), TARGET)?;
    Ok((serde_json::from_slice(told.request.body()).unwrap(), told.dropped))
}

fn to_chat(messages: &Value) -> Result<(Value, Vec<String>), BadRequest> {
    let request = MessagesRequest::parse(messages.to_string().into(), ApiVersion::V20230601).unwrap();
    let told = messages_over_chat::request(&request)?;
    Ok((serde_json::from_slice(told.request.body()).unwrap(), told.dropped))
}

fn to_response(chat: &Value) -> Value {
    let told = chat_over_responses::request(&ChatRequest::parse(chat.to_string().into()).unwrap(), false).unwrap();
    assert_eq!(told.dropped, [""; 0]);
    serde_json::from_slice(told.request.body()).unwrap()
}

/// What a chat caller sent, after a call of its was carried as responses and read as such.
fn from_response(response: &Value) -> Value {
    let request = ResponsesRequest::parse(response.to_string().into()).unwrap();
    let (told, _) = responses_over_chat::request(&request).unwrap();
    serde_json::from_slice(told.request.body()).unwrap()
}

/// A chat that uses everything both wires know.
fn rich() -> Value {
    json!({
        "model": "m", "max_completion_tokens": 9, "stream": false,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://a.b/c.jpg"}},
                {"type": "file", "file": {"filename": "x.pdf", "file_data": "data:application/pdf;base64,BBBB"}}]},
            {"role": "assistant", "content": "I will look.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}},
                {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
            {"role": "user", "content": "Thanks"}],
        "tools": [{"type": "function", "function":
            {"name": "look", "description": "Looks", "parameters": {"type": "object", "properties": {"at": {}}}, "strict": true}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
        "reasoning_effort": "high",
        "stop": ["END"],
    })
}

#[test]
fn a_rich_chat_becomes_messages() {
    let (messages, dropped) = to_messages(&rich()).unwrap();
    insta::assert_json_snapshot!(messages);
    assert_eq!(dropped, Vec::<String>::new());
}

#[test]
fn a_rich_chat_comes_back_as_it_was() {
    let (messages, _) = to_messages(&rich()).unwrap();
    let (chat, dropped) = to_chat(&messages).unwrap();
    assert_eq!((chat, dropped), (rich(), Vec::new()));
}

#[test]
fn a_rich_chat_comes_back_from_responses_as_it_was() {
    let mut chat = rich();
    chat.as_object_mut().unwrap().remove("stop");
    assert_eq!(from_response(&to_response(&chat)), chat);
}

#[test]
fn results_of_tools_become_messages_before_the_users_words_and_their_pictures_are_shown_after() {
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let (chat, dropped) = to_chat(&json!({
        "model": "m", "max_tokens": 9, "thinking": {"type": "adaptive"}, "top_k": 5,
        "system": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "tool_use", "id": "t1", "name": "shoot", "input": {"z": 1, "a": 2}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "There."},
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "done"}, picture]},
                {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": "no"}]}],
    }))
    .unwrap();
    assert_eq!(
        chat["messages"],
        json!([
            {"role": "system", "content": "One.\n\nTwo."},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "shoot", "arguments": chat["messages"][1]["tool_calls"][0]["function"]["arguments"]}}]},
            {"role": "tool", "tool_call_id": "t1", "content": "done"},
            {"role": "tool", "tool_call_id": "t2", "content": "The tool failed: no"},
            {"role": "user", "content": [{"type": "text", "text": "There."},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        ])
    );
    assert_eq!(dropped, ["thinking", "top_k"]);
}

#[test]
fn what_would_change_the_answer_is_refused_and_named() {
    let base = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let chat_with = |name: &str, value: Value| {
        let mut chat = base.clone();
        chat[name] = value;
        to_messages(&chat).unwrap_err().param
    };
    assert_eq!(chat_with("n", json!(2)).as_deref(), Some("n"));
    assert_eq!(chat_with("tools", json!([{"type": "custom", "custom": {"name": "x"}}])).as_deref(), Some("tools[0]"));
    for content in [
        json!([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]),
        json!([{"type": "file", "file": {"filename": "f"}}]),
        json!([{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]),
    ] {
        assert_eq!(
            chat_with("messages", json!([{"role": "user", "content": content}])).as_deref(),
            Some("messages[0]")
        );
    }
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "[1]"}});
    let broken = json!([{"role": "assistant", "tool_calls": [call]}]);
    assert_eq!(chat_with("messages", broken).as_deref(), Some("messages[0]"));

    let foreign = |content: Value| {
        to_chat(&json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]}))
            .unwrap_err()
            .param
    };
    for block in [
        json!({"type": "search_result"}),
        json!({"type": "image", "source": {"type": "file"}}),
        json!({"type": "document", "source": {"type": "url", "url": "u"}}),
    ] {
        assert_eq!(foreign(json!([block])).as_deref(), Some("messages[0]"));
    }
    let hosted = to_chat(&json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "web_search_20260209", "name": "w"}]}));
    assert_eq!(hosted.unwrap_err().param.as_deref(), Some("tools[0]"));
}

#[test]
fn json_without_a_schema_is_asked_for_in_words() {
    let (messages, _) = to_messages(
        &json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_object"}}),
    )
    .unwrap();
    assert!(messages["system"][0]["text"].as_str().unwrap().contains("JSON"));
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\ \n世]{1,12}"
}

fn tool_call(id: usize) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z]{1,4}", any::<i32>(), 0..3).prop_map(move |input| {
        json!({"id": format!("call_{id}"), "type": "function",
            "function": {"name": "f", "arguments": serde_json::to_string(&input).unwrap()}})
    })
}

/// Turns as both wires allow them: sides alternate, every call has its result.
fn turns() -> impl Strategy<Value = Vec<Value>> {
    let exchange = (text(), prop::option::of(text()), (tool_call(1), tool_call(2)), 0..3_usize, text());
    prop::collection::vec(exchange, 1..4).prop_map(|exchanges| {
        let mut turns = Vec::new();
        for (question, said, (one, two), calls, result) in exchanges {
            turns.push(json!({"role": "user", "content": question}));
            let calls: Vec<Value> = [one, two].into_iter().take(calls).collect();
            if calls.is_empty() {
                turns.push(json!({"role": "assistant", "content": said.unwrap_or_else(|| "ok".to_owned())}));
                continue;
            }
            let results: Vec<Value> = calls
                .iter()
                .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": result}))
                .collect();
            turns.push(json!({"role": "assistant", "content": said, "tool_calls": calls}));
            turns.extend(results);
        }
        turns
    })
}

proptest! {
    #[test]
    fn a_conversation_told_there_and_back_is_the_same(turns in turns()) {
        let chat = json!({"model": "m", "max_completion_tokens": 9, "stream": false, "messages": turns});
        let (messages, _) = to_messages(&chat).unwrap();
        let (back, _) = to_chat(&messages).unwrap();
        prop_assert_eq!(back, chat);
    }

    #[test]
    fn a_conversation_told_as_responses_and_back_is_the_same(turns in turns(), system in prop::option::of(text())) {
        let mut turns = turns;
        if let Some(system) = system {
            turns.insert(0, json!({"role": "system", "content": system}));
        }
        let chat = json!({"model": "m", "max_completion_tokens": 9, "stream": false, "messages": turns});
        prop_assert_eq!(from_response(&to_response(&chat)), chat);
    }

    #[test]
    fn an_answer_told_there_and_back_is_the_same(
        said in prop::option::of(text()),
        calls in (tool_call(1), tool_call(2)),
        count in 0..3_usize,
        stop in prop::sample::select(vec!["stop", "length", "content_filter"]),
        usage in (0_i64..1000, 0_i64..1000, 0_i64..1000, 0_i64..1000, 0_i64..1000),
    ) {
        let (input, cache_read, cache_write, output, reasoning) = usage;
        let usage = TokenUsage { input, cache_read, cache_write, output, reasoning, ..TokenUsage::default() };
        let calls: Vec<Value> = [calls.0, calls.1].into_iter().take(count).collect();
        let stop = if calls.is_empty() { stop } else { "tool_calls" };
        let mut message = json!({"role": "assistant", "content": said, "refusal": null, "annotations": []});
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let chat = json!({"id": "chatcmpl-7", "object": "chat.completion", "created": 5, "model": "m",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": stop}],
            "usage": crate::wire::openai::usage_json(&usage)});
        let told: Bytes = messages_over_chat::whole(chat.to_string().as_bytes(), &usage, false).unwrap();
        let read: Message<'_> = serde_json::from_slice(&told).unwrap();
        prop_assert_eq!(read.usage.tokens(), Some(usage));
        let back: Value = serde_json::from_slice(&chat_over_messages::whole(&read, 5)).unwrap();
        prop_assert_eq!(&back, &chat);

        let asked = ResponsesRequest::parse(r#"{"model":"m","input":"x"}"#.into()).unwrap();
        let (_, echo) = responses_over_chat::request(&asked).unwrap();
        let told = responses_over_chat::whole(chat.to_string().as_bytes(), &usage, &echo).unwrap();
        let read: Response<'_> = serde_json::from_slice(&told).unwrap();
        prop_assert_eq!(read.usage(), Some(usage));
        let back: Value = serde_json::from_slice(&chat_over_responses::whole(&told, Some(&usage)).unwrap()).unwrap();
        prop_assert_eq!(back, chat);
    }
}
