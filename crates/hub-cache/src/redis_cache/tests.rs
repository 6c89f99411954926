//! What only the Redis engine has: a connection that can be lost, and keys that must not stay for ever.

use std::time::Duration;

use futures::StreamExt;

use super::*;

/// The server that `cargo xtask test` starts; without one these tests have nothing to say.
fn server() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the only way for the test runner to tell a test where Redis is")]
    std::env::var("HUB_TEST_REDIS_URL").ok()
}

fn connect(url: &str) -> RedisCache {
    let prefix = format!("test:{}:", u64::from_be_bytes(hub_types::random_bytes()));
    RedisCache::new(url, &prefix, Clock::system()).unwrap()
}

async fn kill_connection_of(victim: &RedisCache, by: &RedisCache) {
    let id: i64 = victim.ask(redis::cmd("CLIENT").arg("ID")).await.unwrap();
    let killed: i64 = by.ask(redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id)).await.unwrap();
    assert_eq!(killed, 1);
}

#[tokio::test]
async fn a_subscription_survives_the_loss_of_its_connection() {
    let Some(url) = server() else { return };
    let reader = connect(&url);
    let writer = RedisCache::new(&url, &reader.0.prefix, Clock::system()).unwrap();
    let mut messages = reader.subscribe("news").await.unwrap();
    kill_connection_of(&reader, &writer).await;
    // Messages sent before the connection is back are lost by contract, so the writer repeats itself.
    let mut heard = None;
    for _ in 0..100 {
        writer.publish("news", b"again").await.unwrap();
        heard = tokio::time::timeout(Duration::from_millis(50), messages.next()).await.ok().flatten();
        if heard.is_some() {
            break;
        }
    }
    assert_eq!(heard.as_deref(), Some(&b"again"[..]));
}

#[tokio::test]
async fn commands_work_again_after_the_connection_was_lost() {
    let Some(url) = server() else { return };
    let cache = connect(&url);
    cache.put("kept", b"value", Duration::from_mins(1)).await.unwrap();
    kill_connection_of(&cache, &connect(&url)).await;
    let mut read = cache.get("kept").await;
    for _ in 0..20 {
        if read.is_ok() {
            break;
        }
        read = cache.get("kept").await;
    }
    assert_eq!(read.unwrap().as_deref(), Some(&b"value"[..]));
}

#[tokio::test]
async fn abandoned_channels_are_given_up_at_the_server() {
    let Some(url) = server() else { return };
    let cache = connect(&url);
    drop(cache.subscribe("old").await.unwrap());
    let _kept = cache.subscribe("new").await.unwrap();
    let open: Vec<String> =
        cache.ask(redis::cmd("PUBSUB").arg("CHANNELS").arg(format!("{}*", cache.0.prefix))).await.unwrap();
    assert_eq!(open, [cache.key("c", "new")]);
}

#[tokio::test]
async fn every_key_has_an_end() {
    let Some(url) = server() else { return };
    let cache = connect(&url);
    let minute = Duration::from_mins(1);
    cache.put("value", b"", minute).await.unwrap();
    cache.claim("claim", b"", minute).await.unwrap();
    cache.admit("window", 1, minute).await.unwrap();
    cache.admit("window", 1, minute).await.unwrap();
    cache.lease("lease", "owner", minute).await.unwrap();
    let room = Room { at: 0, most_bytes: 9, ttl: minute };
    assert!(cache.append("log", &[Bytes::from_static(b"item")], room).await.unwrap());
    for (kind, key) in [("a", "log"), ("v", "value"), ("v", "claim"), ("w", "window"), ("l", "lease")] {
        let left: i64 = cache.ask(redis::cmd("PTTL").arg(cache.key(kind, key))).await.unwrap();
        assert!((1..=120_000).contains(&left), "{key}: {left} ms");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_within_the_deadline() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", socket.local_addr().unwrap());
    // Bound but never answering: the worst case, worse than a refused connection.
    let cache = RedisCache::new(&url, "", Clock::system()).unwrap();
    let asked = tokio::time::timeout(DEADLINE * 3, cache.get("key")).await.expect("bounded");
    assert!(matches!(asked, Err(CacheError::Timeout)), "{asked:?}");
}

#[tokio::test]
async fn a_silent_server_costs_its_deadline_once_and_is_asked_again_by_one() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", socket.local_addr().unwrap());
    let cache = RedisCache::new(&url, "", Clock::system()).unwrap();
    assert!(cache.get("key").await.is_err());
    let begun = tokio::time::Instant::now();
    for _ in 0..100 {
        assert!(matches!(cache.get("key").await, Err(CacheError::Timeout)));
    }
    assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
    // One of many finds out that it is still silent, and pays for it; whoever asks beside it does not wait.
    let waited = async {
        let mut longest = Duration::ZERO;
        while longest < DEADLINE / 2 {
            let begun = tokio::time::Instant::now();
            assert!(cache.get("key").await.is_err());
            longest = begun.elapsed();
            tokio::task::yield_now().await;
        }
        longest
    };
    assert!(tokio::time::timeout(DEADLINE * 4, waited).await.expect("asked again") <= DEADLINE * 2);
}

#[tokio::test]
async fn an_unusable_url_is_refused_without_repeating_its_password() {
    let error = RedisCache::new("http://user:hunter2@host", "", Clock::system()).err().unwrap();
    assert!(matches!(error, CacheError::Url));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
