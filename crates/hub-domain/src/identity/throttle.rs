//! Slows down guessing of passwords: failures are counted by account and address together, by address, and by account.
//!
//! A full window refuses every sign-in in its reach, right password or wrong, until a place in it is free; live sessions are not
//! touched. The window is asked again after the password was checked, so guesses sent at once do not get past it.

use std::net::IpAddr;
use std::time::Duration;

use hub_cache::CacheError;
use hub_types::Email;

use crate::Hub;
use crate::sessions::sha256;

const WINDOW: Duration = Duration::from_mins(15);
const PER_PAIR: u32 = 10;
const PER_ADDRESS: u32 = 50;
const PER_ACCOUNT: u32 = 100;

/// The three windows of one attempt.
pub(super) struct Throttle {
    windows: Vec<(String, u32)>,
}

impl Throttle {
    /// For an attempt at this account from this address. An unknown account counts like a known one.
    pub(super) fn new(email: &Email, address: &str) -> Self {
        // Hashed, because the cache need not know who has an account here.
        let account = hex::encode(&sha256(email.as_str().as_bytes())[..16]);
        let mut windows = vec![(format!("account:{account}"), PER_ACCOUNT)];
        if let Some(network) = network(address) {
            windows.push((format!("address:{network}"), PER_ADDRESS));
            windows.push((format!("pair:{account}:{network}"), PER_PAIR));
        }
        Self { windows }
    }

    /// How long sign-in stays refused, if it is.
    pub(super) async fn refused_for(&self, hub: &Hub) -> Option<Duration> {
        let now = hub.clock.now().timestamp_micros();
        let mut longest = None;
        for (window, _) in &self.windows {
            let key = block(window);
            let until: Option<i64> = match hub.cache.get_json(&key).await {
                Ok(until) => until,
                Err(error) => {
                    cache_gone(&error);
                    hub.local.get_json(&key).await.ok().flatten()
                }
            };
            let left =
                until.map(|until| until - now).filter(|left| *left > 0).and_then(|left| u64::try_from(left).ok());
            longest = longest.max(left.map(Duration::from_micros));
        }
        longest
    }

    /// Counts a failure; gives the wait when a window is now full.
    pub(super) async fn count_failure(&self, hub: &Hub) -> Option<Duration> {
        let mut longest = None;
        for (window, limit) in &self.windows {
            let key = format!("login-failures:{window}");
            let (cache, counted) = match hub.cache.admit(&key, *limit, WINDOW).await {
                Ok(counted) => (&hub.cache, Ok(counted)),
                Err(error) => {
                    cache_gone(&error);
                    (&hub.local, hub.local.admit(&key, *limit, WINDOW).await)
                }
            };
            let Ok(counted) = counted else { continue };
            if counted.remaining > 0 {
                continue;
            }
            let until = hub.clock.now().timestamp_micros() + i64::try_from(counted.reset.as_micros()).unwrap_or(0);
            if let Err(error) = cache.put_json(&block(window), &until, counted.reset).await {
                cache_gone(&error);
            }
            longest = longest.max(Some(counted.reset));
        }
        longest
    }
}

fn block(window: &str) -> String {
    format!("login-refused:{window}")
}

fn cache_gone(error: &CacheError) {
    tracing::warn!(%error, "the cache is gone, failed sign-ins are counted per process");
}

/// One household or server gets a whole IPv6 /64, so that is the unit.
fn network(address: &str) -> Option<String> {
    Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    })
}
