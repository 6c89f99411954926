//! The payment provider inside the hub, from the order to the credits, as a browser would do it.

use axum::http::Method;
use hub_testkit::{Pair, TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::json;

use super::kit::{Ordered, balance, heal, order, shown, status};

async fn sandbox_hub(pair: Pair) -> (TestHub, TestUser) {
    let hub = TestHub::builder(pair).settings(|settings| settings.payments.sandbox = Some(true)).start().await;
    let ada = hub.user("ada").await;
    (hub, ada)
}

fn page(ordered: &Ordered) -> String {
    format!("/api/credits/sandbox/{}", ordered.session)
}

async fn press(hub: &TestHub, ordered: &Ordered, button: &str) -> String {
    let request = hub.post(&page(ordered)).header("content-type", "application/x-www-form-urlencoded");
    let request = request.header("sec-fetch-site", "same-origin").body(format!("action={button}"));
    request.send().await.expect(303).header("location").to_owned()
}

/// A hub that nobody told whether its sandbox may play, or that was told so, with a provider that an administrator can add.
async fn hub_that_grows(pair: Pair, sandbox: Option<bool>) -> (TestHub, TestUser, TestUser) {
    let builder = TestHub::builder(pair).settings(|settings| {
        settings.sandbox.enabled = Some(true);
        settings.payments.sandbox = sandbox;
        settings.inference.providers_at_private_addresses = true;
    });
    let hub = builder.start().await;
    let (ada, boss) = (hub.user("ada").await, hub.admin().await);
    (hub, ada, boss)
}

async fn add_provider(hub: &TestHub, boss: &TestUser) {
    let provider = json!({ "kind": "compatible", "baseUrl": "http://127.0.0.1:9/v1", "service": "own" });
    let request = hub.request(Method::PUT, "/api/admin/providers/own").bearer(&boss.access_token);
    request.json(&provider).send().await.expect(201);
}

async fn begin(hub: &TestHub, ada: &TestUser) -> TestResponse {
    hub.post("/api/credits/checkout").bearer(&ada.access_token).json(&json!({ "packageId": "small" })).send().await
}

on_both_pairs! {
    async fn a_checkout_is_repeatable_by_its_key_also_when_nothing_is_sold_any_more(pair: Pair) {
        let (hub, ada, boss) = hub_that_grows(pair, None).await;
        let ask = |package: &str| {
            let request = hub.post("/api/credits/checkout").bearer(&ada.access_token).header("idempotency-key", "k");
            request.json(&json!({ "packageId": package })).send()
        };
        let first = ask("small").await.expect(200).json();
        add_provider(&hub, &boss).await;
        begin(&hub, &ada).await.expect(409);
        assert_eq!(ask("small").await.expect(200).json(), first);
        assert_eq!(ask("large").await.expect(409).error_code(), "IDEMPOTENCY_CONFLICT");
        hub.finish().await;
    }

    async fn play_money_stops_when_a_provider_that_costs_money_is_added(pair: Pair) {
        let (hub, ada, boss) = hub_that_grows(pair, None).await;
        let twin = hub.sibling().await;
        let ordered = order(&hub, &ada).await;
        add_provider(&hub, &boss).await;
        for hub in [&hub, &twin] {
            let refused = begin(hub, &ada).await.expect(409).text();
            assert!(refused.contains("payments.sandbox"), "{refused}");
            let pressed = hub.post(&page(&ordered)).header("content-type", "application/x-www-form-urlencoded");
            pressed.header("sec-fetch-site", "same-origin").body("action=pay").send().await.expect(409);
            let sold = hub.get("/api/credits/packages").bearer(&ada.access_token).send().await.expect(200).json();
            assert_eq!(sold, json!({ "packages": [] }));
        }
        hub.run_jobs().await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (100, "pending".to_owned()));
        // Switched off it costs nothing, so the sandbox plays again.
        let off = hub.request(Method::PATCH, "/api/admin/providers/own").bearer(&boss.access_token);
        off.json(&json!({ "enabled": false })).send().await.expect(200);
        press(&hub, &ordered, "pay").await;
        hub.run_jobs().await;
        assert_eq!(balance(&hub, &ada).await, 600);
        twin.finish().await;
        hub.finish().await;
    }

    async fn play_money_goes_on_beside_such_a_provider_where_the_operator_said_so(pair: Pair) {
        let (hub, ada, boss) = hub_that_grows(pair, Some(true)).await;
        add_provider(&hub, &boss).await;
        let ordered = order(&hub, &ada).await;
        press(&hub, &ordered, "pay").await;
        hub.run_jobs().await;
        assert_eq!(balance(&hub, &ada).await, 600);
        hub.finish().await;
    }

    async fn pressing_pay_gives_the_credits(pair: Pair) {
        let (hub, ada) = sandbox_hub(pair).await;
        let sold = hub.get("/api/credits/packages").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&sold["provider"], sold["packages"].as_array().unwrap().len()), (&json!("sandbox"), 3));
        let ordered = order(&hub, &ada).await;
        let url = shown(&hub, &ada, &ordered).await["url"].clone();
        assert_eq!(url, format!("http://127.0.0.1:3000{}", page(&ordered)));
        let shown = hub.get(&page(&ordered)).send().await.expect(200);
        for expected in ["500 credits", "5.00 USD", "value=\"pay\"", "value=\"fail\"", "value=\"cancel\""] {
            assert!(shown.text().contains(expected), "{expected}");
        }
        assert!(!shown.text().contains("<script") && shown.header("content-security-policy").contains("form-action 'self'"));
        assert_eq!(balance(&hub, &ada).await, 100);
        assert_eq!(press(&hub, &ordered, "pay").await, "/api/credits/checkout/done");
        hub.run_jobs().await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (600, "paid".to_owned()));
        // Once is once.
        press(&hub, &ordered, "pay").await;
        press(&hub, &ordered, "cancel").await;
        hub.run_jobs().await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (600, "paid".to_owned()));
        let over = hub.get(&page(&ordered)).send().await.expect(200).text();
        assert!(over.contains("This order is paid") && !over.contains("<button"));
        hub.finish().await;
    }

    async fn the_other_buttons_give_nothing_and_an_old_page_expires(pair: Pair) {
        let (hub, ada) = sandbox_hub(pair).await;
        for (button, expected) in [("fail", "failed"), ("cancel", "expired")] {
            let ordered = order(&hub, &ada).await;
            assert_eq!(press(&hub, &ordered, button).await, "/api/credits/checkout/cancelled");
            hub.run_jobs().await;
            assert_eq!(status(&hub, &ada, &ordered).await, expected);
            press(&hub, &ordered, "pay").await;
        }
        let old = order(&hub, &ada).await;
        hub.advance(chrono::Duration::hours(25));
        heal(&hub).await;
        assert_eq!((status(&hub, &ada, &old).await, balance(&hub, &ada).await), ("expired".to_owned(), 100));
        hub.finish().await;
    }

    async fn only_its_own_page_presses_and_nobody_guesses_it(pair: Pair) {
        let (hub, ada) = sandbox_hub(pair).await;
        let ordered = order(&hub, &ada).await;
        assert!(ordered.session.len() > 40);
        let foreign = hub.post(&page(&ordered)).header("sec-fetch-site", "cross-site").body("action=pay");
        foreign.send().await.expect(403);
        hub.post(&page(&ordered)).body("action=steal").send().await.expect(400);
        hub.get("/api/credits/sandbox/cs_sandbox_0").send().await.expect(404);
        // Its events come from inside only.
        hub.post("/api/webhooks/stripe").header("stripe-signature", "t=1,v1=00").body("{}").send().await.expect(404);
        hub.run_jobs().await;
        assert_eq!(balance(&hub, &ada).await, 100);
        hub.finish().await;
    }
}
