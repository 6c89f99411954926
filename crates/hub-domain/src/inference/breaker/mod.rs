//! Circuit breakers: a provider (with one credential) that fails is left alone for a while, then one call tries whether it is well.
//!
//! Each process counts its own calls. That a breaker is open stands in the cache, so all processes obey it within a second; while the cache
//! is gone each obeys its own. A breaker never decides about money: whoever finds it open just tries elsewhere.

mod shared;
mod window;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hub_types::Timestamp;
use serde::Deserialize;

use self::window::Window;
use crate::Hub;

pub(super) use shared::{Memory, Until, forget, get, put};

/// For how long a breaker that nobody has tried since it opened stays half-open.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// `[routing.breaker]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds of calls that count; 1 to 600.
    pub window_seconds: u64,
    /// Opens when at least this part of them failed, in percent; 1 to 100.
    pub failure_percent: u32,
    /// And when there were at least this many; 1 to 10000.
    pub calls: u32,
    /// Seconds until one call may try again; 1 to 3600.
    pub open_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window_seconds: 30, failure_percent: 50, calls: 10, open_seconds: 30 }
    }
}

impl Settings {
    fn window(&self) -> i64 {
        i64::try_from(self.window_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
    }

    const fn open(&self) -> Duration {
        Duration::from_secs(self.open_seconds)
    }

    fn trips(&self, (calls, failures): (u32, u32)) -> bool {
        calls >= self.calls && u64::from(failures) * 100 >= u64::from(calls) * u64::from(self.failure_percent)
    }
}

/// The calls of this process, for each provider and credential.
#[derive(Debug, Default)]
pub(super) struct Windows(Mutex<HashMap<String, Window>>);

impl Windows {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Yes.
    Free,
    /// Yes, as the one call that finds out; its end must be told with [`note`].
    Probe,
    /// Not for so long.
    Open(Duration),
}

/// What the end of a call says about its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Well,
    /// It failed.
    Failed,
    /// It will fail until the operator does something: open at once.
    Useless,
    /// Nothing.
    Unknown,
}

/// How a breaker stands, for lists and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerState {
    /// `closed`, `open` or `half_open`.
    pub state: &'static str,
    /// When one call may try again.
    pub until: Option<Timestamp>,
    /// Calls of this process that count.
    pub calls: u32,
    /// How many of them failed.
    pub failures: u32,
}

/// Asks to make a call at the provider with this key.
pub(super) async fn enter(hub: &Hub, key: &str) -> Entry {
    let Some(open) = get(hub, &record_key(key)).await else { return Entry::Free };
    if let Some(left) = open.left(hub.clock.now()) {
        return Entry::Open(left);
    }
    let life = hub.settings.routing.breaker.open();
    if shared::claim(hub, &probe_key(key), life).await { Entry::Probe } else { Entry::Open(Duration::from_secs(1)) }
}

/// How long no call may be made; `None` when one may, or may find out.
pub(super) async fn closed_for(hub: &Hub, key: &str) -> Option<Duration> {
    get(hub, &record_key(key)).await?.left(hub.clock.now())
}

/// Tells how a call ended, and whether it was a probe.
pub(super) async fn note(hub: &Hub, key: &str, verdict: Verdict, probe: bool) {
    let trips = match verdict {
        Verdict::Well => {
            count(hub, key, false, probe);
            false
        }
        Verdict::Failed => count(hub, key, true, probe),
        Verdict::Useless => true,
        Verdict::Unknown => false,
    };
    if trips {
        open(hub, key).await;
    } else if probe && verdict == Verdict::Well {
        forget(hub, &record_key(key)).await;
        gauge(key, "closed");
        tracing::info!(provider = key, "a provider that failed is well again");
    }
    if probe {
        shared::release(hub, &probe_key(key)).await;
    }
}

/// How it stands.
pub(super) async fn state(hub: &Hub, key: &str) -> BreakerState {
    let now = hub.clock.now();
    let record = get(hub, &record_key(key)).await;
    let until = record.map(|record| record.until).filter(|until| *until > now);
    let state = match (record, until) {
        (None, _) => "closed",
        (Some(_), Some(_)) => "open",
        (Some(_), None) => "half_open",
    };
    gauge(key, state);
    let window = hub.settings.routing.breaker.window();
    let windows = hub.routing.windows.lock();
    let (calls, failures) = windows.get(key).map_or((0, 0), |calls| calls.sums(now.timestamp_millis(), window));
    BreakerState { state, until, calls, failures }
}

/// Counts a call; true when the breaker has to open.
fn count(hub: &Hub, key: &str, failed: bool, probe: bool) -> bool {
    let settings = &hub.settings.routing.breaker;
    let (now, span) = (hub.clock.now().timestamp_millis(), settings.window());
    let mut windows = hub.routing.windows.lock();
    let calls = windows.entry(key.to_owned()).or_insert_with(|| {
        // From its first call on it is in the metrics, not only once it has failed.
        gauge(key, "closed");
        Window::default()
    });
    if probe && !failed {
        // What was before it is well again says nothing any more.
        *calls = Window::default();
    }
    calls.count(now, span, failed);
    failed && (probe || settings.trips(calls.sums(now, span)))
}

async fn open(hub: &Hub, key: &str) {
    // Calls that were on their way when it opened may fail later; they do not prolong it.
    if closed_for(hub, key).await.is_some() {
        return;
    }
    let until = hub.clock.now() + hub.settings.routing.breaker.open();
    put(hub, &record_key(key), Until { until }, FORGOTTEN).await;
    gauge(key, "open");
    tracing::warn!(provider = key, %until, "a provider fails; it is left alone for a while");
}

/// 0 closed, 1 half-open, 2 open.
fn gauge(key: &str, state: &str) {
    let value = match state {
        "open" => 2.0,
        "half_open" => 1.0,
        _ => 0.0,
    };
    metrics::gauge!("llm_breaker_state", "provider" => key.to_owned()).set(value);
}

fn record_key(key: &str) -> String {
    format!("breaker:{key}")
}

fn probe_key(key: &str) -> String {
    format!("breaker_probe:{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_enough_calls_must_fail() {
        let settings = Settings::default();
        assert!(!settings.trips((9, 9)));
        assert!(!settings.trips((11, 5)));
        assert!(settings.trips((10, 5)));
    }
}
