//! Who stands in for whom, and at which price.

use hub_testkit::{TestHub, on_both_pairs};
use hub_types::Credits;
use serde_json::json;

use super::upstream::{Play, USAGE, Upstream};
use super::{alias, ask, balance, chat, micro, plain, priced, receipt, told};

const FAULT: &str = r#"{"error":{"message":"x","type":"server_error","param":null,"code":null}}"#;

/// `best` is `cheap` at the first provider and, should that fail, the ten times dearer `dear` at the second.
async fn two(pair: hub_testkit::Pair, one: &Upstream, other: &Upstream) -> TestHub {
    let builder = TestHub::builder(pair).settings(|settings| {
        priced(settings, "one", "cheap", 1_000);
        priced(settings, "other", "dear", 10_000);
        alias(settings, "best", &[("other", "dear", 2), ("one", "cheap", 1)]);
    });
    builder.provider(plain("other", &other.url)).provider(plain("one", &one.url)).start().await
}

on_both_pairs! {
    async fn a_dearer_provider_takes_over_at_its_own_price(pair: Pair) {
        let (one, other) = (Upstream::plays(vec![Play::Status(500, "", FAULT); 3]).await, Upstream::plays([]).await);
        let hub = two(pair, &one, &other).await;
        let ada = hub.user("ada").await;
        let listed = hub.get("/v1/models/best").bearer(&ada.api_key).send().await.expect(200).json();
        assert_eq!(listed["owned_by"], "one");
        let answer = chat(&hub, &ada, &ask("best", &json!({}))).await.expect(200);
        assert_eq!((answer.header("x-hub-provider"), other.requests()[0]["model"].as_str()), ("other", Some("dear")));
        let receipt = receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
        let words = |name: &str| receipt[name].as_str().unwrap().to_owned();
        assert_eq!([words("service"), words("provider"), words("model"), words("upstreamModel")], ["other", "other", "best", "dear"]);
        assert_eq!(told(&receipt["attempts"]), ["one unavailable 500", "one unavailable 500", "one unavailable 500", "other ok"]);
        let cost = (USAGE.0 + USAGE.1) * 10_000;
        assert_eq!((micro(&receipt["amount"]), receipt["unitPrices"]["output"].as_i64()), (cost, Some(10_000_000_000)));
        assert!(micro(&receipt["held"]) >= 100 * 10_000, "the hold covers the longest answer of the dearer one");
        assert_eq!(micro(&balance(&hub, &ada).await["balance"]), 100_000_000 - cost);
        assert_eq!((one.billed(), other.billed()), ((0, 0), USAGE));
        hub.finish().await;
    }

    async fn a_dearer_provider_gets_no_more_than_the_caller_can_pay(pair: Pair) {
        let (one, other) = (Upstream::plays(vec![Play::Status(500, "", FAULT); 6]).await, Upstream::plays([]).await);
        let hub = two(pair, &one, &other).await;
        // Enough for the longest cheap answer, far too little for the longest dear one.
        let ada = hub.user_with_credits("ada", Credits::from_micro(500_000)).await;
        let refused = chat(&hub, &ada, &ask("best", &json!({ "max_completion_tokens": 100 }))).await.expect(502);
        let attempts = told(&refused.json()["error"]["details"]["attempts"]);
        assert_eq!((attempts.len(), attempts[3].as_str(), other.requests().len()), (4, "other insufficient_credits", 0));
        assert_eq!(micro(&balance(&hub, &ada).await["balance"]), 500_000);
        // Without a length of its own the answer is shortened to what is held: here that is too little for a useful one.
        chat(&hub, &ada, &ask("best", &json!({}))).await.expect(502);
        assert_eq!(other.requests().len(), 0);
        hub.take_errors();
        hub.finish().await;
    }

    async fn an_answer_of_a_dearer_provider_is_shortened_to_what_is_held(pair: Pair) {
        let (one, other) = (Upstream::plays(vec![Play::Status(500, "", FAULT); 3]).await, Upstream::plays([]).await);
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "one", "cheap", 1_000);
            priced(settings, "other", "dear", 2_000);
            alias(settings, "best", &[("one", "cheap", 1), ("other", "dear", 2)]);
        });
        let hub = builder.provider(plain("one", &one.url)).provider(plain("other", &other.url)).start().await;
        let ada = hub.user_with_credits("ada", Credits::from_micro(180_000)).await;
        let answer = chat(&hub, &ada, &ask("best", &json!({}))).await.expect(200);
        let limit: i64 = answer.header("x-hub-max-tokens").parse().unwrap();
        assert!((16..100).contains(&limit), "{limit}");
        assert_eq!(other.requests()[0]["max_completion_tokens"], limit);
        let receipt = receipt(&hub, &ada, answer.header("x-hub-receipt")).await;
        assert!(micro(&receipt["held"]) <= 180_000);
        assert_eq!(micro(&receipt["amount"]), (USAGE.0 + USAGE.1) * 2_000);
        hub.finish().await;
    }

    async fn the_caller_may_choose_the_service(pair: Pair) {
        let (one, other) = (Upstream::plays([]).await, Upstream::plays([]).await);
        let builder = TestHub::builder(pair).settings(|settings| {
            priced(settings, "openai", "a", 1_000);
            priced(settings, "claude", "b", 1_000);
            alias(settings, "a", &[("openai", "a", 0), ("claude", "b", 1)]);
        });
        let claude = super::provider(hub_clients::llm::openai::OpenAiConfig { name: "other".into(), ..super::config("claude", &other.url) });
        let hub = builder.provider(claude).provider(plain("openai", &one.url)).start().await;
        let ada = hub.user("ada").await;
        for (choice, service, model) in [("auto", "openai", "a"), ("openai", "openai", "a"), ("claude", "other", "b")] {
            let body = json!({ "id": "r", "type": "chat", "provider": choice, "model": "a", "maxTokens": 50,
                "messages": [{ "role": "user", "content": "hello" }] });
            let answer = hub.post("/api/mcp/chat").bearer(&ada.access_token).json(&body).send().await.expect(200).json();
            assert_eq!(answer["metadata"]["provider"], service, "{choice}");
            let heard = if service == "other" { other.requests() } else { one.requests() };
            assert_eq!(heard.last().unwrap()["model"], model);
        }
        hub.finish().await;
    }

    async fn what_a_model_does_not_take_is_left_out_and_named_or_refused(pair: Pair) {
        let upstream = Upstream::plays([]).await;
        let builder = TestHub::builder(pair).settings(|settings| {
            for model in ["gpt-6-test", "plain", "strict"] {
                priced(settings, "up", model, 1_000);
            }
            settings.routing.models.push(hub_domain::inference::ModelFlags {
                model: "str*".to_owned(),
                drop: vec![],
                refuse: vec!["temperature".to_owned()],
            });
        });
        let hub = builder.provider(plain("up", &upstream.url)).start().await;
        let ada = hub.user("ada").await;
        let answer = chat(&hub, &ada, &ask("gpt-6-test", &json!({ "temperature": 0.5 }))).await.expect(200);
        assert_eq!((answer.header("x-hub-dropped"), upstream.requests()[0].get("temperature")), ("temperature", None));
        let answer = chat(&hub, &ada, &ask("plain", &json!({ "temperature": 0.5 }))).await.expect(200);
        assert_eq!((answer.headers.get("x-hub-dropped"), &upstream.requests()[1]["temperature"]), (None, &json!(0.5)));
        let refused = chat(&hub, &ada, &ask("strict", &json!({ "temperature": 0.5 }))).await.expect(400);
        assert!(refused.text().contains("temperature"), "{}", refused.text());
        assert_eq!(upstream.requests().len(), 2);
        hub.finish().await;
    }
}
