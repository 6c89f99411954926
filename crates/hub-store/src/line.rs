//! Connections to one database: a pool, and the watch that bounds every wait for it.
//!
//! A connection that did not answer in time is closed, whatever was said on it; one that comes back in the middle of something is given a
//! moment to come to rest. So none is lost to a silent network, and none is given to somebody else with a transaction open.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool, SqlStr};
use sqlx_core::transaction::TransactionManager as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::tx::OpenTx;
use crate::watch::{Patience, Watch, is_silence};

/// How long a connection may take to undo what was begun on it and say so.
const REST: Duration = Duration::from_secs(2);

/// Connections to one database. Cheap to clone.
#[derive(Debug)]
pub struct Line<DB: Database> {
    pool: Pool<DB>,
    watch: Watch,
}

impl<DB: Database> Clone for Line<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), watch: self.watch.clone() }
    }
}

impl<DB: Database> Line<DB> {
    pub(crate) const fn new(pool: Pool<DB>, watch: Watch) -> Self {
        Self { pool, watch }
    }

    /// The pool, whose waits nobody bounds: for tests.
    pub const fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    pub(crate) const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// A connection of one's own.
    pub(crate) async fn lend(&self) -> sqlx::Result<Lent<DB>> {
        // Boxed, or whoever may ask for a connection would have the room for making one.
        let acquiring = Box::pin(self.pool.acquire());
        let connection = self.watch.wait_for_room(acquiring).await?;
        let patience = Patience::Short(self.watch.limits().statement);
        Ok(Lent { connection, watch: self.watch.clone(), patience, lost: false })
    }

    /// Begins a transaction, by `statement` if one is given, whose statements may take as long as `patience` says.
    pub(crate) async fn begin(&self, statement: Option<SqlStr>, patience: Patience) -> sqlx::Result<OpenTx<DB>> {
        let mut lent = self.lend().await?;
        // Until BEGIN is answered nobody knows whether it was said.
        lent.lost = true;
        let beginning = Box::pin(DB::TransactionManager::begin(&mut lent.connection, statement));
        self.watch.wait(Patience::Short(self.watch.limits().acquire), beginning).await?;
        lent.lost = false;
        lent.patience = patience;
        Ok(OpenTx::new(lent))
    }
}

/// A connection that goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    watch: Watch,
    patience: Patience,
    lost: bool,
}

impl<DB: Database> Lent<DB> {
    /// The connection, and what bounds the wait for its answer.
    pub(crate) fn parts(&mut self) -> (&mut DB::Connection, Bound<'_>) {
        let Self { connection, watch, patience, lost } = self;
        (connection, Bound { watch, patience: *patience, lost })
    }

    /// True: what was begun on it has an unknown end, and it is closed instead of being used again.
    pub(crate) fn lose(&mut self, lost: bool) {
        self.lost = lost;
    }

    /// It did not answer in time, or is not to be used again.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost
    }
}

impl<DB: Database> Deref for Lent<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl<DB: Database> DerefMut for Lent<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        let returning = self.connection.return_to_pool();
        // Dropped without being run, it closes the connection at once and makes room for another.
        if self.lost {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(REST, returning));
        }
    }
}

/// The limit of one wait for a connection's answer.
pub(crate) struct Bound<'a> {
    watch: &'a Watch,
    patience: Patience,
    lost: &'a mut bool,
}

impl Bound<'_> {
    /// Waits. A connection that did not answer in time is lost.
    pub(crate) async fn wait<T>(self, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let before = *self.lost;
        let done = self.watch.wait(self.patience, work).await;
        *self.lost = before || done.as_ref().err().is_some_and(is_silence);
        done
    }
}
