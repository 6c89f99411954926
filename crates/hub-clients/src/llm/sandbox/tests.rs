//! The sandbox keeps its promises: exact bounds, exact meters, OpenAI's shape.

use std::time::Duration;

use futures::StreamExt;
use hub_types::Clock;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::llm::sse::SseReader;
use crate::llm::{ChatEvent, ChatEventKind};
use crate::wire::openai::Chunk;

fn sandbox() -> SandboxProvider {
    SandboxProvider::new(SandboxSettings::default(), Clock::fixed_at("2026-11-23T10:00:00Z"))
}

fn call(request: &Value) -> ChatCall {
    ChatCall {
        request: ChatRequest::parse(request.to_string().into()).unwrap().into(),
        upstream_model: CHAT_MODEL.to_owned(),
        max_output: None,
        request_id: "r1".to_owned(),
    }
}

fn ask(text: &str, extra: &Value) -> ChatCall {
    let mut request = json!({"model": "sandbox", "messages": [{"role": "user", "content": text}]});
    request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    call(&request)
}

async fn whole(provider: &SandboxProvider, call: ChatCall) -> Result<WholeAnswer, LlmError> {
    match provider.chat(call).await? {
        ChatAnswer::Whole(answer) => Ok(answer),
        ChatAnswer::Stream(_) => panic!("a stream where a whole answer was asked for"),
    }
}

async fn streamed(provider: &SandboxProvider, call: ChatCall) -> Vec<Result<ChatEvent, LlmError>> {
    match provider.chat(call).await.unwrap() {
        ChatAnswer::Stream(stream) => stream.events.collect().await,
        ChatAnswer::Whole(_) => panic!("a whole answer where a stream was asked for"),
    }
}

#[tokio::test]
async fn a_whole_answer_is_labelled_and_has_openais_shape() {
    let provider = sandbox();
    let answer = whole(&provider, ask("hello there", &json!({}))).await.unwrap();
    assert!(answer.text.starts_with("[sandbox] You said: hello there This answer was made by the hub"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let words = answer.text.split(' ').count();
    assert_eq!(
        body,
        json!({
            "id": "chatcmpl-sandbox-r1", "object": "chat.completion", "created": 1_795_428_000, "model": "sandbox",
            "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null, "message":
                {"role": "assistant", "content": answer.text, "refusal": null, "annotations": []}}],
            "usage": {"prompt_tokens": 6, "completion_tokens": words, "total_tokens": words + 6,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
            "service_tier": "default", "system_fingerprint": "sandbox",
        })
    );
    assert_eq!(answer.usage.map(|usage| usage.total()), Some(provider.meter().input() + provider.meter().produced()));
}

#[tokio::test]
async fn a_stream_says_in_bytes_what_it_says_in_facts() {
    let provider = sandbox();
    let events = streamed(&provider, ask("grüße \"you\"", &json!({"stream": true, "n": 2, "max_tokens": 7}))).await;
    let events: Vec<ChatEvent> = events.into_iter().map(Result::unwrap).collect();
    let mut reader = SseReader::new();
    for event in &events {
        reader.push(event.raw.clone());
        let data = reader.next_event().unwrap().unwrap().data.unwrap();
        if event.kind == ChatEventKind::Done {
            assert_eq!(&data[..], b"[DONE]");
            continue;
        }
        let chunk: Chunk<'_> = serde_json::from_slice(&data).unwrap();
        assert_eq!(chunk.usage(), event.usage);
        let choices = chunk.choices.unwrap();
        assert_eq!((choices.text, choices.finish), (event.text.clone(), event.finish.clone()));
    }
    let kinds: Vec<ChatEventKind> = events.iter().rev().take(2).map(|event| event.kind).collect();
    assert_eq!(kinds, [ChatEventKind::Done, ChatEventKind::UsageOnly]);
    let finishes: Vec<&str> = events.iter().filter_map(|event| event.finish.as_deref()).collect();
    assert_eq!(finishes, ["length", "length"]);
    assert_eq!(events.iter().map(|event| event.output.tokens()).sum::<i64>(), 14);
    assert_eq!(provider.meter().produced(), 14);
}

#[tokio::test]
async fn a_cut_stream_has_no_usage_and_the_meter_knows_what_it_made() {
    for (order, produced) in [(3, 3), (0, 0), (1_000_000, 40)] {
        let provider = sandbox();
        let text = format!("sandbox:words=40 sandbox:cut={order} hi");
        let ask = ask(&text, &json!({"stream": true}));
        assert_eq!(provider.bound(&ask.request, "sandbox", 100).unwrap().output, produced);
        let mut events = streamed(&provider, ask).await;
        assert!(matches!(events.pop(), Some(Err(LlmError::Truncated(None)))));
        assert!(events.iter().flatten().all(|event| event.usage.is_none()));
        assert_eq!(provider.meter().produced(), produced);
    }
}

#[tokio::test]
async fn a_dropped_stream_has_produced_only_what_was_read() {
    let provider = sandbox();
    let ChatAnswer::Stream(stream) = provider.chat(ask("sandbox:words=500", &json!({"stream": true}))).await.unwrap()
    else {
        panic!("a stream was asked for");
    };
    let read: Vec<_> = stream.events.take(6).collect().await;
    assert_eq!((read.len(), provider.meter().produced()), (6, 5));
}

#[tokio::test]
async fn orders_make_calls_fail() {
    let kinds = [
        ("400", "refused"),
        ("401", "credential"),
        ("429", "rate_limited"),
        ("500", "unavailable"),
        ("timeout", "timeout"),
    ];
    for (order, kind) in kinds {
        let provider = sandbox();
        let error = provider.chat(ask(&format!("please sandbox:fail={order}"), &json!({}))).await.unwrap_err();
        assert_eq!((error.kind(), provider.meter().calls()), (kind, 0));
    }
    let mut strange = ask("hi", &json!({}));
    strange.upstream_model = "gpt".to_owned();
    assert_eq!(sandbox().chat(strange).await.unwrap_err().kind(), "model_not_found");
}

#[tokio::test]
async fn usage_can_be_withheld_and_is_then_counted_exactly() {
    let provider = sandbox();
    let ask = ask("sandbox:no-usage sandbox:words=9 one two", &json!({}));
    let request = ask.request.clone();
    let answer = whole(&provider, ask).await.unwrap();
    assert_eq!(answer.usage, None);
    assert!(serde_json::from_slice::<Value>(&answer.body).unwrap().get("usage").is_none());
    let counted = provider.counted(&request, answer.output, answer.reasoning);
    assert_eq!((counted.input, counted.output), (provider.meter().input(), provider.meter().produced()));
}

#[tokio::test]
async fn orders_are_not_echoed_and_lookalikes_are() {
    let answer = whole(&sandbox(), ask("a sandbox:delay=0 sandbox:words=x b sandbox:", &json!({}))).await.unwrap();
    assert!(answer.text.starts_with("[sandbox] You said: a sandbox:words=x b sandbox: This"), "{}", answer.text);
}

#[tokio::test]
async fn a_delay_is_waited_before_each_word() {
    let before = tokio::time::Instant::now();
    streamed(&sandbox(), ask("sandbox:delay=2 sandbox:words=5", &json!({"stream": true}))).await;
    whole(&sandbox(), ask("sandbox:delay=2 sandbox:words=5", &json!({}))).await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_delay_is_bounded_by_word_and_over_the_whole_answer() {
    let delay =
        |text: &str| Script::new(ask(text, &json!({})).request.as_chat().unwrap().request, None, Duration::ZERO).delay;
    assert_eq!(delay("sandbox:delay=99999 sandbox:words=5"), Duration::from_secs(1));
    assert_eq!(delay("sandbox:delay=99999 sandbox:words=20000"), Duration::from_millis(30));
    assert_eq!(delay("hi"), Duration::ZERO);
}

#[tokio::test]
async fn the_model_is_listed_and_the_sandbox_can_be_pinged() {
    let models = sandbox().models().await.unwrap();
    assert_eq!((models[0].id.as_str(), models[0].owned_by.as_str()), ("sandbox", "sandbox"));
    sandbox().ping().await.unwrap();
}

proptest! {
    #[test]
    fn a_bound_is_exactly_the_bill(
        text in "[a-zé ]{0,40}( sandbox:words=[0-9]{1,3})?",
        max_tokens in prop::option::of(1_i64..60),
        default in 1_i64..60,
        n in 1_i64..5,
        stream in any::<bool>(),
        clamp in any::<bool>(),
    ) {
        let provider = sandbox();
        let mut ask = ask(&text, &json!({"stream": stream, "n": n, "max_tokens": max_tokens}));
        // The hub writes the same default into the call that it priced.
        if clamp || max_tokens.is_none() {
            ask.max_output = Some(max_tokens.unwrap_or(default));
        }
        let bound = provider.bound(&ask.request, "sandbox", default).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let usage = runtime.block_on(async {
            if stream {
                streamed(&provider, ask).await.into_iter().filter_map(|event| event.unwrap().usage).next_back()
            } else {
                whole(&provider, ask).await.unwrap().usage
            }
        }).unwrap();
        prop_assert_eq!((usage.prompt(), usage.completion()), (bound.input, bound.output));
        prop_assert_eq!((provider.meter().input(), provider.meter().produced()), (bound.input, bound.output));
    }
}
