//! The directory that holds everything of an embedded hub: `hub.db`, `secrets.toml`, `outbox/`, `hub.toml`.
//!
//! Made for its owner only. A lock file keeps a second hub out: the embedded database and cache are for one process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where it is when nobody says otherwise, in the working directory.
pub const USUAL: &str = "hub-data";

/// The data directory; may not exist yet.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// Holds the directory for one process while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made or written.
    #[error("the data directory {path} cannot be used: {source}; choose another with --data-dir")]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another hub has it.
    #[error(
        "another hub is running on the data directory {0}; the embedded database is for one process. Stop it, choose another \
         --data-dir, or move to PostgreSQL and Redis (DATABASE_URL, REDIS_URL)"
    )]
    Taken(PathBuf),
}

impl DataDir {
    /// The directory at `path`; nothing is made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.0.join("hub.db")
    }

    /// The hub's own secrets.
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets.toml")
    }

    /// Where mail goes unless the settings say otherwise.
    pub fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// Makes it when missing, for its owner only (mode 0700).
    pub fn create(&self) -> Result<(), DataDirError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(|source| self.unusable(source))
    }

    /// Makes an empty database file, readable for its owner only, where there is none: SQLite would let others read it, and gives the
    /// files beside it the same mode.
    pub fn create_database(&self) -> Result<(), DataDirError> {
        let mut options = OpenOptions::new();
        let made = options.append(true).create(true).mode(0o600).open(self.database());
        made.map(drop).map_err(|source| self.unusable(source))
    }

    /// Takes it for this process. The lock ends with the process, however that ends.
    pub fn lock(&self) -> Result<Lock, DataDirError> {
        self.create()?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.0.join("hub.lock")).map_err(|source| self.unusable(source))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Taken(self.0.clone())),
            Err(TryLockError::Error(source)) => Err(self.unusable(source)),
        }
    }

    fn unusable(&self, source: io::Error) -> DataDirError {
        DataDirError::Unusable { path: self.0.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_directory_until_it_ends() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDir::new(parent.path().join("a/b"));
        let lock = directory.lock().unwrap();
        let refused = directory.lock().unwrap_err();
        assert!(matches!(refused, DataDirError::Taken(_)), "{refused}");
        drop(lock);
        assert!(directory.lock().is_ok());
    }
}
