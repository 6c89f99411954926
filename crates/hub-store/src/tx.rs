//! A transaction on either engine.

use std::ops::{Deref, DerefMut};

use sqlx::{Database, Postgres, Sqlite};
use sqlx_core::transaction::TransactionManager as _;

use crate::Result;
use crate::line::{Bound, Lent};

/// An open transaction. Dropped without `commit`, it is rolled back. After an error it must not be used again: PostgreSQL
/// has aborted it, SQLite has not. Each of its statements ends in time, with an error if need be.
#[derive(Debug)]
pub enum Tx {
    /// On PostgreSQL, READ COMMITTED: guards inside statements make that enough (credits.md §2.4).
    Postgres(OpenTx<Postgres>),
    /// On SQLite; writers begin IMMEDIATE, so that they queue instead of failing half way.
    Sqlite(OpenTx<Sqlite>),
}

impl Tx {
    /// Makes everything done so far durable. After an error that says the database is away, nobody knows whether it is.
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

/// A connection with a transaction on it.
#[derive(Debug)]
pub struct OpenTx<DB: Database> {
    lent: Lent<DB>,
    open: bool,
}

impl<DB: Database> OpenTx<DB> {
    pub(crate) const fn new(lent: Lent<DB>) -> Self {
        Self { lent, open: true }
    }

    /// The connection, and what bounds the wait for its answer.
    pub(crate) fn parts(&mut self) -> (&mut DB::Connection, Bound<'_>) {
        self.lent.parts()
    }

    pub(crate) async fn commit(mut self) -> sqlx::Result<()> {
        let (connection, bound) = self.lent.parts();
        bound.wait(DB::TransactionManager::commit(connection)).await?;
        self.open = false;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) -> sqlx::Result<()> {
        let (connection, bound) = self.lent.parts();
        bound.wait(DB::TransactionManager::rollback(connection)).await?;
        self.open = false;
        Ok(())
    }
}

impl<DB: Database> Deref for OpenTx<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.lent
    }
}

impl<DB: Database> DerefMut for OpenTx<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.lent
    }
}

impl<DB: Database> Drop for OpenTx<DB> {
    fn drop(&mut self) {
        if self.open && !self.lent.is_lost() {
            // Said when the connection goes back, which waits for the answer.
            DB::TransactionManager::start_rollback(&mut self.lent);
        }
    }
}
