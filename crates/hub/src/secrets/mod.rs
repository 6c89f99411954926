//! The hub's own secrets: given in the settings, or made at the first start of an embedded hub and kept in a file that only its owner
//! can read.

mod file;

use hub_types::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::data_dir::DataDir;

pub(crate) use file::{check_mode, rotate};

/// What the hub signs, peppers and seals with.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Signs tokens and codes.
    pub jwt: SecretString,
    /// Secrets that signed before, or are about to: accepted, never used to sign.
    pub also_accepted: Vec<SecretString>,
    /// Mixed into bcrypt hashes.
    pub pepper: SecretString,
    /// Seals secrets in the database; outlives a change of the first.
    pub sealing: SecretString,
}

/// The secrets file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretsError {
    /// Not readable or writable.
    #[error("the secrets file {path} cannot be used: {source}")]
    Unusable {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read it.
    #[error(
        "the secrets file {0} can be read by others; run `chmod 600 {0}`, and replace the secrets if somebody may have read it"
    )]
    Exposed(std::path::PathBuf),
    /// Not the file the hub wrote.
    #[error("the secrets file {0} is not readable as secrets; it holds jwt_secret, password_pepper and sealing_secret")]
    Unreadable(std::path::PathBuf),
}

impl Secrets {
    /// One secret for everything: for tests, and for commands that open nothing.
    pub fn one(secret: &str) -> Self {
        let secret = SecretString::from(secret);
        Self { jwt: secret.clone(), also_accepted: Vec::new(), pepper: secret.clone(), sealing: secret }
    }

    /// From the settings; on PostgreSQL they must all be there (the settings were checked for that), else from the file in the data
    /// directory, which is made when missing.
    pub(crate) fn load(settings: &Settings, directory: &DataDir, now: Timestamp) -> Result<Self, SecretsError> {
        let given = &settings.security;
        let mut also_accepted: Vec<SecretString> = given.jwt_secret_previous.iter().cloned().collect();
        if let (Some(jwt), false) = (&given.jwt_secret, settings.is_embedded()) {
            return Ok(Self {
                // bcrypt demands a pepper of its own, and a replaced token secret a sealing secret; until then the secret itself
                // can stand in.
                pepper: given.password_pepper.clone().unwrap_or_else(|| jwt.clone()),
                sealing: given.sealing_secret.clone().unwrap_or_else(|| jwt.clone()),
                jwt: jwt.clone(),
                also_accepted,
            });
        }
        let stored = file::load_or_make(&directory.secrets())?;
        // Files of earlier versions have no sealing secret; nothing was sealed then, and the pepper never changes.
        let sealing = stored.sealing_secret.unwrap_or_else(|| stored.password_pepper.clone());
        also_accepted.extend(stored.previous.into_iter().filter(|old| now < old.until).map(|old| old.secret));
        Ok(Self {
            jwt: given.jwt_secret.clone().unwrap_or(stored.jwt_secret),
            pepper: given.password_pepper.clone().unwrap_or(stored.password_pepper),
            sealing: given.sealing_secret.clone().unwrap_or(sealing),
            also_accepted,
        })
    }

    /// The pepper as a key: its SHA-256 under a label, so that text of any length fits.
    pub(crate) fn pepper_key(&self) -> [u8; 32] {
        key(b"password-pepper/1\0", &self.pepper)
    }

    /// The sealing secret as a key.
    pub(crate) fn sealing_key(&self) -> [u8; 32] {
        key(b"sealing/1\0", &self.sealing)
    }
}

fn key(label: &[u8], secret: &SecretString) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(label);
    hash.update(secret.expose_secret().as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use hub_types::Clock;

    use super::*;

    fn now() -> Timestamp {
        Clock::fixed_at("2026-11-23T10:00:00Z").now()
    }

    fn load(directory: &DataDir) -> Result<Secrets, SecretsError> {
        Secrets::load(&Settings::default(), directory, now())
    }

    #[test]
    fn secrets_are_made_once_private_and_read_again() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        let first = load(&directory).unwrap();
        let mode = fs::metadata(directory.secrets()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "no draft stays behind");
        let again = load(&directory).unwrap();
        assert_eq!(first.jwt.expose_secret(), again.jwt.expose_secret());
        assert!(first.jwt.expose_secret().len() >= 64 && first.pepper_key() == again.pepper_key());
        assert!(first.sealing_key() == again.sealing_key() && first.sealing_key() != first.pepper_key());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        load(&directory).unwrap();
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(directory.secrets(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = load(&directory).unwrap_err().to_string();
            assert!(refused.contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_without_quoting_it() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        load(&directory).unwrap();
        fs::write(directory.secrets(), "jwt_secret = hush").unwrap();
        let refused = load(&directory).unwrap_err();
        assert!(matches!(refused, SecretsError::Unreadable(_)) && !format!("{refused:?}").contains("hush"));
    }

    #[test]
    fn a_replaced_secret_is_accepted_for_its_time_and_the_others_stay() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        let before = load(&directory).unwrap();
        let until = now() + chrono::Duration::days(30);
        rotate(&directory.secrets(), now(), Some(until)).unwrap();
        let after = load(&directory).unwrap();
        assert_ne!(after.jwt.expose_secret(), before.jwt.expose_secret());
        assert_eq!(after.also_accepted.len(), 1);
        assert_eq!(after.also_accepted[0].expose_secret(), before.jwt.expose_secret());
        assert!(after.sealing_key() == before.sealing_key() && after.pepper_key() == before.pepper_key());
        let late = Secrets::load(&Settings::default(), &directory, until).unwrap();
        assert!(late.also_accepted.is_empty());
        let mode = fs::metadata(directory.secrets()).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, fs::read_dir(parent.path()).unwrap().count()), (0o600, 1));
        rotate(&directory.secrets(), now(), None).unwrap();
        assert!(load(&directory).unwrap().also_accepted.is_empty(), "forgotten at once, also what was older");
    }

    #[test]
    fn a_file_of_an_earlier_version_seals_with_its_pepper() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path());
        load(&directory).unwrap();
        fs::write(directory.secrets(), "jwt_secret = \"a\"\npassword_pepper = \"b\"\n").unwrap();
        let before = load(&directory).unwrap().sealing_key();
        rotate(&directory.secrets(), now(), None).unwrap();
        assert_eq!(load(&directory).unwrap().sealing_key(), before);
    }
}
