//! Networks that swallow what is sent over them: the hub waits for nobody for ever, says so, loses nothing, and goes on by itself.

use std::time::Duration;

use futures::future::join_all;
use hub_store::accounts;
use hub_testkit::{Pair, TestHub, TestRequest, TestUser, Wire, on_both_pairs};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long these hubs wait for their database.
const PATIENCE: Duration = Duration::from_secs(4);
/// What the hub's own moments may take on a busy machine. It must be less than the patience, or a test could not tell one from the other.
const SOON: Duration = Duration::from_millis(3500);
/// When an outage is over, at the latest.
const OVER: Duration = Duration::from_secs(30);

async fn hub_on_a_wire(pair: Pair) -> Option<(TestHub, Wire)> {
    let (builder, wire) = TestHub::builder(pair).with_its_database_on_a_wire(PATIENCE).await;
    // A file cannot fall silent.
    let wire = wire?;
    Some((builder.start().await, wire))
}

fn deduct(hub: &TestHub, operator: &TestUser, user: &TestUser, key: &str) -> TestRequest {
    let body = json!({ "userId": user.id, "amount": 1, "reason": "a test" });
    hub.post("/api/credits/deduct").bearer(&operator.access_token).header("idempotency-key", key).json(&body)
}

fn chat(hub: &TestHub, user: &TestUser) -> TestRequest {
    let body = json!({ "model": "sandbox", "messages": [{ "role": "user", "content": "hello" }] });
    hub.post("/v1/chat/completions").bearer(&user.api_key).json(&body)
}

/// Asks until it is not refused for the database's sake.
async fn until_it_works(request: impl Fn() -> TestRequest) -> Value {
    let begun = Instant::now();
    loop {
        let answer = request().send().await;
        if answer.status != 503 {
            return answer.expect(200).json();
        }
        assert!(begun.elapsed() < OVER, "the hub does not recover: {}", answer.text());
    }
}

async fn balance(hub: &TestHub, user: &TestUser) -> Value {
    until_it_works(|| hub.get("/api/credits/balance").bearer(&user.access_token)).await["balance"].clone()
}

on_both_pairs! {
    async fn a_silent_database_is_found_out_once_and_costs_others_a_moment(pair: Pair) {
        let Some((hub, wire)) = hub_on_a_wire(pair).await else { return };
        let (ada, root) = (hub.user("ada").await, hub.admin().await);
        deduct(&hub, &root, &ada, "before").send().await.expect(200);
        wire.silence();
        let begun = Instant::now();
        let refused = deduct(&hub, &root, &ada, "during").send().await.expect(503);
        assert_eq!(refused.error_code(), "SERVICE_UNAVAILABLE");
        assert!(!refused.header("retry-after").is_empty());
        assert!(begun.elapsed() < PATIENCE * 3, "{:?}", begun.elapsed());
        let begun = Instant::now();
        let answers = join_all((0..10).map(|n| if n % 2 == 0 { chat(&hub, &ada).send() } else { deduct(&hub, &root, &ada, "during").send() })).await;
        assert!(answers.iter().all(|answer| answer.status == 503), "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!(hub.get("/health/ready").send().await.status, 503);

        wire.mend();
        let begun = Instant::now();
        until_it_works(|| deduct(&hub, &root, &ada, "during")).await;
        assert!(begun.elapsed() < SOON, "back after {:?}", begun.elapsed());
        until_it_works(|| chat(&hub, &ada)).await;
        // What had been swallowed arrived late, and changed nothing more.
        deduct(&hub, &root, &ada, "during").send().await.expect(200);
        let charges = hub.get("/api/credits/transactions?limit=100").bearer(&ada.access_token).send().await.expect(200).json();
        let deducted = charges["transactions"].as_array().unwrap().iter().filter(|row| row["amount"] == -1).count();
        assert_eq!(deducted, 2, "{charges}");
        hub.take_errors();
        hub.finish().await;
    }

    async fn what_was_committed_without_an_answer_is_found_by_its_key(pair: Pair) {
        let Some((hub, wire)) = hub_on_a_wire(pair).await else { return };
        let (ada, root) = (hub.user("ada").await, hub.admin().await);
        deduct(&hub, &root, &ada, "before").send().await.expect(200);
        // Whoever this is has been let in by now, so that the deduction itself is what goes unanswered.
        wire.lose_answers();
        deduct(&hub, &root, &ada, "unheard").send().await.expect(503);
        wire.mend_for_new_ones();
        let told = until_it_works(|| deduct(&hub, &root, &ada, "unheard")).await;
        assert_eq!(told["newBalance"], 98);
        assert_eq!(balance(&hub, &ada).await, 98);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_transaction_left_behind_in_the_silence_keeps_its_locks_only_for_a_while(pair: Pair) {
        let Some((hub, wire)) = hub_on_a_wire(pair).await else { return };
        let (ada, root) = (hub.user("ada").await, hub.admin().await);
        let mut tx = hub.hub.store.write().await.unwrap();
        hub_store::fold::lock(&mut tx, &[ada.id]).await.unwrap();
        wire.mend_for_new_ones();
        // The server hears neither a rollback nor the end of the connection.
        let begun = Instant::now();
        assert!(accounts::get(&mut tx, ada.id).await.unwrap_err().is_unavailable());
        assert!(begun.elapsed() < PATIENCE * 2, "{:?}", begun.elapsed());
        drop(tx);
        until_it_works(|| deduct(&hub, &root, &ada, "k")).await;
        assert_eq!(balance(&hub, &ada).await, 99);
        hub.take_errors();
        hub.finish().await;
    }

    async fn a_silent_cache_costs_its_deadline_once_and_is_used_again_when_it_answers(pair: Pair) {
        let (builder, wire) = TestHub::builder(pair).on_a_wire().await;
        let hub = builder.start().await;
        let ada = hub.user("ada").await;
        let me = || hub.get("/api/auth/me").bearer(&ada.access_token).send();
        me().await.expect(200);
        if let Some(wire) = &wire {
            wire.silence();
        }
        me().await.expect(200);
        let begun = Instant::now();
        for _ in 0..5 {
            me().await.expect(200);
        }
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        if let Some(wire) = &wire {
            wire.mend();
        }
        let begun = Instant::now();
        while hub.hub.cache.ping().await.is_err() {
            assert!(begun.elapsed() < OVER, "the cache is not asked again");
            tokio::task::yield_now().await;
        }
        me().await.expect(200);
        hub.take_errors();
        hub.finish().await;
    }
}
