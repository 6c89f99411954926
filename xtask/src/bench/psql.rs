//! SQL through `psql`, PostgreSQL's own program.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::{process, tools};

/// One database.
pub(super) struct Psql {
    /// `PGHOST` and so on: a password does not belong among the arguments of a process.
    environment: Vec<(&'static str, String)>,
}

impl Psql {
    /// The database of this URL, which names user, password, host, port and database.
    pub(super) fn new(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("postgres://").context("no PostgreSQL URL")?;
        let (who, place) = rest.split_once('@').context("a URL without a user")?;
        let (user, password) = who.split_once(':').context("a URL without a password")?;
        let (host, name) = place.split_once('/').context("a URL without a database")?;
        let (host, port) = host.split_once(':').context("a URL without a port")?;
        let pairs =
            [("PGHOST", host), ("PGPORT", port), ("PGUSER", user), ("PGPASSWORD", password), ("PGDATABASE", name)];
        let pairs = pairs.into_iter().chain([("PGOPTIONS", "-c client_min_messages=warning")]);
        Ok(Self { environment: pairs.map(|(name, value)| (name, value.to_owned())).collect() })
    }

    /// Runs statements in one transaction; what they select is returned as text, a row a line.
    pub(super) fn sql(&self, text: &str) -> Result<String> {
        let program = tools::find("psql", &[PathBuf::from("/usr/bin")]);
        let program = program.context("psql is missing: install PostgreSQL's client programs")?;
        let mut psql = Command::new(program);
        psql.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", text]).stderr(Stdio::inherit());
        process::output(psql.envs(self.environment.iter().map(|(name, value)| (name, value))))
    }
}
