//! `cargo xtask run`: the hub from this checkout, with its data in `.data`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, repo, tools};

/// Builds, then becomes the hub: Ctrl-C reaches it directly.
pub(crate) fn run(further: &[String]) -> Result<()> {
    web()?;
    eprintln!("building the development profile; measure only with `cargo build --release -p hub`");
    process::run(repo::cargo().args(["build", "-p", "hub"]))?;
    let mut hub = Command::new(repo::hub_binary("debug")?);
    hub.current_dir(repo::root()).args(["serve", "--data-dir", ".data"]).args(further);
    Err(hub.exec()).context("cannot start the hub")
}

/// Builds the web UI when there is one.
fn web() -> Result<()> {
    let web = repo::root().join("web");
    if !web.join("package.json").exists() {
        return Ok(());
    }
    let npm = tools::ensure("npm", &["nodejs", "npm"], || tools::find("npm", &[]))?;
    if needs_install(&web) {
        process::run(Command::new(&npm).current_dir(&web).args(["ci", "--no-audit", "--no-fund"]))?;
    }
    process::run(Command::new(&npm).current_dir(&web).args(["run", "build"]))
}

/// Whether the packages are missing or older than the lock file.
fn needs_install(web: &Path) -> bool {
    let changed = |file: &str| web.join(file).metadata().and_then(|meta| meta.modified()).ok();
    changed("node_modules/.package-lock.json").is_none_or(|installed| changed("package-lock.json") > Some(installed))
}
