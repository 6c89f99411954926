//! Responses and old completions at a server that speaks them: what goes out, what comes back byte for byte, and what it is found to cost.

use std::fmt::Write;

use bytes::Bytes;
use futures::StreamExt;
use hub_types::{Clock, TokenUsage};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::responses::Events;
use super::{Completions, OpenAiConfig, OpenAiProvider, Wires};
use crate::llm::ChatEventKind::{Chunk, Comment, Done, UsageOnly};
use crate::llm::count::Estimate;
use crate::llm::http::Reader;
use crate::llm::http::upstream::{Upstream, answer, stream};
use crate::llm::sse::SseReader;
use crate::llm::{
    CallRequest, ChatAnswer, ChatCall, ChatEvent, CompletionRequest, LlmError, LlmProvider, ResponsesRequest,
    WholeAnswer,
};

const EVERY_EVENT: &str = include_str!("testdata/responses_stream.txt");
const CREATED: &str =
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n";
const DELTA: &str =
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"12345678\"}\n\n";

fn provider(base: &str, change: impl FnOnce(&mut OpenAiConfig)) -> OpenAiProvider {
    let mut config = OpenAiConfig::new("up", "openai", base.parse().unwrap());
    config.api_key = Some("test-key-0123".into());
    change(&mut config);
    OpenAiProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap()
}

fn responses(body: &Value) -> CallRequest {
    ResponsesRequest::parse(body.to_string().into()).unwrap().into()
}

fn completion(body: &str) -> CallRequest {
    CompletionRequest::parse(body.to_owned().into()).unwrap().into()
}

fn call(request: CallRequest) -> ChatCall {
    ChatCall { request, upstream_model: "theirs".to_owned(), max_output: Some(100), request_id: "r-1".to_owned() }
}

async fn whole(upstream: &Upstream, request: CallRequest) -> Result<WholeAnswer, LlmError> {
    match provider(&upstream.base(), |_| {}).chat(call(request)).await? {
        ChatAnswer::Whole(answer) => Ok(answer),
        ChatAnswer::Stream(_) => panic!("a stream where a whole answer was asked for"),
    }
}

/// The events that came well, and how the stream ended if it did not end well.
async fn streamed(body: &str, request: CallRequest) -> (Vec<ChatEvent>, Option<LlmError>) {
    let upstream = Upstream::once(stream(body));
    match provider(&upstream.base(), |_| {}).chat(call(request)).await.unwrap() {
        ChatAnswer::Stream(stream) => {
            let mut events: Vec<_> = stream.events.collect().await;
            let error = events.pop_if(|last| last.is_err()).map(Result::unwrap_err);
            (events.into_iter().map(Result::unwrap).collect(), error)
        }
        ChatAnswer::Whole(_) => panic!("a whole answer where a stream was asked for"),
    }
}

fn relayed(events: &[ChatEvent]) -> String {
    String::from_utf8(events.iter().flat_map(|event| event.raw.to_vec()).collect()).unwrap()
}

fn ask_stream() -> CallRequest {
    responses(&json!({"model": "ours", "input": "x", "stream": true}))
}

#[tokio::test]
async fn every_event_of_a_response_passes_byte_for_byte_with_its_facts() {
    let (events, error) = streamed(EVERY_EVENT, ask_stream()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(relayed(&events), EVERY_EVENT);
    let mut facts = String::new();
    for event in &events {
        let raw = String::from_utf8_lossy(&event.raw);
        let names: Vec<&str> = raw.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        write!(facts, "{:?} [{}]", event.kind, names.join(", ")).unwrap();
        if !event.text.is_empty() {
            write!(facts, " text {:?}", event.text).unwrap();
        }
        for (name, estimate) in [("output", event.output), ("reasoning", event.reasoning)] {
            if estimate != Estimate::default() {
                write!(facts, " {name} {estimate:?}").unwrap();
            }
        }
        if let Some(usage) = event.usage {
            write!(facts, " finish {:?} {usage:?}", event.finish).unwrap();
        }
        facts.push('\n');
    }
    insta::assert_snapshot!(facts);
}

#[tokio::test]
async fn a_responses_request_goes_out_as_it_came_but_for_model_limit_and_keeping() {
    let upstream = Upstream::once(stream(EVERY_EVENT));
    let body = r#"{"x-odd":{"b" : 1.50},"model":"ours","input":[ {"role":"user","content":"x"} ],"stream":true}"#;
    let request = ResponsesRequest::parse(Bytes::from_static(body.as_bytes())).unwrap();
    let provider = provider(&upstream.base(), |_| {});
    drop(provider.chat(call(request.into())).await.unwrap());
    let seen = upstream.seen();
    assert!(seen.head.starts_with("post /v1/responses http/1.1\r\n"), "{}", seen.head);
    for header in ["authorization: bearer test-key-0123", "x-client-request-id: r-1", "accept: text/event-stream"] {
        assert!(seen.head.contains(header), "{header} is not in {}", seen.head);
    }
    let expected = r#"{"x-odd":{"b" : 1.50},"model":"theirs","input":[ {"role":"user","content":"x"} ],"stream":true,"max_output_tokens":100,"store":false}"#;
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn a_whole_response_is_handed_on_untouched() {
    let body = r#"{"id":"resp_1", "status":"completed","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],
        "usage":{"input_tokens":2,"output_tokens":8,"output_tokens_details":{"reasoning_tokens":6}},"odd":1}"#;
    let request = responses(&json!({"model": "m", "input": "x"}));
    let got = whole(&Upstream::once(answer("200 OK", "x-request-id: req_9\r\n", body)), request).await.unwrap();
    assert_eq!(got.body, body);
    assert_eq!(
        (got.text.as_str(), got.finish.as_deref(), got.upstream_id.as_deref()),
        ("Hello", Some("completed"), Some("req_9"))
    );
    assert_eq!(got.usage, Some(TokenUsage { input: 2, output: 2, reasoning: 6, ..TokenUsage::default() }));
}

#[tokio::test]
async fn promises_are_held_back_until_one_is_kept_so_that_the_call_may_still_go_elsewhere() {
    let failed = r#"event: response.failed
data: {"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow, test-key-0123"}}}

"#;
    let (events, error) = streamed(&format!("{CREATED}: hi\n\n{failed}"), ask_stream()).await;
    assert!(events.iter().all(|event| event.kind == Comment), "{events:?}");
    assert!(matches!(error, Some(LlmError::RateLimited { .. })), "{error:?}");
    assert!(!format!("{error:?}").contains("test-key"), "{error:?}");
    let (events, error) = streamed(CREATED, ask_stream()).await;
    assert!(events.len() == 1 && matches!(error, Some(LlmError::Truncated(None))), "{error:?}");
}

#[tokio::test]
async fn every_failure_after_status_200_has_its_kind() {
    let event = |code: &str| {
        format!(
            "event: error\ndata: {{\"type\":\"error\",\"code\":\"{code}\",\"message\":\"m\",\"param\":\"input\"}}\n\n"
        )
    };
    let failed = |code: &str| {
        format!(
            "data: {{\"type\":\"response.failed\",\"response\":{{\"status\":\"failed\",\"error\":{{\"code\":\"{code}\",\"message\":\"m\"}}}}}}\n\n"
        )
    };
    for (code, kind) in [
        ("server_error", "unavailable"),
        ("vector_store_timeout", "unavailable"),
        ("rate_limit_exceeded", "rate_limited"),
        ("invalid_prompt", "refused"),
        ("image_too_large", "refused"),
    ] {
        for end in [event(code), failed(code)] {
            let (events, error) = streamed(&format!("{CREATED}{DELTA}{end}{DELTA}"), ask_stream()).await;
            assert_eq!(relayed(&events), format!("{CREATED}{DELTA}"));
            assert_eq!(error.map(|error| error.kind()), Some(kind), "{end}");
        }
        let body = format!(r#"{{"status":"failed","error":{{"code":"{code}","message":"m"}},"output":[]}}"#);
        let request = responses(&json!({"model": "m", "input": "x"}));
        let error = whole(&Upstream::once(answer("200 OK", "", &body)), request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
    }
    for other in ["data: {\"type\":\"response.failed\"}\n\n", "data: {\"error\":{\"message\":\"x\"}}\n\n"] {
        let (_, error) = streamed(&format!("{CREATED}{other}"), ask_stream()).await;
        assert!(matches!(error, Some(LlmError::Unavailable { status: 500, .. })), "{error:?}");
    }
}

#[tokio::test]
async fn the_word_that_a_response_failed_is_handed_on_with_what_it_cost_and_without_what_is_private() {
    let failed = |message: &str| {
        format!(
            "event: response.failed\r\ndata: {{\"type\":\"response.failed\", \"response\":{{\"status\":\"failed\",\"service_tier\":\"flex\",\"error\":{{ \"code\":\"server_error\",\"message\":\"{message}\"}},\"usage\":{{\"input_tokens\":40,\"output_tokens\":25}}}},\"sequence_number\":2}}\r\n\r\n"
        )
    };
    let last = async |body: &str, request: CallRequest| {
        let (events, error) = streamed(body, request).await;
        let error = error.unwrap();
        assert!(error.kind() == "unavailable" && events.iter().all(|event| event.usage.is_none()), "{error:?}");
        (error.last_words().map(|words| (words.raw.clone(), words.usage, words.terms.clone())), format!("{error:?}"))
    };
    let plain = failed("it broke");
    let (words, _) = last(&format!("{CREATED}{DELTA}{plain}"), ask_stream()).await;
    let (raw, usage, terms) = words.unwrap();
    assert_eq!((raw, usage.map(|usage| (usage.input, usage.output))), (plain.into(), Some((40, 25))));
    assert_eq!(terms.unwrap().priced_apart().collect::<Vec<_>>(), [("service_tier", "flex")]);

    let private = failed("no test-key-0123 in org-AbCdEf12");
    let (words, shown) = last(&format!("{DELTA}{private}"), ask_stream()).await;
    let raw = String::from_utf8(words.unwrap().0.to_vec()).unwrap();
    assert!(
        raw.contains("\"message\":\"no [redacted] in [redacted]\"") && raw.ends_with("\"sequence_number\":2}\r\n\r\n"),
        "{raw}"
    );
    assert!(!shown.contains("test-key"), "{shown}");
    let (words, _) = last(&format!("{CREATED}{}", failed("x")), ask_stream()).await;
    assert_eq!(words, None, "nothing has begun: the call may go elsewhere");

    let long = responses(&json!({"model": "m", "input": [{"role": "user", "content": [
        {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}]}], "stream": true}));
    let written = failed("x")
        .replace("\"input_tokens\":40", "\"input_tokens\":40,\"input_tokens_details\":{\"cache_write_tokens\":30}");
    let (words, _) = last(&format!("{DELTA}{written}"), long).await;
    assert_eq!(words.unwrap().1.map(|usage| (usage.cache_write, usage.cache_write_long)), Some((0, 30)));
}

#[tokio::test]
async fn a_response_without_usage_is_counted_from_what_came() {
    let (events, error) = streamed(&format!("{CREATED}{DELTA}{DELTA}"), ask_stream()).await;
    assert!(matches!(error, Some(LlmError::Truncated(None))), "no end mark is made up: {error:?}");
    let mut output = Estimate::default();
    for event in &events {
        output.add(event.output);
    }
    assert_eq!(output.tokens(), 4);
    let done = r#"data: {"type":"response.completed","response":{"status":"completed","output":[{"content":[{"text":"1234"}]}]}}"#;
    let (events, error) = streamed(&format!("{CREATED}{done}\n\n"), ask_stream()).await;
    assert!(error.is_none());
    let last = events.last().unwrap();
    assert_eq!((last.kind, last.usage, last.output.tokens()), (Done, None, 1), "an answer in one piece");
    assert_eq!(relayed(&events), format!("{CREATED}{done}\n\n"));
    let (events, _) = streamed(&format!("{CREATED}{DELTA}{done}\n\n"), ask_stream()).await;
    assert_eq!(events.last().unwrap().output.tokens(), 0, "nothing is counted twice");
    let (events, error) = streamed(&format!("{DELTA}data: [DONE]\n\n"), ask_stream()).await;
    assert!(error.is_none() && events.last().unwrap().kind == Done, "some servers end as chat does");
}

#[tokio::test]
async fn any_event_may_be_as_large_as_a_whole_answer() {
    let text = "x".repeat(3 * 1024 * 1024);
    let done = format!(
        "data: {{\"type\":\"response.completed\",\"response\":{{\"instructions\":\"{text}\",\"usage\":{{\"input_tokens\":1,\"output_tokens\":2}}}}}}\n\n"
    );
    let (events, error) = streamed(&format!("{DELTA}{done}"), ask_stream()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((events[1].raw.len(), events[1].usage.map(|usage| usage.output)), (done.len(), Some(2)));
    let partial = format!("data: {{\"type\":\"response.image_generation_call.partial_image\",\"x\":\"{text}\"}}\n\n");
    let (events, error) = streamed(&format!("{DELTA}{partial}{done}"), ask_stream()).await;
    assert!(error.is_none() && events[1].raw == partial.as_bytes(), "{error:?}");
}

#[tokio::test]
async fn what_is_no_response_is_a_protocol_error() {
    for body in ["<html>", "{\"id\":1}", "[]"] {
        let request = responses(&json!({"model": "m", "input": "x"}));
        let error = whole(&Upstream::once(answer("200 OK", "", body)), request).await.unwrap_err();
        assert!(matches!(error, LlmError::Protocol(_)), "{body}: {error:?}");
    }
    let (_, error) = streamed(&format!("{DELTA}data: {{oops\n\n"), ask_stream()).await;
    assert!(matches!(error, Some(LlmError::Protocol(_))), "{error:?}");
    let (events, _) = streamed(&format!("data: [1]\n\n{DELTA}"), ask_stream()).await;
    assert_eq!(events.len(), 2, "unknown JSON passes");
}

#[tokio::test]
async fn tools_the_provider_would_run_need_the_operators_word() {
    let asked = || {
        responses(
            &json!({"model": "m", "input": "x", "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}),
        )
    };
    let plain = provider("http://127.0.0.1:9/v1", |_| {});
    let error = plain.bound(&asked(), "m", 9).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("tools"));
    let error = plain.chat(call(asked())).await.unwrap_err();
    assert!(matches!(error, LlmError::Refused { status: 400, .. }), "{error:?}");
    let named = provider("http://127.0.0.1:9/v1", |config| config.hosted_tools = vec!["web_search".to_owned()]);
    assert!(named.bound(&asked(), "m", 9).unwrap().input > 1_000_000, "what it reads nobody can bound");
}

#[tokio::test]
async fn tools_of_chat_that_the_provider_would_run_need_the_operators_word_as_well() {
    let asked = |more: &str| -> CallRequest {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{more}}}"#);
        crate::llm::ChatRequest::parse(body.into()).unwrap().into()
    };
    for (more, param) in [
        (r#""tools":[{"type":"web_search"}]"#, "tools"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""plugins":[{"id":"web"}]"#, "plugins"),
    ] {
        let plain = provider("http://127.0.0.1:9/v1", |_| {});
        assert_eq!(plain.bound(&asked(more), "m", 9).unwrap_err().param.as_deref(), Some(param));
        let error = plain.chat(call(asked(more))).await.unwrap_err();
        assert!(matches!(error, LlmError::Refused { status: 400, .. }), "{error:?}");
        let types = ["web_search", "web_search_options", "plugins"].map(str::to_owned).to_vec();
        let named = provider("http://127.0.0.1:9/v1", |config| config.hosted_tools = types);
        assert!(named.bound(&asked(more), "m", 9).unwrap().input > 1_000_000, "what it reads nobody can bound");
    }
    let own = asked(r#""tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]"#);
    assert!(provider("http://127.0.0.1:9/v1", |_| {}).bound(&own, "m", 9).is_ok());
}

#[tokio::test]
async fn a_tool_call_that_was_cut_off_reaches_a_caller_of_messages() {
    let chat = r#"{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"ci"}}]},"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#;
    let request = crate::llm::MessagesRequest::parse(body.into(), crate::llm::ApiVersion::default()).unwrap();
    let answer = whole(&Upstream::once(answer("200 OK", "", chat)), request.into()).await.unwrap();
    let message: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&message["stop_reason"], answer.usage.map(|usage| usage.total())), (&json!("max_tokens"), Some(3)));
    // A document that chat's own reader takes and ours does not is our fault.
    let odd = chat.replace("\"index\":0", "\"index\":-1");
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#;
    let request = crate::llm::MessagesRequest::parse(body.into(), crate::llm::ApiVersion::default()).unwrap();
    let error = whole(&Upstream::once(self::answer("200 OK", "", &odd)), request.into()).await.unwrap_err();
    assert!(matches!(error, LlmError::Untellable(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_speaks_only_chat_gets_chat() {
    let chat = r#"{"id":"chatcmpl-1","created":7,"model":"m","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}"#;
    for (request, object) in [
        (responses(&json!({"model": "m", "input": "x"})), "response"),
        (completion(r#"{"model":"m","prompt":"x"}"#), "text_completion"),
    ] {
        let upstream = Upstream::once(answer("200 OK", "", chat));
        let provider = provider(&upstream.base(), |config| config.wires = Wires::CHAT);
        let ChatAnswer::Whole(got) = provider.chat(call(request)).await.unwrap() else { panic!("a stream") };
        assert!(upstream.seen().head.starts_with("post /v1/chat/completions "));
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(body["object"], object);
    }
}

#[tokio::test]
async fn models_that_openai_reaches_by_chat_are_reached_so_unless_the_operator_says_otherwise() {
    let chat = r#"{"choices":[{"message":{"content":"Hi"}}]}"#;
    let old = r#"{"choices":[{"text":"Hi"}]}"#;
    for (model, completions, answered, path) in [
        ("gpt-4o-mini", Completions::Known, chat, "/v1/chat/completions "),
        ("o3-pro", Completions::Known, chat, "/v1/chat/completions "),
        ("gpt-3.5-turbo-instruct", Completions::Known, old, "/v1/completions "),
        ("davinci-002", Completions::Known, old, "/v1/completions "),
        ("gpt-4o-mini", Completions::Always, old, "/v1/completions "),
    ] {
        let upstream = Upstream::once(answer("200 OK", "", answered));
        let provider = provider(&upstream.base(), |config| config.wires.completions = completions);
        let request = completion(r#"{"model":"an-alias","prompt":"x"}"#);
        let output = provider.bound(&request, model, 99).unwrap().output;
        assert_eq!(output, 16, "{model}: what this wire says where nothing is said");
        let call = ChatCall { upstream_model: model.to_owned(), ..call(request) };
        drop(provider.chat(call).await.unwrap());
        assert!(upstream.seen().head.starts_with(&format!("post {path}")), "{model}");
    }
    let tokens = completion(r#"{"model":"m","prompt":[1]}"#);
    assert!(
        provider("http://127.0.0.1:9/v1", |_| {}).bound(&tokens, "gpt-4o-mini", 9).is_err(),
        "chat has no place for them"
    );
}

#[tokio::test]
async fn an_old_completion_passes_byte_for_byte() {
    let body = r#"{ "id":"cmpl-1","object":"text_completion","choices":[{"text":"Say x: x","index":0,"logprobs":{"tokens":["x"]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;
    let upstream = Upstream::once(answer("200 OK", "", body));
    let asked =
        r#"{"model":"ours","prompt":[1,2,3],"echo":true,"logprobs":5,"suffix":"","x-odd":[1.50],"max_tokens":7}"#;
    let got = whole(&upstream, completion(asked)).await.unwrap();
    assert_eq!((got.body, got.text.as_str()), (Bytes::from_static(body.as_bytes()), "Say x: x"));
    assert_eq!(got.usage.map(|usage| (usage.input, usage.output)), Some((3, 1)));
    let seen = upstream.seen();
    assert!(seen.head.starts_with("post /v1/completions "), "{}", seen.head);
    assert_eq!(seen.body, asked.replace("ours", "theirs"));
}

#[tokio::test]
async fn a_stream_of_old_completions_ends_when_every_answer_has() {
    let chunk = |index: u8, text: &str, finish: &str| {
        format!(
            "data: {{\"object\":\"text_completion\",\"choices\":[{{\"index\":{index},\"text\":\"{text}\",\"finish_reason\":{finish}}}],\"usage\":null}}\n\n"
        )
    };
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":6}}\n\n";
    let body = format!("{}{}{usage}", chunk(0, "four", "\"length\""), chunk(1, "more", "\"stop\""));
    let asked = || completion(r#"{"model":"m","prompt":["a","b"],"stream":true}"#);
    let (events, error) = streamed(&body, asked()).await;
    assert!(error.is_none(), "{error:?}");
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Chunk, Chunk, UsageOnly, Done]);
    assert_eq!(
        (events[0].text.as_str(), events[0].output.tokens(), events[2].usage.map(|usage| usage.output)),
        ("four", 1, Some(6))
    );
    let (_, error) = streamed(&chunk(0, "x", "\"stop\""), asked()).await;
    assert!(matches!(error, Some(LlmError::Truncated(None))), "the other answer is missing: {error:?}");
}

#[test]
fn the_bounds_of_native_calls_cover_what_can_be_billed() {
    let provider = provider("http://127.0.0.1:9/v1", |_| {});
    let bound = |request: &CallRequest| {
        let bound = provider.bound(request, "m", 99).unwrap();
        (bound.input, bound.output)
    };
    assert_eq!(
        bound(&completion(r#"{"model":"m","prompt":[1,2,3],"max_tokens":10}"#)),
        (3, 10),
        "token numbers are exact"
    );
    assert_eq!(bound(&completion(r#"{"model":"m","prompt":[[1,2],[3]],"n":2,"max_tokens":10}"#)), (3, 40));
    assert_eq!(bound(&completion(r#"{"model":"m","prompt":"hello","best_of":3}"#)), (5 + 16, 48));
    assert_eq!(
        bound(&completion(r#"{"model":"m","prompt":"hello","echo":true,"max_tokens":0,"logprobs":1}"#)),
        (5 + 16, 0)
    );
    let asked = responses(&json!({"model": "m", "input": "hello", "instructions": "be", "max_output_tokens": 10}));
    assert_eq!(bound(&asked), (7 + 3 * 16, 10));
    assert_eq!(bound(&responses(&json!({"model": "m", "input": "hello"}))).1, 99);
}

#[test]
fn an_echo_without_usage_is_not_charged_as_output() {
    let provider = provider("http://127.0.0.1:9/v1", |_| {});
    let asked = completion(r#"{"model":"m","prompt":"12345678","echo":true,"max_tokens":9}"#);
    let usage = provider.counted(&asked, Estimate::exactly(2 + 3), Estimate::default());
    assert_eq!((usage.input, usage.output), (2, 3));
}

proptest! {
    #[test]
    fn whatever_a_provider_sends_before_its_end_comes_out_as_it_went_in(
        events in prop::collection::vec(("[a-z_.]{1,24}", "[^\\p{C}]{0,16}", 0..4_usize), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let ends = ["\n", "\r\n", "\r", "\n"];
        let mut body = String::new();
        for (kind, text, end) in &events {
            let (kind, end) = (Value::from(format!("response.{kind}")), ends[*end]);
            let text = Value::from(text.as_str());
            write!(body, "event: x{end}data: {{ \"type\":{kind},\"delta\" :{text},\"x\":[1.0]}}{end}{end}").unwrap();
        }
        let done = "data: {\"type\":\"response.completed\",\"response\":{\"usage\":null}}\n\n";
        body.push_str(done);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        places.sort_unstable();
        let (mut reader, mut facts, mut out, mut from) = (SseReader::new(), Events::new(None), Vec::new(), 0);
        for to in places.into_iter().chain([body.len()]) {
            reader.push(Bytes::copy_from_slice(&body.as_bytes()[from..to]));
            from = to;
            while let Some(event) = reader.next_event() {
                let event = event.unwrap();
                // Failures are another matter.
                prop_assume!(!String::from_utf8_lossy(&event.raw).contains("response.failed"));
                out.extend_from_slice(&facts.read(event).unwrap().raw);
            }
        }
        prop_assert_eq!(String::from_utf8(out).unwrap(), body);
    }
}
