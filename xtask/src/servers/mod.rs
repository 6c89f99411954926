//! Throw-away servers: a PostgreSQL and a Redis of our own, on free ports of the loopback address, in a directory
//! that goes when they go.
//!
//! They keep nothing safe (no fsync) and must never be used for anything but tests; only the one for measuring money
//! writes as a real server does. Each run has its own, so any
//! number of runs can go side by side. A password keeps other people of the machine out.

mod postgres;
mod redis;

use std::fs::{OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::interrupt::Interrupt;
use crate::process::Running;

/// A port may be taken between our looking and the server's listening; then another is tried.
const PORT_TRIES: u32 = 5;
/// A disk: `/tmp` may be memory, `/var/tmp` outlives a restart of the machine.
pub(crate) const DISK: &str = "/var/tmp";
const READY_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Both servers. Dropping this stops them and removes their files.
pub(crate) struct Servers {
    /// For `HUB_TEST_POSTGRES_URL`: a superuser, who may create databases and schemas.
    pub(crate) postgres_url: String,
    /// For `HUB_TEST_REDIS_URL`.
    pub(crate) redis_url: String,
    // Fields are dropped in this order: first the servers, then the directory they live in.
    postgres: Running,
    redis: Running,
    _directory: Option<TempDir>,
}

impl Servers {
    /// Finds or installs the programs, starts them and waits until both answer.
    pub(crate) fn start(interrupt: &Interrupt) -> Result<Self> {
        Self::start_with(postgres::FORGETFUL, &std::env::temp_dir(), interrupt)
    }

    /// The same, but PostgreSQL keeps what it has committed: for measuring what a hub costs on it.
    pub(crate) fn start_durable(interrupt: &Interrupt) -> Result<Self> {
        Self::start_with(postgres::DURABLE, Path::new(DISK), interrupt)
    }

    /// The process ids of both.
    pub(crate) fn processes(&self) -> Vec<u32> {
        vec![self.postgres.id(), self.redis.id()]
    }

    fn start_with(profile: &[&str], place: &Path, interrupt: &Interrupt) -> Result<Self> {
        let postgres_program = postgres::Program::ensure()?;
        let redis_program = redis::ensure()?;
        interrupt.check()?;
        let directory = tempfile::Builder::new().prefix("hub-servers-").tempdir_in(place);
        let directory = directory.with_context(|| format!("no directory in {}", place.display()))?;
        // PostgreSQL may run as another user, who has to get through to its own directory inside.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        let password = hex::encode(hub_types::random_bytes::<16>());
        let (postgres, postgres_url) =
            postgres::start(&postgres_program, profile, directory.path(), &password, interrupt)?;
        let (redis, redis_url) = redis::start(&redis_program, directory.path(), &password, interrupt)?;
        Ok(Self { postgres_url, redis_url, postgres, redis, _directory: Some(directory) })
    }

    /// Both with their files in a directory that stays, made when it is missing: what PostgreSQL holds is there the next time.
    pub(crate) fn start_in(directory: &Path, interrupt: &Interrupt) -> Result<Self> {
        let postgres_program = postgres::Program::ensure()?;
        let redis_program = redis::ensure()?;
        interrupt.check()?;
        std::fs::create_dir_all(directory)?;
        std::fs::set_permissions(directory, Permissions::from_mode(0o711))?;
        let directory = directory.canonicalize()?;
        let password = secret(&directory.join("password"))?;
        let (postgres, postgres_url) =
            postgres::start(&postgres_program, postgres::LARGE, &directory, &password, interrupt)?;
        // It keeps nothing but its settings.
        match std::fs::remove_dir_all(directory.join("redis")) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("an old directory of Redis");
            }
            _ => {}
        }
        let (redis, redis_url) = redis::start(&redis_program, &directory, &password, interrupt)?;
        Ok(Self { postgres_url, redis_url, postgres, redis, _directory: None })
    }
}

/// 64 hexadecimal digits, which the file keeps; made by chance the first time.
pub(crate) fn secret(file: &Path) -> Result<String> {
    if let Ok(text) = std::fs::read_to_string(file) {
        return Ok(text);
    }
    let text = hex::encode(hub_types::random_bytes::<32>());
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(text.as_bytes())?;
    Ok(text)
}

/// A PostgreSQL that keeps what it has committed, for measuring what that costs. Dropping this stops it and removes its files.
pub(crate) struct Durable {
    /// A superuser's URL.
    pub(crate) url: String,
    program: postgres::Program,
    password: String,
    port: u16,
    _server: Running,
    directory: TempDir,
}

impl Durable {
    /// Starts it on a disk.
    pub(crate) fn start(interrupt: &Interrupt) -> Result<Self> {
        let program = postgres::Program::ensure()?;
        let directory = tempfile::Builder::new().prefix("hub-bench-").tempdir_in(DISK).context("no /var/tmp")?;
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
        let password = hex::encode(hub_types::random_bytes::<16>());
        let (server, port) = postgres::run(&program, postgres::DURABLE, directory.path(), &password, interrupt)?;
        let url = postgres::url(port, &password);
        Ok(Self { url, program, password, port, _server: server, directory })
    }

    /// Its directory, on the same disk.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `pgbench` on this server.
    pub(crate) fn pgbench(&self) -> Command {
        let mut command = self.program.command("pgbench", self.directory());
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", "postgres").env("PGPASSWORD", &self.password);
        command
    }
}

/// `cargo xtask servers`: starts both, prints their URLs and waits for Ctrl-C or the end of standard input.
pub(crate) fn hold() -> Result<()> {
    let interrupt = Interrupt::listen()?;
    let servers = Servers::start(&interrupt)?;
    println!("export HUB_TEST_POSTGRES_URL='{}'", servers.postgres_url);
    println!("export HUB_TEST_REDIS_URL='{}'", servers.redis_url);
    std::io::stdout().flush()?;
    eprintln!("both servers run until Ctrl-C or the end of standard input");
    let end_of_input = interrupt.clone();
    std::thread::spawn(move || {
        let mut ignored = [0; 1024];
        while std::io::stdin().read(&mut ignored).is_ok_and(|count| count > 0) {}
        end_of_input.set();
    });
    while !interrupt.is_set() {
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Starts a server on a free port and waits until `ready` says so; tries another port when the server ends instead.
fn start_on_free_port(
    name: &str,
    log: &Path,
    interrupt: &Interrupt,
    start: impl Fn(u16) -> Result<Running>,
    ready: impl Fn(u16) -> bool,
) -> Result<(Running, u16)> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        let mut server = start(port)?;
        let started = Instant::now();
        while server.ended()?.is_none() && started.elapsed() < READY_WITHIN {
            interrupt.check()?;
            if ready(port) {
                return Ok((server, port));
            }
            std::thread::sleep(POLL);
        }
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let tail: Vec<&str> = log.lines().rev().take(20).collect();
    anyhow::bail!("{name} did not start:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

/// A port of the loopback address that nobody listens on at this moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?.port())
}
