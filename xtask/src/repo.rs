//! Where things are: the root of the checkout, and what cargo knows about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The root of the checkout this xtask was built from.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A `cargo` command at the root.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root());
    cargo
}

/// `cargo metadata` of our own packages, without touching the network.
pub(crate) fn metadata() -> Result<Value> {
    let text = process::output(cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata wrote something that is not JSON")
}

/// Where cargo puts what it builds with this profile (`debug` or `release`).
pub(crate) fn target(profile: &str) -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata.get("target_directory").and_then(Value::as_str).context("cargo metadata has no target")?;
    Ok(Path::new(target).join(profile))
}

/// The hub's binary after a build with this profile.
pub(crate) fn hub_binary(profile: &str) -> Result<PathBuf> {
    Ok(target(profile)?.join("hub"))
}
