//! A transaction on either engine.

use sqlx::{Postgres, Sqlite, Transaction};

use crate::Result;

/// An open transaction. Dropped without `commit`, it is rolled back. After an error it must not be used again: PostgreSQL
/// has aborted it, SQLite has not.
#[derive(Debug)]
pub enum Tx {
    /// On PostgreSQL, READ COMMITTED: guards inside statements make that enough (credits.md §2.4).
    Postgres(Transaction<'static, Postgres>),
    /// On SQLite; writers begin IMMEDIATE, so that they queue instead of failing half way.
    Sqlite(Transaction<'static, Sqlite>),
}

impl Tx {
    /// Makes everything done so far durable.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything done so far.
    pub async fn rollback(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.rollback().await?,
            Self::Sqlite(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}
