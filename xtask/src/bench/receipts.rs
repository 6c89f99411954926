//! `cargo xtask bench receipts`: a month of receipts computed again.
//!
//! It starts a PostgreSQL of its own and lets PostgreSQL write the receipts and what they cost, in `numeric` arithmetic that shares
//! nothing with the hub's. Then `hub receipts recompute` must find no difference; and after one stored digit was changed, that one.

mod fill;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use super::psql::Psql;
use crate::interrupt::Interrupt;
use crate::process;
use crate::repo;
use crate::servers::Servers;

/// How long a million receipts may take, in a release build.
const BUDGET_PER_MILLION: Duration = Duration::from_mins(1);

/// What to write and measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Receipts to write.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// A hub that is built already, instead of a release build of this tree; its time has no budget.
    #[arg(long, value_name = "FILE")]
    hub: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let hub = if let Some(hub) = &options.hub {
        hub.clone()
    } else {
        process::run(repo::cargo().args(["build", "--release", "-p", "hub"]))?;
        repo::hub_binary("release")?
    };
    let interrupt = Interrupt::listen()?;
    let servers = Servers::start(&interrupt)?;
    let data = tempfile::Builder::new().prefix("hub-bench-").tempdir()?;
    let program =
        Program { hub, data: data.path(), servers: &servers, secret: hex::encode(hub_types::random_bytes::<32>()) };
    process::output(program.command().arg("migrate"))?;

    let database = Psql::new(&servers.postgres_url)?;
    let started = Instant::now();
    fill::fill(&database, options.rows, &interrupt)?;
    eprintln!("{} receipts written in {:.0} s", options.rows, started.elapsed().as_secs_f64());

    let (clean, time) = program.recompute()?;
    ensure!(clean.receipts == options.rows, "{} receipts were looked at", clean.receipts);
    if clean.differences > 0 {
        bail!("{} differences, such as {:?}", clean.differences, clean.named.first());
    }
    interrupt.check()?;
    let changed = fill::change_a_digit(&database)?;
    let (found, _) = program.recompute()?;
    let named = found.named.first().is_some_and(|words| words.contains(&changed));
    ensure!(found.differences == 1 && named, "the changed digit was not found: {:?}", found.named);

    let size = fill::size(&database)?;
    println!("| {} receipts | value |\n| --- | --- |", options.rows);
    println!("| computed again in | {:.1} s |", time.as_secs_f64());
    println!("| differences | 0 |");
    println!("| after one digit was changed | 1, named: {} |", found.named.first().map_or("", String::as_str));
    println!("| size of the database | {} MB |", size >> 20);
    let rows = u32::try_from(options.rows / 1000).context("too many receipts")?;
    if options.hub.is_none() && time > BUDGET_PER_MILLION * rows / 1000 {
        bail!("beyond the budget of {} s for a million", BUDGET_PER_MILLION.as_secs());
    }
    Ok(())
}

/// What the hub found.
struct Found {
    receipts: u64,
    differences: u64,
    named: Vec<String>,
}

/// The hub's binary on these servers.
struct Program<'a> {
    hub: PathBuf,
    data: &'a Path,
    servers: &'a Servers,
    secret: String,
}

impl Program<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.hub);
        command.env("DATABASE_URL", &self.servers.postgres_url).env("REDIS_URL", &self.servers.redis_url);
        command.env("JWT_SECRET", &self.secret).arg("--json").arg("--data-dir").arg(self.data);
        command.stdin(Stdio::null());
        command
    }

    /// `hub receipts recompute`; a difference is no failure here.
    fn recompute(&self) -> Result<(Found, Duration)> {
        let started = Instant::now();
        let mut command = self.command();
        let output =
            command.args(["receipts", "recompute", "--month", fill::MONTH]).stderr(Stdio::inherit()).output()?;
        let time = started.elapsed();
        let report: Value =
            serde_json::from_slice(&output.stdout).context("the hub wrote something that is not JSON")?;
        let number = |name: &str| report.get(name).and_then(Value::as_u64).with_context(|| format!("no {name}"));
        let named = report.get("named").and_then(Value::as_array).context("nothing is named")?;
        let found = Found {
            receipts: number("receipts")?,
            differences: number("differences")?,
            named: named.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        };
        ensure!(output.status.success() == (found.differences == 0), "the exit code says something else");
        Ok((found, time))
    }
}
