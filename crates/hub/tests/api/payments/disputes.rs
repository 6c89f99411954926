//! Disputes that are only asked about, and those that change their mind: the latest word counts, once, whatever order it comes in.

use futures::future::join_all;
use hub_testkit::on_both_pairs;
use serde_json::json;

use super::kit::{balance, dispute, event, finish, order, pay, post, rows, start, status, tell, trail};

on_both_pairs! {
    async fn an_inquiry_takes_nothing_unless_it_becomes_a_dispute(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
        for (who, number) in [(&ada, 1), (&bob, 2)] {
            let ordered = order(&hub, who).await;
            pay(&hub, &ordered).await;
            tell(&hub, &format!("evt_i{number}"), "charge.dispute.created", &dispute(&ordered, "warning_needs_response")).await;
            tell(&hub, &format!("evt_u{number}"), "charge.dispute.updated", &dispute(&ordered, "warning_under_review")).await;
            assert_eq!((balance(&hub, who).await, status(&hub, who, &ordered).await), (600, "paid".to_owned()));
            hub.advance(chrono::Duration::minutes(1));
            if number == 1 {
                tell(&hub, "evt_c1", "charge.dispute.closed", &dispute(&ordered, "warning_closed")).await;
                assert_eq!((balance(&hub, who).await, status(&hub, who, &ordered).await), (600, "paid".to_owned()));
                assert_eq!(rows(&hub, who, "chargeback").await, Vec::<i64>::new());
            } else {
                tell(&hub, "evt_n2", "charge.dispute.updated", &dispute(&ordered, "needs_response")).await;
                tell(&hub, "evt_w2", "charge.dispute.funds_withdrawn", &dispute(&ordered, "needs_response")).await;
                assert_eq!((balance(&hub, who).await, status(&hub, who, &ordered).await), (100, "disputed".to_owned()));
                assert_eq!(rows(&hub, who, "chargeback").await, [-500]);
            }
        }
        assert_eq!(trail(&hub, "account.frozen").await.len(), 1);
        finish(hub, &stripe).await;
    }

    async fn a_dispute_that_is_won_after_it_was_lost_gives_back_once_and_can_be_lost_again(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let ordered = order(&hub, &ada).await;
        pay(&hub, &ordered).await;
        let stands = async || (balance(&hub, &ada).await, status(&hub, &ada, &ordered).await);
        tell(&hub, "evt_1", "charge.dispute.closed", &dispute(&ordered, "lost")).await;
        assert_eq!(stands().await, (100, "disputed".to_owned()));
        hub.advance(chrono::Duration::seconds(5));
        // Told in two ways and many times at once.
        let news = [
            event(&hub, "evt_2", "charge.dispute.updated", &dispute(&ordered, "won")),
            event(&hub, "evt_3", "charge.dispute.funds_reinstated", &dispute(&ordered, "won")),
        ];
        for answer in join_all((0..20).map(|number| post(&hub, &news[number % 2]))).await {
            answer.expect(200);
        }
        join_all((0..4).map(|_| hub.run_jobs())).await;
        hub.run_jobs().await;
        assert_eq!(stands().await, (600, "paid".to_owned()));
        assert_eq!(rows(&hub, &ada, "chargeback").await, [500, -500]);
        hub.advance(chrono::Duration::seconds(5));
        tell(&hub, "evt_4", "charge.dispute.funds_withdrawn", &dispute(&ordered, "lost")).await;
        assert_eq!(stands().await, (100, "disputed".to_owned()));
        hub.advance(chrono::Duration::seconds(5));
        tell(&hub, "evt_5", "charge.dispute.funds_reinstated", &dispute(&ordered, "won")).await;
        assert_eq!(stands().await, (600, "paid".to_owned()));
        assert_eq!(rows(&hub, &ada, "chargeback").await, [500, -500, 500, -500]);
        finish(hub, &stripe).await;
    }

    async fn the_words_about_a_dispute_come_to_the_same_in_any_order(pair: Pair) {
        let (hub, stripe) = start(pair).await;
        let ada = hub.user("ada").await;
        let story = [
            ("created", "warning_needs_response"),
            ("updated", "needs_response"),
            ("funds_withdrawn", "needs_response"),
            ("closed", "lost"),
            ("funds_reinstated", "won"),
        ];
        for first in 0..story.len() {
            let ordered = order(&hub, &ada).await;
            let told: Vec<_> = (0..story.len()).map(|at| {
                let (kind, status) = story[at];
                let mut told = event(&hub, &format!("{}_{at}", ordered.session), &format!("charge.dispute.{kind}"), &dispute(&ordered, status));
                told["created"] = json!(told["created"].as_i64().unwrap() + 10 * i64::try_from(at).unwrap());
                told
            }).collect();
            for at in 0..story.len() {
                // Each of them is once the last to come, and the payment comes in between.
                post(&hub, &told[(first + at) % story.len()]).await.expect(200);
                hub.run_jobs().await;
                if at == 2 {
                    pay(&hub, &ordered).await;
                }
            }
            assert_eq!(status(&hub, &ada, &ordered).await, "paid", "{first}");
            assert_eq!(balance(&hub, &ada).await, 100 + 500 * i64::try_from(first + 1).unwrap());
        }
        finish(hub, &stripe).await;
    }
}
