//! Work that is paid for when it is taken on and given back when it fails (credits.md §4, check 14): the money of a job whose name is the
//! key. What asks here as a worker would, over HTTP, is what every kind of job has to do.

use futures::future::{FutureExt as _, join_all};
use hub_testkit::{TestHub, TestResponse, TestUser, on_both_pairs};
use serde_json::{Value, json};

use crate::promo::balance;

/// Asks as the worker of this job.
async fn ask(hub: &TestHub, worker: &TestUser, what: &str, job: &str, body: &Value) -> TestResponse {
    let request = hub.post(&format!("/api/credits/{what}")).bearer(&worker.access_token);
    request.header("idempotency-key", &format!("{what}:{job}")).json(body).send().await
}

async fn rows(hub: &TestHub, user: &TestUser, kind: &str) -> Vec<Value> {
    let path = format!("/api/credits/transactions?kind={kind}");
    let found = hub.get(&path).bearer(&user.access_token).send().await.expect(200).json();
    found["transactions"].as_array().unwrap().clone()
}

on_both_pairs! {
    async fn credit_14_a_job_is_charged_once_at_its_start_and_given_back_once_when_it_fails(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let restarted = hub.sibling().await;
        let (ada, worker) = (hub.user("ada").await, hub.admin().await);
        let price = json!({ "userId": ada.id, "amount": 37.5, "reason": "video", "metadata": { "job": "job-1" } });
        let charged = ask(&hub, &worker, "deduct", "job-1", &price).await.expect(200).json()["transactionId"].clone();
        assert_eq!(balance(&hub, &ada).await["balance"], 62.5);

        // The job fails. Two workers die while they give it back: nobody reads what they were answered, if they were.
        let back = json!({ "transactionId": charged, "reason": "the job failed" });
        for dying in [&hub, &restarted] {
            let _unread = ask(dying, &worker, "refund", "job-1", &back).now_or_never();
        }
        // Those that take the job over do not know how far the others came.
        let asked = (0..20).map(|n| ask(if n % 2 == 0 { &hub } else { &restarted }, &worker, "refund", "job-1", &back));
        let answers = join_all(asked).await;
        let ids: Vec<Value> = answers.into_iter().map(|answer| answer.expect(200).json()["id"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");

        let (usage, refunds) = (rows(&hub, &ada, "usage").await, rows(&hub, &ada, "refund").await);
        assert_eq!((usage.len(), refunds.len()), (1, 1));
        assert_eq!((&usage[0]["id"], &refunds[0]["id"]), (&charged, &ids[0]));
        assert_eq!((&usage[0]["amount"], &refunds[0]["amount"]), (&json!(-37.5), &json!(37.5)));
        assert_eq!(balance(&hub, &ada).await["balance"], 100);
        // Nobody gives it back under another name either.
        ask(&restarted, &worker, "refund", "job-1-again", &back).await.expect(409);
        restarted.finish().await;
        hub.finish().await;
    }
}
