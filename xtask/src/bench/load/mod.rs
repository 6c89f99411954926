//! `cargo xtask bench load`: what the hub costs beside a plain nginx, both in front of the same upstream, in one run.
//!
//! Everything the hub does for a call is on: key, limits, hold, settle, usage row, metrics. The load comes from this process and so
//! does the upstream; both are the same for hub and nginx, so the ratios are what counts. Nothing leaves the loopback address.

mod client;
mod cpu;
mod disk;
mod drive;
mod hub;
mod nginx;
mod report;
pub(super) mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::interrupt::Interrupt;
use crate::{process, repo, servers};
pub(super) use client::{Call, Connection};
use cpu::Spent;
use drive::Sample;
pub(super) use hub::Hub;
use report::{Row, Table};

/// How to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds per measurement; 3 to 60.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(3..=60))]
    seconds: u64,
    /// Requests at once in the closed loop; 1 to 256.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    callers: u64,
    /// Print only; leave docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
}

/// Requests per second of the open loop, at which latencies are compared.
const RATE: u64 = 100;
/// Streams per second of the open loop, and the pieces of each.
const STREAM_RATE: u64 = 10;
const PIECES: u64 = 200;
/// Calls before the first measurement, so that pools are filled and code is warm.
const WARM_UP: Duration = Duration::from_secs(2);

/// What one target did.
struct Measured {
    closed: Sample,
    closed_cpu: Spent,
    open: Sample,
    stream: Sample,
    stream_cpu: Spent,
}

/// A server under load: where it is, what authorises a call, and whose processor time counts.
struct Target {
    name: &'static str,
    address: SocketAddr,
    bearer: String,
    /// The server itself.
    own: Vec<u32>,
    /// The servers it stores in.
    stores: Vec<u32>,
}

/// Runs all measurements and compares them with the budgets of the issue; an error when one is exceeded.
pub(crate) fn run(options: &Options) -> Result<()> {
    process::run(repo::cargo().args(["build", "--release", "-p", "hub"]))?;
    let binary = repo::hub_binary("release")?;
    let interrupt = Interrupt::listen()?;
    let upstream = upstream::Upstream::start().context("the upstream cannot listen")?;
    let proxy = nginx::Nginx::start(upstream.address(), &interrupt)?;
    let nginx = measure(&proxy.target(), options, &interrupt)?;
    let mut table = Table::new(options.seconds, options.callers, disk::commit()?);
    table.add("nginx", &nginx, &nginx, false);

    let embedded = Hub::start(&binary, upstream.address(), None, &interrupt)?;
    let on_sqlite = measure(&embedded.target(), options, &interrupt)?;
    embedded.finish()?;
    table.add("hub, sqlite + memory", &on_sqlite, &nginx, false);

    let stores = servers::Servers::start_durable(&interrupt)?;
    let shared = Hub::start(&binary, upstream.address(), Some(&stores), &interrupt)?;
    let on_postgres = measure(&shared.target(), options, &interrupt)?;
    shared.finish()?;
    table.add("hub, postgres + redis", &on_postgres, &nginx, true);

    println!("{table}");
    if !options.dry_run {
        table.write(&repo::root().join("docs/benchmarks.md"))?;
    }
    let beyond: Vec<String> = table.rows().filter_map(Row::beyond).collect();
    if beyond.is_empty() { Ok(()) } else { bail!("beyond the budget: {}", beyond.join("; ")) }
}

fn measure(target: &Target, options: &Options, interrupt: &Interrupt) -> Result<Measured> {
    let (length, callers) = (Duration::from_secs(options.seconds), usize::try_from(options.callers)?);
    let whole = Call::whole(target.address, &target.bearer);
    let stream = Call::stream(target.address, &target.bearer, PIECES);
    eprintln!("measuring {}", target.name);
    drive::closed(&whole, callers, WARM_UP)?;
    interrupt.check()?;
    let (closed, closed_cpu) = cpu::during(target, || drive::closed(&whole, callers, length))?;
    interrupt.check()?;
    let open = drive::open(&whole, RATE, length)?;
    interrupt.check()?;
    let (stream, stream_cpu) = cpu::during(target, || drive::open(&stream, STREAM_RATE, length))?;
    Ok(Measured { closed, closed_cpu, open, stream, stream_cpu })
}
