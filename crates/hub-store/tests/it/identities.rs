//! Sign-in identities: one owner each, one per provider and user, and what is left of an account that was never proven.

use hub_store::keys::{self, NewKey};
use hub_store::users::{self, NewUser};
use hub_store::{Store, identities};
use hub_types::{ApiKeyId, Email, KeyLimits, UserId};
use tokio::task::JoinSet;

use crate::support::{clock, now};

async fn user(store: &Store, email: &str, verified: bool) -> UserId {
    let (id, email): (_, Email) = (UserId::new(&clock()), email.parse().unwrap());
    let new = NewUser { id, email: &email, name: "", password_hash: Some("hash"), verified, at: now() };
    let mut tx = store.write().await.unwrap();
    assert!(users::insert(&mut tx, &new).await.unwrap());
    tx.commit().await.unwrap();
    id
}

async fn tie(store: &Store, user: UserId, provider: &str, subject: &str) -> bool {
    let mut tx = store.write().await.unwrap();
    let tied = users::add_identity(&mut tx, user, provider, subject, None, now()).await.unwrap();
    tx.commit().await.unwrap();
    tied
}

both! {
    async fn an_identity_has_one_owner_and_an_owner_one_per_provider(store: Store) {
        let (ada, eve) = (user(&store, "ada@example.com", true).await, user(&store, "eve@example.com", true).await);
        let mut races = JoinSet::new();
        for n in 0..20 {
            let store = store.clone();
            races.spawn(async move { tie(&store, if n % 2 == 0 { ada } else { eve }, "google", "1").await });
        }
        assert_eq!(races.join_all().await.into_iter().filter(|tied| *tied).count(), 1);
        let mut tx = store.write().await.unwrap();
        let owner = identities::owner(&mut tx, "google", "1").await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert!(!tie(&store, owner, "google", "2").await);
        assert!(tie(&store, owner, "sora2", "1").await);

        let email: Email = "now@example.com".parse().unwrap();
        let mut tx = store.write().await.unwrap();
        identities::note_email(&mut tx, "google", "1", Some(&email)).await.unwrap();
        let rows = identities::of_user(&mut tx, owner).await.unwrap();
        assert_eq!((rows.len(), rows[0].email.as_ref()), (2, Some(&email)));
        assert!(identities::remove(&mut tx, owner, "google").await.unwrap());
        assert!(!identities::remove(&mut tx, owner, "google").await.unwrap());
        assert_eq!(identities::owner(&mut tx, "google", "1").await.unwrap(), None);
    }

    async fn an_unproven_account_is_emptied_once_and_a_proven_one_never(store: Store) {
        let (ada, eve) = (user(&store, "ada@example.com", true).await, user(&store, "eve@example.com", false).await);
        assert!(tie(&store, eve, "sora2", "1").await);
        let mut tx = store.write().await.unwrap();
        let key = NewKey {
            id: ApiKeyId::new(&clock()),
            user: eve,
            name: "k",
            hash: b"hash",
            prefix: "sk_",
            scopes: &[],
            models: &[],
            addresses: &[],
            at: now(),
            expires_at: None,
            line: ApiKeyId::new(&clock()),
            limits: KeyLimits::default(),
            cap: 10,
        };
        assert!(keys::insert(&mut tx, &key).await.unwrap());
        assert!(!identities::claim_unverified(&mut tx, ada, now()).await.unwrap());
        assert!(identities::claim_unverified(&mut tx, eve, now()).await.unwrap());
        assert!(!identities::claim_unverified(&mut tx, eve, now()).await.unwrap());
        let claimed = users::by_id(&mut tx, eve).await.unwrap().unwrap();
        assert!(claimed.verified && claimed.password_hash.is_none() && claimed.auth_version == 2);
        assert_eq!(identities::of_user(&mut tx, eve).await.unwrap(), []);
        assert_eq!(keys::count(&mut tx, eve).await.unwrap(), 0);
        assert!(users::by_id(&mut tx, ada).await.unwrap().unwrap().password_hash.is_some());
    }
}
