//! Leases: one holder at a time, and only the holder may prolong or free.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::engines::{Engine, on_both};

on_both!(
    of_twenty_parallel_owners_one_gets_the_lease,
    a_lease_that_ran_out_is_free_for_others_and_lost_for_its_owner,
    renewing_in_time_keeps_the_lease,
    only_the_owner_can_free_a_lease,
    the_owner_may_take_its_own_lease_again,
);

const TEN: Duration = Duration::from_secs(10);

async fn of_twenty_parallel_owners_one_gets_the_lease(engine: Engine) {
    let mut owners = JoinSet::new();
    for number in 0..20 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        owners.spawn(async move { cache.lease("work", &format!("owner {number}"), TEN).await.unwrap() });
    }
    assert_eq!(owners.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

async fn a_lease_that_ran_out_is_free_for_others_and_lost_for_its_owner(engine: Engine) {
    assert!(engine.cache.lease("work", "a", TEN).await.unwrap());
    engine.clock.advance(TimeDelta::seconds(10));
    assert!(!engine.cache.renew("work", "a", TEN).await.unwrap(), "run out, though nobody took it");
    assert!(engine.twin.lease("work", "b", TEN).await.unwrap());
    assert!(!engine.cache.renew("work", "a", TEN).await.unwrap());
    assert!(!engine.cache.lease("work", "a", TEN).await.unwrap());
}

async fn renewing_in_time_keeps_the_lease(engine: Engine) {
    assert!(engine.cache.lease("work", "a", TEN).await.unwrap());
    for _ in 0..3 {
        engine.clock.advance(TimeDelta::seconds(9));
        assert!(engine.cache.renew("work", "a", TEN).await.unwrap());
        assert!(!engine.twin.lease("work", "b", TEN).await.unwrap());
    }
}

async fn only_the_owner_can_free_a_lease(engine: Engine) {
    assert!(engine.cache.lease("work", "a", TEN).await.unwrap());
    engine.twin.release("work", "b").await.unwrap();
    assert!(!engine.twin.lease("work", "b", TEN).await.unwrap());
    engine.cache.release("work", "a").await.unwrap();
    assert!(engine.twin.lease("work", "b", TEN).await.unwrap());
}

async fn the_owner_may_take_its_own_lease_again(engine: Engine) {
    assert!(engine.cache.lease("work", "a", TEN).await.unwrap());
    engine.clock.advance(TimeDelta::seconds(9));
    assert!(engine.cache.lease("work", "a", TEN).await.unwrap());
    engine.clock.advance(TimeDelta::seconds(9));
    assert!(!engine.twin.lease("work", "b", TEN).await.unwrap());
}
