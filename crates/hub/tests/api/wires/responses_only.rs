//! A provider that speaks OpenAI's responses and nothing else serves callers of every wire, and is paid by what it reports.

use futures::{SinkExt as _, StreamExt as _};
use hub_domain::inference::Wire;
use hub_testkit::{Builder, Pair, TestHub, on_both_pairs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::native::{GPT, both, reported};
use super::speaker::Speaker;
use super::upstream::Upstream;
use super::{ask, chat, events, messages, paid};

fn usage() -> Value {
    json!({ "input_tokens": 40, "input_tokens_details": { "cached_tokens": 10 }, "output_tokens": 25,
        "output_tokens_details": { "reasoning_tokens": 20 }, "total_tokens": 65 })
}

fn response(output: &Value) -> Value {
    json!({ "id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "model": GPT, "error": null, "incomplete_details": null,
        "output": output, "usage": usage() })
}

fn thought() -> Value {
    json!({ "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "Let me see" }], "encrypted_content": "gAAA" })
}

fn hello() -> Value {
    json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{ "type": "output_text", "text": "Hello you", "annotations": [] }] })
}

fn call(id: &str, city: &str) -> Value {
    json!({ "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "weather", "arguments": json!({ "city": city }).to_string(), "status": "completed" })
}

/// A stream of these events, numbered.
fn stream(events: impl IntoIterator<Item = Value>) -> String {
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
    });
    numbered.collect()
}

fn created() -> Value {
    json!({ "type": "response.created", "response": { "id": "resp_1", "created_at": 7, "model": GPT, "status": "in_progress", "output": [] } })
}

fn delta(text: &str) -> Value {
    json!({ "type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": text })
}

fn completed() -> Value {
    json!({ "type": "response.completed", "response": response(&json!([])) })
}

/// It thinks, speaks, and calls two tools whose arguments come in turns.
fn rich() -> String {
    let added = |index: u64, item: Value| {
        let mut item = item;
        item["arguments"] = json!("");
        json!({ "type": "response.output_item.added", "output_index": index, "item": item })
    };
    let piece = |index: u64, piece: &str| json!({ "type": "response.function_call_arguments.delta", "output_index": index, "delta": piece });
    stream([
        created(),
        json!({ "type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Let me see" }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": thought() }),
        delta("Hello "),
        delta("you"),
        added(2, call("one", "")),
        added(3, call("two", "")),
        piece(2, "{\"city\":"),
        piece(3, "{\"city\":\"Rome\"}"),
        piece(2, "\"Oslo\"}"),
        completed(),
    ])
}

fn plain() -> String {
    stream([created(), delta("Hello "), delta("you"), completed()])
}

fn builder(pair: Pair, provider: &Speaker) -> Builder {
    TestHub::builder(pair).openai("openai", &provider.url).settings(|settings| {
        settings.providers[0].wires = Some(vec![Wire::Responses]);
        settings.routing.tries = 1;
    })
}

fn heard(provider: &Speaker) -> Value {
    let (path, body) = provider.heard();
    assert_eq!(path, "/v1/responses");
    serde_json::from_str(&body).unwrap()
}

on_both_pairs! {
    async fn callers_of_every_wire_get_whole_answers(pair: Pair) {
        let whole = response(&json!([thought(), hello()])).to_string();
        let provider = Speaker::says([whole.as_str(); 6]).await;
        let hub = builder(pair, &provider).start().await;
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &ask(GPT, "hi", &json!({}))).await.expect(200);
        let body = answer.json();
        let choice = &body["choices"][0];
        assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("Hello you"), &json!("stop")));
        assert_eq!((&body["id"], &body["usage"]["prompt_tokens"]), (&json!("chatcmpl-1"), &json!(40)));
        let sent = heard(&provider);
        assert_eq!((&sent["input"][0]["content"], &sent["max_output_tokens"], &sent["store"]), (&json!("hi"), &json!(100), &json!(false)));
        reported(&paid(&hub, &ada, answer.header("x-hub-receipt")).await);

        let bob = hub.user("bob").await;
        let answer = messages(&hub, &bob, &ask(GPT, "hi", &json!({ "thinking": { "type": "adaptive" } }))).await.expect(200);
        let body = answer.json();
        let kinds = json!(body["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect::<Vec<_>>());
        assert_eq!((kinds, &body["stop_reason"]), (json!(["thinking", "text"]), &json!("end_turn")));
        assert_eq!(heard(&provider)["reasoning"], json!({ "summary": "auto" }));
        reported(&paid(&hub, &bob, answer.header("x-hub-receipt")).await);

        let cyd = hub.user("cyd").await;
        let old = json!({ "model": GPT, "prompt": "hi", "max_tokens": 50 });
        let answer = hub.post("/v1/completions").bearer(&cyd.api_key).json(&old).send().await.expect(200);
        assert_eq!(answer.json()["choices"][0]["text"], "Hello you");
        reported(&paid(&hub, &cyd, answer.header("x-hub-receipt")).await);

        let dan = hub.user("dan").await;
        let asked = json!({ "id": "r", "type": "chat", "provider": "auto", "model": GPT, "stream": false, "maxTokens": 100,
            "messages": [{ "role": "user", "content": "hi" }] });
        let answer = hub.post("/api/mcp/chat").bearer(&dan.access_token).json(&asked).send().await.expect(200);
        assert_eq!(answer.json()["data"], "Hello you");
        reported(&paid(&hub, &dan, answer.header("x-hub-receipt")).await);

        let eve = hub.user("eve").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&eve.api_key)).await.unwrap();
        socket.send(Message::text(asked.to_string())).await.unwrap();
        let frame = socket.next().await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        assert_eq!(frame["data"], "Hello you");
        drop(socket);

        let fay = hub.user("fay").await;
        let asked = json!({ "model": GPT, "input": "hi", "max_output_tokens": 50 });
        let answer = hub.post("/v1/responses").bearer(&fay.api_key).json(&asked).send().await.expect(200);
        assert_eq!(answer.text(), whole, "its own wire passes unchanged");
        hub.finish().await;
    }

    async fn callers_of_every_wire_get_streams_and_parallel_calls(pair: Pair) {
        let provider = Speaker::says([rich(), rich(), plain(), plain()]).await;
        let hub = builder(pair, &provider).start().await;
        let ada = hub.user("ada").await;
        let tools = json!([{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }]);
        let asked = ask(GPT, "weather?", &json!({ "stream": true, "stream_options": { "include_usage": true }, "tools": tools, "reasoning_effort": "low" }));
        let (receipt, chunks) = events(&hub, "/v1/chat/completions", &ada, &asked).await;
        let deltas = || chunks.iter().map(|(_, chunk)| &chunk["choices"][0]["delta"]);
        let text: String = deltas().filter_map(|delta| delta["content"].as_str()).collect();
        let thoughts: String = deltas().filter_map(|delta| delta["reasoning_content"].as_str()).collect();
        let mut calls = [String::new(), String::new()];
        for piece in deltas().filter_map(|delta| delta["tool_calls"].get(0)) {
            calls[usize::try_from(piece["index"].as_u64().unwrap()).unwrap()] += piece["function"]["arguments"].as_str().unwrap();
        }
        assert_eq!((text.as_str(), thoughts.as_str()), ("Hello you", "Let me see"));
        assert_eq!(calls, [r#"{"city":"Oslo"}"#, r#"{"city":"Rome"}"#]);
        assert_eq!(chunks[chunks.len() - 2].1["usage"]["completion_tokens"], 25);
        assert_eq!(chunks[chunks.len() - 3].1["choices"][0]["finish_reason"], "tool_calls");
        let sent = heard(&provider);
        assert_eq!((&sent["tools"][0]["name"], &sent["tools"][0]["strict"], &sent["include"]), (&json!("weather"), &json!(false), &json!(["reasoning.encrypted_content"])));
        reported(&paid(&hub, &ada, &receipt).await);

        let bob = hub.user("bob").await;
        let tools = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
        let asked = ask(GPT, "weather?", &json!({ "stream": true, "tools": tools }));
        let (receipt, told) = events(&hub, "/v1/messages", &bob, &asked).await;
        let blocks: Vec<&Value> = told.iter().filter(|(name, _)| name == "content_block_start").map(|(_, event)| &event["content_block"]["type"]).collect();
        assert_eq!(blocks, [&json!("text"), &json!("tool_use"), &json!("tool_use")]);
        let inputs: String = told.iter().filter_map(|(_, event)| event["delta"]["partial_json"].as_str()).collect();
        assert_eq!(inputs, r#"{"city":"Oslo"}{"city":"Rome"}"#);
        let end = &told[told.len() - 2].1;
        assert_eq!((&end["delta"]["stop_reason"], &end["usage"]["output_tokens"]), (&json!("tool_use"), &json!(25)));
        reported(&paid(&hub, &bob, &receipt).await);

        let cyd = hub.user("cyd").await;
        let asked = json!({ "model": GPT, "prompt": "hi", "max_tokens": 50, "stream": true, "stream_options": { "include_usage": true } });
        let (receipt, chunks) = events(&hub, "/v1/completions", &cyd, &asked).await;
        let text: String = chunks.iter().filter_map(|(_, chunk)| chunk["choices"][0]["text"].as_str()).collect();
        assert_eq!((text.as_str(), &chunks[chunks.len() - 2].1["usage"]["total_tokens"]), ("Hello you", &json!(65)));
        reported(&paid(&hub, &cyd, &receipt).await);

        let dan = hub.user("dan").await;
        let mut socket = hub.socket().await.websocket("/api/ws", Some(&dan.api_key)).await.unwrap();
        let asked = json!({ "id": "r", "type": "chat", "provider": "auto", "model": GPT, "stream": true, "maxTokens": 100,
            "messages": [{ "role": "user", "content": "hi" }] });
        socket.send(Message::text(asked.to_string())).await.unwrap();
        let mut text = String::new();
        loop {
            let frame = socket.next().await.unwrap().unwrap();
            let frame: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
            match frame["type"].as_str().unwrap() {
                "chunk" => text.push_str(frame["data"].as_str().unwrap()),
                "done" => break,
                _ => panic!("{frame}"),
            }
        }
        assert_eq!(text, "Hello you");
        drop(socket);
        hub.finish().await;
    }

    async fn pictures_results_schemas_and_limits_arrive(pair: Pair) {
        let whole = response(&json!([hello()])).to_string();
        let provider = Speaker::says([whole.as_str(); 2]).await;
        let hub = builder(pair, &provider).start().await;
        let ada = hub.user("ada").await;
        let called = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "weather", "arguments": "{}" } });
        let picture = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA", "detail": "low" } });
        let schema = json!({ "type": "object", "properties": { "ok": { "type": "boolean" } } });
        let answer = chat(&hub, &ada, &json!({
            "model": GPT, "max_completion_tokens": 50, "parallel_tool_calls": false, "service_tier": "flex", "seed": 7, "stop": "X",
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": [{ "type": "text", "text": "What is this?" }, picture] },
                { "role": "assistant", "content": null, "tool_calls": [called("a"), called("b")] },
                { "role": "tool", "tool_call_id": "a", "content": "sun" },
                { "role": "tool", "tool_call_id": "b", "content": "rain" }],
            "response_format": { "type": "json_schema", "json_schema": { "name": "x", "schema": schema, "strict": true } },
        })).await.expect(200);
        assert_eq!(answer.header("x-hub-dropped"), "seed, stop");
        let sent = heard(&provider);
        let kinds: Vec<&str> = sent["input"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap_or("message")).collect();
        assert_eq!(kinds, ["message", "function_call", "function_call", "function_call_output", "function_call_output"]);
        assert_eq!(sent["input"][0]["content"][1], json!({ "type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low" }));
        assert_eq!(sent["text"]["format"], json!({ "type": "json_schema", "name": "x", "schema": schema, "strict": true }));
        assert_eq!((&sent["instructions"], &sent["max_output_tokens"], &sent["parallel_tool_calls"], &sent["service_tier"]), (&json!("Be brief."), &json!(50), &json!(false), &json!("flex")));

        let source = json!({ "type": "base64", "media_type": "image/png", "data": "AAAA" });
        let asked = ask(GPT, "", &json!({ "output_config": { "effort": "high", "format": { "type": "json_schema", "schema": schema } },
            "messages": [
                { "role": "user", "content": [{ "type": "image", "source": source }, { "type": "text", "text": "What is this?" }] },
                { "role": "assistant", "content": [{ "type": "tool_use", "id": "a", "name": "weather", "input": {} }] },
                { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "a", "content": "sun" }] }] }));
        messages(&hub, &ada, &asked).await.expect(200);
        let sent = heard(&provider);
        assert_eq!((&sent["input"][0]["content"][0]["type"], &sent["input"][2]["output"]), (&json!("input_image"), &json!("sun")));
        assert_eq!((&sent["text"]["format"]["schema"], &sent["reasoning"]["effort"]), (&schema, &json!("high")));
        hub.finish().await;
    }

    async fn what_it_thought_goes_back_to_it_and_nowhere_else(pair: Pair) {
        let whole = response(&json!([thought(), call("one", "Oslo")])).to_string();
        let (provider, other) = (Speaker::says([whole.as_str(); 4]).await, Upstream::start().await);
        let builder = both(pair, &provider, &other).settings(|settings| settings.providers[0].wires = Some(vec![Wire::Responses]));
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        let tools = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
        let first = json!({ "tools": tools, "thinking": { "type": "adaptive" } });
        let told = messages(&hub, &ada, &ask("both", "weather?", &first)).await.expect(200).json();
        let next = json!({ "tools": tools, "messages": [
            { "role": "user", "content": "weather?" },
            { "role": "assistant", "content": told["content"] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "one", "content": "sun" }] }] });
        messages(&hub, &ada, &ask("both", "", &next)).await.expect(200);
        let sent = heard(&provider);
        assert_eq!((&sent["input"][1], &sent["input"][2]["call_id"]), (&thought(), &json!("one")));

        let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
        let told = chat(&hub, &ada, &ask("both", "weather?", &json!({ "tools": tools }))).await.expect(200).json();
        let again = json!({ "tools": tools, "messages": [
            { "role": "user", "content": "weather?" }, told["choices"][0]["message"],
            { "role": "tool", "tool_call_id": "one", "content": "sun" }] });
        chat(&hub, &ada, &ask("both", "", &again)).await.expect(200);
        assert_eq!(heard(&provider)["input"][1], thought());

        // It has nothing more to say: Anthropic answers, and is sent none of it.
        for answer in [messages(&hub, &ada, &ask("both", "", &next)).await, chat(&hub, &ada, &ask("both", "", &again)).await] {
            assert_eq!(answer.expect(200).header("x-hub-provider"), "up");
            assert!(!other.heard().to_string().contains("thinking"), "{}", other.heard());
        }
        // Nor when Anthropic is asked first.
        messages(&hub, &ada, &ask(super::CLAUDE, "", &next)).await.expect(200);
        assert!(!other.heard().to_string().contains("thinking"), "{}", other.heard());
        hub.finish().await;
    }

    async fn what_anthropic_thought_comes_back_to_it_from_a_responses_caller(pair: Pair) {
        let own = response(&json!([hello()])).to_string();
        let (openai, provider) = (Speaker::says([own]).await, Upstream::start().await);
        let hub = TestHub::builder(pair).openai("openai", &openai.url).anthropic("up", &provider.url).start().await;
        let ada = hub.user("ada").await;
        let turn = |first: &[Value]| {
            let mut input = vec![json!({ "role": "user", "content": "hello" })];
            input.extend_from_slice(first);
            input.push(json!({ "role": "user", "content": "and?" }));
            input
        };
        for stream in [false, true] {
            let asked = json!({ "model": super::CLAUDE, "input": "hello", "max_output_tokens": 50, "include": ["reasoning.encrypted_content"], "stream": stream });
            let output = if stream {
                let (_, told) = events(&hub, "/v1/responses", &ada, &asked).await;
                let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).filter(|name| name.contains("reasoning")).collect();
                assert_eq!(names, ["response.reasoning_summary_part.added", "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "response.reasoning_summary_part.done"]);
                told.last().unwrap().1["response"]["output"].clone()
            } else {
                let answer = hub.post("/v1/responses").bearer(&ada.api_key).json(&asked).send().await.expect(200);
                answer.json()["output"].clone()
            };
            assert_eq!((&output[0]["type"], &output[0]["summary"][0]["text"]), (&json!("reasoning"), &json!("hm")));
            let input = turn(output.as_array().unwrap());
            let again = |model: &str| hub.post("/v1/responses").bearer(&ada.api_key).json(&json!({ "model": model, "input": input, "max_output_tokens": 50 }));
            again(super::CLAUDE).send().await.expect(200);
            assert_eq!(provider.heard()["messages"][1]["content"][0], json!({ "type": "thinking", "thinking": "hm", "signature": "Eq" }));
            if !stream {
                // A provider of its own wire is not sent what another has signed.
                again(GPT).send().await.expect(200);
                let kinds: Vec<Value> = heard(&openai)["input"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
                assert_eq!(kinds, [Value::Null, json!("message"), Value::Null]);
            }
        }
        hub.finish().await;
    }

    async fn encrypted_reasoning_does_not_follow_a_response_to_another_account(pair: Pair) {
        let own = response(&json!([hello()])).to_string();
        let (one, other) = (Speaker::says([""; 0]).await, Speaker::says([own]).await);
        let builder = TestHub::builder(pair).openai("first", &one.url).openai("second", &other.url).settings(|settings| {
            settings.routing.tries = 1;
            for provider in &mut settings.providers {
                provider.service = Some("openai".to_owned());
            }
        });
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        let asked = json!({ "model": GPT, "max_output_tokens": 50, "input": [{ "role": "user", "content": "a" }, thought(), hello(), { "role": "user", "content": "b" }] });
        let answer = hub.post("/v1/responses").bearer(&ada.api_key).json(&asked).send().await.expect(200);
        assert_eq!(answer.header("x-hub-provider"), "second");
        assert!(one.heard().1.contains("gAAA") && !other.heard().1.contains("gAAA"), "{}", other.heard().1);
        hub.finish().await;
    }

    async fn failures_are_told_in_the_callers_wire_and_cost_what_was_produced(pair: Pair) {
        let failed = |code: &str| json!({ "type": "response.failed", "response": { "id": "resp_1", "status": "failed", "error": { "code": code, "message": "inner words" } } });
        let at_fault = json!({ "id": "resp_1", "status": "failed", "output": [], "error": { "code": "invalid_prompt", "message": "not this" } }).to_string();
        let provider = Speaker::says([
            at_fault.clone(), at_fault, stream([created(), failed("server_error")]),
            stream([created(), delta("12345678"), failed("server_error")]), stream([created(), delta("12345678")]),
            stream([created(), delta("12345678"), json!({ "type": "error", "code": "server_error", "message": "inner words" })]),
        ]).await;
        let hub = builder(pair, &provider).start().await;
        let ada = hub.user("ada").await;
        for answer in [chat(&hub, &ada, &ask(GPT, "x", &json!({}))).await, messages(&hub, &ada, &ask(GPT, "x", &json!({}))).await] {
            let error = answer.expect(400).json();
            assert!(error["error"]["message"].as_str().unwrap().contains("not this"), "{error}");
        }
        chat(&hub, &ada, &ask(GPT, "x", &json!({ "stream": true }))).await.expect(502);
        let left = hub.get("/api/credits/balance").bearer(&ada.access_token).send().await.json();
        assert_eq!(left["balance"], 100);
        for (place, path) in ["/v1/chat/completions", "/v1/messages", "/v1/completions"].into_iter().enumerate() {
            let bob = hub.user(&format!("bob{place}")).await;
            let mut asked = ask(GPT, "12345678", &json!({ "stream": true }));
            asked["prompt"] = json!("12345678");
            if path == "/v1/completions" { asked.as_object_mut().unwrap().remove("messages"); } else { asked.as_object_mut().unwrap().remove("prompt"); }
            let (receipt, told) = events(&hub, path, &bob, &asked).await;
            let last = &told.last().unwrap().1;
            // In the middle of an answer the provider's words reach the caller, where it had any.
            assert!(last["error"].is_object() && last.to_string().contains("inner words") == (place != 1), "{last}");
            let receipt = paid(&hub, &bob, &receipt).await;
            assert_eq!((&receipt["outcome"], &receipt["usageSource"], &receipt["usage"]["output"]), (&json!("failed"), &json!("counted"), &json!(2)));
        }
        hub.take_errors();
        hub.finish().await;
    }

    async fn what_has_no_place_in_responses_is_refused_before_anything_is_held(pair: Pair) {
        let provider = Speaker::says([""; 0]).await;
        let hub = builder(pair, &provider).start().await;
        let ada = hub.user("ada").await;
        for (more, param) in [
            (json!({ "n": 2 }), "n"),
            (json!({ "modalities": ["audio"] }), "modalities"),
            (json!({ "functions": [{ "name": "f" }] }), "functions"),
            (json!({ "web_search_options": {} }), "web_search_options"),
        ] {
            assert_eq!(chat(&hub, &ada, &ask(GPT, "x", &more)).await.expect(400).json()["error"]["param"], param);
        }
        assert_eq!(provider.calls(), 0);
        hub.finish().await;
    }
}
