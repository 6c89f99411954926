//! What a provider says is what its caller reads and pays, also where it says something unusual: long-lived caches, large events, failures in the
//! middle, answers in a coding, chunks without names.

use hub::config::Settings;
use hub_domain::inference::Wire;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

use super::speaker::Speaker;
use super::{CLAUDE, ask, chat, messages, micro, paid};

/// USD 1.00 a million, 1.25 and 2.50 into the cache, 5.00 out.
const TERRA: &str = "gpt-6.1-terra";
const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello you\"}}\n\n";
const STOP: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// A chunk with this delta.
fn chunk(delta: &Value, finish: &Value) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "id": "chatcmpl-1", "created": 7, "model": "m", "choices": [choice] }))
}

/// A chat stream of this text.
fn said(text: &str) -> String {
    format!(
        "{}{}{DONE}",
        chunk(&json!({ "role": "assistant", "content": text }), &Value::Null),
        chunk(&json!({}), &json!("stop"))
    )
}

/// The data of the events of a stream.
fn events(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

on_both_pairs! {
    async fn what_openai_keeps_for_twelve_hours_is_held_and_paid_at_its_own_price(pair) {
        let usage = json!({ "prompt_tokens": 9_010, "completion_tokens": 5, "total_tokens": 9_015,
            "prompt_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 9_000 } });
        let whole = json!({ "id": "c", "choices": [{ "message": { "content": "ok" }, "finish_reason": "stop" }], "usage": usage });
        let last = json!({ "id": "c", "choices": [], "usage": usage });
        let stream = said("ok").replace(DONE, &format!("data: {last}\n\n{DONE}"));
        let response = json!({ "status": "completed", "output": [], "usage": { "input_tokens": 9_010, "output_tokens": 5,
            "input_tokens_details": { "cache_write_tokens": 9_000 } } });
        let whole = whole.to_string();
        let answers = [&whole, &whole, &whole, &stream, &response.to_string()].map(String::clone);
        let provider = Speaker::says(answers).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let part = |text: &str, ttl: &str| json!({ "type": "text", "text": text, "prompt_cache_breakpoint": { "mode": "explicit", "ttl": ttl } });
        let asked = |parts: &Value| ask(TERRA, "", &json!({ "messages": [{ "role": "user", "content": parts }] }));
        let text = "word ".repeat(1_900);
        let short = asked(&json!([part(&text, "30m")]));
        let long = asked(&json!([part(&text, "12h")]));
        let mixed = asked(&json!([part("x", "12h"), part(&text, "30m")]));
        let mut streamed = long.clone();
        streamed["stream"] = json!(true);
        let item = json!({ "type": "input_text", "text": text, "prompt_cache_breakpoint": { "mode": "explicit", "ttl": "12h" } });
        let response = json!({ "model": TERRA, "max_output_tokens": 100, "input": [{ "role": "user", "content": [item] }] });
        for (name, path, body, kept_long) in [
            ("ada", "/v1/chat/completions", short, false),
            ("bob", "/v1/chat/completions", long, true),
            ("cyd", "/v1/chat/completions", mixed, true),
            ("dan", "/v1/chat/completions", streamed, true),
            ("eve", "/v1/responses", response, true),
        ] {
            let user = hub.user(name).await;
            let answer = hub.post(path).bearer(&user.api_key).json(&body).send().await.expect(200);
            let receipt = paid(&hub, &user, answer.header("x-hub-receipt")).await;
            let usage = &receipt["usage"];
            let classes = ["input", "cacheWrite", "cacheWriteLong", "output"].map(|class| usage[class].as_i64().unwrap_or(0));
            let (class, price) = if kept_long { ([10, 0, 9_000, 5], 250) } else { ([10, 9_000, 0, 5], 125) };
            assert_eq!(classes, class, "{name}: {receipt}");
            assert_eq!(micro(&receipt["amount"]), 10 * 100 + 9_000 * price + 5 * 500, "{name}");
            assert!(micro(&receipt["held"]) >= micro(&receipt["amount"]));
        }
        hub.finish().await;
    }

    async fn an_event_with_a_picture_passes_in_every_wire(pair) {
        let data = "A".repeat(3_000_000);
        let picture = chunk(&json!({ "images": [{ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{data}") } }] }), &Value::Null);
        let chunks = format!("{picture}{}", said(&data[..2_000_000]));
        let block = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "image", "source": { "data": data } } });
        let blocks = format!("event: content_block_start\ndata: {block}\n\n{START}{STOP}");
        let openai = Speaker::says([chunks.clone(), chunks.clone()]).await;
        let claude = Speaker::says([blocks.clone()]).await;
        let builder = TestHub::builder(pair).openai("openai", &openai.url).anthropic("up", claude.url.trim_end_matches("/v1"));
        let hub = builder.start().await;
        let body = |model: &str| ask(model, "draw", &json!({ "stream": true, "max_tokens": 100 }));
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &body(TERRA)).await.expect(200);
        assert!(answer.text() == chunks, "{} of {} bytes", answer.text().len(), chunks.len());
        assert_eq!(paid(&hub, &ada, answer.header("x-hub-receipt")).await["outcome"], "completed");
        let bob = hub.user("bob").await;
        let told = messages(&hub, &bob, &body(TERRA)).await.expect(200).text();
        assert!(told.contains(&data[..2_000_000]) && told.ends_with("data: {\"type\":\"message_stop\"}\n\n"));
        let answer = messages(&hub, &bob, &body(CLAUDE)).await.expect(200);
        assert!(answer.text() == blocks, "{} of {} bytes", answer.text().len(), blocks.len());
        hub.finish().await;
    }

    async fn a_failure_in_the_middle_has_the_providers_type_and_words_in_its_own_wire_and_ours_in_others(pair) {
        let claude = |kind: &str| {
            let error = json!({ "type": "error", "error": { "type": kind, "message": "not today" }, "request_id": "req_1" });
            format!("{START}event: error\ndata: {error}\n\n")
        };
        let gpt = |kind: &str, code: Value| {
            let error = json!({ "error": { "message": "not today", "type": kind, "param": null, "code": code } });
            format!("{}data: {error}\n\n{DONE}", chunk(&json!({ "content": "Hello you" }), &Value::Null))
        };
        let table = [
            (CLAUDE, claude("overloaded_error"), "server_error", "overloaded_error"),
            (CLAUDE, claude("timeout_error"), "server_error", "timeout_error"),
            (CLAUDE, claude("rate_limit_error"), "rate_limit_error", "rate_limit_error"),
            (CLAUDE, claude("invalid_request_error"), "invalid_request_error", "invalid_request_error"),
            (TERRA, gpt("server_error", Value::Null), "server_error", "api_error"),
            (TERRA, gpt("requests", json!("rate_limit_exceeded")), "requests", "rate_limit_error"),
            (TERRA, gpt("odd_error", json!("odd")), "odd_error", "api_error"),
        ];
        let of = |model: &str| {
            let streams: Vec<&String> = table.iter().filter(|row| row.0 == model).map(|row| &row.1).collect();
            // Twice each, for a caller of either wire.
            streams.iter().flat_map(|stream| [(*stream).clone(), (*stream).clone()]).collect::<Vec<_>>()
        };
        let (openai, anthropic) = (Speaker::says(of(TERRA)).await, Speaker::says(of(CLAUDE)).await);
        let builder = TestHub::builder(pair).openai("openai", &openai.url).anthropic("up", anthropic.url.trim_end_matches("/v1"));
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        for (model, stream, in_chat, in_messages) in &table {
            let body = ask(model, "x", &json!({ "stream": true, "max_tokens": 100 }));
            let answers = [chat(&hub, &ada, &body).await.expect(200), messages(&hub, &ada, &body).await.expect(200)];
            for (answer, kind) in answers.iter().zip([in_chat, in_messages]) {
                let last = events(&answer.text()).pop().unwrap();
                assert_eq!((&last["error"]["type"], &last["error"]["message"]), (&json!(kind), &json!("not today")), "{stream} {last}");
            }
        }
        // What is wrong with our account there is nobody else's business.
        let poor = gpt("insufficient_quota", json!("insufficient_quota"));
        let broke = Speaker::says([poor]).await;
        let other = TestHub::builder(pair).openai("openai", &broke.url).start().await;
        let bob = other.user("bob").await;
        let last = events(&chat(&other, &bob, &ask(TERRA, "x", &json!({ "stream": true }))).await.expect(200).text()).pop().unwrap();
        assert_eq!((&last["error"]["type"], &last["error"]["message"]), (&json!("server_error"), &json!("The provider's answer broke off")));
        for hub in [hub, other] {
            hub.take_errors();
            hub.finish().await;
        }
    }

    async fn names_of_an_answer_come_from_the_chunk_that_has_them_or_from_the_call(pair) {
        let empty = "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\n";
        let named = format!("{empty}{}", said("Hello you"));
        let nameless = named.replace("chatcmpl-1", "").replace("\"m\"", "\"\"");
        let whole = json!({ "choices": [{ "index": 0, "message": { "content": "Hello you" }, "finish_reason": "stop" }] }).to_string();
        let answers = [&named, &nameless, &whole].into_iter().flat_map(|answer| [answer.clone(), answer.clone()]);
        let provider = Speaker::says(answers).await;
        let hub = TestHub::builder(pair).openai("stub", &provider.url).settings(chat_alone).start().await;
        let ada = hub.user("ada").await;
        for (streams, id, model) in [(true, Some("1"), "m"), (true, None, "stub"), (false, None, "stub")] {
            let body = ask("stub", "hello", &json!({ "stream": streams }));
            let answer = messages(&hub, &ada, &body).await.expect(200);
            let message = if streams { events(&answer.text())[0]["message"].clone() } else { answer.json() };
            let body = json!({ "model": "stub", "input": "hello", "stream": streams });
            let answer = hub.post("/v1/responses").bearer(&ada.api_key).json(&body).send().await.expect(200);
            let response = if streams { events(&answer.text())[0]["response"].clone() } else { answer.json() };
            for (told, prefix) in [(message, "msg_"), (response, "resp_")] {
                let bare = told["id"].as_str().unwrap().strip_prefix(prefix).unwrap();
                assert!(id.map_or(bare.len() > 8, |id| bare == id), "{told}");
                assert_eq!(told["model"], model, "{told}");
            }
        }
        hub.finish().await;
    }

    async fn what_is_told_of_a_call_whose_provider_reports_nothing_is_what_is_billed(pair) {
        let cut = STOP.replace(",\"usage\":{\"output_tokens\":3}", "");
        let claude = Speaker::says([format!("{START}{cut}")]).await;
        let whole = json!({ "id": "c", "choices": [{ "index": 0, "message": { "content": "Hello you" }, "finish_reason": "stop" }] }).to_string();
        let openai = Speaker::says([said("Hello you"), said("Hello you"), whole.clone(), whole]).await;
        let builder = TestHub::builder(pair).openai("stub", &openai.url).anthropic("up", claude.url.trim_end_matches("/v1"));
        let hub = builder.settings(chat_alone).start().await;
        for (name, path, model, streams) in [
            ("ada", "/v1/messages", "stub", true),
            ("bob", "/v1/responses", "stub", true),
            ("cyd", "/v1/messages", "stub", false),
            ("dan", "/v1/responses", "stub", false),
            ("eve", "/v1/responses", CLAUDE, true),
        ] {
            let user = hub.user(name).await;
            let body = match path {
                "/v1/messages" => ask(model, "how are you today", &json!({ "stream": streams })),
                _ => json!({ "model": model, "input": "how are you today", "stream": streams }),
            };
            let answer = hub.post(path).bearer(&user.api_key).json(&body).send().await.expect(200);
            let told = if streams { events(&answer.text()) } else { vec![answer.json()] };
            let usages = told.iter().flat_map(|event| [&event["usage"], &event["response"]["usage"]]);
            let usage = usages.rev().find(|usage| usage.is_object()).unwrap();
            let receipt = paid(&hub, &user, answer.header("x-hub-receipt")).await;
            assert_eq!(receipt["usageSource"], "counted");
            let billed = &receipt["usage"];
            assert!(billed["input"].as_i64().unwrap() > 0 && billed["output"].as_i64().unwrap() > 0, "{name}: {billed}");
            assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&billed["input"], &billed["output"]), "{name}");
        }
        hub.finish().await;
    }

    async fn a_stop_of_whitespace_alone_does_not_reach_a_provider_that_refuses_it(pair) {
        let whole = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [{ "type": "text", "text": "hi" }],
            "stop_reason": "end_turn", "usage": { "input_tokens": 3, "output_tokens": 1 } });
        let provider = Speaker::says([whole.to_string()]).await;
        let hub = TestHub::builder(pair).anthropic("up", provider.url.trim_end_matches("/v1")).start().await;
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &ask(CLAUDE, "x", &json!({ "stop": ["\n", "END"] }))).await.expect(200);
        assert_eq!(answer.header("x-hub-dropped"), "stop");
        let heard: Value = serde_json::from_str(&provider.heard().1).unwrap();
        assert_eq!(heard["stop_sequences"], json!(["END"]));
        hub.finish().await;
    }
}

/// The first provider speaks chat alone, and its model has a price.
fn chat_alone(settings: &mut Settings) {
    settings.providers[0].wires = Some(vec![Wire::Chat]);
    let price = json!({ "service": "stub", "model": "stub", "input": 15, "output": 60 });
    settings.pricing.models.push(serde_json::from_value(price).unwrap());
}
