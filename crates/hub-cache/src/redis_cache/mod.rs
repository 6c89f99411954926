//! The cache on Redis 7+: for every hub of more than one process.
//!
//! One multiplexed connection (RESP3) carries commands and messages. It is made on first use and made again after a
//! loss. No operation waits longer than [`DEADLINE`], whatever the state of the connection, and none waits for a server that
//! was silent a moment ago. Each decision is one
//! atomic command or script over one key, so it holds across processes (and works on a Redis cluster). The time
//! comes from the hub's clock, never from Redis, because leases and rows in the database are judged by that clock.

mod connection;
mod messages;
mod silence;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use hub_types::Clock;
use redis::aio::ConnectionManager;
use redis::{Cmd, FromRedisValue, Script, ScriptInvocation};

use crate::stamp::{GARBAGE_SLACK, decode, encode, expiry, garbage_after, micros, now_micros};
use crate::{CacheError, Room, Share, Window};

/// The longest any one operation may take, connecting again included.
const DEADLINE: Duration = Duration::from_secs(1);

/// The Redis engine. A clone is another handle on the same connection. Use it through [`crate::Cache`].
#[derive(Clone)]
pub struct RedisCache(Arc<Parts>);

struct Parts {
    connection: ConnectionManager,
    messages: messages::Messages,
    silence: silence::Silence,
    prefix: String,
    clock: Clock,
    admit: Script,
    append: Script,
    claim: Script,
    lease: Script,
    share: Script,
    swap: Script,
}

impl RedisCache {
    pub(crate) fn new(url: &str, prefix: &str, clock: Clock) -> Result<Self, CacheError> {
        let messages = messages::Messages::default();
        Ok(Self(Arc::new(Parts {
            connection: connection::open(url, messages.receiver())?,
            messages,
            silence: silence::Silence::new(),
            prefix: prefix.to_owned(),
            clock,
            admit: Script::new(include_str!("admit.lua")),
            append: Script::new(include_str!("append.lua")),
            claim: Script::new(include_str!("claim.lua")),
            lease: Script::new(include_str!("lease.lua")),
            share: Script::new(include_str!("share.lua")),
            swap: Script::new(include_str!("swap.lua")),
        })))
    }

    pub(crate) async fn ping(&self) -> Result<(), CacheError> {
        self.ask::<String>(&redis::cmd("PING")).await.map(drop)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let stored: Option<Vec<u8>> = self.ask(redis::cmd("GET").arg(self.value_key(key))).await?;
        Ok(stored.and_then(|stored| decode(stored, self.now())))
    }

    pub(crate) async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        let stored = encode(expiry(self.now(), ttl), value);
        let mut set = redis::cmd("SET");
        set.arg(self.value_key(key)).arg(stored).arg("PX").arg(millis(garbage_after(ttl)));
        self.ask(&set).await
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.ask(redis::cmd("DEL").arg(self.value_key(key))).await
    }

    pub(crate) async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let stored: Option<Vec<u8>> = self.ask(redis::cmd("GETDEL").arg(self.value_key(key))).await?;
        Ok(stored.and_then(|stored| decode(stored, self.now())))
    }

    pub(crate) async fn claim(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, CacheError> {
        let now = self.now();
        let mut script = self.0.claim.key(self.value_key(key));
        script.arg(now).arg(encode(expiry(now, ttl), value)).arg(millis(garbage_after(ttl)));
        self.run(&script).await
    }

    pub(crate) async fn swap(
        &self,
        key: &str,
        seen: Option<&[u8]>,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        let now = self.now();
        let mut script = self.0.swap.key(self.value_key(key));
        script.arg(now).arg(if seen.is_some() { "1" } else { "0" }).arg(seen.unwrap_or_default());
        script.arg(encode(expiry(now, ttl), value)).arg(millis(garbage_after(ttl)));
        self.run(&script).await
    }

    pub(crate) async fn admit(&self, key: &str, limit: u32, window: Duration) -> Result<Window, CacheError> {
        let span = micros(window).max(1);
        let mut script = self.0.admit.key(self.key("w", key));
        script.arg(self.now()).arg(limit).arg(span).arg(millis(garbage_after(window)));
        let (allowed, used, reset): (bool, usize, i64) = self.run(&script).await?;
        Ok(Window::new(allowed, limit, used, reset, span))
    }

    pub(crate) async fn take_share(
        &self,
        key: &str,
        holder: &str,
        (weight, limit): (u32, u32),
        ttl: Duration,
    ) -> Result<Share, CacheError> {
        let (allowed, used, reset) = self.share_action("take", key, holder, (weight, limit), ttl).await?;
        Ok(Share::new(allowed, limit, used, reset))
    }

    pub(crate) async fn put_share(
        &self,
        key: &str,
        holder: &str,
        weight: u32,
        ttl: Duration,
    ) -> Result<(), CacheError> {
        self.share_action("put", key, holder, (weight, 0), ttl).await.map(drop)
    }

    pub(crate) async fn drop_share(&self, key: &str, holder: &str) -> Result<(), CacheError> {
        self.ask(redis::cmd("HDEL").arg(self.key("s", key)).arg(holder)).await
    }

    pub(crate) async fn lease(&self, key: &str, owner: &str, ttl: Duration) -> Result<bool, CacheError> {
        self.lease_action("take", key, owner, ttl).await
    }

    pub(crate) async fn renew(&self, key: &str, owner: &str, ttl: Duration) -> Result<bool, CacheError> {
        self.lease_action("renew", key, owner, ttl).await
    }

    pub(crate) async fn release(&self, key: &str, owner: &str) -> Result<(), CacheError> {
        self.lease_action("release", key, owner, GARBAGE_SLACK).await.map(drop)
    }

    pub(crate) async fn append(&self, key: &str, items: &[Bytes], room: Room) -> Result<bool, CacheError> {
        let now = self.now();
        let mut script = self.0.append.key(self.key("a", key));
        script.arg(now).arg(expiry(now, room.ttl)).arg(millis(garbage_after(room.ttl)));
        script.arg(room.at).arg(room.most_bytes);
        for item in items {
            script.arg(item.as_ref());
        }
        self.run(&script).await
    }

    pub(crate) async fn read_log(&self, key: &str, from: usize, most: usize) -> Result<Option<Vec<Bytes>>, CacheError> {
        let log = self.key("a", key);
        let mut both = redis::pipe();
        // The stamp is item 0 of the list.
        both.atomic().lindex(&log, 0).lrange(&log, index(from.saturating_add(1)), index(from.saturating_add(most)));
        let mut connection = self.0.connection.clone();
        let (stamp, items): (Option<String>, Vec<Vec<u8>>) =
            self.in_time(async { Ok(both.query_async(&mut connection).await?) }).await?;
        let until = stamp.and_then(|stamp| stamp.split_once(' ')?.0.parse::<i64>().ok());
        let live = until.is_some_and(|until| until > self.now());
        Ok(live.then(|| items.into_iter().take(most).map(Bytes::from).collect()))
    }

    pub(crate) async fn drop_log(&self, key: &str) -> Result<(), CacheError> {
        self.ask(redis::cmd("DEL").arg(self.key("a", key))).await
    }

    pub(crate) async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), CacheError> {
        self.ask(redis::cmd("PUBLISH").arg(self.key("c", channel)).arg(message)).await
    }

    pub(crate) async fn subscribe(&self, channel: &str) -> Result<BoxStream<'static, Vec<u8>>, CacheError> {
        let subscribing = self.0.messages.subscribe(self.0.connection.clone(), self.key("c", channel));
        self.in_time(subscribing).await
    }

    async fn lease_action(&self, action: &str, key: &str, owner: &str, ttl: Duration) -> Result<bool, CacheError> {
        let now = self.now();
        let mut script = self.0.lease.key(self.key("l", key));
        script.arg(action).arg(owner).arg(now);
        script.arg(encode(expiry(now, ttl), owner.as_bytes())).arg(millis(garbage_after(ttl)));
        self.run(&script).await
    }

    async fn share_action(
        &self,
        action: &str,
        key: &str,
        holder: &str,
        (weight, limit): (u32, u32),
        ttl: Duration,
    ) -> Result<(bool, u64, i64), CacheError> {
        let now = self.now();
        let mut script = self.0.share.key(self.key("s", key));
        script.arg(action).arg(holder).arg(now).arg(weight).arg(limit);
        script.arg(expiry(now, ttl)).arg(millis(garbage_after(ttl)));
        self.run(&script).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        let mut connection = self.0.connection.clone();
        self.in_time(async { Ok(command.query_async(&mut connection).await?) }).await
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, CacheError> {
        let mut connection = self.0.connection.clone();
        self.in_time(async { Ok(script.invoke_async(&mut connection).await?) }).await
    }

    /// Does one operation within the deadline, or not at all where the server was silent a moment ago.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, CacheError>>) -> Result<T, CacheError> {
        let silence = &self.0.silence;
        let asked = silence.ask().ok_or(CacheError::Timeout)?;
        let done = tokio::time::timeout(DEADLINE, work).await.unwrap_or(Err(CacheError::Timeout));
        if matches!(done, Err(CacheError::Timeout)) {
            silence.not_heard(asked);
        } else {
            silence.heard();
        }
        done
    }

    fn value_key(&self, key: &str) -> String {
        self.key("v", key)
    }

    /// Values, windows, shares, leases, logs and channels live apart, under the hub's prefix.
    fn key(&self, kind: &str, key: &str) -> String {
        format!("{}{kind}:{key}", self.0.prefix)
    }

    fn now(&self) -> i64 {
        now_micros(&self.0.clock)
    }
}

fn index(position: usize) -> isize {
    isize::try_from(position).unwrap_or(isize::MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
