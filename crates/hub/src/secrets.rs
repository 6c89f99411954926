//! The hub's own secrets: given in the settings, or made at the first start of an embedded hub and kept in a file that only its owner
//! can read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hub_types::random_bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::data_dir::DataDir;

/// What the hub signs and peppers with.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    /// Signs tokens and codes.
    pub(crate) jwt: SecretString,
    /// Mixed into bcrypt hashes.
    pub(crate) pepper: SecretString,
}

/// The secrets file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretsError {
    /// Not readable or writable.
    #[error("the secrets file {path} cannot be used: {source}")]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "the secrets file {0} can be read by others; run `chmod 600 {0}`, and replace the secrets if somebody may have read it"
    )]
    Exposed(PathBuf),
    /// Not the file the hub wrote.
    #[error("the secrets file {0} is not readable as secrets; it holds jwt_secret and password_pepper")]
    Unreadable(PathBuf),
}

/// The file's contents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    jwt_secret: SecretString,
    password_pepper: SecretString,
}

impl Secrets {
    /// From the settings; on PostgreSQL they must all be there (the settings were checked for that), else from the file in the data
    /// directory, which is made when missing.
    pub(crate) fn load(settings: &Settings, directory: &DataDir) -> Result<Self, SecretsError> {
        let given = &settings.security;
        if let (Some(jwt), false) = (&given.jwt_secret, settings.is_embedded()) {
            // bcrypt demands a pepper of its own; nothing else uses it, so that the secret itself can stand in.
            return Ok(Self { jwt: jwt.clone(), pepper: given.password_pepper.clone().unwrap_or_else(|| jwt.clone()) });
        }
        let stored = load_or_make(&directory.secrets())?;
        Ok(Self {
            jwt: given.jwt_secret.clone().unwrap_or(stored.jwt_secret),
            pepper: given.password_pepper.clone().unwrap_or(stored.password_pepper),
        })
    }

    /// The pepper as a key: its SHA-256 under a label, so that text of any length fits.
    pub(crate) fn pepper_key(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"password-pepper/1\0");
        hash.update(self.pepper.expose_secret().as_bytes());
        hash.finalize().into()
    }
}

fn load_or_make(path: &Path) -> Result<Stored, SecretsError> {
    let unusable = |source| SecretsError::Unusable { path: path.to_owned(), source };
    if !path.try_exists().map_err(unusable)? {
        make(path).map_err(unusable)?;
    }
    check_mode(path)?;
    let text = SecretString::from(fs::read_to_string(path).map_err(unusable)?);
    // The parser's error would quote the line.
    toml::from_str(text.expose_secret()).map_err(|_| SecretsError::Unreadable(path.to_owned()))
}

/// Refuses a file that its group or others may read.
pub(crate) fn check_mode(path: &Path) -> Result<(), SecretsError> {
    let unusable = |source| SecretsError::Unusable { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
    let by_others = mode & 0o077;
    if by_others == 0 { Ok(()) } else { Err(SecretsError::Exposed(path.to_owned())) }
}

/// Writes a new file whole or not at all; when another process was first, its file stays.
fn make(path: &Path) -> io::Result<()> {
    let text = format!(
        "# Made by the hub at its first start. Whoever has this file can sign in as anybody: keep it private, and back it up\n\
         # together with the database.\n\
         jwt_secret = \"{}\"\npassword_pepper = \"{}\"\n",
        hex::encode(random_bytes::<32>()),
        hex::encode(random_bytes::<32>()),
    );
    let draft = path.with_extension(format!("{}.draft", hex::encode(random_bytes::<8>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_private_and_read_again() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        let first = Secrets::load(&Settings::default(), &directory).unwrap();
        let mode = fs::metadata(directory.secrets()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "no draft stays behind");
        let again = Secrets::load(&Settings::default(), &directory).unwrap();
        assert_eq!(first.jwt.expose_secret(), again.jwt.expose_secret());
        assert!(first.jwt.expose_secret().len() >= 64 && first.pepper_key() == again.pepper_key());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        Secrets::load(&Settings::default(), &directory).unwrap();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(directory.secrets(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = Secrets::load(&Settings::default(), &directory).unwrap_err().to_string();
            assert!(refused.contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_without_quoting_it() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        make(&directory.secrets()).unwrap();
        fs::write(directory.secrets(), "jwt_secret = hush").unwrap();
        let refused = Secrets::load(&Settings::default(), &directory).unwrap_err();
        assert!(matches!(refused, SecretsError::Unreadable(_)) && !format!("{refused:?}").contains("hush"));
    }
}
