//! What the disk itself takes for one durable write: no call can be faster than its commits.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::servers;

const WRITES: usize = 300;
/// A page of a write-ahead log.
const PAGE: [u8; 4096] = [7; 4096];

/// The median of some appends, each on the disk before the next begins.
pub(super) fn commit() -> Result<Duration> {
    let mut file = tempfile::tempfile_in(servers::DISK).with_context(|| format!("no file in {}", servers::DISK))?;
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    took.sort_unstable();
    took.get(WRITES / 2).copied().context("nothing was written")
}
