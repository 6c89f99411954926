//! Payments taken back: refunds, disputes, and what they do to an account.

use futures::future::join_all;
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use hub_types::Credits;
use serde_json::json;

use super::kit::{
    PRICE, balance, charge, dispute, event, finish, heal, order, pay, post, refund, rows, session, shown, start,
    status, tell, trail,
};

async fn chat(hub: &TestHub, who: &TestUser) -> TestResponse {
    let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] });
    hub.post("/v1/chat/completions").bearer(&who.api_key).json(&body).send().await
}

async fn spend(hub: &TestHub, admin: &TestUser, who: &TestUser, amount: i32) {
    let body = json!({ "userId": who.id, "amount": amount, "reason": "spent" });
    hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&body).send().await.expect(200);
}

on_both_pairs! {
    async fn refunds_take_back_in_proportion_in_any_order_and_once(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        // Stripe tells the sum of all refunds; the event of the first one is late.
        tell(&hub, "evt_r2", "charge.refunded", &charge(&ordered, 500)).await;
        tell(&hub, "evt_r1", "charge.refunded", &charge(&ordered, 200)).await;
        let seen = shown(&hub, &ada, &ordered).await;
        assert_eq!((&seen["status"], &seen["refundedMinor"]), (&json!("paid"), &json!(500)));
        assert_eq!((balance(&hub, &ada).await, rows(&hub, &ada, "chargeback").await), (350, vec![-250]));
        let rest = event(&hub, "evt_r3", "charge.refunded", &charge(&ordered, PRICE));
        for answer in join_all((0..20).map(|_| post(&hub, &rest))).await {
            answer.expect(200);
        }
        join_all((0..4).map(|_| hub.run_jobs())).await;
        hub.run_jobs().await;
        let seen = shown(&hub, &ada, &ordered).await;
        assert_eq!((&seen["status"], &seen["refundedMinor"]), (&json!("refunded"), &json!(1000)));
        assert_eq!((balance(&hub, &ada).await, rows(&hub, &ada, "chargeback").await), (100, vec![-250, -250]));
        // The success again, after all that, gives nothing.
        tell(&hub, "evt_again", "checkout.session.async_payment_succeeded", &session(&ordered)).await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (100, "refunded".to_owned()));
        assert_eq!(trail(&hub, "payment.reversed").await.len(), 2);
        finish(hub, &stripe).await;
    }

    async fn a_present_that_ends_does_not_pay_for_a_purchase_that_is_taken_back(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (mut ada, admin) = (hub.user("ada").await, hub.admin().await);
        let promo = json!({ "userId": ada.id, "amount": 100, "reason": "x", "category": "promo", "expiresAt": "2026-11-26T10:00:00Z" });
        hub.post("/api/credits/grant").bearer(&admin.access_token).json(&promo).send().await.expect(200);
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        tell(&hub, "evt_r", "charge.refunded", &charge(&ordered, PRICE)).await;
        assert_eq!(balance(&hub, &ada).await, 200, "the welcome credits and the promotion");
        hub.advance(chrono::Duration::days(4));
        hub.sign_in(&mut ada).await;
        hub_domain::credits::expire_due(&hub.hub).await.unwrap();
        assert_eq!(balance(&hub, &ada).await, 100, "the promotion stayed for ever");
        finish(hub, &stripe).await;
    }

    async fn a_refund_that_fails_gives_the_credits_back_once_and_can_be_made_again(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let mut ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        tell(&hub, "evt_r1", "charge.refunded", &charge(&ordered, PRICE)).await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (100, "refunded".to_owned()));
        hub.advance(chrono::Duration::hours(1));
        hub.sign_in(&mut ada).await;
        // Told in two ways and at once.
        let (failed, updated) = (refund(&ordered, "re_1", PRICE, "failed"), refund(&ordered, "re_1", PRICE, "succeeded"));
        tell(&hub, "evt_u", "charge.refund.updated", &updated).await;
        let news = [event(&hub, "evt_f1", "refund.failed", &failed), event(&hub, "evt_f2", "charge.refund.updated", &failed)];
        for answer in join_all((0..20).map(|n| post(&hub, &news[n % 2]))).await {
            answer.expect(200);
        }
        join_all((0..4).map(|_| hub.run_jobs())).await;
        hub.run_jobs().await;
        assert_eq!((balance(&hub, &ada).await, rows(&hub, &ada, "chargeback").await), (600, vec![500, -500]));
        let seen = shown(&hub, &ada, &ordered).await;
        assert_eq!((&seen["status"], &seen["refundedMinor"]), (&json!("paid"), &json!(0)));
        assert_eq!(trail(&hub, "payment.restored").await.len(), 1);
        // The operator refunds in another way, which Stripe counts from zero again.
        hub.advance(chrono::Duration::minutes(5));
        tell(&hub, "evt_r2", "charge.refunded", &charge(&ordered, PRICE)).await;
        assert_eq!((balance(&hub, &ada).await, rows(&hub, &ada, "chargeback").await), (100, vec![-500, 500, -500]));
        assert_eq!(status(&hub, &ada, &ordered).await, "refunded");
        finish(hub, &stripe).await;
    }

    async fn a_refund_that_is_quicker_than_its_payment_waits_for_it(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        tell(&hub, "evt_r", "charge.refunded", &charge(&ordered, 300)).await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (100, "pending".to_owned()));
        pay(&hub, &ordered).await;
        let seen = shown(&hub, &ada, &ordered).await;
        assert_eq!((&seen["status"], &seen["refundedMinor"]), (&json!("paid"), &json!(300)));
        assert_eq!(balance(&hub, &ada).await, 450);
        finish(hub, &stripe).await;
    }

    async fn a_dispute_freezes_the_account_until_it_is_won(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, admin) = (hub.user("ada").await, hub.admin().await);
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        spend(&hub, &admin, &ada, 550).await;
        tell(&hub, "evt_d1", "charge.dispute.created", &dispute(&ordered, "needs_response")).await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (-450, "disputed".to_owned()));
        assert_eq!(chat(&hub, &ada).await.expect(403).json()["error"]["code"], "ACCOUNT_FROZEN");
        let body = json!({ "userId": ada.id, "amount": 1, "reason": "no" });
        let refused = hub.post("/api/credits/deduct").bearer(&admin.access_token).json(&body).send().await.expect(403);
        assert_eq!(refused.error_code(), "ACCOUNT_FROZEN");
        // Credits alone do not lift it while the dispute is open.
        hub.grant(ada.id, Credits::whole(1000)).await;
        heal(&hub).await;
        chat(&hub, &ada).await.expect(403);
        tell(&hub, "evt_d2", "charge.dispute.closed", &dispute(&ordered, "won")).await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (1050, "paid".to_owned()));
        assert_eq!(rows(&hub, &ada, "chargeback").await, [500, -500]);
        chat(&hub, &ada).await.expect(200);
        // Late news of the same dispute.
        tell(&hub, "evt_d3", "charge.dispute.updated", &dispute(&ordered, "under_review")).await;
        assert_eq!(status(&hub, &ada, &ordered).await, "paid");
        chat(&hub, &ada).await.expect(200);
        let told = [trail(&hub, "account.frozen").await.len(), trail(&hub, "account.thawed").await.len(), trail(&hub, "payment.restored").await.len()];
        assert_eq!(told, [1, 1, 1]);
        finish(hub, &stripe).await;
    }

    async fn a_lost_dispute_leaves_a_debt_that_a_purchase_or_a_grant_pays(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, bob, admin) = (hub.user("ada").await, hub.user("bob").await, hub.admin().await);
        for who in [&ada, &bob] {
            let ordered = order(&hub, who).await;
            pay(&hub, &ordered).await;
            spend(&hub, &admin, who, 550).await;
            let id = ordered.payment.replace("pi_", "evt_lost_");
            // The end comes before the beginning.
            tell(&hub, &id, "charge.dispute.closed", &dispute(&ordered, "lost")).await;
            tell(&hub, &format!("{id}_begun"), "charge.dispute.created", &dispute(&ordered, "needs_response")).await;
            assert_eq!((balance(&hub, who).await, status(&hub, who, &ordered).await), (-450, "disputed".to_owned()));
            chat(&hub, who).await.expect(403);
        }
        // Ada buys again, Bob is given credits.
        pay(&hub, &order(&hub, &ada).await).await;
        assert_eq!(balance(&hub, &ada).await, 50);
        chat(&hub, &ada).await.expect(200);
        hub.grant(bob.id, Credits::whole(449)).await;
        heal(&hub).await;
        chat(&hub, &bob).await.expect(403);
        hub.grant(bob.id, Credits::whole(10)).await;
        chat(&hub, &bob).await.expect(200);
        finish(hub, &stripe).await;
    }

    async fn no_more_is_taken_than_was_bought(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        tell(&hub, "evt_d", "charge.dispute.created", &dispute(&ordered, "needs_response")).await;
        tell(&hub, "evt_r", "charge.refunded", &charge(&ordered, 600)).await;
        assert_eq!(balance(&hub, &ada).await, 100);
        tell(&hub, "evt_w", "charge.dispute.closed", &dispute(&ordered, "won")).await;
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (300, "paid".to_owned()));
        let mut foreign = charge(&ordered, PRICE);
        foreign["currency"] = json!("jpy");
        tell(&hub, "evt_f", "charge.refunded", &foreign).await;
        assert_eq!(balance(&hub, &ada).await, 300);
        assert_eq!(trail(&hub, "payment.refused").await.len(), 1);
        finish(hub, &stripe).await;
    }

    async fn everything_at_once_ends_the_same(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        let mut told = Vec::new();
        for number in 0..5 {
            told.push(event(&hub, &format!("evt_s{number}"), "checkout.session.completed", &session(&ordered)));
            told.push(event(&hub, &format!("evt_r{number}"), "charge.refunded", &charge(&ordered, 100 * (number + 1))));
            told.push(event(&hub, &format!("evt_d{number}"), "charge.dispute.created", &dispute(&ordered, "needs_response")));
            told.push(event(&hub, &format!("evt_w{number}"), "charge.dispute.closed", &dispute(&ordered, "won")));
        }
        for answer in join_all(told.iter().map(|event| post(&hub, event))).await {
            answer.expect(200);
        }
        join_all((0..6).map(|_| hub.run_jobs())).await;
        hub.run_jobs().await;
        // A failed job would be tried again later; here none may fail.
        assert_eq!((balance(&hub, &ada).await, status(&hub, &ada, &ordered).await), (350, "paid".to_owned()));
        assert_eq!(rows(&hub, &ada, "purchase").await, [500]);
        finish(hub, &stripe).await;
    }
}
