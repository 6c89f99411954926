//! The Anthropic adapter against scripted bytes: both wires in, pass-through and told, with the facts the meter needs.

use futures::StreamExt;
use hub_types::{Clock, TokenUsage};
use serde_json::{Value, json};

use super::*;
use crate::llm::http::upstream::{Upstream, answer, stream};
use crate::llm::{ChatEvent, ChatEventKind, ChatRequest};

const KEY: &str = "test-key-0123";
const STREAM: &str = include_str!("../../wire/translate/testdata/message_stream.txt");
const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5",
    "content":[{"type":"thinking","thinking":"hm","signature":"Eq"},{"type":"text","text":"Hi","citations":null},
      {"type":"tool_use","id":"toolu_1","name":"add","input":{"z":1,"a":2}}],
    "stop_reason":"tool_use","x-odd":[1.50],
    "usage":{"input_tokens":10,"cache_creation_input_tokens":4,"cache_read_input_tokens":3,"output_tokens":25,
      "output_tokens_details":{"thinking_tokens":12}}}"#;

fn provider(base: &str) -> AnthropicProvider {
    let mut config = AnthropicConfig::new("claude", "claude", base.parse().unwrap());
    config.api_key = Some(KEY.into());
    AnthropicProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap()
}

fn call(request: impl Into<CallRequest>) -> ChatCall {
    ChatCall {
        request: request.into(),
        upstream_model: "claude-sonnet-5-5".to_owned(),
        max_output: None,
        request_id: "r-1".to_owned(),
    }
}

fn messages(more: &str) -> MessagesRequest {
    let body = format!(
        r#"{{"model":"ours","max_tokens":9,"messages":[{{"role":"user","content":"hello"}}],"x-odd":[1.50]{more}}}"#
    );
    MessagesRequest::parse(body.into(), ApiVersion::V20230601).unwrap()
}

fn chat(more: &Value) -> ChatRequest {
    let mut body = json!({"model": "ours", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ChatRequest::parse(body.to_string().into()).unwrap()
}

async fn whole(upstream: &Upstream, call: ChatCall) -> Result<WholeAnswer, LlmError> {
    match provider(&upstream.base()).chat(call).await? {
        ChatAnswer::Whole(answer) => Ok(answer),
        ChatAnswer::Stream(_) => panic!("a stream where a whole answer was asked for"),
    }
}

async fn streamed(body: &str, call: ChatCall) -> (Vec<ChatEvent>, Option<LlmError>) {
    let upstream = Upstream::once(stream(body));
    let ChatAnswer::Stream(stream) = provider(&upstream.base()).chat(call).await.unwrap() else { panic!("no stream") };
    let mut events: Vec<_> = stream.events.collect().await;
    let error = events.pop_if(|last| last.is_err()).map(Result::unwrap_err);
    (events.into_iter().map(Result::unwrap).collect(), error)
}

fn usage() -> TokenUsage {
    TokenUsage { input: 10, cache_read: 3, cache_write: 4, output: 13, reasoning: 12, ..TokenUsage::default() }
}

#[tokio::test]
async fn a_messages_call_goes_through_byte_for_byte_under_its_own_version() {
    let upstream = Upstream::once(answer("200 OK", "content-type: application/json\r\nrequest-id: req_9\r\n", MESSAGE));
    let answer = whole(&upstream, call(messages("").with_betas(Some("a-1,b-2")))).await.unwrap();
    assert_eq!(&answer.body[..], MESSAGE.as_bytes());
    assert_eq!(
        (answer.text.as_str(), answer.usage, answer.upstream_id.as_deref()),
        ("Hi", Some(usage()), Some("req_9"))
    );
    let seen = upstream.seen();
    assert!(seen.head.starts_with("post /v1/messages http/1.1\r\n"), "{}", seen.head);
    for header in ["x-api-key: test-key-0123", "anthropic-version: 2023-06-01", "anthropic-beta: a-1,b-2"] {
        assert!(seen.head.contains(header), "{header} is not in {}", seen.head);
    }
    let expected =
        r#"{"model":"claude-sonnet-5-5","max_tokens":9,"messages":[{"role":"user","content":"hello"}],"x-odd":[1.50]}"#;
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn a_stream_of_messages_goes_through_with_its_facts() {
    let (events, error) = streamed(STREAM, call(messages(r#","stream":true"#))).await;
    assert!(error.is_none(), "{error:?}");
    let relayed: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
    assert_eq!(String::from_utf8(relayed).unwrap(), STREAM);
    assert_eq!(
        events[0].prompt,
        Some(TokenUsage { input: 10, cache_read: 3, cache_write: 2, output: 1, reasoning: 0, ..TokenUsage::default() })
    );
    assert_eq!(events[0].usage, None, "the output at the start is not the output");
    let last = events.iter().filter_map(|event| event.usage).next_back();
    assert_eq!(
        last,
        Some(TokenUsage {
            input: 10,
            cache_read: 3,
            cache_write: 2,
            output: 25,
            reasoning: 0,
            ..TokenUsage::default()
        })
    );
    let text: String = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(text, "Hé \"you\"");
    assert_eq!(events.iter().filter(|event| event.kind == ChatEventKind::Comment).count(), 1);
    assert_eq!(events.last().unwrap().kind, ChatEventKind::Done);
    assert!(events.iter().any(|event| event.reasoning.tokens() > 0));
}

#[tokio::test]
async fn a_chat_call_is_told_as_messages_and_its_answer_as_chat() {
    let upstream = Upstream::once(answer("200 OK", "", MESSAGE));
    let asked = chat(&json!({"temperature": 0.5, "seed": 7, "max_tokens": 50}));
    let answer = whole(&upstream, call(asked)).await.unwrap();
    assert_eq!(
        (answer.usage, &answer.dropped[..]),
        (Some(usage()), &["seed".to_owned(), "temperature".to_owned()][..])
    );
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        body,
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_428_000, "model": "claude-sonnet-5-5",
            "choices": [{"index": 0, "logprobs": null, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Hi", "refusal": null, "annotations": [], "reasoning_content": "hm",
                "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "Eq"}],
                "tool_calls": [{"id": "toolu_1", "type": "function",
                    "function": {"name": "add", "arguments": "{\"z\":1,\"a\":2}"}}]}}],
            "usage": {"prompt_tokens": 17, "completion_tokens": 25, "total_tokens": 42,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 12}},
        })
    );
    let seen = upstream.seen();
    assert!(seen.head.contains("anthropic-version: 2026-10-21"), "{}", seen.head);
    let sent: Value = serde_json::from_str(&seen.body).unwrap();
    let expected = json!({"model": "claude-sonnet-5-5", "max_tokens": 50,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn what_has_no_place_is_refused_where_the_operator_wants_it_so() {
    let mut config = AnthropicConfig::new("claude", "claude", "http://127.0.0.1:9".parse().unwrap());
    config.refuse_dropped = true;
    let provider = AnthropicProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap();
    let error = provider.bound(&chat(&json!({"seed": 7})).into(), "claude-x", 9).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("seed"));
    assert!(provider.bound(&chat(&json!({"seed": null})).into(), "claude-x", 9).is_ok());
}

#[tokio::test]
async fn a_stop_of_whitespace_alone_is_left_out_and_named() {
    for (stop, sent, dropped) in [
        (json!("\n"), None, true),
        (json!(["\n\n", "END", " ", ""]), Some(json!(["END"])), true),
        (json!(["\nEND"]), Some(json!(["\nEND"])), false),
        (json!([]), None, false),
        (json!(null), None, false),
    ] {
        let upstream = Upstream::once(answer("200 OK", "", MESSAGE));
        let told = whole(&upstream, call(chat(&json!({"stop": stop, "max_tokens": 50})))).await.unwrap();
        assert_eq!(told.dropped, if dropped { vec!["stop".to_owned()] } else { Vec::new() }, "{stop}");
        let body: Value = serde_json::from_str(&upstream.seen().body).unwrap();
        assert_eq!(body.get("stop_sequences"), sent.as_ref(), "{stop}");
    }
    let mut config = AnthropicConfig::new("claude", "claude", "http://127.0.0.1:9".parse().unwrap());
    config.refuse_dropped = true;
    let strict = AnthropicProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap();
    let error = strict.bound(&chat(&json!({"stop": "\n"})).into(), "claude-x", 9).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("stop"));
}

#[tokio::test]
async fn the_older_version_sends_sampling_to_models_that_take_it() {
    for (model, sent) in [("claude-haiku-4-5", true), ("claude-sonnet-5-5", false), ("claude-opus-4-8", false)] {
        let upstream = Upstream::once(answer("200 OK", "", MESSAGE));
        let mut config = AnthropicConfig::new("claude", "claude", upstream.base().parse().unwrap());
        config.version = ApiVersion::V20230601;
        let provider = AnthropicProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap();
        let asked = ChatCall { upstream_model: model.to_owned(), ..call(chat(&json!({"temperature": 1.5}))) };
        provider.chat(asked).await.unwrap();
        let body: Value = serde_json::from_str(&upstream.seen().body).unwrap();
        assert_eq!(body.get("temperature"), sent.then_some(&json!(1.0)), "{model}");
    }
}

#[tokio::test]
async fn an_error_event_ends_either_stream_and_names_its_kind() {
    let begin = &STREAM[..STREAM.find("event: ping").unwrap()];
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for request in [CallRequest::from(messages(r#","stream":true"#)), chat(&json!({"stream": true})).into()] {
        let (events, error) = streamed(&format!("{begin}{error}{STREAM}"), call(request)).await;
        assert!(events.iter().any(|event| event.prompt.is_some()), "the prompt is known and will be charged");
        assert!(matches!(error, Some(LlmError::Unavailable { status: 529, .. })), "{error:?}");
    }
}

#[tokio::test]
async fn a_stream_that_forgets_its_end_is_complete_after_its_stop_reason_and_truncated_before() {
    let cut = STREAM.find("event: message_stop").unwrap();
    for request in [CallRequest::from(messages(r#","stream":true"#)), chat(&json!({"stream": true})).into()] {
        let (events, error) = streamed(&STREAM[..cut], call(request.clone())).await;
        assert!(error.is_none() && events.last().unwrap().kind == ChatEventKind::Done, "{error:?}");
        let before = STREAM.find("event: message_delta").unwrap();
        let (_, error) = streamed(&STREAM[..before], call(request)).await;
        assert!(matches!(error, Some(LlmError::Truncated(None))), "{error:?}");
    }
}

#[tokio::test]
async fn refusals_are_sorted_by_what_the_hub_does_about_them() {
    let body = |kind: &str| {
        format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"no, {KEY}"}},"request_id":"req_1"}}"#)
    };
    for (status, kind, sorted) in [
        ("400 Bad", "invalid_request_error", "refused"),
        ("401 No", "authentication_error", "credential"),
        ("402 Pay", "billing_error", "quota"),
        ("403 No", "permission_error", "refused"),
        ("404 No", "not_found_error", "model_not_found"),
        ("413 Big", "request_too_large", "refused"),
        ("429 Slow", "rate_limit_error", "rate_limited"),
        ("500 Oops", "api_error", "unavailable"),
        ("529 Full", "overloaded_error", "unavailable"),
    ] {
        let upstream = Upstream::once(answer(status, "retry-after: 7\r\n", &body(kind)));
        let error = whole(&upstream, call(messages(""))).await.unwrap_err();
        assert_eq!(error.kind(), sorted, "{status}");
        assert!(!format!("{error:?}").contains(KEY));
        let waits = matches!(sorted, "rate_limited" | "unavailable");
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), waits.then_some(7), "{status}");
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_without_limit_or_stream() {
    let upstream = Upstream::once(answer("200 OK", "", r#"{"input_tokens":123}"#));
    let counted = provider(&upstream.base()).count_tokens(call(messages(r#","stream":true"#))).await.unwrap();
    assert_eq!(counted, Some(123));
    let seen = upstream.seen();
    assert!(seen.head.starts_with("post /v1/messages/count_tokens "));
    assert!(!seen.body.contains("max_tokens") && !seen.body.contains("stream"), "{}", seen.body);
}

#[tokio::test]
async fn models_are_listed_under_the_version() {
    let list = r#"{"data":[{"type":"model","id":"claude-sonnet-5-5","created_at":"2026-10-07T00:00:00Z"},{"id":"x"}],"has_more":false}"#;
    let upstream = Upstream::once(answer("200 OK", "", list));
    let models = provider(&upstream.base()).models().await.unwrap();
    let listed: Vec<_> = models.iter().map(|model| (model.id.as_str(), model.created)).collect();
    assert_eq!(listed, [("claude-sonnet-5-5", 1_791_331_200), ("x", 0)]);
    let head = upstream.seen().head;
    assert!(head.starts_with("get /v1/models?limit=1000 ") && head.contains("anthropic-version: 2026-10-21"), "{head}");
}

#[test]
fn there_are_no_vectors_here() {
    let request = crate::llm::EmbeddingsRequest::from_texts("m", &["a"]).unwrap();
    assert!(provider("http://127.0.0.1:9").bound(&request.into(), "claude-x", 1).is_err());
}

#[tokio::test]
async fn tools_the_provider_would_run_need_the_operators_word() {
    let with = |hosted: &[&str]| {
        let mut config = AnthropicConfig::new("claude", "claude", "http://127.0.0.1:9".parse().unwrap());
        config.hosted_tools = hosted.iter().map(|name| (*name).to_owned()).collect();
        AnthropicProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap()
    };
    let own = messages(r#","tools":[{"name":"f","input_schema":{}},{"type":"bash_20250124","name":"bash"}]"#);
    assert!(with(&[]).bound(&own.into(), "claude-x", 9).is_ok());
    let search = || messages(r#","tools":[{"type":"web_search_20260209","name":"web_search"}]"#);
    let error = with(&["web_fetch"]).bound(&search().into(), "claude-x", 9).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("tools"));
    let error = with(&[]).chat(call(search())).await.unwrap_err();
    assert!(matches!(error, LlmError::Refused { status: 400, .. }), "{error:?}");
    let bound = with(&["web_search"]).bound(&search().into(), "claude-x", 9).unwrap();
    assert!(bound.input > 1_000_000, "what it reads nobody can bound");
    for field in [r#","mcp_servers":[{"type":"url","url":"https://a.b","name":"x"}]"#, r#","container":{}"#] {
        let error = with(&["web_search"]).bound(&messages(field).into(), "claude-x", 9).unwrap_err();
        assert!(field.contains(error.param.as_deref().unwrap()), "{error}");
        assert!(with(&["mcp_servers", "container"]).bound(&messages(field).into(), "claude-x", 9).is_ok());
    }
}

#[tokio::test]
async fn thinking_that_nobody_signed_is_not_sent() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":""},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}"#;
    let request = MessagesRequest::parse(body.into(), ApiVersion::V20261021).unwrap();
    let kept = r#"{"type":"thinking","thinking":"x","signature":"Eq"}"#;
    let told = chat(&json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "thinking_blocks": [
            {"type": "thinking", "thinking": "x", "signature": ""},
            {"type": "container_upload"},
            serde_json::from_str::<Value>(kept).unwrap()]},
        {"role": "user", "content": "c"}]}));
    for (request, blocks) in [
        (CallRequest::from(request), json!([{"type": "text", "text": "b"}])),
        (
            told.clone().into(),
            json!([{"type": "thinking", "thinking": "x", "signature": "Eq"}, {"type": "text", "text": "b"}]),
        ),
        (CallRequest::from(told).without_thoughts(), json!([{"type": "text", "text": "b"}])),
    ] {
        let upstream = Upstream::once(answer("200 OK", "", MESSAGE));
        whole(&upstream, call(request)).await.unwrap();
        let sent: Value = serde_json::from_str(&upstream.seen().body).unwrap();
        assert_eq!(sent["messages"][1]["content"], blocks);
    }
}

#[tokio::test]
async fn how_hard_to_think_is_told_to_each_generation_in_its_way() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let plain = json!({"reasoning_effort": "high", "max_tokens": 10_000});
    let forced = json!({"reasoning_effort": "high", "max_tokens": 10_000, "tools": tools, "tool_choice": "required"});
    for (model, more, effort, budget) in [
        ("claude-opus-4-8", &plain, Some("high"), None),
        ("claude-sonnet-4-6", &plain, Some("high"), None),
        ("claude-haiku-4-5", &plain, None, Some(5_000)),
        ("claude-haiku-4-5", &forced, None, None),
        ("claude-3-5-haiku", &plain, None, None),
    ] {
        let upstream = Upstream::once(answer("200 OK", "", MESSAGE));
        let asked = ChatCall { upstream_model: model.to_owned(), ..call(chat(more)) };
        let ChatAnswer::Whole(answer) = provider(&upstream.base()).chat(asked).await.unwrap() else {
            panic!("a stream")
        };
        let sent: Value = serde_json::from_str(&upstream.seen().body).unwrap();
        assert_eq!(
            (sent["output_config"]["effort"].as_str(), sent["thinking"]["budget_tokens"].as_i64()),
            (effort, budget)
        );
        let lost = answer.dropped.iter().any(|name| name == "reasoning_effort");
        assert_eq!(lost, effort.is_none() && budget.is_none(), "{model}");
    }
}

#[tokio::test]
async fn an_answer_whose_usage_is_null_is_an_answer() {
    let begin = MESSAGE.find("\"usage\"").unwrap();
    let body = format!("{}\"usage\":null}}", &MESSAGE[..begin]);
    let answer = whole(&Upstream::once(answer("200 OK", "", &body)), call(messages(""))).await.unwrap();
    assert_eq!((answer.usage, answer.text.as_str()), (None, "Hi"));
    let start =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":null}}\n\n";
    let rest = &STREAM[STREAM.find("event: ping").unwrap()..];
    let (events, error) = streamed(&format!("{start}{rest}"), call(messages(r#","stream":true"#))).await;
    assert!(error.is_none() && events.iter().any(|event| !event.text.is_empty()), "{error:?}");
}

#[tokio::test]
async fn the_callers_end_user_is_told_as_a_hash() {
    // The hash of "abc" in FIPS 180-4.
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (more, sent) in [
        (json!({"user": "abc"}), Some(hash)),
        (json!({"user": "x", "safety_identifier": "abc"}), Some(hash)),
        (json!({"user": ""}), None),
    ] {
        let upstream = Upstream::once(answer("200 OK", "", MESSAGE));
        whole(&upstream, call(chat(&more))).await.unwrap();
        let body: Value = serde_json::from_str(&upstream.seen().body).unwrap();
        assert_eq!(body["metadata"]["user_id"].as_str(), sent, "{more}");
    }
}
