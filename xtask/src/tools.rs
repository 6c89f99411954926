//! Programs of the machine: find them, and install them where that is ours to do (as root, with apt-get).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::succeeds;

/// Debian asks this program before a package may start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Another apt-get may hold its locks; it is asked again a few times.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(10);

/// The program in `PATH`, or in one of the further directories.
pub(crate) fn find(program: &str, further: &[PathBuf]) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "looking for programs is reading PATH")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(further.iter().cloned())
        .map(|directory| directory.join(program))
        .find(|file| is_executable(file))
}

/// Whether this is a file somebody may execute.
pub(crate) fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether we are root.
pub(crate) fn am_root() -> bool {
    Path::new("/proc/self").metadata().map_or_else(
        |_| crate::process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0"),
        |meta| meta.uid() == 0,
    )
}

/// Makes sure that `find` finds something, installing the Debian packages if it does not; `what` names the thing in
/// the message for those who must install it themselves.
pub(crate) fn ensure<T>(what: &str, packages: &[&str], find: impl Fn() -> Option<T>) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let apt = find_apt();
    let (true, Some(apt)) = (am_root(), apt) else {
        bail!("{what} is not installed. Install it (on Debian: apt-get install {}) and run again.", packages.join(" "));
    };
    eprintln!("installing {} for {what}", packages.join(" "));
    install(&apt, packages)?;
    find().with_context(|| format!("installed {}, but {what} is still not there", packages.join(" ")))
}

fn find_apt() -> Option<PathBuf> {
    find("apt-get", &[PathBuf::from("/usr/bin")])
}

fn install(apt: &Path, packages: &[&str]) -> Result<()> {
    // Two runs on one machine must not install at the same time.
    let lock = std::env::temp_dir().join("hub-xtask-install.lock");
    let lock = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
    lock.lock().context("cannot lock the installation")?;
    let _policy = NoServices::forbid();
    for attempt in 1..=TRIES {
        let updated = succeeds(apt_get(apt).args(["update", "-qq"]));
        let options = ["-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends"];
        // Its output goes to standard error: standard output is for results.
        let installed = apt_get(apt).args(options).args(packages).stdout(Stdio::from(std::io::stderr())).status();
        if installed.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        eprintln!(
            "apt-get: attempt {attempt} of {TRIES} failed (update {})",
            if updated { "worked" } else { "failed" }
        );
        if attempt < TRIES {
            std::thread::sleep(PAUSE);
        }
    }
    bail!("apt-get could not install {}", packages.join(" "))
}

fn apt_get(apt: &Path) -> Command {
    let mut command = Command::new(apt);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

/// While it lives, packages that are installed do not start their services: we start our own, for a moment.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn forbid() -> Self {
        // A machine that has a policy already (every container image does) keeps its own.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY);
        let ours = file.is_ok_and(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n").is_ok());
        Self { ours }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            // Left behind it would only keep services from starting; there is nobody to tell but the person.
            if let Err(error) = std::fs::remove_file(POLICY) {
                eprintln!("please remove {POLICY}: {error}");
            }
        }
    }
}
