//! Signed events: credited once, and only where everything fits.

use chrono::Duration;
use futures::future::join_all;
use hub_clients::pay::signature;
use hub_testkit::on_both_pairs;
use serde_json::json;

use super::kit::{
    PRICE, SECRET, balance, event, finish, heal, hub_with, order, pay, post, post_signed, rows, session, shown, start,
    status, tell, trail,
};
use super::stripe::Stripe;

on_both_pairs! {
    async fn a_payment_is_credited_once_however_often_it_is_told(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        let completed = event(&hub, "evt_1", "checkout.session.completed", &session(&ordered));
        // The same event, the same fact under other ids and kinds, and a kind that says nothing.
        let mut told: Vec<_> = (0..20).map(|_| completed.clone()).collect();
        for number in 2..8 {
            told.push(event(&hub, &format!("evt_{number}"), "checkout.session.async_payment_succeeded", &session(&ordered)));
        }
        told.push(event(&hub, "evt_8", "payment_intent.succeeded", &json!({ "id": ordered.payment, "amount": PRICE })));
        for answer in join_all(told.iter().map(|event| post(&hub, event))).await {
            answer.expect(200);
        }
        // Several workers at once.
        join_all((0..4).map(|_| hub.run_jobs())).await;
        hub.run_jobs().await;
        assert_eq!(balance(&hub, &ada).await, 600);
        assert_eq!(rows(&hub, &ada, "purchase").await, [500]);
        let seen = shown(&hub, &ada, &ordered).await;
        assert_eq!((&seen["status"], &seen["url"]), (&json!("paid"), &json!(null)));
        assert!(seen["paidAt"].is_string());
        let credited = trail(&hub, "payment.credited").await;
        assert_eq!((credited.len(), &credited[0]["payment"]), (1, &json!(ordered.payment)));
        let mails: Vec<_> = hub.mails().await.into_iter().filter(|mail| mail.subject.contains("receipt")).collect();
        assert_eq!(mails.len(), 1);
        assert!(mails[0].text.contains("500 credits") && mails[0].text.contains("10.00 USD"), "{}", mails[0].text);
        finish(hub, &stripe).await;
    }

    async fn what_is_not_signed_now_by_stripe_is_refused(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        let body = event(&hub, "evt_1", "checkout.session.completed", &session(&ordered)).to_string();
        let good = signature::sign(&SECRET.into(), hub.clock().now(), body.as_bytes());
        let other = signature::sign(&"whsec_another_endpoint".into(), hub.clock().now(), body.as_bytes());
        let early = signature::sign(&SECRET.into(), hub.clock().now() + Duration::seconds(301), body.as_bytes());
        let late = signature::sign(&SECRET.into(), hub.clock().now() - Duration::seconds(301), body.as_bytes());
        for header in ["", "t=1,v1=00", &good.replace("v1", "v0"), &other, &early, &late] {
            let refused = post_signed(&hub, header, &body).await.expect(400);
            assert_eq!(refused.error_code(), "VALIDATION_ERROR", "{header}");
        }
        hub.post("/api/webhooks/stripe").body(body.clone()).send().await.expect(400);
        // One space more is another body.
        post_signed(&hub, &good, &format!("{body} ")).await.expect(400);
        post_signed(&hub, &signature::sign(&SECRET.into(), hub.clock().now(), b"{"), "{").await.expect(400);
        hub.run_jobs().await;
        assert_eq!(balance(&hub, &ada).await, 100);
        post_signed(&hub, &good, &body).await.expect(200);
        hub.run_jobs().await;
        assert_eq!(balance(&hub, &ada).await, 600);
        // The same delivery, repeated by somebody who kept it.
        hub.advance(Duration::seconds(301));
        post_signed(&hub, &good, &body).await.expect(400);
        finish(hub, &stripe).await;
    }

    async fn what_does_not_fit_the_order_gives_nothing_and_is_written_down(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
        let (ordered, hers) = (order(&hub, &ada).await, order(&hub, &eve).await);
        let good = session(&ordered);
        let with = |key: &str, value: serde_json::Value| {
            let mut session = good.clone();
            session[key] = value;
            session
        };
        let cases = [
            ("the amount is not the order's", with("amount_total", json!(PRICE - 1))),
            ("the amount is not the order's", with("amount_total", json!(PRICE * 100))),
            ("the currency is not the order's", with("currency", json!("jpy"))),
            ("it names no order of this hub", with("client_reference_id", json!("018f0000-0000-7000-8000-000000000000"))),
            ("it names no order of this hub", with("client_reference_id", json!("order_123"))),
            ("the checkout is another order's", with("client_reference_id", json!(hers.id))),
            ("the checkout is another order's", with("id", json!(hers.session))),
        ];
        for (number, (reason, session)) in cases.iter().enumerate() {
            tell(&hub, &format!("evt_{number}"), "checkout.session.completed", session).await;
            assert_eq!(trail(&hub, "payment.refused").await[0]["reason"], *reason, "{session}");
        }
        let mut live = event(&hub, "evt_live", "checkout.session.completed", &good);
        live["livemode"] = json!(true);
        let mut connected = event(&hub, "evt_connected", "checkout.session.completed", &good);
        connected["account"] = json!("acct_somebody");
        for (event, reason) in [(live, "test and live"), (connected, "another account")] {
            post(&hub, &event).await.expect(200);
            hub.run_jobs().await;
            assert!(trail(&hub, "payment.refused").await[0]["reason"].as_str().unwrap().contains(reason));
        }
        assert_eq!(trail(&hub, "payment.refused").await.len(), cases.len() + 2);
        assert_eq!((balance(&hub, &ada).await, balance(&hub, &eve).await), (100, 100));
        assert_eq!((status(&hub, &ada, &ordered).await, status(&hub, &eve, &hers).await), ("pending".into(), "pending".into()));
        // None of it stands in the way of the true one; a payment pays one order only, and an order is paid by one payment only.
        pay(&hub, &ordered).await;
        let mut stolen = session(&hers);
        stolen["payment_intent"] = json!(ordered.payment);
        tell(&hub, "evt_stolen", "checkout.session.completed", &stolen).await;
        assert_eq!(trail(&hub, "payment.refused").await[0]["reason"], "the payment is another order's");
        tell(&hub, "evt_twice", "checkout.session.completed", &with("payment_intent", json!("pi_other"))).await;
        assert_eq!(trail(&hub, "payment.refused").await[0]["reason"], "the order was paid by another payment");
        assert_eq!((balance(&hub, &ada).await, balance(&hub, &eve).await), (600, 100));
        finish(hub, &stripe).await;
    }

    async fn an_order_follows_its_checkout_in_whatever_order_events_come(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let unpaid = |ordered| {
            let mut session = session(ordered);
            session["payment_status"] = json!("unpaid");
            session
        };
        let slow = order(&hub, &ada).await;
        tell(&hub, "evt_1", "checkout.session.completed", &unpaid(&slow)).await;
        assert_eq!((status(&hub, &ada, &slow).await, balance(&hub, &ada).await), ("pending".to_owned(), 100));
        tell(&hub, "evt_2", "checkout.session.async_payment_succeeded", &session(&slow)).await;
        assert_eq!((status(&hub, &ada, &slow).await, balance(&hub, &ada).await), ("paid".to_owned(), 600));
        // Late news of the same checkout changes nothing.
        tell(&hub, "evt_3", "checkout.session.async_payment_failed", &unpaid(&slow)).await;
        tell(&hub, "evt_4", "checkout.session.expired", &unpaid(&slow)).await;
        assert_eq!(status(&hub, &ada, &slow).await, "paid");

        let failed = order(&hub, &ada).await;
        tell(&hub, "evt_5", "checkout.session.async_payment_failed", &unpaid(&failed)).await;
        tell(&hub, "evt_6", "checkout.session.completed", &unpaid(&failed)).await;
        assert_eq!(status(&hub, &ada, &failed).await, "failed");

        // The money counts, not the word that came before it.
        let expired = order(&hub, &ada).await;
        tell(&hub, "evt_7", "checkout.session.expired", &unpaid(&expired)).await;
        assert_eq!(status(&hub, &ada, &expired).await, "expired");
        pay(&hub, &expired).await;
        assert_eq!((status(&hub, &ada, &expired).await, balance(&hub, &ada).await), ("paid".to_owned(), 1100));
        finish(hub, &stripe).await;
    }

    async fn coming_back_from_the_payment_page_gives_nothing(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        for path in ["done", "cancelled", "done?session_id=cs_test_1&paid=true"] {
            let page = hub.get(&format!("/api/credits/checkout/{path}")).send().await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"));
            assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
        }
        hub.run_jobs().await;
        assert_eq!((status(&hub, &ada, &ordered).await, balance(&hub, &ada).await), ("pending".to_owned(), 100));
        finish(hub, &stripe).await;
    }

    async fn events_are_signed_with_any_secret_in_force_and_there_must_be_one(pair: Pair) {
        let stripe = Stripe::start().await;
        let hub = hub_with(pair, &stripe, |settings| {
            settings.stripe.webhook_secret = Some("whsec_the_coming_secret".into());
            settings.stripe.webhook_secret_previous = Some(SECRET.into());
        });
        let hub = hub.await;
        let ada = hub.user("ada").await;
        pay(&hub, &order(&hub, &ada).await).await;
        assert_eq!(balance(&hub, &ada).await, 600);
        // With an empty secret everybody could sign; so there is no such address then.
        let deaf = hub.sibling_with(|_, settings| {
            settings.stripe.webhook_secret = Some("".into());
            settings.stripe.webhook_secret_previous = None;
        });
        let deaf = deaf.await;
        let body = event(&deaf, "evt_x", "checkout.session.completed", &json!({})).to_string();
        let header = signature::sign(&"".into(), deaf.clock().now(), body.as_bytes());
        post_signed(&deaf, &header, &body).await.expect(404);
        deaf.finish().await;
        finish(hub, &stripe).await;
    }

    async fn a_connected_account_hears_of_itself_only(pair: Pair) {
        let stripe = Stripe::start().await;
        let hub = hub_with(pair, &stripe, |settings| settings.stripe.account = Some("acct_hub".to_owned())).await;
        let ada = hub.user("ada").await;
        let (told, listed) = (order(&hub, &ada).await, order(&hub, &ada).await);
        tell(&hub, "evt_platform", "checkout.session.completed", &session(&told)).await;
        assert_eq!((balance(&hub, &ada).await, trail(&hub, "payment.refused").await.len()), (100, 1));
        let mut ours = event(&hub, "evt_ours", "checkout.session.completed", &session(&told));
        ours["account"] = json!("acct_hub");
        post(&hub, &ours).await.expect(200);
        stripe.inner().events = vec![event(&hub, "evt_listed", "checkout.session.completed", &session(&listed))];
        heal(&hub).await;
        assert_eq!((balance(&hub, &ada).await, trail(&hub, "payment.refused").await.len()), (1100, 1));
        finish(hub, &stripe).await;
    }

    async fn stripe_is_under_no_limit_by_address(pair: Pair) {
        let stripe = Stripe::start().await;
        let hub = hub_with(pair, &stripe, |settings| settings.limits.guest_per_minute = 2).await;
        for number in 0..10 {
            let ping = event(&hub, &format!("evt_{number}"), "payment_intent.created", &json!({ "id": "pi_1" }));
            post(&hub, &ping).await.expect(200);
        }
        finish(hub, &stripe).await;
    }

    async fn lost_events_are_found_and_forgotten_orders_expire(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let mut ada = hub.user("ada").await;
        let lost: Vec<_> = [order(&hub, &ada).await, order(&hub, &ada).await, order(&hub, &ada).await].into();
        let events: Vec<_> = lost
            .iter()
            .enumerate()
            .map(|(number, ordered)| event(&hub, &format!("evt_{number}"), "checkout.session.completed", &session(ordered)))
            .collect();
        stripe.inner().events = events.into_iter().rev().collect();
        // One of them did arrive.
        tell(&hub, "evt_1", "checkout.session.completed", &session(&lost[1])).await;
        stripe.inner().trouble = Some((500, json!({})));
        let body = json!({ "packageId": "small" });
        hub.post("/api/credits/checkout").bearer(&ada.access_token).json(&body).send().await.expect(503);
        hub.take_errors();
        hub.advance(Duration::hours(71));
        heal(&hub).await;
        heal(&hub).await;
        hub.sign_in(&mut ada).await;
        assert_eq!(balance(&hub, &ada).await, 1600);
        assert_eq!(rows(&hub, &ada, "purchase").await.len(), 3);
        let list = hub.get("/api/credits/orders").bearer(&ada.access_token).send().await.expect(200).json();
        let states: Vec<_> = list["orders"].as_array().unwrap().iter().map(|order| order["status"].as_str().unwrap()).collect();
        assert_eq!(states, ["expired", "paid", "paid", "paid"]);
        finish(hub, &stripe).await;
    }
}
