//! Refresh tokens: rotation, the grace for lost answers, reuse, and how long a session can be kept alive.

use std::collections::HashSet;

use chrono::Duration;
use futures::future::join_all;
use hub_testkit::{TestHub, on_both_pairs};
use serde_json::Value;

use super::{another_device, mails_to, me, refresh, told, trail_of};

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

on_both_pairs! {
    async fn a_refresh_token_is_traded_for_the_next(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let mut token = ada.refresh_token.clone();
        let mut seen = HashSet::from([token.clone()]);
        for _ in 0..3 {
            hub.advance(Duration::minutes(14));
            let tokens = refresh(&hub, &token).await.expect(200).json();
            token = text(&tokens, "refreshToken").to_owned();
            assert!(token.starts_with("rt_") && seen.insert(token.clone()), "a new one each time");
            assert_eq!((tokens["expiresIn"].as_i64(), tokens["tokenType"].as_str()), (Some(900), Some("Bearer")));
            assert_eq!(me(&hub, text(&tokens, "accessToken")).await, 200);
        }
        hub.finish().await;
    }

    async fn a_lost_answer_can_be_asked_for_again_for_ten_seconds(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let first = refresh(&hub, &ada.refresh_token).await.expect(200).json();
        hub.advance(Duration::seconds(10));
        let again = refresh(&twin, &ada.refresh_token).await.expect(200).json();
        assert_eq!(first["refreshToken"], again["refreshToken"], "the same successor");
        // Not so once the successor was used: then somebody has both.
        refresh(&hub, text(&first, "refreshToken")).await.expect(200);
        refresh(&hub, &ada.refresh_token).await.expect(401);
        assert_eq!(me(&hub, text(&first, "accessToken")).await, 401);
        twin.finish().await;
        hub.finish().await;
    }

    async fn ses_01_a_token_used_again_later_ends_its_session_and_no_other(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let phone = another_device(&hub, &ada).await;
        let newer = refresh(&hub, &ada.refresh_token).await.expect(200).json();
        assert_eq!(me(&twin, text(&newer, "accessToken")).await, 200);
        hub.advance(Duration::seconds(11));

        let refused = refresh(&hub, &ada.refresh_token).await.expect(401);
        assert_eq!(told(&refused), told(&refresh(&hub, "rt_nonsense").await));
        for hub in [&hub, &twin] {
            assert_eq!(me(hub, text(&newer, "accessToken")).await, 401);
            refresh(hub, text(&newer, "refreshToken")).await.expect(401);
        }
        assert_eq!(me(&hub, &phone.access_token).await, 200);
        refresh(&hub, &phone.refresh_token).await.expect(200);

        let rows = trail_of(&hub, "session.reuse_detected").await;
        assert_eq!(rows.len(), 1, "told once, however often it is tried");
        assert_eq!((rows[0].user, rows[0].outcome.as_str()), (Some(ada.id), "failed"));
        let mails = mails_to(&hub, ada.email.as_str()).await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].subject.contains("signed out"), "{}", mails[0].subject);
        twin.finish().await;
        hub.finish().await;
    }

    async fn of_twenty_refreshes_at_once_one_rotates(pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ada = hub.user("ada").await;
        let tries = (0..20).map(|n| refresh(if n % 2 == 0 { &hub } else { &twin }, &ada.refresh_token));
        let answers = join_all(tries).await;
        let successors: HashSet<String> =
            answers.into_iter().map(|answer| text(&answer.expect(200).json(), "refreshToken").to_owned()).collect();
        assert_eq!(successors.len(), 1, "two tabs at once get the same successor");
        let mut tx = hub.hub.store.read().await.unwrap();
        let live = hub_store::sessions::live_of(&mut tx, ada.id, hub.clock().now(), 10).await.unwrap();
        assert_eq!(live.iter().map(|session| session.refresh_counter).collect::<Vec<_>>(), [1]);
        drop(tx);
        assert!(trail_of(&hub, "session.reuse_detected").await.is_empty());
        twin.finish().await;
        hub.finish().await;
    }

    async fn a_forged_refresh_token_ends_nothing(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let last = if ada.refresh_token.ends_with('A') { "B" } else { "A" };
        let body = &ada.refresh_token[..ada.refresh_token.len() - 1];
        for forged in [
            format!("{body}{last}"),
            body.to_owned(),
            format!("{}A", ada.refresh_token),
            ada.refresh_token.to_uppercase(),
        ] {
            refresh(&hub, &forged).await.expect(401);
        }
        refresh(&hub, &ada.refresh_token).await.expect(200);
        hub.finish().await;
    }

    async fn ses_04_an_unused_session_ends_after_seven_days(pair) {
        let hub = TestHub::start(pair).await;
        let ada = hub.user("ada").await;
        let phone = another_device(&hub, &ada).await;
        hub.advance(Duration::days(7) - Duration::seconds(1));
        let kept = refresh(&hub, &phone.refresh_token).await.expect(200).json();
        hub.advance(Duration::seconds(1));
        refresh(&hub, &ada.refresh_token).await.expect(401);
        refresh(&hub, text(&kept, "refreshToken")).await.expect(200);
        hub.finish().await;
    }

    async fn ses_04_every_session_ends_after_thirty_days(pair) {
        let hub = TestHub::start(pair).await;
        let mut token = hub.user("ada").await.refresh_token;
        for _ in 0..4 {
            hub.advance(Duration::days(6));
            token = text(&refresh(&hub, &token).await.expect(200).json(), "refreshToken").to_owned();
        }
        hub.advance(Duration::days(6) - Duration::seconds(60));
        let last = refresh(&hub, &token).await.expect(200).json();
        assert_eq!(me(&hub, text(&last, "accessToken")).await, 200);
        // The access token does not outlive its session either.
        hub.advance(Duration::seconds(60));
        refresh(&hub, text(&last, "refreshToken")).await.expect(401);
        assert_eq!(me(&hub, text(&last, "accessToken")).await, 401);
        hub.finish().await;
    }
}
