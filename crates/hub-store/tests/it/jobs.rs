//! Jobs: enqueued once, claimed by one worker, taken over when a lease ends, failed after the last attempt.

use chrono::Duration;
use hub_store::Store;
use hub_store::jobs::{self, NewJob};
use hub_types::JobId;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{clock, now};

fn job(key: Option<&str>) -> NewJob {
    NewJob {
        id: JobId::new(&clock()),
        kind: "mail.send",
        payload: json!({"n": 1}),
        dedupe_key: key.map(str::to_owned),
        run_at: now(),
        max_attempts: 2,
    }
}

async fn enqueue(store: &Store, new: NewJob) -> bool {
    let mut tx = store.write().await.unwrap();
    let fresh = jobs::enqueue(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    fresh
}

async fn claim(store: &Store, owner: &str, at: hub_types::Timestamp) -> Vec<JobId> {
    let mut tx = store.write().await.unwrap();
    let claimed = jobs::claim(&mut tx, owner, at, at + Duration::seconds(60), 3).await.unwrap();
    tx.commit().await.unwrap();
    claimed.into_iter().map(|job| job.id).collect()
}

both! {
    async fn every_job_goes_to_one_worker(store: Store) {
        for _ in 0..30 {
            assert!(enqueue(&store, job(None)).await);
        }
        let mut tasks = JoinSet::new();
        for n in 0..20 {
            let store = store.clone();
            tasks.spawn(async move { claim(&store, &format!("worker {n}"), now()).await });
        }
        let mut claimed = tasks.join_all().await.concat();
        claimed.sort();
        let all = claimed.len();
        claimed.dedup();
        assert_eq!((claimed.len(), all), (30, 30));
    }

    async fn a_dedupe_key_is_enqueued_once(store: Store) {
        assert!(enqueue(&store, job(Some("welcome"))).await);
        assert!(!enqueue(&store, job(Some("welcome"))).await);
        assert_eq!(claim(&store, "one", now()).await.len(), 1);
    }

    async fn a_dead_workers_job_is_taken_over_and_its_late_note_ignored(store: Store) {
        let new = job(None);
        let id = new.id;
        enqueue(&store, new).await;
        assert_eq!(claim(&store, "dead", now()).await, [id]);
        assert!(claim(&store, "other", now() + Duration::seconds(59)).await.is_empty());
        let later = now() + Duration::seconds(61);
        assert_eq!(claim(&store, "other", later).await, [id]);
        let mut tx = store.write().await.unwrap();
        assert!(!jobs::finish(&mut tx, id, "dead", later).await.unwrap());
        assert!(jobs::finish(&mut tx, id, "other", later).await.unwrap());
        assert_eq!(jobs::counts(&mut tx).await.unwrap(), (0, 0));
        tx.commit().await.unwrap();
    }

    async fn a_job_fails_after_its_last_attempt(store: Store) {
        let new = job(None);
        let id = new.id;
        enqueue(&store, new).await;
        for attempt in 1..=2 {
            assert_eq!(claim(&store, "one", now() + Duration::seconds(attempt * 10)).await, [id]);
            let mut tx = store.write().await.unwrap();
            let again = now() + Duration::seconds(attempt * 10 + 5);
            assert!(jobs::retry(&mut tx, id, "one", again, "no route to host", now()).await.unwrap());
            tx.commit().await.unwrap();
        }
        assert!(claim(&store, "one", now() + Duration::hours(1)).await.is_empty());
        let mut tx = store.read().await.unwrap();
        assert_eq!(jobs::counts(&mut tx).await.unwrap(), (0, 1));
    }

    async fn a_job_that_cannot_succeed_fails_at_once_and_is_listed(store: Store) {
        let new = job(None);
        let id = new.id;
        enqueue(&store, new).await;
        assert_eq!(claim(&store, "one", now()).await, [id]);
        let mut tx = store.write().await.unwrap();
        assert!(!jobs::fail(&mut tx, id, "other", "no such user", now()).await.unwrap());
        assert!(jobs::fail(&mut tx, id, "one", "no such user", now()).await.unwrap());
        let listed = jobs::list(&mut tx, "failed", None, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].id, listed[0].attempts), (1, id, 1));
        assert_eq!((listed[0].last_error.as_deref(), listed[0].finished_at), (Some("no such user"), Some(now())));
        assert!(jobs::list(&mut tx, "failed", Some(id), 10).await.unwrap().is_empty());
        tx.commit().await.unwrap();
        assert!(claim(&store, "two", now() + Duration::hours(1)).await.is_empty());
    }

    async fn finished_jobs_are_forgotten_in_their_time(store: Store) {
        let (done, failed) = (job(None), job(None));
        let ids = (done.id, failed.id);
        enqueue(&store, done).await;
        enqueue(&store, failed).await;
        claim(&store, "one", now()).await;
        let mut tx = store.write().await.unwrap();
        jobs::finish(&mut tx, ids.0, "one", now()).await.unwrap();
        jobs::fail(&mut tx, ids.1, "one", "no", now()).await.unwrap();
        let later = now() + Duration::days(1);
        assert_eq!(jobs::prune(&mut tx, now(), now()).await.unwrap(), 0);
        assert_eq!(jobs::prune(&mut tx, later, now()).await.unwrap(), 1);
        assert_eq!(jobs::prune(&mut tx, later, later).await.unwrap(), 1);
        tx.commit().await.unwrap();
    }
}
