//! Where calls go when providers fail: tries, other providers, breakers, and what all of it costs.

mod breakers;
mod endless;
mod faults;
mod routes;
mod tls;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use hub::config::Settings;
use hub_clients::llm::openai::{OpenAiConfig, OpenAiProvider, Timeouts};
use hub_clients::llm::{LlmProvider, OnHangup};
use hub_domain::inference::{Alias, Target};
use hub_domain::pricing::ModelPrice;
use hub_testkit::{TestHub, TestResponse, TestUser};
use hub_types::{Clock, Credits};
use serde_json::{Value, json};

/// Estimated as six tokens, like `upstream::USAGE` says.
const QUESTION: &str = "12345678";

fn config(name: &str, url: &str) -> OpenAiConfig {
    let mut config = OpenAiConfig::new(name, name, url.parse().unwrap());
    config.api_key = Some("the-key".into());
    config
}

fn provider(config: OpenAiConfig) -> Arc<dyn LlmProvider> {
    Arc::new(OpenAiProvider::new(config, Clock::fixed_at("2026-11-23T10:00:00Z")).unwrap())
}

/// A provider whose service has its name.
fn plain(name: &str, url: &str) -> Arc<dyn LlmProvider> {
    provider(config(name, url))
}

/// One that is not waited for.
fn hasty(name: &str, url: &str, on_hangup: OnHangup) -> Arc<dyn LlmProvider> {
    let short = Duration::from_millis(100);
    let timeouts = Timeouts { first_byte: short, idle: short, whole: short, ..Timeouts::default() };
    provider(OpenAiConfig { timeouts, on_hangup, ..config(name, url) })
}

/// Gives the service's model a price, in credits per million tokens of either kind.
fn priced(settings: &mut Settings, service: &str, model: &str, credits: i64) {
    let price =
        json!({ "service": service, "model": model, "input": credits, "output": credits, "max_output_tokens": 100 });
    let price: ModelPrice = serde_json::from_value(price).unwrap();
    settings.pricing.models.push(price);
}

fn alias(settings: &mut Settings, name: &str, targets: &[(&str, &str, u32)]) {
    let target = |(service, model, priority): &(&str, &str, u32)| Target {
        service: (*service).to_owned(),
        model: (*model).to_owned(),
        priority: *priority,
        weight: 1,
    };
    settings.routing.aliases.push(Alias { name: name.to_owned(), targets: targets.iter().map(target).collect() });
}

fn ask(model: &str, more: &Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": QUESTION }] });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn chat(hub: &TestHub, user: &TestUser, body: &Value) -> TestResponse {
    hub.post("/v1/chat/completions").bearer(&user.api_key).json(body).send().await
}

async fn balance(hub: &TestHub, user: &TestUser) -> Value {
    hub.get("/api/credits/balance").bearer(&user.access_token).send().await.expect(200).json()
}

async fn receipt(hub: &TestHub, user: &TestUser, id: &str) -> Value {
    hub.get(&format!("/api/credits/receipts/{id}")).bearer(&user.access_token).send().await.expect(200).json()
}

/// The receipt of the only call of this user.
async fn only_receipt(hub: &TestHub, user: &TestUser) -> Value {
    let logs = hub.get("/api/usage/logs").bearer(&user.access_token).send().await.expect(200).json();
    let calls = logs["logs"].as_array().unwrap_or_else(|| panic!("{logs}"));
    assert_eq!(calls.len(), 1, "{logs}");
    receipt(hub, user, calls[0]["id"].as_str().unwrap()).await
}

fn micro(amount: &Value) -> i64 {
    amount.to_string().parse::<Credits>().unwrap().micro()
}

/// Waits until the calls that nobody listens to any more are settled.
async fn settled(hub: &TestHub, user: &TestUser) -> Value {
    for _ in 0..20_000 {
        let found = balance(hub, user).await;
        if found["held"] == 0 {
            return found;
        }
        tokio::task::yield_now().await;
    }
    panic!("credits are still held");
}

/// `provider outcome status` of each attempt.
fn told(attempts: &Value) -> Vec<String> {
    let one = |attempt: &Value| {
        let words = [&attempt["provider"], &attempt["outcome"], &attempt["status"]];
        words
            .iter()
            .filter(|word| !word.is_null())
            .map(|word| word.to_string().replace('"', ""))
            .collect::<Vec<_>>()
            .join(" ")
    };
    attempts.as_array().unwrap().iter().map(one).collect()
}
