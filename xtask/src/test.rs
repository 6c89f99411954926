//! `cargo xtask test`: every suite, on both engine pairs.

use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::count::Count;
use crate::interrupt::Interrupt;
use crate::process::{Running, succeeds};
use crate::servers::Servers;
use crate::{e2e, repo};

/// Building and testing everything, from nothing, on a small machine.
const LIMIT: Duration = Duration::from_hours(1);

/// What to test.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// The embedded pair only: starts no servers, skips tests on PostgreSQL and Redis and the end-to-end scripts.
    #[arg(long)]
    fast: bool,
    /// Test only these packages; end-to-end scripts are then skipped.
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Run only tests whose path contains one of these; end-to-end scripts are then skipped.
    filters: Vec<String>,
}

/// Runs the suites and prints the counts; an error when anything failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let servers = if options.fast { None } else { Some(Servers::start(&interrupt)?) };
    let environment = servers.as_ref().map_or_else(Vec::new, |servers| {
        vec![("HUB_TEST_POSTGRES_URL", servers.postgres_url.clone()), ("HUB_TEST_REDIS_URL", servers.redis_url.clone())]
    });
    let mut count = cargo_tests(options, &environment, &interrupt)?;
    if !options.fast && options.filters.is_empty() && options.packages.is_empty() {
        e2e::run(&environment, &interrupt, &mut count)?;
    }
    // The servers go before the last line is printed, and the last line is the result.
    drop(servers);
    println!("{}", count.report());
    if count.failed > 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

fn cargo_tests(options: &Options, environment: &[(&str, String)], interrupt: &Interrupt) -> Result<Count> {
    let nextest = succeeds(repo::cargo().args(["nextest", "--version"]));
    let mut command = if nextest { with_nextest(options) } else { with_cargo_test(options) };
    // Without servers of ours no test may find somebody else's.
    command.env_remove("HUB_TEST_POSTGRES_URL").env_remove("HUB_TEST_REDIS_URL");
    command.envs(environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    // nextest reports on standard error, cargo test on standard output.
    if nextest {
        command.stderr(Stdio::piped());
    } else {
        command.stdout(Stdio::piped());
    }
    let mut running = Running::start(&mut command, "TERM")?;
    let shared = Arc::new(Mutex::new(Count::default()));
    let lines = Arc::clone(&shared);
    let reader = running.follow(!nextest, move |line| {
        let mut count = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if nextest {
            count.read_nextest(line);
        } else {
            count.read_cargo_test(line);
        }
    });
    let status = running.wait(interrupt, LIMIT)?;
    if reader.join().is_err() {
        bail!("the reader of the test runner's output failed");
    }
    let count = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(judge(count, status))
}

/// A runner that fails without a failed test (it did not compile, or ran nothing) counts as one failure.
fn judge(mut count: Count, status: ExitStatus) -> Count {
    if !status.success() && count.failed == 0 {
        count.add_other(0, 1);
    }
    count
}

fn with_nextest(options: &Options) -> Command {
    let mut command = repo::cargo();
    command.args(["nextest", "run", "--no-fail-fast", "--color", "never"]);
    select(&mut command, options);
    if options.fast {
        command.args(["-E", "not test(/(^|::)postgres_redis(::|$)/)"]);
    }
    command.args(&options.filters);
    command
}

fn with_cargo_test(options: &Options) -> Command {
    let mut command = repo::cargo();
    command.args(["test", "--no-fail-fast", "--color", "never"]);
    select(&mut command, options);
    command.arg("--");
    if options.fast {
        command.args(["--skip", "postgres_redis::"]);
    }
    command.args(&options.filters);
    command
}

fn select(command: &mut Command, options: &Options) {
    if options.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.packages {
        command.args(["--package", package]);
    }
}
