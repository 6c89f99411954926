//! The OpenAI-compatible adapter against a provider that misbehaves in every way we know of.

use std::sync::mpsc::channel;
use std::time::Duration;

use futures::StreamExt;
use hub_types::{Clock, TokenUsage};

use super::{ANSWER_LIMIT, OpenAiConfig, OpenAiProvider};
use crate::llm::ChatEventKind::{Chunk, Comment, Done, UsageOnly};
use crate::llm::http::upstream::{CHUNKED_HEAD, Play, STREAM_HEAD, Upstream, answer, chunk, stream};
use crate::llm::{
    CallRequest, ChatAnswer, ChatCall, ChatEvent, ChatEventKind, ChatRequest, LlmError, LlmProvider, MaxTokensField,
    ModelInfo, ProviderFault, Wait, WholeAnswer,
};

const KEY: &str = "test-key-0123";
const CHUNK: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\n\n";
const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,\
    \"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn config(base: &str) -> OpenAiConfig {
    let mut config = OpenAiConfig::new("up", "openai", base.parse().unwrap());
    config.api_key = Some(KEY.into());
    config
}

fn provider(config: OpenAiConfig) -> OpenAiProvider {
    OpenAiProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap()
}

fn call(streams: bool) -> ChatCall {
    ChatCall {
        request: ChatRequest::from_messages("ours", &[("user", "hello")], None, streams).unwrap().into(),
        upstream_model: "theirs".to_owned(),
        max_output: Some(100),
        request_id: "r-1".to_owned(),
    }
}

async fn whole_from(upstream: &Upstream) -> Result<WholeAnswer, LlmError> {
    match provider(config(&upstream.base())).chat(call(false)).await? {
        ChatAnswer::Whole(answer) => Ok(answer),
        ChatAnswer::Stream(_) => panic!("a stream where a whole answer was asked for"),
    }
}

async fn events_of(provider: &OpenAiProvider) -> Result<Vec<Result<ChatEvent, LlmError>>, LlmError> {
    match provider.chat(call(true)).await? {
        ChatAnswer::Stream(stream) => Ok(stream.events.collect().await),
        ChatAnswer::Whole(_) => panic!("a whole answer where a stream was asked for"),
    }
}

/// The events that came well, and how the stream ended if it did not end well.
async fn streamed(body: &str) -> (Vec<ChatEvent>, Option<LlmError>) {
    let upstream = Upstream::once(stream(body));
    split(events_of(&provider(config(&upstream.base()))).await.unwrap())
}

fn split(mut events: Vec<Result<ChatEvent, LlmError>>) -> (Vec<ChatEvent>, Option<LlmError>) {
    let error = events.pop_if(|last| last.is_err()).map(Result::unwrap_err);
    (events.into_iter().map(Result::unwrap).collect(), error)
}

fn kinds(events: &[ChatEvent]) -> Vec<ChatEventKind> {
    events.iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn a_stream_passes_through_byte_for_byte_with_its_facts() {
    let body = format!(": hello\n\n{CHUNK}{FINISH}{USAGE}{DONE}");
    let (events, error) = streamed(&body).await;
    assert!(error.is_none());
    let relayed: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
    assert_eq!(String::from_utf8(relayed).unwrap(), body);
    assert_eq!(kinds(&events), [Comment, Chunk, Chunk, UsageOnly, Done]);
    assert_eq!((events[1].text.as_str(), events[1].output.tokens()), ("Hi", 1));
    assert_eq!(events[2].finish.as_deref(), Some("stop"));
    assert_eq!(events[3].usage, Some(TokenUsage { input: 5, cache_read: 4, output: 3, ..TokenUsage::default() }));
}

#[tokio::test]
async fn the_request_carries_our_edits_our_key_and_nothing_else_of_ours() {
    let upstream = Upstream::once(stream(&format!("{FINISH}{DONE}")));
    let mut config = config(&upstream.base());
    config.max_tokens_field = MaxTokensField::MaxTokens;
    let provider = provider(config);
    let ChatAnswer::Stream(stream) = provider.chat(call(true)).await.unwrap() else { panic!("no stream") };
    assert_eq!(stream.upstream_id.as_deref(), Some("req_7"));
    let seen = upstream.seen();
    assert!(seen.head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{}", seen.head);
    for header in ["authorization: bearer test-key-0123", "x-client-request-id: r-1", "accept: text/event-stream"] {
        assert!(seen.head.contains(header), "{header} is not in {}", seen.head);
    }
    assert!(!seen.head.contains("cookie") && !seen.head.contains("x-forwarded"));
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let expected = serde_json::json!({"model": "theirs", "messages": [{"role": "user", "content": "hello"}],
        "stream": true, "max_tokens": 100, "stream_options": {"include_usage": true}});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_whole_answer_is_handed_on_untouched() {
    let body = r#"{"id":"x", "choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":2,"completion_tokens":8,"completion_tokens_details":{"reasoning_tokens":6}},"odd":1}"#;
    let got = whole_from(&Upstream::once(answer("200 OK", "x-request-id: req_9\r\n", body))).await.unwrap();
    assert_eq!(got.body, body);
    assert_eq!(
        (got.text.as_str(), got.finish.as_deref(), got.upstream_id.as_deref()),
        ("Hello", Some("stop"), Some("req_9"))
    );
    assert_eq!(got.usage, Some(TokenUsage { input: 2, output: 2, reasoning: 6, ..TokenUsage::default() }));
}

#[tokio::test]
async fn a_missing_usage_is_none_and_the_count_stands_in() {
    let body = r#"{"choices":[{"message":{"content":"12345678","reasoning_content":"1234"}}]}"#;
    let got = whole_from(&Upstream::once(answer("200 OK", "", body))).await.unwrap();
    assert_eq!((got.usage, got.output.tokens(), got.reasoning.tokens()), (None, 2, 1));
    let (events, error) = streamed(&format!("{CHUNK}{FINISH}{DONE}")).await;
    assert!(error.is_none() && events.iter().all(|event| event.usage.is_none()));
}

#[tokio::test]
async fn every_refusal_has_its_kind_and_keeps_the_providers_words() {
    let openai = |message: &str, code: &str| {
        format!(r#"{{"error":{{"message":"{message}","type":"t","param":"messages","code":"{code}"}}}}"#)
    };
    let table = [
        ("400 Bad Request", openai("too long", "context_length_exceeded"), "refused"),
        ("401 Unauthorized", openai("bad test-key-0123", "invalid_api_key"), "credential"),
        ("404 Not Found", openai("no such model", "model_not_found"), "model_not_found"),
        ("429 Too Many", openai("slow", "rate_limit_exceeded"), "rate_limited"),
        ("429 Too Many", openai("pay", "insufficient_quota"), "quota"),
        ("500 Oops", "<html>".to_owned(), "unavailable"),
        ("307 Elsewhere", String::new(), "protocol"),
    ];
    for streams in [false, true] {
        for (status, body, kind) in &table {
            let upstream = Upstream::once(answer(status, "location: http://127.0.0.1:9/\r\n", body));
            let error = provider(config(&upstream.base())).chat(call(streams)).await.unwrap_err();
            assert_eq!(error.kind(), *kind, "{status}");
            assert!(!format!("{error:?} {error}").contains(KEY), "{error:?}");
        }
    }
    let upstream = Upstream::once(answer("400 Bad Request", "", &table[0].1));
    let error = whole_from(&upstream).await.unwrap_err();
    let json =
        serde_json::json!({"message": "too long", "type": "t", "param": "messages", "code": "context_length_exceeded"});
    assert_eq!(error.fault().map(ProviderFault::to_json), Some(json));
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait_if_it_does() {
    for (headers, pause) in
        [("", None), ("retry-after: 7\r\n", Some(7)), ("retry-after: Mon, 23 Nov 2026 10:00:09 GMT\r\n", Some(9))]
    {
        let error = whole_from(&Upstream::once(answer("429 Too Many", headers, "{}"))).await.unwrap_err();
        assert_eq!(error.retry_after(), pause.map(Duration::from_secs), "{headers:?}");
        assert!(error.retryable() && error.fall_over());
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_from_an_answer() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = provider(config(&format!("http://{gone}/v1"))).chat(call(true)).await.unwrap_err();
    assert!(matches!(error, LlmError::Connect(_)) && error.retryable(), "{error:?}");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_a_failure_to_connect() {
    let error = whole_from(&Upstream::play(vec![vec![]])).await.unwrap_err();
    assert!(matches!(error, LlmError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn silence_is_not_waited_out() {
    let short = Duration::from_millis(60);
    // Nothing at all, a head and nothing more, an event and nothing more, comments for ever.
    let head = || Play::Send(STREAM_HEAD.into());
    let comments = || Play::Send(": still here\n\n".repeat(10).into());
    let table: [(Vec<Play>, Wait); 4] = [
        (vec![Play::Stall], Wait::FirstByte),
        (vec![head(), Play::Stall], Wait::FirstByte),
        (vec![head(), Play::Send(CHUNK.into()), Play::Stall], Wait::Idle),
        (vec![head(), comments(), Play::Stall], Wait::Total),
    ];
    for (script, expected) in table {
        let upstream = Upstream::play(vec![script]);
        let mut config = config(&upstream.base());
        config.timeouts.first_byte = short;
        config.timeouts.idle = short;
        if expected == Wait::Total {
            config.timeouts.idle = Duration::from_mins(1);
            config.timeouts.total = short;
        }
        let error = match events_of(&provider(config)).await {
            Ok(events) => split(events).1.unwrap(),
            Err(error) => error,
        };
        assert!(matches!(error, LlmError::Timeout(wait) if wait == expected), "{expected:?}: {error:?}");
    }
    let upstream = Upstream::play(vec![vec![Play::Stall]]);
    let mut config = config(&upstream.base());
    config.timeouts.whole = short;
    let error = provider(config).chat(call(false)).await.unwrap_err();
    assert!(matches!(error, LlmError::Timeout(Wait::FirstByte)), "{error:?}");
}

#[tokio::test]
async fn a_stream_cut_in_half_still_reports_what_was_read() {
    for cut in [CHUNK.len(), CHUNK.len() + 20] {
        let body = format!("{CHUNK}{CHUNK}");
        let (events, error) = streamed(&body[..cut]).await;
        assert_eq!(events.len(), 1);
        assert!(matches!(error, Some(LlmError::Truncated(None))), "{cut}: {error:?}");
    }
    // A chunked body whose connection breaks has a cause to show.
    let upstream = Upstream::play(vec![vec![Play::Send([CHUNKED_HEAD.as_bytes(), &chunk(CHUNK)].concat())]]);
    let (events, error) = split(events_of(&provider(config(&upstream.base()))).await.unwrap());
    assert_eq!(events.len(), 1);
    assert!(matches!(error, Some(LlmError::Truncated(Some(_)))), "{error:?}");
}

#[tokio::test]
async fn a_finished_answer_without_its_end_mark_is_complete() {
    for body in [format!("{CHUNK}{FINISH}{USAGE}"), format!("{CHUNK}{FINISH}{}", USAGE.trim_end())] {
        let (events, error) = streamed(&body).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events.last().map(|event| (event.kind, &event.raw[..])), Some((Done, DONE.as_bytes())));
        assert_eq!(events[2].usage.map(|usage| usage.total()), Some(12));
        assert!(events.iter().all(|event| event.raw.ends_with(b"\n\n")));
    }
}

#[tokio::test]
async fn an_end_mark_without_its_blank_line_is_an_end() {
    let (events, error) = streamed(&format!("{CHUNK}data: [DONE]")).await;
    assert!(error.is_none());
    assert_eq!(events.last().map(|event| &event.raw[..]), Some(DONE.as_bytes()));
}

#[tokio::test]
async fn usage_may_come_with_the_last_content_or_grow() {
    let growing = |n: i64, finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{finish}}}],\
             \"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":{n}}}}}\n\n"
        )
    };
    let (events, error) = streamed(&format!("{}{}{DONE}", growing(1, "null"), growing(2, "\"stop\""))).await;
    assert!(error.is_none());
    let last = events.iter().filter_map(|event| event.usage).next_back();
    assert_eq!(last.map(|usage| usage.output), Some(2));
    assert_eq!(kinds(&events)[..2], [Chunk; 2]);
}

#[tokio::test]
async fn a_picture_comes_in_one_event_and_an_event_over_the_limit_ends_the_stream() {
    let chunk = |bytes: usize| {
        let data = "A".repeat(bytes);
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"images\":[{{\"image_url\":{{\"url\":\"data:{data}\"}}}}]}}}}]}}\n\n"
        )
    };
    let picture = chunk(3 * 1024 * 1024);
    let (events, error) = streamed(&format!("{CHUNK}{picture}{FINISH}{USAGE}{DONE}")).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events[1].raw, picture.as_bytes());
    let (events, error) = streamed(&format!("{CHUNK}{}{FINISH}", chunk(ANSWER_LIMIT))).await;
    assert_eq!(events.len(), 1);
    assert!(matches!(error, Some(LlmError::TooLarge { limit: ANSWER_LIMIT })), "{error:?}");
}

#[tokio::test]
async fn an_error_event_ends_the_stream() {
    for error in [
        r#"data: {"error":{"message":"overloaded, key test-key-0123","type":"server_error","code":null}}"#,
        r#"data: {"error":{"message":"x","code":502},"choices":[{"delta":{},"finish_reason":"error"}]}"#,
        "event: error\ndata: {\"message\":\"x\"}",
    ] {
        let (events, error) = streamed(&format!("{CHUNK}{error}\n\n{CHUNK}{DONE}")).await;
        assert_eq!(events.len(), 1);
        assert!(matches!(error, Some(LlmError::Unavailable { status: 500 | 502, .. })), "{error:?}");
        assert!(!format!("{error:?}").contains(KEY));
    }
}

#[tokio::test]
async fn what_is_no_json_is_a_protocol_error_and_what_is_unknown_json_is_not() {
    let (events, error) = streamed(&format!("{CHUNK}data: {{oops\n\n{DONE}")).await;
    assert!(events.len() == 1 && matches!(error, Some(LlmError::Protocol(_))), "{error:?}");
    let (events, error) = streamed(&format!("data: [1]\n\ndata: {{\"choices\":7}}\n\n{DONE}")).await;
    assert!(events.len() == 3 && error.is_none(), "{error:?}");
    for body in ["<html>", "", "{\"id\":1}", "[]"] {
        let error = whole_from(&Upstream::once(answer("200 OK", "", body))).await.unwrap_err();
        assert!(matches!(error, LlmError::Protocol(_)), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    let body = r#"{"error":{"message":"slow","code":429}}"#;
    for streams in [false, true] {
        let upstream = Upstream::once(answer("200 OK", "content-type: application/json\r\n", body));
        let error = provider(config(&upstream.base())).chat(call(streams)).await.unwrap_err();
        assert!(matches!(error, LlmError::RateLimited { .. }), "{error:?}");
    }
    let whole = answer("200 OK", "content-type: application/json\r\n", r#"{"choices":[{"message":{}}]}"#);
    let upstream = Upstream::once(whole);
    let error = provider(config(&upstream.base())).chat(call(true)).await.unwrap_err();
    assert!(matches!(error, LlmError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_announced_or_not() {
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER_LIMIT + 1);
    let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned() + &" ".repeat(ANSWER_LIMIT + 1);
    for bytes in [announced, endless] {
        let error = whole_from(&Upstream::once(bytes)).await.unwrap_err();
        assert!(matches!(error, LlmError::TooLarge { limit: ANSWER_LIMIT }) && !error.fall_over(), "{error:?}");
    }
    let (_, error) = streamed(&format!("data: {}", "x".repeat(ANSWER_LIMIT))).await;
    assert!(matches!(error, Some(LlmError::TooLarge { .. })), "{error:?}");
}

#[tokio::test]
async fn a_whole_answer_that_breaks_off_is_truncated() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\":";
    let error = whole_from(&Upstream::once(half)).await.unwrap_err();
    assert!(matches!(error, LlmError::Truncated(Some(_))), "{error:?}");
}

#[tokio::test]
async fn models_are_listed_with_those_the_operator_adds() {
    let body =
        r#"{"object":"list","data":[{"id":"a","created":5,"owned_by":"x"},{"id":"b","owned_by":null},{"id":""}]}"#;
    let upstream = Upstream::once(answer("200 OK", "", body));
    let mut config = config(&upstream.base());
    let extra = |id: &str| ModelInfo { id: id.to_owned(), created: 0, owned_by: "me".to_owned() };
    config.extra_models = vec![extra("b"), extra("c")];
    let models = provider(config).models().await.unwrap();
    let listed: Vec<_> = models.iter().map(|m| (m.id.as_str(), m.created, m.owned_by.as_str())).collect();
    assert_eq!(listed, [("a", 5, "x"), ("b", 0, ""), ("c", 0, "me")]);
    assert!(upstream.seen().head.starts_with("get /v1/models "));
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream_read_to_its_end() {
    let body = || Play::Send([CHUNKED_HEAD.as_bytes(), &chunk(FINISH), &chunk(DONE)].concat());
    let end = || Play::Send(b"0\r\n\r\n".into());
    let (word, wait) = channel();
    // The end of the first body comes late; the second answer is played on the same connection or not at all.
    let upstream = Upstream::keep_alive(vec![vec![body(), Play::Wait(wait), end()], vec![body(), end()]]);
    let provider = provider(config(&upstream.base()));
    let ChatAnswer::Stream(mut first) = provider.chat(call(true)).await.unwrap() else { panic!("no stream") };
    while first.events.next().await.unwrap().unwrap().kind != Done {}
    word.send(()).unwrap();
    assert!(first.events.next().await.is_none());
    let (events, error) = split(events_of(&provider).await.unwrap());
    assert!(error.is_none() && events.len() == 2);
}

#[tokio::test]
async fn a_bound_covers_every_choice() {
    let provider = provider(config("http://127.0.0.1:9/v1"));
    let request = |body: &str| CallRequest::from(ChatRequest::parse(body.to_owned().into()).unwrap());
    let asked = request(r#"{"model":"m","messages":[{"role":"user","content":"hello"}],"n":3,"max_tokens":10}"#);
    let bound = provider.bound(&asked, "m", 99).unwrap();
    assert_eq!((bound.input, bound.output), (5 + 32, 30));
    let open = request(r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#);
    assert_eq!(provider.bound(&open, "m", 99).unwrap().output, 99);
}
