//! The sliding window is exact: under concurrency, across processes, at every edge.

use std::time::Duration;

use chrono::TimeDelta;
use hub_cache::{Cache, Window};
use hub_types::Clock;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::task::JoinSet;

use crate::engines::{Engine, on_both};

on_both!(
    of_two_hundred_parallel_callers_exactly_the_limit_is_admitted,
    there_is_no_double_burst_at_the_edge,
    the_answer_counts_down_and_says_when_a_place_is_free,
    windows_of_different_keys_do_not_touch,
    refused_calls_cost_nothing,
);

const MINUTE: Duration = Duration::from_mins(1);

async fn admitted_of_two_hundred(engine: &Engine, limit: u32) -> usize {
    let mut callers = JoinSet::new();
    for number in 0..200 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        callers.spawn(async move { cache.admit("guest", limit, MINUTE).await.unwrap().allowed });
    }
    callers.join_all().await.into_iter().filter(|allowed| *allowed).count()
}

async fn of_two_hundred_parallel_callers_exactly_the_limit_is_admitted(engine: Engine) {
    assert_eq!(admitted_of_two_hundred(&engine, 10).await, 10);
    engine.clock.advance(TimeDelta::microseconds(59_999_999));
    assert_eq!(admitted_of_two_hundred(&engine, 10).await, 0);
    engine.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(admitted_of_two_hundred(&engine, 10).await, 10);
}

async fn there_is_no_double_burst_at_the_edge(engine: Engine) {
    assert!(engine.cache.admit("guest", 3, MINUTE).await.unwrap().allowed);
    engine.clock.advance(TimeDelta::seconds(59));
    assert_eq!(admitted_of_two_hundred(&engine, 3).await, 2);
    engine.clock.advance(TimeDelta::seconds(1));
    assert_eq!(admitted_of_two_hundred(&engine, 3).await, 1, "only the first place is free again");
}

async fn the_answer_counts_down_and_says_when_a_place_is_free(engine: Engine) {
    let first = engine.cache.admit("user", 2, MINUTE).await.unwrap();
    assert_eq!(first, Window { allowed: true, limit: 2, remaining: 1, reset: MINUTE });
    engine.clock.advance(TimeDelta::seconds(20));
    let second = engine.twin.admit("user", 2, MINUTE).await.unwrap();
    assert_eq!(second, Window { allowed: true, limit: 2, remaining: 0, reset: Duration::from_secs(40) });
    let third = engine.cache.admit("user", 2, MINUTE).await.unwrap();
    assert_eq!(third, Window { allowed: false, limit: 2, remaining: 0, reset: Duration::from_secs(40) });
}

async fn windows_of_different_keys_do_not_touch(engine: Engine) {
    assert!(engine.cache.admit("a", 1, MINUTE).await.unwrap().allowed);
    assert!(engine.cache.admit("b", 1, MINUTE).await.unwrap().allowed);
    assert!(!engine.cache.admit("a", 1, MINUTE).await.unwrap().allowed);
}

async fn refused_calls_cost_nothing(engine: Engine) {
    assert!(engine.cache.admit("user", 1, MINUTE).await.unwrap().allowed);
    for _ in 0..5 {
        engine.clock.advance(TimeDelta::seconds(11));
        assert!(!engine.cache.admit("user", 1, MINUTE).await.unwrap().allowed);
    }
    engine.clock.advance(TimeDelta::seconds(5));
    assert!(engine.cache.admit("user", 1, MINUTE).await.unwrap().allowed);
}

const WINDOW: i64 = 1_000;

/// The definition, written as slowly as possible: remember every admission for ever and count them each time.
#[derive(Default)]
struct Model(Vec<i64>);

impl Model {
    fn admit(&mut self, now: i64, limit: u32) -> (bool, u32) {
        let used = self.0.iter().filter(|at| **at + WINDOW > now).count();
        let allowed = used < limit as usize;
        if allowed {
            self.0.push(now);
        }
        (allowed, limit.saturating_sub(u32::try_from(used).unwrap() + u32::from(allowed)))
    }

    /// No span of one window holds more admissions than the largest limit in use.
    fn never_held_more_than(&self, limit: u32) -> bool {
        self.0
            .iter()
            .all(|from| self.0.iter().filter(|at| (*from..*from + WINDOW).contains(at)).count() <= limit as usize)
    }
}

fn agrees_with_the_model(cache: &Cache, clock: &Clock, cases: u32) {
    let runtime = tokio::runtime::Handle::current();
    let steps = prop::collection::vec((0..WINDOW / 3, 0_u32..5), 1..40);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps, |steps| {
            let key = u64::from_be_bytes(hub_types::random_bytes()).to_string();
            let mut model = Model::default();
            for (pause, limit) in steps {
                clock.advance(TimeDelta::microseconds(pause));
                let now = clock.now().timestamp_micros();
                let span = Duration::from_micros(WINDOW.unsigned_abs());
                let real = runtime.block_on(cache.admit(&key, limit, span)).unwrap();
                prop_assert_eq!((real.allowed, real.remaining), model.admit(now, limit));
                prop_assert!(real.reset <= span);
            }
            prop_assert!(model.never_held_more_than(4));
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_calls_in_memory_agrees_with_the_definition() {
    let engine = Engine::memory();
    tokio::task::spawn_blocking(move || agrees_with_the_model(&engine.cache, &engine.clock, 256)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_calls_on_redis_agrees_with_the_definition() {
    let Some(engine) = Engine::redis() else { return };
    tokio::task::spawn_blocking(move || agrees_with_the_model(&engine.cache, &engine.clock, 48)).await.unwrap();
}
