//! Refunds, promo codes, lots and alerts of a low balance: guards under races.

use hub_store::ledger::{self, Kind, Posting};
use hub_store::promo::{self, PromoCode};
use hub_store::users::{self, NewUser};
use hub_store::{Store, StoreError, accounts, alerts, grants, jobs, refunds, verify};
use hub_types::{Credits, PromoCodeId, TransactionId, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{clock, now};

async fn account(store: &Store) -> UserId {
    let user = UserId::new(&clock());
    let email = format!("{user}@example.com").parse().unwrap();
    let mut tx = store.write().await.unwrap();
    let new = NewUser { id: user, email: &email, name: "Ada", password_hash: None, verified: true, at: now() };
    assert!(users::insert(&mut tx, &new).await.unwrap());
    accounts::open(&mut tx, user, now()).await.unwrap();
    ledger::post(&mut tx, &posting(user, Kind::Grant, 100)).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    user
}

fn posting(user: UserId, kind: Kind, credits: i32) -> Posting {
    let id = TransactionId::new(&clock());
    Posting {
        id,
        user,
        kind,
        amount: Credits::whole(credits),
        key: id.to_string(),
        request_hash: None,
        hold: None,
        actor: None,
        reason: "test".to_owned(),
        metadata: json!({}),
        at: now(),
    }
}

fn code(name: &str, max_uses: i32) -> PromoCode {
    PromoCode {
        id: PromoCodeId::new(&clock()),
        code: name.to_owned(),
        credits: Credits::whole(1),
        max_uses: Some(max_uses),
        max_uses_per_user: 2,
        used_count: 0,
        active: true,
        starts_at: None,
        expires_at: None,
        credits_expire_days: None,
        rules: json!({}),
        batch: None,
        created_at: now(),
        created_by: None,
    }
}

/// Runs 20 copies at once and counts those that say they won.
async fn winners<F>(store: &Store, attempt: impl Fn(Store) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let mut racing = JoinSet::new();
    for _ in 0..20 {
        racing.spawn(attempt(store.clone()));
    }
    racing.join_all().await.into_iter().filter(|won| *won).count()
}

both! {
    async fn parallel_refunds_give_back_no_more_than_was_taken(store: Store) {
        let user = account(&store).await;
        let charge = posting(user, Kind::Usage, -50);
        let mut tx = store.write().await.unwrap();
        ledger::post(&mut tx, &charge).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let original = charge.id;
        let won = winners(&store, |store| async move {
            let mut tx = store.write().await.unwrap();
            grants::lock(&mut tx, user).await.unwrap().unwrap();
            let posted = refunds::post(&mut tx, &posting(user, Kind::Refund, 15), original).await.unwrap();
            tx.commit().await.unwrap();
            posted.is_some()
        });
        assert_eq!(won.await, 3);
        let mut tx = store.snapshot().await.unwrap();
        assert_eq!(refunds::original(&mut tx, original).await.unwrap().unwrap().given_back, Credits::whole(45));
        assert_eq!(verify::over_refunded(&mut tx).await.unwrap(), []);
        assert_eq!(verify::balances(&mut tx).await.unwrap(), []);
    }

    async fn only_a_charge_of_the_same_account_is_reversed(store: Store) {
        let (ada, bob) = (account(&store).await, account(&store).await);
        let (charge, grant) = (posting(ada, Kind::Usage, -50), posting(ada, Kind::Grant, 5));
        let mut tx = store.write().await.unwrap();
        ledger::post(&mut tx, &charge).await.unwrap().unwrap();
        ledger::post(&mut tx, &grant).await.unwrap().unwrap();
        for (user, original) in [(bob, charge.id), (ada, grant.id), (ada, TransactionId::new(&clock()))] {
            assert!(refunds::post(&mut tx, &posting(user, Kind::Refund, 1), original).await.unwrap().is_none());
        }
    }

    async fn a_code_is_taken_as_often_as_it_may_and_by_each_as_often_as_they_may(store: Store) {
        let (ada, bob) = (account(&store).await, account(&store).await);
        let mut tx = store.write().await.unwrap();
        assert!(promo::insert(&mut tx, &code("ONCE", 3)).await.unwrap());
        assert!(!promo::insert(&mut tx, &code("ONCE", 3)).await.unwrap());
        tx.commit().await.unwrap();
        let redeem = |user: UserId| move |store: Store| async move {
            let mut tx = store.write().await.unwrap();
            let Some(taken) = promo::take(&mut tx, "ONCE", now()).await.unwrap() else { return false };
            let row = TransactionId::new(&clock());
            let number = promo::redeem(&mut tx, taken.id, user, row, now()).await.unwrap();
            if number.is_some() {
                tx.commit().await.unwrap();
            }
            number.is_some()
        };
        assert_eq!(winners(&store, redeem(ada)).await, 2);
        assert_eq!(winners(&store, redeem(bob)).await, 1);
        let mut tx = store.read().await.unwrap();
        assert_eq!(promo::times_redeemed(&mut tx, "ONCE", ada).await.unwrap(), 2);
        let found = promo::list(&mut tx, &promo::Filter::default(), None, 10).await.unwrap();
        assert_eq!((found.len(), found[0].used_count), (1, 3));
    }

    async fn a_batch_is_stored_whole_or_not_at_all(store: Store) {
        let mut batch: Vec<PromoCode> = (0..1100).map(|n| code(&format!("CODE-{n}"), 1)).collect();
        batch.push(code("CODE-7", 1));
        let mut tx = store.write().await.unwrap();
        assert!(matches!(promo::insert_many(&mut tx, &batch).await, Err(StoreError::Duplicate(_))));
        tx.rollback().await.unwrap();
        batch.pop();
        let mut tx = store.write().await.unwrap();
        promo::insert_many(&mut tx, &batch).await.unwrap();
        assert_eq!(promo::count(&mut tx, &promo::Filter::default()).await.unwrap(), 1100);
        tx.commit().await.unwrap();
    }

    async fn the_row_that_crosses_the_threshold_enqueues_one_alert(store: Store) {
        let user = account(&store).await;
        let mut tx = store.write().await.unwrap();
        assert!(alerts::set_threshold(&mut tx, user, Some(Credits::whole(50))).await.unwrap());
        tx.commit().await.unwrap();
        let spent = winners(&store, |store| async move {
            let mut tx = store.write().await.unwrap();
            let posted = ledger::post(&mut tx, &posting(user, Kind::Usage, -4)).await.unwrap();
            tx.commit().await.unwrap();
            posted.is_some()
        });
        assert_eq!(spent.await, 20);
        let mut tx = store.write().await.unwrap();
        let due = jobs::claim(&mut tx, "worker", now(), now() + chrono::Duration::minutes(1), 10).await.unwrap();
        assert_eq!(due.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>(), ["credits.low_balance"]);
        let crossing = alerts::crossing(&mut tx, TransactionId(due[0].id.0)).await.unwrap().unwrap();
        assert_eq!((crossing.user, crossing.balance), (user, Credits::whole(48)));
        // What is rolled back tells nobody.
        ledger::post(&mut tx, &posting(user, Kind::Grant, 90)).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.write().await.unwrap();
        ledger::post(&mut tx, &posting(user, Kind::Usage, -90)).await.unwrap().unwrap();
        tx.rollback().await.unwrap();
        let mut tx = store.read().await.unwrap();
        assert_eq!(jobs::counts(&mut tx).await.unwrap().0, 1);
    }

    async fn an_account_takes_no_more_than_the_largest_balance(store: Store) {
        let user = account(&store).await;
        let mut tx = store.write().await.unwrap();
        let most = Posting { amount: Credits::MAX, ..posting(user, Kind::Grant, 1) };
        assert!(ledger::post(&mut tx, &most).await.unwrap().is_none());
    }
}
