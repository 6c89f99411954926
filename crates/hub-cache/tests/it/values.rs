//! Values and their expiry.

use std::time::Duration;

use chrono::TimeDelta;
use hub_cache::CacheError;

use crate::engines::{Engine, on_both};

on_both!(
    a_value_lives_exactly_as_long_as_the_clock_says,
    putting_again_starts_a_new_life,
    deleting_removes_and_may_be_repeated,
    json_reads_back_and_what_cannot_be_read_is_a_miss,
    binary_and_empty_values_are_kept_as_they_are,
    too_long_keys_and_values_are_refused,
    the_cache_answers_a_ping,
);

const MINUTE: Duration = Duration::from_mins(1);

async fn a_value_lives_exactly_as_long_as_the_clock_says(engine: Engine) {
    engine.cache.put("key", b"value", MINUTE).await.unwrap();
    engine.clock.advance(TimeDelta::microseconds(59_999_999));
    assert_eq!(engine.twin.get("key").await.unwrap().as_deref(), Some(&b"value"[..]));
    engine.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(engine.twin.get("key").await.unwrap(), None);
}

async fn putting_again_starts_a_new_life(engine: Engine) {
    engine.cache.put("key", b"old", MINUTE).await.unwrap();
    engine.clock.advance(TimeDelta::seconds(59));
    engine.cache.put("key", b"new", MINUTE).await.unwrap();
    engine.clock.advance(TimeDelta::seconds(59));
    assert_eq!(engine.cache.get("key").await.unwrap().as_deref(), Some(&b"new"[..]));
}

async fn deleting_removes_and_may_be_repeated(engine: Engine) {
    engine.cache.put("key", b"value", MINUTE).await.unwrap();
    engine.twin.delete("key").await.unwrap();
    engine.twin.delete("key").await.unwrap();
    assert_eq!(engine.cache.get("key").await.unwrap(), None);
}

async fn json_reads_back_and_what_cannot_be_read_is_a_miss(engine: Engine) {
    engine.cache.put_json("key", &["a", "b"], MINUTE).await.unwrap();
    assert_eq!(engine.twin.get_json::<Vec<String>>("key").await.unwrap(), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(engine.twin.get_json::<u64>("key").await.unwrap(), None);
    assert_eq!(engine.twin.take_json::<Vec<String>>("key").await.unwrap().map(|list| list.len()), Some(2));
    assert_eq!(engine.twin.get("key").await.unwrap(), None);
}

async fn binary_and_empty_values_are_kept_as_they_are(engine: Engine) {
    let all: Vec<u8> = (0..=255).collect();
    engine.cache.put("binary", &all, MINUTE).await.unwrap();
    engine.cache.put("empty", b"", MINUTE).await.unwrap();
    assert_eq!(engine.twin.get("binary").await.unwrap(), Some(all));
    assert_eq!(engine.twin.get("empty").await.unwrap(), Some(Vec::new()));
}

async fn too_long_keys_and_values_are_refused(engine: Engine) {
    let key = engine.cache.get(&"k".repeat(513)).await;
    assert!(matches!(key, Err(CacheError::TooLong { what: "key", .. })));
    let value = engine.cache.put("key", &vec![0; 1024 * 1024 + 1], MINUTE).await;
    assert!(matches!(value, Err(CacheError::TooLong { what: "value", .. })));
}

async fn the_cache_answers_a_ping(engine: Engine) {
    engine.cache.ping().await.unwrap();
    assert!(["memory", "redis"].contains(&engine.cache.kind()));
}
