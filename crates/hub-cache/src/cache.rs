//! The one door of this room: [`Cache`], and what each operation promises on both engines.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use hub_types::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{CacheError, MemoryCache, RedisCache, Room, Share, Window};

/// The longest key, owner or channel name, in bytes.
const LONGEST_KEY: usize = 512;
/// The longest value or message, in bytes.
const LONGEST_VALUE: usize = 1024 * 1024;

/// A cache on one of the two engines. Cloning is cheap: clones share everything.
///
/// Keys of values, windows, shares, leases, logs and channels are apart: the same text may be used in each. Keys are at most
/// 512 bytes and values at most 1 MiB; longer ones are [`CacheError::TooLong`]. A life (`ttl`) longer than a year is
/// cut to a year. On Redis every operation ends within about a second, with an answer or an error.
#[derive(Clone)]
pub enum Cache {
    /// This process's memory: only right while the hub is one process.
    Memory(MemoryCache),
    /// A Redis server shared by all processes.
    Redis(RedisCache),
}

impl Cache {
    /// A cache in this process's memory, bounded to about 64 MiB of values and 64 MiB of windows.
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(MemoryCache::new(clock))
    }

    /// A cache on the Redis server at `url` (`redis://[user:password@]host[:port][/db]`); `prefix` stands before all
    /// keys, so that several hubs can share a server. Call it inside a tokio runtime. It connects on first use and
    /// again after every loss; [`Cache::ping`] tells whether the server is there.
    ///
    /// Fails with [`CacheError::Url`] when the URL cannot be used.
    pub fn redis(url: &str, prefix: &str, clock: Clock) -> Result<Self, CacheError> {
        Ok(Self::Redis(RedisCache::new(url, prefix, clock)?))
    }

    /// The engine's name: `memory` or `redis`. For health reports and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Redis(_) => "redis",
        }
    }

    /// Whether the cache answers.
    pub async fn ping(&self) -> Result<(), CacheError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.ping().await,
        }
    }

    /// The live value of the key. A value may be gone before its time: absence proves nothing.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        check_key(key)?;
        match self {
            Self::Memory(memory) => Ok(memory.get(key)),
            Self::Redis(redis) => redis.get(key).await,
        }
    }

    /// Sets the value and its life; whatever was there is replaced.
    pub async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), CacheError> {
        check_key(key)?;
        check_value(value)?;
        match self {
            Self::Memory(memory) => {
                memory.put(key, value, ttl);
                Ok(())
            }
            Self::Redis(redis) => redis.put(key, value, ttl).await,
        }
    }

    /// Removes the value, if any.
    pub async fn delete(&self, key: &str) -> Result<(), CacheError> {
        check_key(key)?;
        match self {
            Self::Memory(memory) => {
                memory.delete(key);
                Ok(())
            }
            Self::Redis(redis) => redis.delete(key).await,
        }
    }

    /// Removes the value and returns it, in one step: of any number of callers at most one gets it.
    pub async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        check_key(key)?;
        match self {
            Self::Memory(memory) => Ok(memory.take(key)),
            Self::Redis(redis) => redis.take(key).await,
        }
    }

    /// Puts the value unless a live one is there, in one step: of any number of callers one gets `true`.
    ///
    /// A claim can be lost with the cache. What must never happen twice needs a unique row in the database as well.
    pub async fn claim(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, CacheError> {
        check_key(key)?;
        check_value(value)?;
        match self {
            Self::Memory(memory) => Ok(memory.claim(key, value, ttl)),
            Self::Redis(redis) => redis.claim(key, value, ttl).await,
        }
    }

    /// Puts the value if the live one is `seen` (`None`: none is), in one step. `false`: somebody was faster; look again.
    pub async fn swap(&self, key: &str, seen: Option<&[u8]>, value: &[u8], ttl: Duration) -> Result<bool, CacheError> {
        check_key(key)?;
        check_value(value)?;
        match self {
            Self::Memory(memory) => Ok(memory.swap(key, seen, value, ttl)),
            Self::Redis(redis) => redis.swap(key, seen, value, ttl).await,
        }
    }

    /// The value read as JSON. One that cannot be read as `T` is a miss: while versions change, an old process may
    /// have written it.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        Ok(self.get(key).await?.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Puts the value as JSON.
    pub async fn put_json<T: Serialize + Sync + ?Sized>(
        &self,
        key: &str,
        value: &T,
        ttl: Duration,
    ) -> Result<(), CacheError> {
        self.put(key, &serde_json::to_vec(value).map_err(CacheError::Encode)?, ttl).await
    }

    /// Takes the value, read as JSON. One that cannot be read as `T` is a miss, and gone.
    pub async fn take_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        Ok(self.take(key).await?.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Counts this call against an exact sliding window: under any concurrency, and on Redis across processes, no
    /// span of `window` ever holds more than `limit` admissions. Refused calls are not counted.
    ///
    /// Memory per key is eight bytes for each counted admission, so `limit` should stay in the thousands. The memory
    /// engine answers [`CacheError::Full`] rather than forget a window that still counts.
    pub async fn admit(&self, key: &str, limit: u32, window: Duration) -> Result<Window, CacheError> {
        check_key(key)?;
        match self {
            Self::Memory(memory) => memory.admit(key, limit, window),
            Self::Redis(redis) => redis.admit(key, limit, window).await,
        }
    }

    /// Takes a share of `weight` for this holder, for `ttl`, if it fits into `limit` beside the shares of all others that have not ended:
    /// under any concurrency, and on Redis across processes, never more than `limit` is held. A share the holder has already is replaced; a
    /// refused call changes nothing.
    ///
    /// Each call looks at every share of the key, so there should be thousands of them at most. The memory engine answers
    /// [`CacheError::Full`] rather than forget a share that still counts.
    pub async fn take_share(
        &self,
        key: &str,
        holder: &str,
        weight: u32,
        limit: u32,
        ttl: Duration,
    ) -> Result<Share, CacheError> {
        check_key(key)?;
        check_key(holder)?;
        match self {
            Self::Memory(memory) => memory.take_share(key, holder, (weight, limit), ttl),
            Self::Redis(redis) => redis.take_share(key, holder, (weight, limit), ttl).await,
        }
    }

    /// Sets the holder's share to `weight` for `ttl` from now, whatever else is held: for what has been used already.
    pub async fn put_share(&self, key: &str, holder: &str, weight: u32, ttl: Duration) -> Result<(), CacheError> {
        check_key(key)?;
        check_key(holder)?;
        match self {
            Self::Memory(memory) => memory.put_share(key, holder, weight, ttl),
            Self::Redis(redis) => redis.put_share(key, holder, weight, ttl).await,
        }
    }

    /// Gives the holder's share back, if it has one.
    pub async fn drop_share(&self, key: &str, holder: &str) -> Result<(), CacheError> {
        check_key(key)?;
        check_key(holder)?;
        match self {
            Self::Memory(memory) => {
                memory.drop_share(key, holder);
                Ok(())
            }
            Self::Redis(redis) => redis.drop_share(key, holder).await,
        }
    }

    /// Takes the lease for `ttl` when it is free, has run out, or is this owner's already. `owner` must be unique to
    /// the process or task that holds it.
    pub async fn lease(&self, key: &str, owner: &str, ttl: Duration) -> Result<bool, CacheError> {
        check_key(key)?;
        check_key(owner)?;
        match self {
            Self::Memory(memory) => memory.lease(key, owner, ttl),
            Self::Redis(redis) => redis.lease(key, owner, ttl).await,
        }
    }

    /// Prolongs the lease to `ttl` from now if this owner still holds it. `false` means it has run out, even when
    /// nobody else took it: stop the work.
    pub async fn renew(&self, key: &str, owner: &str, ttl: Duration) -> Result<bool, CacheError> {
        check_key(key)?;
        check_key(owner)?;
        match self {
            Self::Memory(memory) => Ok(memory.renew(key, owner, ttl)),
            Self::Redis(redis) => redis.renew(key, owner, ttl).await,
        }
    }

    /// Frees the lease if this owner holds it; another's lease is left alone.
    pub async fn release(&self, key: &str, owner: &str) -> Result<(), CacheError> {
        check_key(key)?;
        check_key(owner)?;
        match self {
            Self::Memory(memory) => {
                memory.release(key, owner);
                Ok(())
            }
            Self::Redis(redis) => redis.release(key, owner).await,
        }
    }

    /// Appends to the log at `room.at`, if it has exactly so many items and room for these: of any number of writers at one place one gets
    /// `true`, and what was thrown away meanwhile is never continued. So an item's number is its place, without a gap. Without items it
    /// prolongs the life of the log.
    pub async fn append(&self, key: &str, items: &[Bytes], room: Room) -> Result<bool, CacheError> {
        check_key(key)?;
        items.iter().try_for_each(|item| check_value(item))?;
        match self {
            Self::Memory(memory) => Ok(memory.append(key, items, room)),
            Self::Redis(redis) => redis.append(key, items, room).await,
        }
    }

    /// At most `most` items of the log, from the one with number `from` (from 0). `None`: there is no such log, or it is gone, which may
    /// happen before its time.
    pub async fn read_log(&self, key: &str, from: usize, most: usize) -> Result<Option<Vec<Bytes>>, CacheError> {
        check_key(key)?;
        match self {
            Self::Memory(memory) => Ok(memory.read_log(key, from, most)),
            Self::Redis(redis) => redis.read_log(key, from, most).await,
        }
    }

    /// Throws the log away, if there is one.
    pub async fn drop_log(&self, key: &str) -> Result<(), CacheError> {
        check_key(key)?;
        match self {
            Self::Memory(memory) => {
                memory.drop_log(key);
                Ok(())
            }
            Self::Redis(redis) => redis.drop_log(key).await,
        }
    }

    /// Sends the message to everyone who is subscribed to the channel now, in every process. Nothing is kept.
    pub async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), CacheError> {
        check_key(channel)?;
        check_value(message)?;
        match self {
            Self::Memory(memory) => {
                memory.publish(channel, message);
                Ok(())
            }
            Self::Redis(redis) => redis.publish(channel, message).await,
        }
    }

    /// Everything published on the channel from now on. Dropping the stream ends the subscription.
    ///
    /// Messages can be lost: by a reader more than 256 messages behind, and while the connection to Redis is down
    /// (it subscribes again by itself). A message may say "look again", never carry the only copy of a fact.
    pub async fn subscribe(&self, channel: &str) -> Result<BoxStream<'static, Vec<u8>>, CacheError> {
        check_key(channel)?;
        match self {
            Self::Memory(memory) => memory.subscribe(channel),
            Self::Redis(redis) => redis.subscribe(channel).await,
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.kind())
    }
}

fn check_key(key: &str) -> Result<(), CacheError> {
    if key.len() > LONGEST_KEY { Err(CacheError::TooLong { what: "key", limit: LONGEST_KEY }) } else { Ok(()) }
}

fn check_value(value: &[u8]) -> Result<(), CacheError> {
    if value.len() > LONGEST_VALUE { Err(CacheError::TooLong { what: "value", limit: LONGEST_VALUE }) } else { Ok(()) }
}
