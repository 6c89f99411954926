//! Second factors, recovery codes, changes of address.

use chrono::Duration;
use hub_store::users::{self, NewUser};
use hub_store::verifications::{self, NewVerification, Purpose};
use hub_store::{Store, totp};
use hub_types::{Email, UserId, VerificationId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{clock, now};

fn email(name: &str) -> Email {
    format!("{name}@example.com").parse().unwrap()
}

async fn user(store: &Store, name: &str) -> UserId {
    let id = UserId::new(&clock());
    let new = NewUser { id, email: &email(name), name, password_hash: None, verified: true, at: now() };
    let mut tx = store.write().await.unwrap();
    assert!(users::insert(&mut tx, &new).await.unwrap());
    tx.commit().await.unwrap();
    id
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

async fn secret(store: &Store, user: UserId, purpose: Purpose, hash: &[u8]) {
    let new = NewVerification {
        id: VerificationId::new(&clock()),
        purpose,
        email: &email("ada"),
        user: Some(user),
        secret_hash: hash,
        code_hash: None,
        payload: &json!({}),
        at: now(),
        expires_at: now() + Duration::hours(1),
    };
    let mut tx = store.write().await.unwrap();
    verifications::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
}

both! {
    async fn a_factor_counts_once_it_is_confirmed_and_is_not_replaced_then(store: Store) {
        let ada = user(&store, "ada").await;
        let mut tx = store.write().await.unwrap();
        assert!(totp::begin(&mut tx, ada, b"first", now()).await.unwrap());
        assert!(!totp::use_step(&mut tx, ada, 5).await.unwrap(), "nothing to use before it is confirmed");
        assert!(totp::begin(&mut tx, ada, b"second", now()).await.unwrap());
        assert!(!totp::confirm(&mut tx, ada, b"first", 7, now()).await.unwrap(), "the first one was replaced");
        assert!(totp::confirm(&mut tx, ada, b"second", 7, now()).await.unwrap());
        assert!(!totp::confirm(&mut tx, ada, b"second", 8, now()).await.unwrap());
        assert!(!totp::begin(&mut tx, ada, b"third", now()).await.unwrap());
        let found = totp::of(&mut tx, ada).await.unwrap().unwrap();
        assert_eq!((found.secret_sealed.as_slice(), found.confirmed_at), (b"second".as_slice(), Some(now())));
        assert!(!totp::use_step(&mut tx, ada, 7).await.unwrap(), "the step that confirmed it is used up");
        assert!(totp::use_step(&mut tx, ada, 9).await.unwrap());
        assert!(!totp::use_step(&mut tx, ada, 8).await.unwrap(), "an older one too");
        assert!(totp::remove(&mut tx, ada).await.unwrap());
        assert!(!totp::remove(&mut tx, ada).await.unwrap());
    }

    async fn of_twenty_uses_of_one_step_one_wins(store: Store) {
        let ada = user(&store, "ada").await;
        let mut tx = store.write().await.unwrap();
        totp::begin(&mut tx, ada, b"sealed", now()).await.unwrap();
        totp::confirm(&mut tx, ada, b"sealed", 7, now()).await.unwrap();
        tx.commit().await.unwrap();
        let won = winners(&store, move |store| async move {
            let mut tx = store.write().await.unwrap();
            let won = totp::use_step(&mut tx, ada, 8).await.unwrap();
            tx.commit().await.unwrap();
            won
        });
        assert_eq!(won.await, 1);
    }

    async fn of_twenty_uses_of_one_recovery_code_one_wins(store: Store) {
        let (ada, eve) = (user(&store, "ada").await, user(&store, "eve").await);
        let mut tx = store.write().await.unwrap();
        totp::set_recovery_codes(&mut tx, ada, &[[9; 32]], now()).await.unwrap();
        totp::set_recovery_codes(&mut tx, ada, &[[1; 32], [2; 32]], now()).await.unwrap();
        assert!(!totp::use_recovery_code(&mut tx, ada, &[9; 32], now()).await.unwrap(), "replaced");
        assert!(!totp::use_recovery_code(&mut tx, eve, &[1; 32], now()).await.unwrap(), "not hers");
        tx.commit().await.unwrap();
        let won = winners(&store, move |store| async move {
            let mut tx = store.write().await.unwrap();
            let won = totp::use_recovery_code(&mut tx, ada, &[1; 32], now()).await.unwrap();
            tx.commit().await.unwrap();
            won
        });
        assert_eq!(won.await, 1);
        let mut tx = store.write().await.unwrap();
        assert_eq!(totp::recovery_codes_left(&mut tx, ada).await.unwrap(), 1);
        totp::remove(&mut tx, ada).await.unwrap();
        assert_eq!(totp::recovery_codes_left(&mut tx, ada).await.unwrap(), 0);
    }

    async fn an_address_is_replaced_only_while_it_stands_and_the_new_one_is_free(store: Store) {
        let (ada, _eve) = (user(&store, "ada").await, user(&store, "eve").await);
        let mut tx = store.write().await.unwrap();
        assert!(!users::set_email(&mut tx, ada, &email("ada"), &email("eve"), now()).await.unwrap());
        assert!(!users::set_email(&mut tx, ada, &email("old"), &email("new"), now()).await.unwrap());
        assert!(users::set_email(&mut tx, ada, &email("ada"), &email("new"), now()).await.unwrap());
        let found = users::by_email(&mut tx, &email("new")).await.unwrap().unwrap();
        assert_eq!((found.id, found.auth_version), (ada, 1));
    }

    async fn the_way_back_outlives_what_voids_other_links(store: Store) {
        let ada = user(&store, "ada").await;
        for (purpose, hash) in [(Purpose::ResetPassword, b"r"), (Purpose::ChangeEmail, b"c"), (Purpose::RevertEmail, b"b")] {
            secret(&store, ada, purpose, hash).await;
        }
        let mut tx = store.write().await.unwrap();
        let hour_ago = now() - Duration::hours(1);
        assert_eq!(verifications::count_of(&mut tx, ada, Purpose::ChangeEmail, hour_ago).await.unwrap(), 1);
        verifications::void_of(&mut tx, ada, now()).await.unwrap();
        for (purpose, hash, lives) in [(Purpose::ResetPassword, b"r", false), (Purpose::ChangeEmail, b"c", false), (Purpose::RevertEmail, b"b", true)] {
            assert_eq!(verifications::peek(&mut tx, purpose, hash, now()).await.unwrap().is_some(), lives, "{purpose:?}");
        }
        verifications::supersede_of(&mut tx, ada, Purpose::RevertEmail, now()).await.unwrap();
        assert!(verifications::consume(&mut tx, Purpose::RevertEmail, b"b", now()).await.unwrap().is_none());
    }
}
