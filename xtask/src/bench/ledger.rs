//! `cargo xtask bench ledger`: charges per second through the hub's own rule, with every commit on the disk, beside what they are
//! compared with, on the same server in the same run: ratios mean something on any machine, numbers only on one.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::interrupt::Interrupt;
use crate::servers::Durable;
use crate::{process, repo};

/// Callers at the same time, in the hub and in pgbench.
const CALLERS: u64 = 64;
/// Accounts of the wide measurement.
const ACCOUNTS: u64 = 10_000;
/// Seconds per measurement; twelve of them stay within two minutes.
const SECONDS: u64 = 6;
/// pgbench's own advice: at least as many branches as clients, or it measures waiting for locks.
const SCALE: u64 = CALLERS;
const SCHEMA: &str = "bench";

/// The floors, from credits.md: charges on one account against the transaction of the spec, charges anywhere against TPC-B, charges on
/// SQLite against a commit each, one caller alone against the direct statements.
const HOT_FLOOR: f64 = 40.0;
const WIDE_FLOOR: f64 = 4.0;
const SQLITE_FLOOR: f64 = 8.0;
const LONE_FLOOR: f64 = 0.8;

/// One line of the table.
struct Line {
    what: &'static str,
    figure: Value,
    beside: &'static str,
    per_second: f64,
    floor: f64,
}

/// Runs everything; an error when a floor is not reached.
pub(crate) fn run() -> Result<()> {
    process::run(repo::cargo().args(["build", "--release", "-p", "hub-domain", "--example", "ledger"]))?;
    let program = repo::target("release")?.join("examples").join("ledger");
    let interrupt = Interrupt::listen()?;
    let server = Durable::start(&interrupt)?;
    let postgres = order(&program, &json!({ "postgres": [server.url, SCHEMA] }))?;
    interrupt.check()?;
    let spec = spec(&server, text(&postgres, "hotAccount")?)?;
    interrupt.check()?;
    let bank = bank(&server)?;
    interrupt.check()?;
    let sqlite = order(&program, &json!({ "sqlite": server.directory().join("hub.db") }))?;
    let lines = [
        Line {
            what: "PostgreSQL, 64 callers, one account",
            figure: postgres["hot"].clone(),
            beside: "the spec's transaction (pgbench)",
            per_second: spec,
            floor: HOT_FLOOR,
        },
        Line {
            what: "PostgreSQL, 64 callers, 10 000 accounts",
            figure: postgres["wide"].clone(),
            beside: "TPC-B (pgbench)",
            per_second: bank,
            floor: WIDE_FLOOR,
        },
        Line {
            what: "PostgreSQL, one caller",
            figure: postgres["lone"].clone(),
            beside: "a transaction of its own",
            per_second: rate(&postgres["loneDirect"])?,
            floor: LONE_FLOOR,
        },
        Line {
            what: "SQLite, 64 callers, one account",
            figure: sqlite["hot"].clone(),
            beside: "a commit per charge",
            per_second: rate(&sqlite["direct"])?,
            floor: SQLITE_FLOOR,
        },
        Line {
            what: "SQLite, one caller",
            figure: sqlite["lone"].clone(),
            beside: "a transaction of its own",
            per_second: rate(&sqlite["loneDirect"])?,
            floor: LONE_FLOOR,
        },
    ];
    table(&lines, &sqlite)
}

fn table(lines: &[Line], sqlite: &Value) -> Result<()> {
    println!("| charges | per second | p50 | p99 | beside | per second | ratio | floor |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut short = Vec::new();
    for Line { what, figure, beside, per_second, floor } in lines {
        let ratio = rate(figure)? / per_second;
        let (p50, p99) = (&figure["p50Ms"], &figure["p99Ms"]);
        println!(
            "| {what} | {:.0} | {:.1} ms | {:.1} ms | {beside} | {per_second:.0} | {ratio:.1} | {floor:.1} |",
            rate(figure)?,
            p50.as_f64().unwrap_or(f64::NAN),
            p99.as_f64().unwrap_or(f64::NAN),
        );
        if ratio < *floor {
            short.push(*what);
        }
    }
    println!("| SQLite, 64 callers, 10 000 accounts | {:.0} | | | | | | |", rate(&sqlite["wide"])?);
    if !short.is_empty() {
        bail!("below the floor: {}", short.join("; "));
    }
    Ok(())
}

/// The hub's half, in a process of its own.
fn order(program: &Path, engine: &Value) -> Result<Value> {
    let mut order = json!({ "callers": CALLERS, "accounts": ACCOUNTS, "seconds": SECONDS });
    for (name, value) in engine.as_object().into_iter().flatten() {
        order[name] = value.clone();
    }
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    writeln!(input, "{order}")?;
    drop(input);
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("the hub's half failed ({})", done.status);
    }
    serde_json::from_slice(&done.stdout).context("the hub's half wrote no figures")
}

/// The transaction of the spec, made safe: begin, select for update, update, insert, commit.
fn spec(server: &Durable, account: &str) -> Result<f64> {
    let script = format!(
        "BEGIN;
SELECT balance, version FROM {SCHEMA}.credit_accounts WHERE user_id = '{account}' FOR UPDATE \\gset
UPDATE {SCHEMA}.credit_accounts SET balance = :balance::bigint - 7, version = :version::bigint + 1, updated_at = now() WHERE user_id = '{account}';
INSERT INTO {SCHEMA}.credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, reason, metadata, created_at)
  VALUES (gen_random_uuid(), '{account}', 'usage', -7, :balance::bigint - 7, :version::bigint + 1, gen_random_uuid()::text, 'bench', '{{}}', now());
COMMIT;
"
    );
    let file = server.directory().join("spec.sql");
    std::fs::write(&file, script)?;
    // Triggers of the ledger find the other tables by the search path, as they do in the hub.
    let path = format!("-c search_path={SCHEMA}");
    pgbench(server.pgbench().env("PGOPTIONS", path).args(["--no-vacuum", "--file"]).arg(file))
}

/// pgbench's own measure: three updates, a select and an insert.
fn bank(server: &Durable) -> Result<f64> {
    let scale = format!("--scale={SCALE}");
    let made = server.pgbench().args(["--initialize", "--init-steps=dtGvp", "--quiet"]).arg(scale).output()?;
    if !made.status.success() {
        bail!("pgbench cannot make its tables: {}", String::from_utf8_lossy(&made.stderr));
    }
    pgbench(&mut server.pgbench())
}

/// Transactions per second.
fn pgbench(command: &mut Command) -> Result<f64> {
    command
        .arg(format!("--client={CALLERS}"))
        .args(["--jobs=2", "--protocol=prepared"])
        .arg(format!("--time={SECONDS}"));
    let text = process::output(command)?;
    let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench named no tps")?;
    line.split_whitespace().next().context("pgbench named no tps")?.parse().context("pgbench's tps is no number")
}

fn rate(figure: &Value) -> Result<f64> {
    figure["perSecond"].as_f64().context("a figure is missing")
}

fn text<'a>(figures: &'a Value, name: &str) -> Result<&'a str> {
    figures[name].as_str().with_context(|| format!("{name} is missing"))
}
