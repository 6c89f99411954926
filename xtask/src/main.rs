//! The only automation of the house: `cargo xtask --help` lists what there is to do.
//!
//! It must work the same on a developer's machine and in CI: no input, no fixed ports, no services of the system,
//! and it ends only processes that it started.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "talking to the person who ran it is its job")]

mod bench;
mod ci;
mod count;
mod e2e;
mod interrupt;
mod openapi;
mod process;
mod repo;
mod run;
mod servers;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, runs, tests and checks Smart AI Hub.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the hub (and the web UI) for development and serve it from .data; further arguments go to `hub serve`.
    Run {
        /// Arguments for `hub serve`, after `--`.
        #[arg(last = true)]
        hub: Vec<String>,
    },
    /// Run every suite on both engine pairs, with PostgreSQL and Redis of its own.
    Test(test::Options),
    /// All that CI checks: format, lints, tests, docs, dependencies, tidiness, generated files.
    Ci,
    /// Check dependency arrows, file sizes, module docs and who may use which crate.
    Tidy,
    /// Write openapi/hub.json and docs/errors.md.
    Openapi {
        /// Write nothing; fail if a file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Start PostgreSQL and Redis for development, print their URLs as shell exports, stop with Ctrl-C or end of input.
    Servers,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done: Result<()> = match arguments.task {
        Task::Run { hub } => run::run(&hub),
        Task::Test(options) => test::run(&options),
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
        Task::Openapi { check } => openapi::run(check),
        Task::Bench(bench) => bench::run(&bench),
        Task::Servers => servers::hold(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
