//! `cargo xtask bench streams`: memory of a hub with thousands of idle sockets and slow streams open at once.
//!
//! Load and upstream are this process, nothing leaves the loopback address. All accounting is on: each socket and stream has its key
//! check, each stream its hold, lease, meter and settle. A run fails when a connection fails, a stream does not settle, the ledger is not
//! clean afterwards, or a budget is exceeded.

mod report;
mod slow;
mod sockets;
mod upstream;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::load::{Call, Connection, Hub};
use super::resident;
use crate::interrupt::Interrupt;
use crate::{process, repo};
use report::{Growth, Report};

/// How to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Idle WebSockets; 50 to 8000.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(50..=8000))]
    sockets: u32,
    /// Slow streams; 10 to 4000.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=4000))]
    streams: u32,
    /// Measure this binary instead of building one for release.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Print only; leave docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
}

/// Sockets an account may have open at once.
const PER_ACCOUNT: u32 = 50;
/// Open files beside one per socket and three per stream: caller's end, hub's request, upstream's end.
const OTHER_FILES: u64 = 200;
/// Memory is read this long after the last connection was opened.
const REST: Duration = Duration::from_secs(3);
/// Calls before the first reading, so that pools are filled and code is warm.
const WARM_UP: u32 = 300;
/// How long streams may take to settle once they have ended.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// Runs it; an error when anything failed or a budget is exceeded.
pub(crate) fn run(options: &Options) -> Result<()> {
    enough_files(u64::from(options.sockets) + 3 * u64::from(options.streams) + OTHER_FILES)?;
    let binary = if let Some(binary) = &options.binary {
        std::path::absolute(binary)?
    } else {
        process::run(repo::cargo().args(["build", "--release", "-p", "hub"]))?;
        repo::hub_binary("release")?
    };
    let interrupt = Interrupt::listen()?;
    let upstream = upstream::Upstream::start().context("the upstream cannot listen")?;
    let hub = Hub::start(&binary, upstream.address(), None, &interrupt)?;
    let keys = accounts(&hub, options.sockets.div_ceil(PER_ACCOUNT))?;
    let whole = Call::whole(hub.address(), hub.key());
    let mut warm = Connection::open(&whole)?;
    for _ in 0..WARM_UP {
        warm.send(&whole)?;
    }
    interrupt.check()?;

    let before = settled_memory(hub.id())?;
    let begun = Instant::now();
    let sockets = sockets::Sockets::open(hub.address(), &keys, options.sockets)?;
    let sockets_took = begun.elapsed();
    let with_sockets = settled_memory(hub.id())?;
    interrupt.check()?;

    let begun = Instant::now();
    let streams = slow::Streams::open(hub.address(), hub.key(), options.streams)?;
    let streams_took = begun.elapsed();
    let with_streams = settled_memory(hub.id())?;
    let at_once = upstream.running();
    if at_once != u64::from(options.streams) {
        bail!("{at_once} streams were running when memory was read, not {}", options.streams);
    }
    interrupt.check()?;
    upstream.end();
    streams.read_to_end()?;
    let silent = sockets.close()?;
    if silent > 0 {
        bail!("{silent} sockets were closed by the hub");
    }
    settled(&hub)?;
    hub.finish()?;

    let report = Report {
        sockets: Growth { count: options.sockets, before, after: with_sockets, took: sockets_took },
        streams: Growth { count: options.streams, before: with_sockets, after: with_streams, took: streams_took },
    };
    println!("{report}");
    if !options.dry_run {
        report.write(&repo::root().join("docs/benchmarks.md"))?;
    }
    report.check()
}

/// Resident memory after a rest, in kilobytes.
fn settled_memory(process: u32) -> Result<u64> {
    std::thread::sleep(REST);
    resident(process)
}

/// Keys of so many accounts, made by the operator's command line.
fn accounts(hub: &Hub, count: u32) -> Result<Vec<String>> {
    eprintln!("making {count} accounts");
    let make = |number: u32| hub.member(&format!("bench-{number}@example.com"));
    std::thread::scope(|scope| {
        let one = |half: u32| move || (half..count).step_by(2).map(make).collect::<Result<Vec<_>>>();
        let halves = [scope.spawn(one(0)), scope.spawn(one(1))];
        let mut keys = Vec::new();
        for half in halves {
            keys.extend(half.join().ok().context("a thread panicked")??);
        }
        Ok(keys)
    })
}

/// Waits until nothing is held any more.
fn settled(hub: &Hub) -> Result<()> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    while hub.open_holds()? > 0 {
        if Instant::now() > deadline {
            bail!("calls are still held {} s after their streams ended", SETTLE_WITHIN.as_secs());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Errors when this process, and so the hub it starts, may not open so many files.
fn enough_files(needed: u64) -> Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits").context("needs /proc")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of open files")?;
    let soft = line.split_whitespace().next().unwrap_or_default();
    if soft != "unlimited" && soft.parse::<u64>().unwrap_or(0) < needed {
        bail!("only {soft} files may be open; run `ulimit -n {needed}` first");
    }
    Ok(())
}
