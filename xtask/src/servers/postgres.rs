//! PostgreSQL 15 or newer, as an unprivileged user: it refuses to run as root.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::start_on_free_port;
use crate::interrupt::Interrupt;
use crate::process::{Running, output};
use crate::tools;

const OLDEST: u32 = 15;

/// What every server of ours has. Sockets in the file system are off: their paths can be too long, and TCP is enough.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    // Containers often have a tiny /dev/shm.
    "dynamic_shared_memory_type=mmap",
    "timezone=UTC",
];

/// Fast, small and forgetful, for tests.
pub(super) const FORGETFUL: &[&str] =
    &["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB"];

/// As an operator would run it, for measuring: a commit is on the disk before it is answered. Checkpoints keep out of a short run.
pub(super) const DURABLE: &[&str] =
    &["fsync=on", "synchronous_commit=on", "shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=15min"];

/// Forgetful too, with room for what is read often, as a server with much data has.
pub(super) const LARGE: &[&str] =
    &["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=512MB", "max_wal_size=512MB"];

/// Where the programs are, and who runs them.
pub(super) struct Program {
    /// Holds `postgres` and `initdb`.
    directory: PathBuf,
    /// User and group id to change to, when we are root.
    user: Option<(u32, u32)>,
}

impl Program {
    /// Finds PostgreSQL, or installs it.
    pub(super) fn ensure() -> Result<Self> {
        let directory = tools::ensure("PostgreSQL 15 or newer", &["postgresql"], newest)?;
        let user = if tools::am_root() { Some(unprivileged()?) } else { None };
        Ok(Self { directory, user })
    }

    /// One of its programs, run as the right user, from a directory that user can read.
    pub(super) fn command(&self, program: &str, at: &Path) -> Command {
        let here = self.directory.join(program);
        // Some installations have no `pgbench`; that of another one beside it will do.
        let further = || {
            directories().into_iter().map(|directory| directory.join(program)).find(|file| tools::is_executable(file))
        };
        let program = if tools::is_executable(&here) { here } else { further().unwrap_or(here) };
        // Where setpriv exists the server also ends when this process is killed and cannot stop it.
        let mut command = match tools::find("setpriv", &[]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.arg("--pdeathsig=INT").arg(program);
                command
            }
            None => Command::new(program),
        };
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir(at).env("LC_ALL", "C").stdin(Stdio::null()).process_group(0);
        command
    }
}

/// Creates a cluster in the directory and runs it. The URL is a superuser's.
pub(super) fn start(
    program: &Program,
    profile: &[&str],
    directory: &Path,
    password: &str,
    interrupt: &Interrupt,
) -> Result<(Running, String)> {
    let (server, port) = run(program, profile, directory, password, interrupt)?;
    Ok((server, url(port, password)))
}

/// The superuser's URL.
pub(super) fn url(port: u16, password: &str) -> String {
    format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres")
}

/// Creates a cluster in the directory, unless there is one, and runs it with the settings of the profile, on the port returned.
pub(super) fn run(
    program: &Program,
    profile: &[&str],
    directory: &Path,
    password: &str,
    interrupt: &Interrupt,
) -> Result<(Running, u16)> {
    let home = directory.join("postgres");
    let data = home.join("data");
    if !home.exists() {
        create(program, &home, &data, password)?;
    }

    let log = directory.join("postgres.log");
    let run = |port: u16| {
        let output = File::create(&log)?;
        let mut command = program.command("postgres", &home);
        command.arg("-D").arg(&data).arg("-c").arg(format!("port={port}"));
        for setting in SETTINGS.iter().chain(profile) {
            command.args(["-c", setting]);
        }
        // INT is PostgreSQL's fast shutdown: it does not wait for clients.
        Running::start(command.stdout(output.try_clone()?).stderr(output), "INT")
    };
    // The server writes its state into this file; the port is in it, so it cannot be somebody else's.
    let ready = |port: u16| {
        std::fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|state| {
            let mut lines = state.lines();
            lines.nth(3) == Some(&port.to_string()) && lines.any(|line| line.trim() == "ready")
        })
    };
    start_on_free_port("PostgreSQL", &log, interrupt, run, ready)
}

/// Makes the directory and the cluster in it.
fn create(program: &Program, home: &Path, data: &Path, password: &str) -> Result<()> {
    DirBuilder::new().mode(0o700).create(home)?;
    let secret = home.join("password");
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret)?.write_all(password.as_bytes())?;
    if let Some((user, group)) = program.user {
        chown(home, Some(user), Some(group))?;
        chown(&secret, Some(user), Some(group))?;
    }
    initialise(program, home, data, &secret)?;
    std::fs::remove_file(&secret)?;
    Ok(())
}

fn initialise(program: &Program, home: &Path, data: &Path, secret: &Path) -> Result<()> {
    // Not every machine has C.UTF-8; plain C differs only in the case of letters beyond ASCII.
    let mut words = String::new();
    for locale in ["C.UTF-8", "C"] {
        let mut initdb = program.command("initdb", home);
        initdb.args(["--username=postgres", "--encoding=UTF8", "--auth=password", "--no-sync"]);
        initdb.arg(format!("--locale={locale}")).arg("--pwfile").arg(secret).arg("--pgdata").arg(data);
        let done = initdb.output().context("cannot start initdb")?;
        if done.status.success() {
            return Ok(());
        }
        words.push_str(&String::from_utf8_lossy(&done.stderr));
    }
    bail!("initdb failed:\n{words}")
}

/// Where PostgreSQL may be.
fn directories() -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    for parent in ["/usr/lib/postgresql", "/usr/local", "/opt/homebrew/opt", "/usr"] {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            candidates.push(entry.path().join("bin"));
        }
    }
    candidates.extend(tools::find("postgres", &[]).and_then(|file| file.parent().map(Path::to_path_buf)));
    candidates
}

/// The directory of the newest PostgreSQL that is new enough and has all we need.
fn newest() -> Option<PathBuf> {
    let usable = directories().into_iter().filter_map(|directory| {
        let programs = [directory.join("postgres"), directory.join("initdb")];
        let major = programs.iter().all(|file| tools::is_executable(file)).then(|| major(&programs[0]))??;
        (major >= OLDEST).then_some((major, directory))
    });
    usable.max().map(|(_, directory)| directory)
}

fn major(postgres: &Path) -> Option<u32> {
    // "postgres (PostgreSQL) 15.18 (Debian …)"
    let text = output(Command::new(postgres).arg("--version")).ok()?;
    text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

/// The user and group id of somebody who is not root.
fn unprivileged() -> Result<(u32, u32)> {
    for name in ["postgres", "nobody"] {
        let id = |what| output(Command::new("id").args([what, name]).stderr(Stdio::null())).ok()?.trim().parse().ok();
        if let (Some(user), Some(group)) = (id("-u"), id("-g")) {
            return Ok((user, group));
        }
    }
    bail!("PostgreSQL refuses to run as root, and there is neither a user 'postgres' nor 'nobody'")
}
