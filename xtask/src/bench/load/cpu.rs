//! Processor time of other processes, with all that they have started: from `/proc`, in ticks of a hundredth of a second.

use std::collections::HashMap;

use anyhow::{Context, Result};

use super::Target;
use super::drive::Sample;

/// Processor time of a measurement, in seconds.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    /// By the server itself.
    pub(super) own: f64,
    /// By the servers it stores in.
    pub(super) stores: f64,
}

/// Runs a measurement and says what the target spent on it.
pub(super) fn during(target: &Target, work: impl FnOnce() -> Result<Sample>) -> Result<(Sample, Spent)> {
    let before = (ticks(&target.own)?, ticks(&target.stores)?);
    let sample = work()?;
    let after = (ticks(&target.own)?, ticks(&target.stores)?);
    let seconds =
        |before: u64, after: u64| f64::from(u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX)) / 100.0;
    Ok((sample, Spent { own: seconds(before.0, after.0), stores: seconds(before.1, after.1) }))
}

/// User and system time of these processes and everything below them, the ended children included.
fn ticks(roots: &[u32]) -> Result<u64> {
    let mut processes: HashMap<u32, (u32, u64)> = HashMap::new();
    for entry in std::fs::read_dir("/proc").context("needs /proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while we look.
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(found) = parse(&text) {
            processes.insert(id, found);
        }
    }
    let below = |mut id: u32| {
        for _ in 0..64 {
            if roots.contains(&id) {
                return true;
            }
            match processes.get(&id) {
                Some((parent, _)) if *parent > 0 => id = *parent,
                _ => return false,
            }
        }
        false
    };
    Ok(processes.iter().filter(|(id, _)| below(**id)).map(|(_, (_, ticks))| ticks).sum())
}

/// Parent, and the sum of utime, stime, cutime and cstime (proc(5): fields 4 and 14 to 17; the name may hold spaces).
fn parse(stat: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Some((parent, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "12 (a b) c) S 7 12 12 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7";
        assert_eq!(parse(stat), Some((7, 127)));
    }
}
