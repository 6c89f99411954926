//! The kit's own promises: a test that leaves something behind fails.

#![cfg(test)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use hub_domain::jobs::MAIL_SEND;
use hub_store::jobs::{self, NewJob};
use hub_testkit::{Pair, TestHub, on_both_pairs, run};
use hub_types::JobId;
use serde_json::json;

/// What a test on a hub of its own says when it fails.
fn failure<F: Future<Output = ()>>(test: impl FnOnce(Pair) -> F) -> String {
    let ended = catch_unwind(AssertUnwindSafe(|| run(Pair::SqliteMemory, test)));
    let payload = ended.expect_err("the test should have failed");
    let formatted = payload.downcast_ref::<String>().cloned();
    formatted.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn a_test_that_does_not_finish_its_hub_fails() {
    let said = failure(async |pair| drop(TestHub::start(pair).await));
    assert!(said.contains("hub.finish().await"), "{said}");
}

#[test]
fn an_error_in_the_log_fails_the_test_unless_it_was_expected() {
    let said = failure(async |pair| {
        let hub = TestHub::start(pair).await;
        tracing::error!(part = "pump", "it broke");
        hub.finish().await;
    });
    assert!(said.contains("it broke") && said.contains("pump"), "{said}");
    run(Pair::SqliteMemory, async |pair| {
        let hub = TestHub::start(pair).await;
        tracing::error!("it broke");
        assert_eq!(hub.take_errors().len(), 1);
        hub.finish().await;
    });
}

#[test]
fn a_job_that_cannot_be_done_fails_the_test() {
    let said = failure(async |pair| {
        let hub = TestHub::start(pair).await;
        let mut tx = hub.hub.store.write().await.expect("a transaction");
        let now = hub.clock().now();
        let job = NewJob {
            id: JobId::new(hub.clock()),
            kind: MAIL_SEND,
            payload: json!({ "to": "nobody" }),
            run_at: now,
            max_attempts: 3,
            dedupe_key: None,
        };
        assert!(jobs::enqueue(&mut tx, job).await.expect("enqueued"));
        tx.commit().await.expect("commit");
        hub.finish().await;
    });
    assert!(said.contains("jobs waiting and failed"), "{said}");
}

on_both_pairs! {
    async fn mails_are_kept_and_the_clock_stands_until_it_is_moved(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let before = hub.clock().now();
        let body = json!({ "email": "new@example.com", "password": "seven grey herons stand in the reeds" });
        hub.post("/api/auth/register").json(&body).send().await.expect(202);
        let mails = hub.mails().await;
        assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["new@example.com"]);
        assert_eq!(hub.clock().now(), before);
        hub.advance(chrono::Duration::hours(1));
        assert_eq!((hub.clock().now() - before).num_minutes(), 60);
        hub.finish().await;
    }

    async fn a_sibling_works_on_the_same_data(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let twin = hub.sibling().await;
        let ann = hub.user("ann").await;
        let seen = twin.get("/api/auth/me").bearer(&ann.access_token).send().await.expect(200).json();
        assert_eq!(seen["email"], "ann@example.com");
        assert_ne!(hub.hub.instance, twin.hub.instance);
        hub.finish().await;
        twin.finish().await;
    }
}
