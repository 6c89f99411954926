//! Shares are exact: under concurrency, across processes, at every end.

use std::time::Duration;

use chrono::TimeDelta;
use hub_cache::Share;
use tokio::task::JoinSet;

use crate::engines::{Engine, on_both};

on_both!(
    of_two_hundred_parallel_holders_exactly_as_many_as_fit_are_admitted,
    a_share_ends_by_itself_or_is_dropped,
    a_holder_may_take_again_and_put_another_weight,
    a_refusal_says_when_enough_will_have_ended,
);

const TEN: Duration = Duration::from_secs(10);

async fn of_two_hundred_parallel_holders_exactly_as_many_as_fit_are_admitted(engine: Engine) {
    let mut holders = JoinSet::new();
    for number in 0..200 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        holders.spawn(async move { cache.take_share("calls", &format!("h{number}"), 3, 100, TEN).await.unwrap().allowed });
    }
    assert_eq!(holders.join_all().await.into_iter().filter(|allowed| *allowed).count(), 33);
    assert!(engine.cache.take_share("other", "h", 3, 3, TEN).await.unwrap().allowed);
}

async fn a_share_ends_by_itself_or_is_dropped(engine: Engine) {
    let take = async |holder: &str| engine.twin.take_share("calls", holder, 1, 1, TEN).await.unwrap().allowed;
    assert!(take("a").await && !take("b").await);
    engine.cache.drop_share("calls", "b").await.unwrap();
    assert!(!take("b").await, "only its own share is dropped");
    engine.cache.drop_share("calls", "a").await.unwrap();
    assert!(take("b").await);
    engine.clock.advance(TimeDelta::microseconds(9_999_999));
    assert!(!take("a").await);
    engine.clock.advance(TimeDelta::microseconds(1));
    assert!(take("a").await);
}

async fn a_holder_may_take_again_and_put_another_weight(engine: Engine) {
    assert!(engine.cache.take_share("tokens", "a", 80, 100, TEN).await.unwrap().allowed);
    assert!(engine.cache.take_share("tokens", "a", 90, 100, TEN).await.unwrap().allowed, "its own share does not count");
    assert!(!engine.twin.take_share("tokens", "b", 11, 100, TEN).await.unwrap().allowed);
    engine.cache.put_share("tokens", "a", 5, Duration::from_mins(1)).await.unwrap();
    let taken = engine.twin.take_share("tokens", "b", 95, 100, TEN).await.unwrap();
    assert_eq!((taken.allowed, taken.used, taken.remaining()), (true, 100, 0));
    engine.clock.advance(TimeDelta::seconds(30));
    let last = engine.cache.take_share("tokens", "c", 96, 100, TEN).await.unwrap();
    assert_eq!((last.allowed, last.used), (false, 5), "a put share has its own end");
}

async fn a_refusal_says_when_enough_will_have_ended(engine: Engine) {
    assert!(engine.cache.take_share("tokens", "a", 60, 100, TEN).await.unwrap().allowed);
    engine.clock.advance(TimeDelta::seconds(4));
    assert!(engine.twin.take_share("tokens", "b", 40, 100, TEN).await.unwrap().allowed);
    let refused = engine.cache.take_share("tokens", "c", 50, 100, TEN).await.unwrap();
    assert_eq!(refused, Share { allowed: false, limit: 100, used: 100, reset: Duration::from_secs(6) });
    let refused = engine.cache.take_share("tokens", "c", 70, 100, TEN).await.unwrap();
    assert_eq!(refused.reset, TEN);
}
