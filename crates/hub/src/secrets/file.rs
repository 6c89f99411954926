//! `secrets.toml` in the data directory: made at the first start, changed only by `hub keys rotate`, always replaced as a whole.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hub_types::{Timestamp, random_bytes};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::SecretsError;

/// Replaced secrets kept at most, the newest ones.
const MOST_PREVIOUS: usize = 8;

/// The file's contents.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) jwt_secret: SecretString,
    pub(super) password_pepper: SecretString,
    /// Missing in files of earlier versions.
    pub(super) sealing_secret: Option<SecretString>,
    /// Secrets that signed before.
    #[serde(default)]
    pub(super) previous: Vec<Previous>,
}

/// A secret that signed before.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Previous {
    pub(super) secret: SecretString,
    /// Accepted until then, RFC 3339.
    pub(super) until: Timestamp,
}

/// What a rotation replaced.
pub(crate) struct Rotated {
    /// The secret that signs from the next start on.
    pub(crate) newer: SecretString,
    /// The one that signed until now.
    pub(crate) older: SecretString,
}

pub(super) fn load_or_make(path: &Path) -> Result<Stored, SecretsError> {
    if !path.try_exists().map_err(unusable(path))? {
        make(path).map_err(unusable(path))?;
    }
    check_mode(path)?;
    let text = SecretString::from(fs::read_to_string(path).map_err(unusable(path))?);
    // The parser's error would quote the line.
    toml::from_str(text.expose_secret()).map_err(|_| SecretsError::Unreadable(path.to_owned()))
}

/// Refuses a file that its group or others may read.
pub(crate) fn check_mode(path: &Path) -> Result<(), SecretsError> {
    let mode = fs::metadata(path).map_err(unusable(path))?.permissions().mode();
    let by_others = mode & 0o077;
    if by_others == 0 { Ok(()) } else { Err(SecretsError::Exposed(path.to_owned())) }
}

/// Puts a new token secret into the file. The old one is accepted until `old_until`; `None` forgets it, and all older ones, at once.
pub(crate) fn rotate(path: &Path, now: Timestamp, old_until: Option<Timestamp>) -> Result<Rotated, SecretsError> {
    let mut stored = load_or_make(path)?;
    let newer = SecretString::from(hex::encode(random_bytes::<32>()));
    let older = std::mem::replace(&mut stored.jwt_secret, newer.clone());
    match old_until {
        Some(until) => {
            stored.previous.retain(|previous| now < previous.until);
            stored.previous.insert(0, Previous { secret: older.clone(), until });
            stored.previous.truncate(MOST_PREVIOUS);
        }
        None => stored.previous.clear(),
    }
    let draft = write_draft(path, &stored).map_err(unusable(path))?;
    fs::rename(&draft, path).map_err(unusable(path))?;
    Ok(Rotated { newer, older })
}

/// Writes a new file whole or not at all; when another process was first, its file stays.
fn make(path: &Path) -> io::Result<()> {
    let random = || SecretString::from(hex::encode(random_bytes::<32>()));
    let stored = Stored {
        jwt_secret: random(),
        password_pepper: random(),
        sealing_secret: Some(random()),
        previous: Vec::new(),
    };
    let draft = write_draft(path, &stored)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// A whole file beside the real one, on the disk.
fn write_draft(path: &Path, stored: &Stored) -> io::Result<PathBuf> {
    let draft = path.with_extension(format!("{}.draft", hex::encode(random_bytes::<8>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text(stored).as_bytes()).and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok(draft),
        Err(error) => {
            // The first error is the one to tell.
            let _ = fs::remove_file(&draft);
            Err(error)
        }
    }
}

fn text(stored: &Stored) -> String {
    let mut text = "# Made by the hub at its first start. Whoever has this file can sign in as anybody: keep it private, and back it up\n\
                    # together with the database. `hub keys rotate` replaces jwt_secret; the others must never change.\n"
        .to_owned();
    let mut line = |name: &str, secret: &SecretString| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name} = {}", toml::Value::String(secret.expose_secret().to_owned()));
    };
    line("jwt_secret", &stored.jwt_secret);
    line("password_pepper", &stored.password_pepper);
    if let Some(secret) = &stored.sealing_secret {
        line("sealing_secret", secret);
    }
    for Previous { secret, until } in &stored.previous {
        let secret = toml::Value::String(secret.expose_secret().to_owned());
        let _ = write!(text, "\n[[previous]]\nsecret = {secret}\nuntil = \"{}\"\n", until.to_rfc3339());
    }
    text
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> SecretsError + '_ {
    |source| SecretsError::Unusable { path: path.to_owned(), source }
}
