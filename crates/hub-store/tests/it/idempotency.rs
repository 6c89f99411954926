//! Acts with the caller's own key: one of many repetitions acts, and what it answered is found again.

use chrono::Duration;
use hub_store::Store;
use hub_store::idempotency::{self, Answer, Held, NewClaim};
use hub_types::{HoldId, Timestamp, UserId};
use tokio::task::JoinSet;

use crate::support::{clock, now};

fn claim<'a>(user: UserId, body: &'a [u8], owner: &'a str, at: Timestamp) -> NewClaim<'a> {
    let (lease_until, expires_at) = (at + Duration::minutes(1), at + Duration::hours(24));
    NewClaim { user, key: "k", route: "/v1/x", body_hash: body, owner, lease_until, at, expires_at }
}

async fn claimed(store: &Store, new: NewClaim<'_>) -> bool {
    let mut tx = store.write().await.unwrap();
    let won = idempotency::claim(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    won
}

fn answer() -> Answer {
    let headers = vec![("x-hub-receipt".to_owned(), "r".to_owned())];
    Answer { hold: HoldId::new(&clock()), status: 200, headers, body: Some(b"sealed".to_vec()) }
}

both! {
    async fn of_twenty_repetitions_one_acts(store: Store) {
        let user = UserId::new(&clock());
        let mut racing = JoinSet::new();
        for n in 0..20 {
            let store = store.clone();
            racing.spawn(async move { claimed(&store, claim(user, b"body", &n.to_string(), now())).await });
        }
        assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }

    async fn an_answer_is_kept_until_it_runs_out(store: Store) {
        let user = UserId::new(&clock());
        assert!(claimed(&store, claim(user, b"body", "one", now())).await);
        let held = Held { user, key: "k", owner: "one" };
        let mut tx = store.write().await.unwrap();
        assert!(!idempotency::finish(&mut tx, Held { owner: "two", ..held }, &answer()).await.unwrap());
        assert!(idempotency::note_stream(&mut tx, held, HoldId::new(&clock())).await.unwrap());
        let running = idempotency::get(&mut tx, user, "k").await.unwrap().unwrap();
        assert!(running.hold.is_some() && running.answer.is_none());
        assert!(idempotency::finish(&mut tx, held, &answer()).await.unwrap());
        assert!(!idempotency::release(&mut tx, held).await.unwrap(), "what is answered stays");
        tx.commit().await.unwrap();

        let later = now() + Duration::hours(23);
        assert!(!claimed(&store, claim(user, b"body", "two", later)).await);
        let mut tx = store.write().await.unwrap();
        assert_eq!(idempotency::prune(&mut tx, later).await.unwrap(), 0);
        let stored = idempotency::get(&mut tx, user, "k").await.unwrap().unwrap();
        let found = stored.answer.unwrap();
        assert_eq!((found.status, found.headers, found.body), (200, answer().headers, answer().body));
        assert_eq!((stored.route.as_str(), stored.body_hash.as_slice()), ("/v1/x", &b"body"[..]));
        drop(tx);
        assert!(claimed(&store, claim(user, b"another", "two", now() + Duration::hours(24))).await);
    }

    async fn an_act_whose_process_died_is_taken_over_by_the_same_act_only(store: Store) {
        let user = UserId::new(&clock());
        assert!(claimed(&store, claim(user, b"body", "one", now())).await);
        let dead = now() + Duration::minutes(1);
        assert!(!claimed(&store, claim(user, b"body", "two", dead - Duration::seconds(1))).await);
        assert!(!claimed(&store, claim(user, b"another", "two", dead)).await);
        assert!(claimed(&store, claim(user, b"body", "two", dead)).await);
        let mut tx = store.write().await.unwrap();
        let held = Held { user, key: "k", owner: "one" };
        assert!(!idempotency::renew(&mut tx, held, dead).await.unwrap(), "the first one has lost it");
        assert!(!idempotency::finish(&mut tx, held, &answer()).await.unwrap());
        assert!(idempotency::release(&mut tx, Held { owner: "two", ..held }).await.unwrap());
        assert!(idempotency::get(&mut tx, user, "k").await.unwrap().is_none());
    }
}
