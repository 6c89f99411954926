//! The addresses of one service, taken in turn.
//!
//! A target that refuses connections is tried last for a while, never given up: when all are dead, each is tried.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::uri::Authority;
use tokio::time::Instant;
use url::Url;

use super::ForwarderError;

/// One address.
pub(super) struct Target {
    pub(super) authority: Authority,
    /// Milliseconds after the list was made until which the target is thought dead.
    dead_until: AtomicU64,
}

/// All addresses.
pub(super) struct Targets {
    list: Vec<Target>,
    next: AtomicUsize,
    born: Instant,
    dead_for: Duration,
}

impl Targets {
    pub(super) fn new(urls: &[Url], dead_for: Duration) -> Result<Self, ForwarderError> {
        let list = urls.iter().map(target).collect::<Result<Vec<_>, _>>()?;
        if list.is_empty() {
            return Err(ForwarderError::NoTarget);
        }
        Ok(Self { list, next: AtomicUsize::new(0), born: Instant::now(), dead_for })
    }

    /// Every target once: the living from the next in turn on, then the dead.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Target> {
        let start = self.next.fetch_add(1, Relaxed);
        let now = self.now();
        let round = move || {
            (0..self.list.len()).filter_map(move |step| self.list.get(start.wrapping_add(step) % self.list.len()))
        };
        let dead = move |target: &&Target| target.dead_until.load(Relaxed) > now;
        round().filter(move |target| !dead(target)).chain(round().filter(dead))
    }

    /// Leaves a target alone for a while.
    pub(super) fn bury(&self, target: &Target) {
        let until = self.now() + u64::try_from(self.dead_for.as_millis()).unwrap_or(u64::MAX / 2);
        target.dead_until.store(until, Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }
}

fn target(url: &Url) -> Result<Target, ForwarderError> {
    let bad = || ForwarderError::BadTarget(url.origin().ascii_serialization());
    let bare = url.scheme() == "http" && url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let (true, Some(host)) = (bare && url.password().is_none(), url.host_str()) else { return Err(bad()) };
    let port = url.port_or_known_default().unwrap_or(80);
    let authority = format!("{host}:{port}").parse().map_err(|_| bad())?;
    Ok(Target { authority, dead_until: AtomicU64::new(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(urls: &[&str]) -> Result<Targets, ForwarderError> {
        let urls: Vec<Url> = urls.iter().map(|url| url.parse().unwrap()).collect();
        Targets::new(&urls, Duration::from_mins(1))
    }

    fn names(targets: &Targets) -> Vec<&str> {
        targets.in_turn().map(|target| target.authority.as_str()).collect()
    }

    #[test]
    fn targets_take_turns_and_the_dead_come_last() {
        let all = targets(&["http://a:1", "http://b:2", "http://c:3"]).unwrap();
        assert_eq!(names(&all), ["a:1", "b:2", "c:3"]);
        assert_eq!(names(&all), ["b:2", "c:3", "a:1"]);
        all.bury(&all.list[2]);
        assert_eq!(names(&all), ["a:1", "b:2", "c:3"]);
        assert_eq!(names(&all), ["a:1", "b:2", "c:3"]);
        assert_eq!(names(&all), ["b:2", "a:1", "c:3"]);
    }

    #[test]
    fn only_a_plain_origin_is_a_target() {
        assert!(matches!(targets(&[]), Err(ForwarderError::NoTarget)));
        for bad in ["https://a", "http://a/path", "http://u:p@a", "http://a?x=1", "unix:/a"] {
            assert!(matches!(targets(&[bad]), Err(ForwarderError::BadTarget(_))), "{bad}");
        }
    }
}
