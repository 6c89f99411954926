//! Publish and subscribe.

use std::time::Duration;

use futures::StreamExt;

use crate::engines::{Engine, on_both};

on_both!(
    every_subscriber_in_every_process_hears_a_message_in_order,
    channels_are_apart,
    publishing_to_nobody_is_fine_and_nothing_is_kept,
    a_channel_can_be_subscribed_again_after_it_was_abandoned,
);

async fn next(messages: &mut (impl futures::Stream<Item = Vec<u8>> + Unpin)) -> Vec<u8> {
    tokio::time::timeout(Duration::from_secs(10), messages.next()).await.expect("a message in time").expect("open")
}

async fn every_subscriber_in_every_process_hears_a_message_in_order(engine: Engine) {
    let mut readers = vec![
        engine.cache.subscribe("news").await.unwrap(),
        engine.cache.subscribe("news").await.unwrap(),
        engine.twin.subscribe("news").await.unwrap(),
    ];
    for message in ["first", "second", "third"] {
        engine.cache.publish("news", message.as_bytes()).await.unwrap();
    }
    for reader in &mut readers {
        for message in ["first", "second", "third"] {
            assert_eq!(next(reader).await, message.as_bytes());
        }
    }
}

async fn channels_are_apart(engine: Engine) {
    let mut a = engine.cache.subscribe("a").await.unwrap();
    let mut b = engine.cache.subscribe("b").await.unwrap();
    engine.twin.publish("b", b"for b").await.unwrap();
    engine.twin.publish("a", b"for a").await.unwrap();
    assert_eq!(next(&mut a).await, b"for a");
    assert_eq!(next(&mut b).await, b"for b");
}

async fn publishing_to_nobody_is_fine_and_nothing_is_kept(engine: Engine) {
    engine.cache.publish("news", b"to nobody").await.unwrap();
    let mut reader = engine.cache.subscribe("news").await.unwrap();
    engine.twin.publish("news", b"to one").await.unwrap();
    assert_eq!(next(&mut reader).await, b"to one");
}

async fn a_channel_can_be_subscribed_again_after_it_was_abandoned(engine: Engine) {
    drop(engine.cache.subscribe("news").await.unwrap());
    let _other = engine.cache.subscribe("other").await.unwrap();
    let mut reader = engine.cache.subscribe("news").await.unwrap();
    engine.twin.publish("news", b"back").await.unwrap();
    assert_eq!(next(&mut reader).await, b"back");
}
