//! Redis 7 or newer, in memory only.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::start_on_free_port;
use crate::interrupt::Interrupt;
use crate::process::{Running, output};
use crate::tools;

const OLDEST: u32 = 7;

/// Finds Redis, or installs it.
pub(super) fn ensure() -> Result<PathBuf> {
    tools::ensure("Redis 7 or newer", &["redis-server"], || {
        tools::find("redis-server", &[PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")])
            .filter(|program| major(program).is_some_and(|major| major >= OLDEST))
    })
}

/// Runs a server with its files in the directory.
pub(super) fn start(
    program: &Path,
    directory: &Path,
    password: &str,
    interrupt: &Interrupt,
) -> Result<(Running, String)> {
    let home = directory.join("redis");
    DirBuilder::new().mode(0o700).create(&home)?;
    let log = directory.join("redis.log");
    let run = |port: u16| {
        // In a file, because the arguments of a process can be read by everybody on the machine.
        let settings = home.join("redis.conf");
        let text =
            format!("bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndaemonize no\n");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&settings)?;
        file.write_all(text.as_bytes())?;
        let output = File::create(&log)?;
        let mut command = match tools::find("setpriv", &[]) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.arg("--pdeathsig=TERM").arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg(&settings).current_dir(&home).stdin(Stdio::null()).process_group(0);
        Running::start(command.stdout(output.try_clone()?).stderr(output), "TERM")
    };
    let ready = |port: u16| answers(port, password).unwrap_or(false);
    let (server, port) = start_on_free_port("Redis", &log, interrupt, run, ready)?;
    Ok((server, format!("redis://default:{password}@127.0.0.1:{port}")))
}

/// Whether a server on the port knows our password: then it is ours and ready.
fn answers(port: u16, password: &str) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(connection, "AUTH {password}\r\n")?;
    let mut answer = [0; 5];
    connection.read_exact(&mut answer)?;
    Ok(&answer == b"+OK\r\n")
}

fn major(program: &Path) -> Option<u32> {
    // "Redis server v=7.0.15 sha=…"
    let text = output(Command::new(program).arg("--version")).ok()?;
    text.split_whitespace().find_map(|word| word.strip_prefix("v=")?.split('.').next()?.parse().ok())
}
