//! API keys: what they may do, from where, how long, and how they end.

use chrono::Duration;
use hub_domain::access;
use hub_domain::keys::{self, KeyError, NewKey};
use hub_store::users::{self, UserStatus};
use hub_types::{Caller, Permission};
use tokio::task::JoinSet;

use crate::support::{TestHub, ada, origin};

async fn member(test: &TestHub) -> Caller {
    test.member(&ada()).await;
    let tokens = test.login(&ada()).await;
    test.caller(&tokens).await.unwrap()
}

fn named(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), ..NewKey::default() }
}

#[tokio::test]
async fn a_key_has_its_owners_rights_but_no_power_over_keys() {
    let test = TestHub::start().await;
    let owner = member(&test).await;
    let made = keys::create(&test.hub, &owner, &origin(), named("ci")).await.unwrap();
    assert_eq!(made.info.prefix, made.key[..12]);
    let caller = test.key_caller(&made.key, None).await.unwrap();
    assert_eq!((caller.user, caller.api_key()), (owner.user, Some(made.info.id)));
    assert!(caller.may(Permission::InferenceCreate) && !caller.may(Permission::KeysRead));
    assert!(matches!(keys::create(&test.hub, &caller, &origin(), named("x")).await, Err(KeyError::Denied(_))));
    assert!(matches!(keys::revoke(&test.hub, &caller, &origin(), made.info.id).await, Err(KeyError::Denied(_))));
    assert!(hub_domain::sessions::list(&test.hub, &caller).await.is_err());
    for bad in [format!("{} ", made.key), made.key.to_uppercase(), "sk_".to_owned() + &"A".repeat(43)] {
        assert!(test.key_caller(&bad, None).await.is_none(), "{bad}");
    }
}

#[tokio::test]
async fn scopes_models_addresses_and_expiry_bind() {
    let test = TestHub::start().await;
    let owner = member(&test).await;
    let input = NewKey {
        name: "narrow".to_owned(),
        scopes: vec!["models:read".to_owned()],
        expires_at: Some(test.hub.clock.now() + Duration::hours(1)),
        models: vec!["sandbox".to_owned()],
        addresses: vec!["192.0.2.0/24".to_owned()],
        ..NewKey::default()
    };
    let made = keys::create(&test.hub, &owner, &origin(), input).await.unwrap();
    assert!(test.key_caller(&made.key, None).await.is_none());
    assert!(test.key_caller(&made.key, Some("198.51.100.1")).await.is_none());
    let caller = test.key_caller(&made.key, Some("::ffff:192.0.2.9")).await.unwrap();
    assert_eq!((&*caller.permissions, &*caller.models), (&["models:read".to_owned()][..], &["sandbox".to_owned()][..]));
    test.advance(Duration::hours(1));
    assert!(test.key_caller(&made.key, Some("192.0.2.9")).await.is_none());
}

#[tokio::test]
async fn a_key_ends_when_it_is_revoked_or_its_owner_disabled() {
    let test = TestHub::start().await;
    let owner = member(&test).await;
    let (a, b) = (
        keys::create(&test.hub, &owner, &origin(), named("a")).await.unwrap(),
        keys::create(&test.hub, &owner, &origin(), named("b")).await.unwrap(),
    );
    assert!(test.key_caller(&a.key, None).await.is_some());
    keys::revoke(&test.hub, &owner, &origin(), a.info.id).await.unwrap();
    assert!(test.key_caller(&a.key, None).await.is_none());
    assert!(matches!(keys::revoke(&test.hub, &owner, &origin(), a.info.id).await, Err(KeyError::NotFound)));
    assert_eq!(keys::list(&test.hub, &owner, None, 10).await.unwrap().len(), 1);
    assert_eq!(keys::count(&test.hub, &owner).await.unwrap(), 1);
    assert!(test.key_caller(&b.key, None).await.is_some());
    let mut tx = test.hub.store.write().await.unwrap();
    users::set_status(&mut tx, owner.user, UserStatus::Disabled, test.hub.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    // Straight in the database, so the cached picture has to run out: two seconds at most.
    test.advance(Duration::seconds(2));
    assert!(test.key_caller(&b.key, None).await.is_none());
}

#[tokio::test]
async fn the_fifty_first_key_is_refused_also_in_parallel() {
    let test = TestHub::start().await;
    let owner = member(&test).await;
    let mut racing = JoinSet::new();
    for _ in 0..60 {
        let (hub, owner) = (test.hub.clone(), owner.clone());
        racing.spawn(async move { keys::create(&hub, &owner, &origin(), named("k")).await.is_ok() });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|made| *made).count(), 50);
}

#[tokio::test]
async fn the_use_of_a_key_is_noted() {
    let test = TestHub::start().await;
    let owner = member(&test).await;
    let operator = access::operator("operator@localhost".parse().unwrap());
    let made = keys::create_for(&test.hub, &operator, owner.user, named("cli")).await.unwrap();
    assert!(test.key_caller(&made.key, None).await.is_some());
    test.hub.tasks.drain().await;
    let listed = keys::list(&test.hub, &owner, None, 10).await.unwrap();
    assert_eq!(listed[0].last_used_at, Some(test.hub.clock.now()));
}
