//! Packages, orders, and what Stripe is asked for.

use futures::future::join_all;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::{Value, json};

use super::kit::{finish, order, shown, start, trail};

on_both_pairs! {
    async fn a_checkout_asks_stripe_for_exactly_this_order(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let sold = hub.get("/api/credits/packages").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((&sold["provider"], sold["packages"].as_array().unwrap().len()), (&json!("stripe"), 2));
        let small = json!({ "id": "small", "name": "500 credits", "credits": 500, "priceMinor": 1000, "currency": "usd", "price": "10.00 USD" });
        assert_eq!(sold["packages"][0], small);

        let ordered = order(&hub, &ada).await;
        let form = stripe.inner().sessions[0].clone();
        let expected = [
            ("cancel_url", "http://127.0.0.1:3000/api/credits/checkout/cancelled"),
            ("client_reference_id", &ordered.id),
            ("customer_email", "ada@example.com"),
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][product_data][name]", "500 credits"),
            ("line_items[0][price_data][unit_amount]", "1000"),
            ("line_items[0][quantity]", "1"),
            ("metadata[order_id]", &ordered.id),
            ("mode", "payment"),
            ("payment_intent_data[metadata][order_id]", &ordered.id),
            ("success_url", "http://127.0.0.1:3000/api/credits/checkout/done"),
        ];
        assert_eq!(form.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
        let seen = shown(&hub, &ada, &ordered).await;
        assert_eq!((&seen["status"], &seen["credits"], &seen["price"]), (&json!("pending"), &json!(500), &json!("10.00 USD")));
        assert_eq!(seen["url"], "https://checkout.stripe.com/c/pay/cs_test_1");
        assert_eq!(trail(&hub, "payment.started").await[0]["priceMinor"], 1000);
        finish(hub, &stripe).await;
    }

    async fn the_same_key_gives_the_same_order_also_at_the_same_time(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ask = |package: &str| {
            let request = hub.post("/api/credits/checkout").bearer(&ada.access_token).header("idempotency-key", "k1");
            request.json(&json!({ "packageId": package }))
        };
        let answers = join_all((0..20).map(|_| ask("small").send())).await;
        let first = answers[0].clone().expect(200).json();
        for answer in answers {
            assert_eq!(answer.expect(200).json(), first);
        }
        assert_eq!(stripe.inner().sessions.len(), 1);
        assert_eq!(ask("large").send().await.expect(409).error_code(), "IDEMPOTENCY_CONFLICT");
        let list = hub.get("/api/credits/orders").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((list["orders"].as_array().unwrap().len(), &list["hasMore"]), (1, &json!(false)));
        finish(hub, &stripe).await;
    }

    async fn orders_are_paged_and_other_peoples_do_not_exist(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, eve, admin) = (hub.user("ada").await, hub.user("eve").await, hub.admin().await);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(order(&hub, &ada).await.id);
        }
        ids.reverse();
        let mut seen = Vec::new();
        let mut path = "/api/credits/orders?limit=2".to_owned();
        loop {
            let page: Value = hub.get(&path).bearer(&ada.access_token).send().await.expect(200).json();
            seen.extend(page["orders"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            path = format!("/api/credits/orders?limit=2&cursor={next}");
        }
        assert_eq!(seen, ids);
        let (one, theirs) = (format!("/api/credits/orders/{}", ids[0]), format!("/api/credits/orders?userId={}", ada.id));
        for path in [&one, &theirs, &format!("{one}/invoice")] {
            hub.get(path).bearer(&eve.access_token).send().await.expect(404);
        }
        hub.get(&one).bearer(&admin.access_token).send().await.expect(200);
        let all = hub.get(&theirs).bearer(&admin.access_token).send().await.expect(200).json();
        assert_eq!(all["orders"].as_array().unwrap().len(), 3);
        finish(hub, &stripe).await;
    }

    async fn a_provider_that_refuses_or_is_away_leaves_no_open_order(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ask = || {
            let request = hub.post("/api/credits/checkout").bearer(&ada.access_token).header("idempotency-key", "k1");
            request.json(&json!({ "packageId": "small" })).send()
        };
        let away = json!({ "error": { "type": "api_error", "message": "sk_test_secret is down" } });
        stripe.inner().trouble = Some((500, away));
        let answer = ask().await.expect(503);
        assert!(!answer.header("retry-after").is_empty() && !answer.text().contains("sk_test"), "{}", answer.text());
        let refusal = json!({ "error": { "type": "invalid_request_error", "param": "currency", "message": "no" } });
        stripe.inner().trouble = Some((400, refusal));
        assert_eq!(ask().await.expect(502).error_code(), "PROVIDER_ERROR");
        let list = hub.get("/api/credits/orders").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!((list["orders"].as_array().unwrap().len(), &list["orders"][0]["status"]), (1, &json!("failed")));
        // The key is free again, and the order a new one.
        stripe.inner().trouble = None;
        assert_ne!(ask().await.expect(200).json()["orderId"], list["orders"][0]["id"]);
        hub.take_errors();
        finish(hub, &stripe).await;
    }

    async fn nobody_can_open_orders_without_end(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        for _ in 0..20 {
            order(&hub, &ada).await;
        }
        let body = json!({ "packageId": "small" });
        hub.post("/api/credits/checkout").bearer(&ada.access_token).json(&body).send().await.expect(429);
        order(&hub, &eve).await;
        hub.advance(chrono::Duration::hours(25));
        let mut ada = ada;
        hub.sign_in(&mut ada).await;
        order(&hub, &ada).await;
        finish(hub, &stripe).await;
    }

    async fn without_a_payment_provider_nothing_is_for_sale(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let sold = hub.get("/api/credits/packages").bearer(&ada.access_token).send().await.expect(200).json();
        assert_eq!(sold, json!({ "packages": [] }));
        let body = json!({ "packageId": "small" });
        hub.post("/api/credits/checkout").bearer(&ada.access_token).json(&body).send().await.expect(404);
        hub.finish().await;
    }
}
