//! Calls on other terms than the usual ones: a faster tier is held and paid at its own price, a patient one at less, and terms that nobody
//! priced are refused before a provider hears of them.

use hub_domain::credits::{self, Period};
use hub_testkit::{TestHub, TestUser, on_both_pairs};
use serde_json::{Value, json};

use super::speaker::Speaker;
use super::{CLAUDE, chat, messages, micro, paid};

/// USD 0.15 and 0.60 a million.
const GPT: &str = "gpt-4o-mini";
/// 30 tokens in, 5 out, in micro-credits.
const USUAL: i64 = (30 * 15_000_000 + 5 * 60_000_000) / 1_000_000;

fn ask(terms: &Value) -> Value {
    let mut body =
        json!({ "model": GPT, "max_completion_tokens": 50, "messages": [{ "role": "user", "content": "hi" }] });
    for (name, value) in terms.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn whole(tier: &str) -> String {
    json!({ "id": "c", "object": "chat.completion", "created": 1, "model": GPT, "service_tier": tier,
        "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "hello" } }],
        "usage": { "prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35 } })
    .to_string()
}

fn pieces(tier: &str) -> String {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": GPT, "service_tier": tier,
            "choices": choices, "usage": usage });
        format!("data: {chunk}\n\n")
    };
    let text = chunk(json!([{ "index": 0, "delta": { "content": "hello" }, "finish_reason": "stop" }]), Value::Null);
    let usage = chunk(json!([]), json!({ "prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35 }));
    format!("{text}{usage}data: [DONE]\n\n")
}

fn message(usage: &Value) -> String {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "content": [{ "type": "text", "text": "hello" }],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": usage })
    .to_string()
}

/// One call of a new account, and its receipt.
async fn receipt(hub: &TestHub, user: &TestUser, body: &Value) -> Value {
    let answer = chat(hub, user, body).await.expect(200);
    paid(hub, user, answer.header("x-hub-receipt")).await
}

async fn all_compute_again(hub: &TestHub, receipts: u64) {
    let at = |text: &str| text.parse().unwrap();
    let month = Period { from: at("2026-11-01T00:00:00Z"), to: at("2026-12-01T00:00:00Z") };
    let found = credits::recompute(&hub.hub.store, &hub.hub.prices, month).await.unwrap();
    assert_eq!((found.receipts, found.differences), (receipts, 0), "{:?}", found.named);
}

on_both_pairs! {
    async fn a_tier_is_held_and_paid_at_its_own_price(pair: Pair) {
        let provider = Speaker::says([whole("default"), whole("priority"), whole("flex"), pieces("priority"), whole("default")]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let users = [hub.user("ada").await, hub.user("bob").await, hub.user("cyd").await, hub.user("dan").await, hub.user("eve").await];
        let asked = [json!({}), json!({ "service_tier": "priority" }), json!({ "service_tier": "flex" }),
            json!({ "service_tier": "priority", "stream": true }), json!({ "service_tier": "priority" })];
        let mut receipts = Vec::new();
        for (user, terms) in users.iter().zip(&asked) {
            receipts.push(receipt(&hub, user, &ask(terms)).await);
        }
        let of = |name: &str| receipts.iter().map(|receipt| micro(&receipt[name])).collect::<Vec<_>>();
        // The last was asked to be fast and served like any other.
        assert_eq!(of("amount"), [USUAL, 2 * USUAL, USUAL / 2, 2 * USUAL, USUAL]);
        let held = of("held");
        assert_eq!(held, [held[0], 2 * held[0], (held[0] + 1) / 2, 2 * held[0], 2 * held[0]]);
        assert_eq!((&receipts[1]["unitPrices"]["termsPermille"], receipts[0]["unitPrices"].get("termsPermille")), (&json!(2000), None));
        assert!(provider.heard().1.contains("\"service_tier\":\"priority\""), "the provider is told");

        let quoted = hub.post("/api/credits/quote").bearer(&users[0].access_token).json(&json!({ "request": ask(&asked[1]) })).send().await;
        assert_eq!(micro(&quoted.expect(200).json()["worstCase"]), held[1]);
        all_compute_again(&hub, 5).await;
        hub.finish().await;
    }

    async fn terms_without_a_price_are_refused_unless_they_go_where_they_have_no_place(pair: Pair) {
        let provider = Speaker::says([whole("default")]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let ada = hub.user("ada").await;
        for tier in ["scale", "tomorrow"] {
            let error = chat(&hub, &ada, &ask(&json!({ "service_tier": tier }))).await.expect(400).json();
            assert_eq!((&error["error"]["param"], &error["error"]["type"]), (&json!("service_tier"), &json!("invalid_request_error")), "{error}");
        }
        let quoted = hub.post("/api/credits/quote").bearer(&ada.access_token).json(&json!({ "request": ask(&json!({ "service_tier": "scale" })) })).send().await;
        quoted.expect(400);
        assert_eq!(provider.calls(), 0);
        assert_eq!(micro(&receipt(&hub, &ada, &ask(&json!({ "service_tier": "auto" }))).await["amount"]), USUAL);
        // The sandbox has one speed for all.
        let mut body = ask(&json!({ "service_tier": "scale" }));
        body["model"] = json!("sandbox");
        chat(&hub, &ada, &body).await.expect(200);
        hub.finish().await;
    }

    async fn a_tier_that_the_account_at_the_provider_chose_is_paid_too(pair: Pair) {
        let provider = Speaker::says([whole("priority"), whole("scale")]).await;
        let hub = TestHub::builder(pair).openai("openai", &provider.url).start().await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        assert_eq!(micro(&receipt(&hub, &ada, &ask(&json!({}))).await["amount"]), 2 * USUAL);
        assert_eq!(micro(&receipt(&hub, &bob, &ask(&json!({}))).await["amount"]), USUAL, "nobody knows its price");
        all_compute_again(&hub, 2).await;
        hub.finish().await;
    }

    async fn speed_and_place_at_anthropic_are_paid_together(pair: Pair) {
        let usage = |speed: &str| json!({ "input_tokens": 10, "output_tokens": 25, "service_tier": "standard", "speed": speed });
        let provider = Speaker::says([message(&usage("fast")), message(&usage("standard"))]).await;
        let hub = TestHub::builder(pair).anthropic("up", provider.url.trim_end_matches("/v1")).start().await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        let body = json!({ "model": CLAUDE, "max_tokens": 100, "speed": "fast", "inference_geo": "us", "messages": [{ "role": "user", "content": "hi" }] });
        let exact: i64 = 10 * 200_000_000 + 25 * 1_000_000_000;
        for (user, permille) in [(&ada, 2_200), (&bob, 1_100)] {
            let answer = messages(&hub, user, &body).await.expect(200);
            assert_eq!(paid(&hub, user, answer.header("x-hub-receipt")).await["exactCost"], json!(exact * permille / 1000));
        }
        let mut elsewhere = body;
        elsewhere["inference_geo"] = json!("eu");
        let error = messages(&hub, &ada, &elsewhere).await.expect(400).json();
        assert!(error["error"]["message"].as_str().unwrap().contains("inference_geo"), "{error}");
        all_compute_again(&hub, 2).await;
        hub.finish().await;
    }
}
