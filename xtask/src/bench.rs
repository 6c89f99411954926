//! `cargo xtask bench`: measurements with a budget.

mod ledger;
mod load;
mod psql;
mod receipts;
mod streams;
mod usage;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::process::{self, Running};
use crate::{repo, servers};

const STARTS: usize = 10;
const START_BUDGET: Duration = Duration::from_millis(150);
const MEMORY_BUDGET_KB: u64 = 40 * 1024;
/// Memory is read this long after the first answer, when nothing has been asked of the hub.
const IDLE: Duration = Duration::from_secs(2);
/// The first start creates the database and its keys.
const FIRST_START_WITHIN: Duration = Duration::from_mins(1);
const START_WITHIN: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Time from start to the first answer, and memory when idle, of the release build on an existing data directory.
    Start,
    /// Cost of a call beside a plain nginx in the same run: processor time, added latency, streams; on both engine pairs.
    Load(load::Options),
    /// Memory of one hub with thousands of idle sockets and slow streams open at once.
    Streams(streams::Options),
    /// Charges per second on PostgreSQL and SQLite with every commit on the disk, beside the spec's transaction, TPC-B and a commit each.
    Ledger,
    /// Time to compute a million receipts of a month again, written by PostgreSQL's own arithmetic; and that a changed digit is found.
    Receipts(receipts::Options),
    /// Time to read usage through the front door, with ten million calls in PostgreSQL.
    Usage(usage::Options),
}

/// Runs the measurement; an error when a budget is exceeded.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Start => start(),
        Bench::Load(options) => load::run(options),
        Bench::Streams(options) => streams::run(options),
        Bench::Ledger => ledger::run(),
        Bench::Receipts(options) => receipts::run(options),
        Bench::Usage(options) => usage::run(options),
    }
}

fn start() -> Result<()> {
    process::run(repo::cargo().args(["build", "--release", "-p", "hub"]))?;
    let hub = repo::hub_binary("release")?;
    let data = tempfile::Builder::new().prefix("hub-bench-").tempdir()?;
    measure(&hub, data.path(), FIRST_START_WITHIN).context("the first start")?;
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..STARTS {
        let (time, kilobytes) = measure(&hub, data.path(), START_WITHIN)?;
        times.push(time);
        memory.push(kilobytes);
    }
    let (time, kilobytes) = (median(times)?, median(memory)?);
    println!("| measure (median of {STARTS}) | value | budget |\n| --- | --- | --- |");
    println!("| start to first 200 | {:.1} ms | {} ms |", time.as_secs_f64() * 1e3, START_BUDGET.as_millis());
    println!("| idle memory (RSS) | {:.1} MB | {} MB |", megabytes(kilobytes), MEMORY_BUDGET_KB / 1024);
    if time > START_BUDGET || kilobytes > MEMORY_BUDGET_KB {
        bail!("beyond the budget");
    }
    Ok(())
}

/// One start: until `/health/live` answers 200, and the memory some time after.
fn measure(hub: &Path, data: &Path, within: Duration) -> Result<(Duration, u64)> {
    let address = SocketAddr::from(([127, 0, 0, 1], servers::free_port()?));
    let mut command = Command::new(hub);
    command.arg("serve").arg("--data-dir").arg(data).arg("--listen").arg(address.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut running = Running::start(&mut command, "TERM")?;
    while !is_live(address) {
        if let Some(status) = running.ended()? {
            bail!("the hub ended ({status}) before it answered");
        }
        if started.elapsed() > within {
            bail!("the hub did not answer within {} s", within.as_secs());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let time = started.elapsed();
    std::thread::sleep(IDLE);
    let kilobytes = resident(running.id())?;
    running.end();
    Ok((time, kilobytes))
}

fn is_live(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(connection, "GET /health/live HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        connection.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// `VmRSS` in kilobytes.
fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).context("needs /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> Result<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied().context("nothing was measured")
}

fn megabytes(kilobytes: u64) -> f64 {
    Duration::from_millis(kilobytes).as_secs_f64() * 1000.0 / 1024.0
}
