//! `cargo xtask bench usage`: how fast usage is read when there is much of it.
//!
//! It starts a PostgreSQL and a Redis of its own, writes the calls of four months, lets the hub's worker add them up, and asks every
//! endpoint through the front door, each time something else. Nothing is left behind, unless a directory for it is named.

mod client;
mod fill;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use self::client::Client;
use self::fill::Database;
use crate::interrupt::Interrupt;
use crate::process::{self, Running};
use crate::repo;
use crate::servers::{self, Servers};

/// Requests per endpoint, after two that are not counted.
const REQUESTS: usize = 40;
const WARM: usize = 2;
const CHART: Duration = Duration::from_millis(200);
const PAGE: Duration = Duration::from_millis(50);
/// About 520 bytes per call with all its indexes, and two gigabytes of sums with theirs.
const SIZE_BUDGET_BYTES: u64 = 15 * 512 * 1024 * 1024;
const START_WITHIN: Duration = Duration::from_mins(1);
const ADD_UP_WITHIN: Duration = Duration::from_mins(15);
/// A disk: `/tmp` may be memory.
const DISK: &str = "/var/tmp";
const PASSWORD: &str = "twelve slow barges pass the lock";

/// What to write and measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Calls to write.
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// A hub that is built already, instead of a release build of this tree.
    #[arg(long, value_name = "FILE")]
    hub: Option<PathBuf>,
    /// Where the servers keep their files; made when missing, and kept: another run finds the calls there.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
}

/// One line of the table.
struct Measure {
    name: &'static str,
    median: Duration,
    p95: Duration,
    budget: Duration,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let hub = if let Some(hub) = &options.hub {
        hub.clone()
    } else {
        process::run(repo::cargo().args(["build", "--release", "-p", "hub"]))?;
        repo::hub_binary("release")?
    };
    let interrupt = Interrupt::listen()?;
    let place = tempfile::Builder::new().prefix("hub-bench-").tempdir_in(DISK)?;
    let place = options.data.as_deref().unwrap_or(place.path());
    let servers = Servers::start_in(place, &interrupt)?;
    let program =
        Program { hub, data: place.join("hub"), servers: &servers, secret: servers::secret(&place.join("secret"))? };
    // Here, so that an old directory comes to the schema of this program.
    process::output(program.command().arg("migrate"))?;

    let mut database = Database::new(&servers.postgres_url)?;
    match database.written()? {
        Some(rows) => ensure!(rows == options.rows, "there are {rows} calls in this directory"),
        None => fill(&program, &database, options.rows, &interrupt)?,
    }
    database.read_days()?;
    let member = database.account("member@example.com")?;

    let address = SocketAddr::from(([127, 0, 0, 1], servers::free_port()?));
    let started = Instant::now();
    let mut serving = program.serve(address)?;
    wait("the hub answers", START_WITHIN, &mut serving, &interrupt, || Ok(super::is_live(address)))?;
    wait("usage is added up", ADD_UP_WITHIN, &mut serving, &interrupt, || database.is_added_up())?;
    let added_up = started.elapsed();
    database.analyze()?;
    let size = database.size()?;

    let client = |email| Client::sign_in(address, email, PASSWORD);
    let measures =
        measure(&client("admin@example.com")?, &client("member@example.com")?, &member, &database, &interrupt)?;
    serving.end();
    report(options.rows, added_up, size, &measures)
}

/// Writes accounts and calls.
fn fill(program: &Program, database: &Database, rows: u64, interrupt: &Interrupt) -> Result<()> {
    let started = Instant::now();
    program.create("admin@example.com", "admin")?;
    let member = program.create("member@example.com", "user")?;
    let member = member.get("id").and_then(Value::as_str).context("no id of the member")?;
    database.fill(rows, member, interrupt)?;
    eprintln!("{rows} calls written in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn report(rows: u64, added_up: Duration, size: u64, measures: &[Measure]) -> Result<()> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!("| {rows} calls, {REQUESTS} requests each | median | p95 | budget |\n| --- | --- | --- | --- |");
    for measure in measures {
        let (median, p95) = (milliseconds(measure.median), milliseconds(measure.p95));
        println!("| {} | {median:.1} ms | {p95:.1} ms | {} ms |", measure.name, measure.budget.as_millis());
    }
    println!("| adding everything up for the first time | {:.0} s | | |", added_up.as_secs_f64());
    println!("| size of the database | {} MB | | {} MB |", size >> 20, SIZE_BUDGET_BYTES >> 20);
    std::io::stdout().flush()?;
    let beyond: Vec<&str> = measures.iter().filter(|one| one.p95 > one.budget).map(|one| one.name).collect();
    if !beyond.is_empty() || size > SIZE_BUDGET_BYTES {
        bail!("beyond the budget: {}", if beyond.is_empty() { "the size".to_owned() } else { beyond.join(", ") });
    }
    Ok(())
}

/// Asks everything. Ranges, zones and depths differ from request to request.
fn measure(
    admin: &Client,
    member: &Client,
    member_id: &str,
    database: &Database,
    interrupt: &Interrupt,
) -> Result<Vec<Measure>> {
    const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"];
    let zone = |n: usize| ZONES.get(n % ZONES.len()).copied().unwrap_or("UTC");
    let day = |n: usize| database.day((n * 7) % 110);
    let all = format!("from={}&to={}", database.day(0), database.day(121));
    let month = |n: usize| format!("from={}&to={}", database.day(n * 2 % 80), database.day(n * 2 % 80 + 31));

    let mut measures = Vec::new();
    let mut chart = |name, client: &Client, path: &dyn Fn(usize) -> String| -> Result<()> {
        interrupt.check()?;
        measures.push(time(name, CHART, |n| client.get(&format!("/api/usage/{}", path(n))))?);
        Ok(())
    };
    chart("summary, 30 days", admin, &|n| format!("summary?tz={}", zone(n)))?;
    chart("summary, 4 months", admin, &|n| format!("summary?{all}&tz={}", zone(n)))?;
    chart("summary, one account of a hundred, 4 months", admin, &|n| {
        format!("summary?{all}&userId={}", fill::user(n % 99 + 1))
    })?;
    chart("summary, the busiest account, 4 months", admin, &|n| {
        format!("summary?{all}&userId={member_id}&tz={}", zone(n))
    })?;
    chart("summary, own, 30 days", member, &|n| format!("summary?tz={}", zone(n)))?;
    chart("chart by hour, one month, by provider", admin, &|n| {
        format!("timeseries?interval=hour&groupBy=provider&tz={}&{}", zone(n), month(n))
    })?;
    chart("chart by day, 30 days", admin, &|n| format!("timeseries?tz={}", zone(n)))?;
    chart("chart by day, 4 months, by model", admin, &|n| format!("timeseries?groupBy=model&tz={}&{all}", zone(n)))?;
    chart("chart by month, 4 months, by service", admin, &|n| {
        format!("timeseries?interval=month&groupBy=service&tz={}&{all}", zone(n))
    })?;
    chart("chart by day, one month, by account", admin, &|n| {
        format!("timeseries?groupBy=user&tz={}&{}", zone(n), month(n))
    })?;
    chart("chart by day, one month, by key", admin, &|n| {
        format!("timeseries?groupBy=key&tz={}&{}", zone(n), month(n))
    })?;
    chart("chart by day, own, 4 months, by key", member, &|n| format!("timeseries?groupBy=key&tz={}&{all}", zone(n)))?;
    for (name, group) in [
        ("table by account, 4 months", "user"),
        ("table by key, 4 months", "key"),
        ("table by model, 4 months", "model"),
        ("table by provider, 4 months", "provider"),
        ("table by service, 4 months", "service"),
    ] {
        chart(name, admin, &|n| format!("breakdown?groupBy={group}&tz={}&{all}", zone(n)))?;
    }
    chart("export, first bytes", admin, &|n| {
        format!("export.csv?from={}&to={}", day(n), database.day((n * 7) % 110 + 1))
    })?;

    let page = |name, client: &Client, path: &dyn Fn(usize) -> String| -> Result<Measure> {
        interrupt.check()?;
        // The page after one that ends at a random depth, so that a cursor is in play too.
        let first = |n| client.get(&format!("/api/usage/logs?limit=100&{}", path(n)));
        let cursors = (0..REQUESTS + WARM).map(|n| {
            let text = first(n)?;
            Ok(serde_json::from_str::<Value>(&text)?.get("nextCursor").and_then(Value::as_str).map(str::to_owned))
        });
        let cursors: Vec<Option<String>> = cursors.collect::<Result<_>>()?;
        time(name, PAGE, |n| match cursors.get(n) {
            Some(Some(cursor)) => client.get(&format!("/api/usage/logs?limit=100&{}&cursor={cursor}", path(n))),
            _ => first(n),
        })
    };
    measures.push(page("log, newest", admin, &|_| String::new())?);
    measures.push(page("log, any depth", admin, &|n| format!("to={}", day(n)))?);
    measures.push(page("log, own, any depth", member, &|n| format!("to={}", day(n)))?);
    measures.push(page("log, one account, any depth", admin, &|n| {
        format!("to={}&userId={}", day(n), fill::user(n % 99 + 1))
    })?);
    measures.push(page("log, one key, any depth", admin, &|n| format!("to={}&keyId={}", day(n), fill::key(n % 200)))?);
    measures.push(page("log, one model, any depth", admin, &|n| format!("to={}&model=model-{}", day(n), n % 8))?);
    measures
        .push(page("log, one provider, any depth", admin, &|n| format!("to={}&provider=provider-{}", day(n), n % 3))?);
    measures.push(page("log, failed, any depth", admin, &|n| format!("to={}&status=failed", day(n)))?);
    measures.push(page("log, expired, any depth", admin, &|n| format!("to={}&status=expired", day(n)))?);
    measures.push(page("log, a model nobody used", admin, &|n| format!("to={}&model=none", day(n)))?);
    measures.push(page("log, own, a model nobody used", member, &|n| format!("to={}&model=none", day(n)))?);
    // Each filter alone finds a million calls.
    measures.push(page("log, own, a model only others used", member, &|n| format!("to={}&model=model-2", day(n)))?);
    measures.push(page("log, a model that another provider has", admin, &|n| {
        format!("to={}&provider=provider-0&model=model-1", day(n))
    })?);
    measures.push(page("log, one account and model, any depth", admin, &|n| {
        let number = n % 99 + 1;
        format!("to={}&userId={}&model=model-{}", day(n), fill::user(number), number % 8)
    })?);
    measures.push(page("log, own, failed, one model", member, &|n| {
        format!("to={}&status=failed&model=model-{}", day(n), n % 3)
    })?);
    Ok(measures)
}

fn time(name: &'static str, budget: Duration, mut ask: impl FnMut(usize) -> Result<String>) -> Result<Measure> {
    let mut times = Vec::with_capacity(REQUESTS);
    for number in 0..REQUESTS + WARM {
        let started = Instant::now();
        ask(number).with_context(|| name.to_owned())?;
        if number >= WARM {
            times.push(started.elapsed());
        }
    }
    times.sort_unstable();
    let at =
        |percent: usize| times.get((times.len() * percent).div_ceil(100) - 1).copied().context("nothing was measured");
    let measure = Measure { name, median: at(50)?, p95: at(95)?, budget };
    // A long run shows where it is.
    eprintln!("{name}: {:.1} ms, p95 {:.1} ms", measure.median.as_secs_f64() * 1e3, measure.p95.as_secs_f64() * 1e3);
    Ok(measure)
}

/// Looks every second until it is so.
fn wait(
    what: &str,
    within: Duration,
    serving: &mut Running,
    interrupt: &Interrupt,
    mut is_so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let started = Instant::now();
    while !is_so()? {
        interrupt.check()?;
        if let Some(status) = serving.ended()? {
            bail!("the hub ended ({status}) before {what}");
        }
        if started.elapsed() > within {
            bail!("it is not so within {} s that {what}", within.as_secs());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// The hub's binary on these servers.
struct Program<'a> {
    hub: PathBuf,
    data: PathBuf,
    servers: &'a Servers,
    secret: String,
}

impl Program<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.hub);
        command.env("DATABASE_URL", &self.servers.postgres_url).env("REDIS_URL", &self.servers.redis_url);
        command.env("JWT_SECRET", &self.secret).env("HUB__SESSIONS__ACCESS_SECONDS", "3600");
        command.env("HUB__LIMITS__USER_PER_MINUTE", "1000000").env("HUB__SERVER__PER_ADDRESS_PER_MINUTE", "0");
        command.arg("--data-dir").arg(&self.data).stdin(Stdio::null());
        command
    }

    fn create(&self, email: &str, role: &str) -> Result<Value> {
        let arguments = ["--json", "admin", "create-user", "--email", email, "--password", PASSWORD, "--role", role];
        let text = process::output(self.command().args(arguments))?;
        serde_json::from_str(&text).context("the hub wrote something that is not JSON")
    }

    fn serve(&self, address: SocketAddr) -> Result<Running> {
        let mut command = self.command();
        command.args(["serve", "--listen", &address.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        Running::start(&mut command, "TERM")
    }
}
