//! One-time secrets and claims: many try, one wins.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;

use crate::engines::{Engine, on_both};

on_both!(
    of_twenty_parallel_takers_one_gets_the_secret,
    an_expired_secret_can_not_be_taken,
    of_twenty_parallel_claimers_one_wins,
    a_claim_can_be_made_again_when_it_has_expired,
    a_claim_does_not_overwrite_a_live_value,
    of_many_parallel_swaps_none_is_lost,
    a_swap_sees_an_expired_value_as_none,
);

const MINUTE: Duration = Duration::from_mins(1);

async fn of_twenty_parallel_takers_one_gets_the_secret(engine: Engine) {
    engine.cache.put("secret", b"once", MINUTE).await.unwrap();
    let mut takers = JoinSet::new();
    for number in 0..20 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        takers.spawn(async move { cache.take("secret").await.unwrap() });
    }
    let won: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won, [b"once"]);
}

async fn an_expired_secret_can_not_be_taken(engine: Engine) {
    engine.cache.put("secret", b"once", MINUTE).await.unwrap();
    engine.clock.advance(TimeDelta::minutes(1));
    assert_eq!(engine.cache.take("secret").await.unwrap(), None);
}

async fn of_twenty_parallel_claimers_one_wins(engine: Engine) {
    let mut claimers = JoinSet::new();
    for number in 0..20_u8 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        claimers.spawn(async move { cache.claim("claim", &[number], MINUTE).await.unwrap().then_some(number) });
    }
    let winners: Vec<u8> = claimers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(engine.cache.get("claim").await.unwrap(), Some(winners));
}

async fn a_claim_can_be_made_again_when_it_has_expired(engine: Engine) {
    assert!(engine.cache.claim("claim", b"first", MINUTE).await.unwrap());
    engine.clock.advance(TimeDelta::seconds(59));
    assert!(!engine.twin.claim("claim", b"second", MINUTE).await.unwrap());
    engine.clock.advance(TimeDelta::seconds(1));
    assert!(engine.twin.claim("claim", b"third", MINUTE).await.unwrap());
    assert_eq!(engine.cache.get("claim").await.unwrap().as_deref(), Some(&b"third"[..]));
}

async fn a_claim_does_not_overwrite_a_live_value(engine: Engine) {
    engine.cache.put("key", b"value", MINUTE).await.unwrap();
    assert!(!engine.twin.claim("key", b"claim", MINUTE).await.unwrap());
    assert_eq!(engine.cache.get("key").await.unwrap().as_deref(), Some(&b"value"[..]));
}

async fn of_many_parallel_swaps_none_is_lost(engine: Engine) {
    let mut counters = JoinSet::new();
    for number in 0..8 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        counters.spawn(async move {
            for _ in 0..25 {
                loop {
                    let seen = cache.get("count").await.unwrap();
                    let count: u32 =
                        seen.as_deref().map_or(0, |text| std::str::from_utf8(text).unwrap().parse().unwrap());
                    let next = (count + 1).to_string();
                    if cache.swap("count", seen.as_deref(), next.as_bytes(), MINUTE).await.unwrap() {
                        break;
                    }
                }
            }
        });
    }
    counters.join_all().await;
    assert_eq!(engine.cache.get("count").await.unwrap().as_deref(), Some(&b"200"[..]));
}

async fn a_swap_sees_an_expired_value_as_none(engine: Engine) {
    assert!(!engine.cache.swap("key", Some(b""), b"first", MINUTE).await.unwrap(), "nothing is not empty");
    assert!(engine.cache.swap("key", None, b"first", MINUTE).await.unwrap());
    assert!(!engine.twin.swap("key", None, b"second", MINUTE).await.unwrap());
    engine.clock.advance(TimeDelta::minutes(1));
    assert!(!engine.twin.swap("key", Some(b"first"), b"second", MINUTE).await.unwrap());
    assert!(engine.twin.swap("key", None, b"second", MINUTE).await.unwrap());
}
