//! The two kinds of load: as fast as answers come (closed loop), and at a fixed rate whatever happens (open loop).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::client::{Call, Connection};

/// Callers of the open loop. A call that finds none free starts late, and that counts as its latency.
const OPEN_CALLERS: usize = 64;

/// What was seen.
pub(super) struct Sample {
    /// Answers.
    pub(super) calls: u64,
    /// Pieces of streamed answers.
    pub(super) pieces: u64,
    /// From first to last.
    pub(super) took: Duration,
    /// When the last byte came, after the moment the call was due; sorted.
    last: Vec<Duration>,
    /// When the first byte came; sorted.
    first: Vec<Duration>,
}

impl Sample {
    /// Time to the last byte that so many thousandths of the calls kept.
    pub(super) fn whole(&self, permille: usize) -> Duration {
        quantile(&self.last, permille)
    }

    /// Time to the first byte that so many thousandths of the calls kept.
    pub(super) fn first(&self, permille: usize) -> Duration {
        quantile(&self.first, permille)
    }

    /// Answers per second.
    pub(super) fn rate(&self) -> f64 {
        ratio(self.calls, self.took)
    }
}

fn ratio(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

fn quantile(sorted: &[Duration], permille: usize) -> Duration {
    let index = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

/// So many callers, each sending its next call when its last one was answered.
pub(super) fn closed(call: &Call, callers: usize, length: Duration) -> Result<Sample> {
    let start = Instant::now();
    gather(call, start, callers, |connection| {
        let mut seen = Vec::new();
        while start.elapsed() < length {
            let due = Instant::now();
            let times = connection.send(call)?;
            seen.push((times.first - due, times.last - due));
        }
        Ok(seen)
    })
}

/// So many calls per second, each due at its moment.
pub(super) fn open(call: &Call, rate: u64, length: Duration) -> Result<Sample> {
    let total = rate * length.as_secs();
    let (next, start) = (AtomicU64::new(0), Instant::now() + Duration::from_millis(100));
    gather(call, start, OPEN_CALLERS, |connection| {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return Ok(seen);
            }
            let due = start + Duration::from_micros(number * 1_000_000 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let times = connection.send(call)?;
            seen.push((times.first - due, times.last - due));
        }
    })
}

type Seen = Vec<(Duration, Duration)>;

fn gather(
    call: &Call,
    start: Instant,
    callers: usize,
    work: impl Fn(&mut Connection) -> Result<Seen> + Sync,
) -> Result<Sample> {
    let seen: Result<Vec<Seen>> = std::thread::scope(|scope| {
        let one = || work(&mut Connection::open(call)?);
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().ok().context("a caller panicked")?).collect()
    });
    let took = start.elapsed();
    let (mut first, mut last): (Vec<_>, Vec<_>) = seen?.into_iter().flatten().unzip();
    if last.is_empty() {
        bail!("no call was answered");
    }
    first.sort_unstable();
    last.sort_unstable();
    let calls = last.len() as u64;
    Ok(Sample { calls, pieces: calls * call.pieces, took, last, first })
}
