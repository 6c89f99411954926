//! What can go wrong between the hub and its database.

use std::sync::Arc;

/// A failed statement. Rules turn it into 503 or 500; only `Duplicate` has a meaning of its own.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique key already holds this value. Each insert documents what that means.
    #[error("the row exists already")]
    Duplicate(#[source] sqlx::Error),
    /// The database cannot be reached, is full, busy beyond the limit, or shutting down.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused a statement: a defect of the hub, or data that breaks a constraint.
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
    /// A migration failed or was made by a newer hub.
    #[error("the database schema does not fit this hub")]
    Schema(#[source] sqlx::migrate::MigrateError),
    /// The URL or path is not one this hub can open.
    #[error("{0}")]
    Settings(String),
    /// A stored value that this hub cannot read.
    #[error("a stored value is not readable: {0}")]
    Corrupt(&'static str),
    /// The commit that this movement shared with others failed; each of them gets the same cause.
    #[error("a shared commit failed")]
    Shared(#[source] Arc<Self>),
    /// The writer that folds movements into commits could not take or answer this one; the same call may be repeated.
    #[error("the ledger's writer {0}")]
    Writer(&'static str),
}

impl StoreError {
    /// True when the same call may succeed once the database is back.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Writer(_) => true,
            Self::Shared(cause) => cause.is_unavailable(),
            _ => false,
        }
    }

    /// True when two transactions waited for each other and the database ended this one. There is one order of locks, so this is a defect.
    pub fn is_deadlock(&self) -> bool {
        match self {
            Self::Refused(sqlx::Error::Database(error)) => error.code().as_deref() == Some("40P01"),
            Self::Shared(cause) => cause.is_deadlock(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        match &error {
            sqlx::Error::Database(db) if db.kind() == ErrorKind::UniqueViolation => Self::Duplicate(error),
            _ if is_away(&error) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// True when the error says nothing about what was asked: the database could not be, or is going away.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(db) => is_outage(db.code().as_deref()),
        // What answers is no database, or one that is going away: a proxy with nothing behind it, for one.
        sqlx::Error::Protocol(_)
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Schema(error)
    }
}

/// PostgreSQL classes 08 (connection), 53 (resources), 57 (operator) and SQLite's primary codes BUSY, LOCKED, IOERR, FULL, CANTOPEN
/// (extended codes keep the primary one in their low byte).
fn is_outage(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    // An SQLSTATE has five characters, SQLite's codes are shorter numbers.
    if code.len() == 5 {
        return ["08", "53", "57"].iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|number| matches!(number & 0xff, 5 | 6 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests {
    use super::is_outage;

    #[test]
    fn outages_are_told_from_defects_on_both_engines() {
        for outage in ["08006", "53300", "57P01", "5", "261", "6", "13", "14", "522"] {
            assert!(is_outage(Some(outage)), "{outage}");
        }
        for defect in ["23514", "42P01", "42601", "1", "19", "275"] {
            assert!(!is_outage(Some(defect)), "{defect}");
        }
    }
}
