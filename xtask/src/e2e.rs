//! End-to-end scripts: every executable `tests/e2e/*/run`, against the built binary.
//!
//! A script gets `HUB_BIN` and the two server URLs in its environment, runs from its own folder, and fails by its
//! exit code. One that prints `N passed, N failed` is counted as that many tests, any other as one.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::count::{Count, closing_line};
use crate::interrupt::Interrupt;
use crate::process::{self, Running};
use crate::{repo, tools};

const LIMIT: Duration = Duration::from_mins(15);

/// Runs every script, adding to the count.
pub(crate) fn run(environment: &[(&str, String)], interrupt: &Interrupt, count: &mut Count) -> Result<()> {
    let scripts = scripts();
    if scripts.is_empty() {
        return Ok(());
    }
    process::run(repo::cargo().args(["build", "-p", "hub"]))?;
    let hub = repo::hub_binary("debug")?;
    tools::ensure("Python 3 with venv", &["python3", "python3-venv", "python3-pip"], python)?;
    tools::ensure("npm", &["nodejs", "npm"], || tools::find("npm", &[]))?;
    for script in scripts {
        interrupt.check()?;
        eprintln!("end to end: {}", script.display());
        let mut command = Command::new(&script);
        command.envs(environment.iter().map(|(name, value)| (name, value))).env("HUB_BIN", &hub);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.current_dir(script.parent().unwrap_or(repo::root()));
        let mut running = Running::start(&mut command, "TERM")?;
        let output = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&output);
        let reader = running.follow(true, move |line| {
            let mut output = lines.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(line);
            output.push('\n');
        });
        let ended = running.wait(interrupt, LIMIT);
        interrupt.check()?;
        let succeeded = ended.is_ok_and(|status| status.success());
        // A script that left a child with the pipe open would keep the reader for ever: it is only asked when done.
        if reader.is_finished() || succeeded {
            let _ = reader.join();
        }
        let output = output.lock().unwrap_or_else(PoisonError::into_inner);
        match (closing_line(&output), succeeded) {
            (Some((passed, failed)), true) => count.add_other(passed, failed),
            (Some((passed, failed)), false) => count.add_other(passed, failed.max(1)),
            (None, true) => count.add_other(1, 0),
            (None, false) => count.add_other(0, 1),
        }
    }
    Ok(())
}

fn scripts() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(repo::root().join("tests/e2e")).into_iter().flatten().flatten();
    let mut scripts: Vec<PathBuf> =
        folders.map(|folder| folder.path().join("run")).filter(|script| tools::is_executable(script)).collect();
    scripts.sort();
    scripts
}

/// Debian ships Python without the module that makes virtual environments.
fn python() -> Option<PathBuf> {
    let python = tools::find("python3", &[])?;
    process::succeeds(Command::new(&python).args(["-c", "import venv, ensurepip"])).then_some(python)
}
