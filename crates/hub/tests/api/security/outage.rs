//! The cache gone: who was let in stays in, who was shut out stays out, and limits still hold in each process.

use hub_testkit::{TestHub, on_both_pairs};
use serde_json::json;

on_both_pairs! {
    async fn without_its_cache_a_hub_still_refuses_who_was_shut_out_and_still_counts(pair: Pair) {
        let builder = TestHub::builder(pair).settings(|settings| settings.limits.user_per_minute = 8);
        let (builder, wire) = builder.on_a_wire().await;
        let hub = builder.start().await;
        let (ada, bob, eve) = (hub.user("ada").await, hub.user("bob").await, hub.user("eve").await);
        let me = async |token: &str| hub.get("/api/auth/me").bearer(token).send().await.status.as_u16();
        for user in [&ada, &bob, &eve] {
            assert_eq!((me(&user.access_token).await, me(&user.api_key).await), (200, 200));
        }
        // On SQLite and memory there is nothing to lose; the same must hold.
        if let Some(wire) = &wire {
            wire.cut();
            let health = hub.get("/health/ready").send().await;
            assert!(health.status == 200 || health.status == 503, "{}", health.text());
        }
        // What the cache had kept of them is not believed where it cannot be asked.
        hub.post("/api/auth/logout").bearer(&bob.access_token).json(&json!({})).send().await.expect(204);
        assert_eq!((me(&bob.access_token).await, me(&bob.api_key).await), (401, 200));
        hub.post("/api/auth/refresh").json(&json!({ "refreshToken": bob.refresh_token })).send().await.expect(401);
        crate::auth::disable(&hub, eve.id).await;
        assert_eq!((me(&eve.access_token).await, me(&eve.api_key).await), (401, 401));
        assert_eq!(me("sk_0000000000000000000000000000000000000000000").await, 401);
        // Signing in works, and guessing is counted.
        let login = |password: &str| {
            hub.post("/api/auth/login").from("203.0.113.5").json(&json!({ "email": ada.email, "password": password })).send()
        };
        login(&ada.password).await.expect(200);
        for n in 1..=10 {
            login("not the right words at all").await.expect(if n < 10 { 401 } else { 429 });
        }
        login(&ada.password).await.expect(429);
        // So are requests: eight a minute, in this process.
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(me(&ada.access_token).await);
        }
        assert_eq!(answers.last(), Some(&429), "{answers:?}");
        assert!(answers.iter().filter(|status| **status == 200).count() <= 8, "{answers:?}");

        if let Some(wire) = &wire {
            wire.mend();
        }
        assert_eq!((me(&bob.access_token).await, me(&eve.api_key).await), (401, 401), "nobody rises again with the cache");
        hub.finish().await;
    }
}
