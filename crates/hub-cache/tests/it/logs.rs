//! Logs: what is appended is read at its place, on both engines, without a gap.

use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use hub_cache::{Cache, Room};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::engines::{Engine, on_both};

on_both!(
    a_log_is_read_from_any_place_by_everybody,
    of_twenty_writers_at_one_place_one_wins,
    a_log_takes_no_more_than_its_bytes,
    every_append_starts_a_new_life_of_the_whole_log,
    a_log_that_is_gone_begins_anew_and_never_in_its_middle,
    any_history_reads_as_the_model_does,
);

const MINUTE: Duration = Duration::from_mins(1);

fn room(at: usize) -> Room {
    Room { at, most_bytes: 1_000, ttl: MINUTE }
}

fn item(number: usize) -> Bytes {
    Bytes::from(number.to_string())
}

async fn numbers(cache: &Cache, from: usize, most: usize) -> Option<Vec<usize>> {
    let items = cache.read_log("log", from, most).await.unwrap();
    items.map(|items| items.iter().map(|item| std::str::from_utf8(item).unwrap().parse().unwrap()).collect())
}

async fn a_log_is_read_from_any_place_by_everybody(engine: Engine) {
    assert_eq!(numbers(&engine.cache, 0, 9).await, None);
    assert!(engine.cache.append("log", &[item(0), item(1)], room(0)).await.unwrap());
    assert!(engine.twin.append("log", &[item(2)], room(2)).await.unwrap());
    assert_eq!(numbers(&engine.twin, 0, 9).await, Some(vec![0, 1, 2]));
    assert_eq!(numbers(&engine.cache, 1, 1).await, Some(vec![1]));
    assert_eq!(numbers(&engine.cache, 3, 9).await, Some(vec![]));
    engine.twin.drop_log("log").await.unwrap();
    assert_eq!(numbers(&engine.cache, 0, 9).await, None);
}

async fn of_twenty_writers_at_one_place_one_wins(engine: Engine) {
    let mut racing = JoinSet::new();
    for number in 0..20 {
        let cache = if number % 2 == 0 { engine.cache.clone() } else { engine.twin.clone() };
        racing.spawn(async move { cache.append("log", &[item(number)], room(0)).await.unwrap() });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(numbers(&engine.cache, 0, 9).await.unwrap().len(), 1);
}

async fn a_log_takes_no_more_than_its_bytes(engine: Engine) {
    let half = Bytes::from(vec![b'1'; 500]);
    assert!(engine.cache.append("log", std::slice::from_ref(&half), room(0)).await.unwrap());
    assert!(engine.cache.append("log", &[half], room(1)).await.unwrap());
    assert!(!engine.cache.append("log", &[item(1)], room(2)).await.unwrap());
    assert_eq!(engine.cache.read_log("log", 0, 9).await.unwrap().unwrap().len(), 2);
}

async fn every_append_starts_a_new_life_of_the_whole_log(engine: Engine) {
    assert!(engine.cache.append("log", &[item(0)], room(0)).await.unwrap());
    for at in 1..4 {
        engine.clock.advance(TimeDelta::seconds(59));
        let more = if at == 1 { vec![item(1)] } else { Vec::new() };
        assert!(engine.cache.append("log", &more, room(at.min(2))).await.unwrap());
    }
    engine.clock.advance(TimeDelta::microseconds(59_999_999));
    assert_eq!(numbers(&engine.twin, 0, 9).await, Some(vec![0, 1]));
    engine.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(numbers(&engine.twin, 0, 9).await, None);
}

async fn a_log_that_is_gone_begins_anew_and_never_in_its_middle(engine: Engine) {
    assert!(engine.cache.append("log", &[item(0)], room(0)).await.unwrap());
    engine.clock.advance(TimeDelta::minutes(1));
    assert!(!engine.cache.append("log", &[item(1)], room(1)).await.unwrap());
    assert!(engine.cache.append("log", &[item(7)], room(0)).await.unwrap());
    assert_eq!(numbers(&engine.twin, 0, 9).await, Some(vec![7]));
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Late(usize),
    Read(usize, usize),
    Drop,
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4usize).prop_map(Step::Append),
        2 => (1..3usize).prop_map(Step::Late),
        4 => (0..12usize, 1..6usize).prop_map(|(from, most)| Step::Read(from, most)),
        1 => Just(Step::Drop),
        1 => Just(Step::Expire),
    ];
    prop::collection::vec(step, 1..40)
}

/// A writer who numbers what it appends, one who comes late, readers, and what takes logs away, in any order: every log reads 0, 1, 2, ...
async fn any_history_reads_as_the_model_does(engine: Engine) {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..64 {
        engine.cache.drop_log("log").await.unwrap();
        let mut model: Option<usize> = None;
        for step in steps().new_tree(&mut runner).unwrap().current() {
            match step {
                Step::Append(count) => {
                    let at = model.unwrap_or(0);
                    let items: Vec<Bytes> = (at..at + count).map(item).collect();
                    assert!(engine.cache.append("log", &items, room(at)).await.unwrap());
                    model = Some(at + count);
                }
                Step::Late(by) => {
                    let at = model.unwrap_or(0) + by;
                    assert!(!engine.twin.append("log", &[item(at)], room(at)).await.unwrap());
                }
                Step::Read(from, most) => {
                    let expected = model.map(|length| (from..length).take(most).collect::<Vec<_>>());
                    assert_eq!(numbers(&engine.twin, from, most).await, expected);
                }
                Step::Drop => {
                    engine.twin.drop_log("log").await.unwrap();
                    model = None;
                }
                Step::Expire => {
                    engine.clock.advance(TimeDelta::minutes(1));
                    model = None;
                }
            }
        }
    }
}
