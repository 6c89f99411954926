//! The spec's fall-back order: Claude answers for a model of OpenAI's that nobody serves now, in the caller's wire and at its own price.

use futures::{SinkExt as _, StreamExt as _};
use hub_domain::inference::StandIn;
use hub_testkit::{Pair, TestHub, on_both_pairs};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::speaker::Speaker;
use super::upstream::Upstream;
use super::{CLAUDE, chat, classes, paid};

const GPT: &str = "gpt-4o-mini";

/// OpenAI is down, Claude is not.
async fn hub(pair: Pair, openai: &Speaker, claude: &Upstream) -> TestHub {
    let builder = TestHub::builder(pair).openai("openai", &openai.url).anthropic("claude", &claude.url);
    builder
        .settings(|settings| {
            settings.routing.tries = 1;
            let stand_in =
                |service: &str, model: &str| StandIn { service: service.to_owned(), model: model.to_owned() };
            settings.routing.stand_ins = vec![stand_in("openai", GPT), stand_in("claude", CLAUDE)];
        })
        .start()
        .await
}

fn asked(provider: &str) -> Value {
    json!({ "id": "r", "type": "chat", "provider": provider, "model": GPT, "stream": false, "maxTokens": 100,
        "messages": [{ "role": "user", "content": "hello" }] })
}

on_both_pairs! {
    async fn claude_answers_for_openai_on_every_surface(pair: Pair) {
        let (openai, claude) = (Speaker::says([""; 0]).await, Upstream::start().await);
        let hub = hub(pair, &openai, &claude).await;
        let (ada, bob, cyd) = (hub.user("ada").await, hub.user("bob").await, hub.user("cyd").await);

        let spec = hub.post("/api/mcp/chat").bearer(&ada.access_token).json(&asked("auto")).send().await.expect(200);
        let body = spec.json();
        assert_eq!((&body["data"], &body["metadata"]["provider"]), (&json!("Hello you"), &json!("claude")));
        classes(&paid(&hub, &ada, spec.header("x-hub-receipt")).await);

        let mut socket = hub.socket().await.websocket("/api/ws", Some(&bob.api_key)).await.unwrap();
        socket.send(Message::text(asked("auto").to_string())).await.unwrap();
        let frame = socket.next().await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        assert_eq!((&frame["data"], &frame["metadata"]["provider"]), (&json!("Hello you"), &json!("claude")));
        drop(socket);

        let body = json!({ "model": GPT, "max_tokens": 100, "messages": [{ "role": "user", "content": "hello" }] });
        let answer = chat(&hub, &cyd, &body).await.expect(200);
        assert_eq!(answer.header("x-hub-provider"), "claude");
        let receipt = paid(&hub, &cyd, answer.header("x-hub-receipt")).await;
        assert_eq!((&receipt["model"], &receipt["upstreamModel"]), (&json!(GPT), &json!(CLAUDE)));
        classes(&receipt);
        assert_eq!(openai.calls(), 3, "OpenAI is asked first, each time");
        hub.take_errors();
        hub.finish().await;
    }

    async fn nobody_stands_in_where_the_service_was_chosen_or_the_model_is_unknown(pair: Pair) {
        let (openai, claude) = (Speaker::says([""; 0]).await, Upstream::start().await);
        let hub = hub(pair, &openai, &claude).await;
        let ada = hub.user("ada").await;
        let send = async |body: &Value| hub.post("/api/mcp/chat").bearer(&ada.access_token).json(body).send().await;
        let failed = send(&asked("openai")).await.expect(502);
        assert_eq!(failed.error_code(), "ALL_PROVIDERS_FAILED");
        let mut unknown = asked("auto");
        unknown["model"] = json!("gpt-0");
        send(&unknown).await.expect(404);
        assert_eq!(claude.heard(), Value::Null);
        hub.take_errors();
        hub.finish().await;
    }
}
