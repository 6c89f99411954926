//! Tickets for sockets: one use, thirty seconds, and no longer than the credential that made them.

use chrono::Duration;
use futures::future::join_all;
use hub_domain::access::redeem_ticket;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

async fn ticket(hub: &TestHub, token: &str) -> String {
    let made = hub.post("/api/auth/ws-ticket").bearer(token).send().await.expect(200);
    assert_eq!(made.header("cache-control"), "no-store");
    made.json()["ticket"].as_str().unwrap().to_owned()
}

async fn works(hub: &TestHub, ticket: &str) -> bool {
    redeem_ticket(&hub.hub, ticket, None).await.is_ok()
}

on_both_pairs! {
    async fn of_twenty_uses_at_once_one_wins(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        for token in [&ada.access_token, &ada.api_key] {
            let ticket = ticket(&hub, token).await;
            let tries = (0..20).map(|n| works(if n % 2 == 0 { &hub } else { &twin }, &ticket));
            assert_eq!(join_all(tries).await.into_iter().filter(|won| *won).count(), 1);
        }
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_ticket_lives_thirty_seconds_and_is_no_bearer(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let (early, late) = (ticket(&hub, &ada.access_token).await, ticket(&hub, &ada.access_token).await);
        hub.get("/api/auth/me").bearer(&early).send().await.expect(401);
        hub.advance(Duration::seconds(29));
        assert!(works(&hub, &early).await);
        hub.advance(Duration::seconds(1));
        assert!(!works(&hub, &late).await);
        for odd in ["", "wst_", "wst_x", &ada.access_token, &"wst_".repeat(100)] {
            assert!(!works(&hub, odd).await);
        }
        hub.finish().await;
    }

    async fn a_ticket_dies_with_the_session_that_made_it(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let ticket = ticket(&hub, &ada.access_token).await;
        hub.post("/api/auth/logout").bearer(&ada.access_token).json(&json!({})).send().await.expect(204);
        assert!(!works(&hub, &ticket).await);
        hub.finish().await;
    }
}
