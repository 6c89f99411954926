//! Slows down guessing: of passwords, second factors, mailed codes and links. Failures are counted by account and address together, by
//! address, and by account.
//!
//! A full window refuses every attempt in its reach, right or wrong, until its time is over, and each further time lasts twice as long.
//! Live sessions are not touched. The window is asked again after the check, so guesses sent at once do not get past it.

use std::net::IpAddr;
use std::time::Duration;

use hub_cache::{Cache, CacheError, Window};
use hub_types::Email;

use crate::Hub;
use crate::sessions::sha256;

const WINDOW: Duration = Duration::from_mins(15);
/// Refusals that came before are remembered this long.
const MEMORY: Duration = Duration::from_hours(24);
/// The longest refusal of an address or a pair.
const LONGEST: Duration = Duration::from_hours(24);
/// The longest refusal of an account from everywhere: longer ones would let strangers lock its owner out (ASVS 6.1.1).
const LONGEST_ACCOUNT: Duration = Duration::from_hours(1);

/// What is guessed at. Each kind is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// A password at the front door.
    SignIn,
    /// The password again, by somebody signed in.
    Proof,
    /// A second factor, by somebody who knows the password.
    Factor,
    /// A mailed code.
    Code,
    /// The secret of a mailed link; there is no account to count by.
    Link,
}

/// Failures per window.
struct Limits {
    pair: u32,
    address: u32,
    account: u32,
}

impl Guess {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "login",
            Self::Proof => "proof",
            Self::Factor => "factor",
            Self::Code => "code",
            Self::Link => "link",
        }
    }

    const fn limits(self) -> Limits {
        match self {
            Self::SignIn | Self::Proof => Limits { pair: 10, address: 50, account: 100 },
            // Six digits, three of them right at any moment: few guesses, wherever they come from.
            Self::Factor => Limits { pair: 10, address: 50, account: 20 },
            // Each code has its own five tries; this is against many codes.
            Self::Code | Self::Link => Limits { pair: 30, address: 100, account: 100 },
        }
    }
}

/// The windows of one attempt.
pub(crate) struct Throttle {
    windows: Vec<Reach>,
}

/// One window: whom it counts, how much it takes, how long it refuses at most.
struct Reach {
    name: String,
    limit: u32,
    longest: Duration,
}

impl Throttle {
    /// For an attempt at this account from this address. An unknown account counts like a known one.
    pub(super) fn new(guess: Guess, account: Option<&Email>, address: &str) -> Self {
        let (kind, limits) = (guess.name(), guess.limits());
        // Hashed, because the cache need not know who has an account here.
        let account = account.map(|email| hex::encode(&sha256(email.as_str().as_bytes())[..16]));
        let network = network(address);
        let mut windows = Vec::with_capacity(3);
        if let Some(account) = &account {
            // The second factor stays closed for long: who gets there has the password, and the owner is told to change it.
            let longest = if guess == Guess::Factor { LONGEST } else { LONGEST_ACCOUNT };
            windows.push(Reach { name: format!("{kind}:account:{account}"), limit: limits.account, longest });
        }
        if let Some(network) = &network {
            windows.push(Reach { name: address_window(kind, network), limit: limits.address, longest: LONGEST });
        }
        if let (Some(account), Some(network)) = (&account, &network) {
            let name = format!("{kind}:pair:{account}:{network}");
            windows.push(Reach { name, limit: limits.pair, longest: LONGEST });
        }
        Self { windows }
    }

    /// How long attempts stay refused, if they are.
    pub(crate) async fn refused_for(&self, hub: &Hub) -> Option<Duration> {
        let mut longest = None;
        for window in &self.windows {
            longest = longest.max(refusal(hub, &window.name).await);
        }
        longest
    }

    /// Counts a failure; gives the wait when a window is now full.
    pub(super) async fn count_failure(&self, hub: &Hub) -> Option<Duration> {
        let mut longest = None;
        for window in &self.windows {
            let key = format!("failures:{}", window.name);
            let Some((cache, counted)) = admit(hub, &key, window.limit, WINDOW).await else { continue };
            if counted.remaining > 0 {
                continue;
            }
            // The one that took the last place closes the window; those that were on their way with it only learn of it.
            let wait = if counted.allowed {
                refuse(hub, cache, &window.name, counted.reset, window.longest).await
            } else {
                refusal(hub, &window.name).await.unwrap_or(counted.reset)
            };
            longest = longest.max(Some(wait));
        }
        longest
    }
}

/// The name of the window that counts all attempts of one kind from a network.
pub(super) fn address_window(kind: &str, network: &str) -> String {
    format!("{kind}:address:{network}")
}

/// Closes a window for `first`, or for twice, four times, … as long where it was closed in the last 24 hours; gives how long.
pub(super) async fn refuse(hub: &Hub, cache: &Cache, window: &str, first: Duration, longest: Duration) -> Duration {
    // 16 doublings are more than any cap lets through.
    let before = match cache.admit(&format!("refusals:{window}"), 16, MEMORY).await {
        Ok(counted) => counted.limit.saturating_sub(counted.remaining).saturating_sub(1),
        Err(error) => {
            cache_gone(&error);
            0
        }
    };
    let wait = first.saturating_mul(2_u32.saturating_pow(before)).min(longest.max(first));
    let until = hub.clock.now().timestamp_micros().saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    if let Err(error) = cache.put_json(&block(window), &until, wait).await {
        cache_gone(&error);
    }
    wait
}

/// Counts in the shared cache, or in this process's own memory while that is gone.
pub(crate) async fn admit<'a>(hub: &'a Hub, key: &str, limit: u32, window: Duration) -> Option<(&'a Cache, Window)> {
    match hub.cache.admit(key, limit, window).await {
        Ok(counted) => Some((&hub.cache, counted)),
        Err(error) => {
            cache_gone(&error);
            let counted = hub.local.admit(key, limit, window).await.ok()?;
            Some((&hub.local, counted))
        }
    }
}

/// One household or server gets a whole IPv6 /64, so that is the unit.
pub(crate) fn network(address: &str) -> Option<String> {
    Some(match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    })
}

pub(super) fn cache_gone(error: &CacheError) {
    tracing::warn!(%error, "the cache is gone, failed attempts are counted per process");
}

async fn refusal(hub: &Hub, window: &str) -> Option<Duration> {
    let key = block(window);
    let until: Option<i64> = match hub.cache.get_json(&key).await {
        Ok(until) => until,
        Err(error) => {
            cache_gone(&error);
            hub.local.get_json(&key).await.ok().flatten()
        }
    };
    let left = until? - hub.clock.now().timestamp_micros();
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_micros)
}

fn block(window: &str) -> String {
    format!("refused:{window}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_by_what_one_household_has() {
        assert_eq!(network("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(network("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network(""), None);
    }
}
