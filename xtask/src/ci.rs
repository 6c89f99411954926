//! `cargo xtask ci`: everything that must hold before a change lands. All steps run, so one run tells all.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::process::{run as command, succeeds};
use crate::{openapi, repo, test, tidy};

/// Runs every step and prints what became of each.
pub(crate) fn run() -> Result<()> {
    let steps: [(&str, Step); 7] = [
        ("format", || done(command(repo::cargo().args(["fmt", "--all", "--check"])))),
        ("lints", || {
            done(command(repo::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))
        }),
        ("tests", || done(test::run(&test::Options::default()))),
        ("docs", || {
            let mut doc = repo::cargo();
            done(command(doc.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings")))
        }),
        ("dependencies", || {
            if !succeeds(repo::cargo().args(["deny", "--version"])) {
                return Ok(Outcome::Skipped("cargo-deny is not installed"));
            }
            done(command(repo::cargo().args(["deny", "check"])))
        }),
        ("tidy", || done(tidy::run())),
        ("generated files", || done(openapi::run(true))),
    ];
    let mut report = Vec::new();
    let mut failed = 0;
    for (name, step) in steps {
        eprintln!("--- {name}");
        let started = Instant::now();
        let outcome = step();
        let seconds = started.elapsed().as_secs();
        report.push(match outcome {
            Ok(Outcome::Done) => format!("{name}: ok ({seconds} s)"),
            Ok(Outcome::Skipped(why)) => format!("{name}: skipped, {why}"),
            Err(error) => {
                failed += 1;
                format!("{name}: FAILED, {error:#}")
            }
        });
    }
    println!("{}", report.join("\n"));
    if failed > 0 {
        bail!("{failed} steps failed");
    }
    Ok(())
}

type Step = fn() -> Result<Outcome>;

enum Outcome {
    Done,
    Skipped(&'static str),
}

fn done(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Done)
}
