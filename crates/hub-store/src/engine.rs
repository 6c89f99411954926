//! Opening, migrating and watching the database. Two engines for ever, so an enum and no trait.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use hub_types::Timestamp;

use crate::{Result, StoreError, Tx, partitions};

static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

statements! {
    PING = "SELECT 1";
    NOW = postgres: "SELECT clock_timestamp()", lite: "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')";
}

/// A connection that rested longer may have been cut in the meantime.
const RESTED: Duration = Duration::from_secs(1);

/// Which database, and how many connections.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the data is.
    pub engine: Engine,
    /// PostgreSQL: connections at most. SQLite: readers at most (there is always one writer).
    pub max_connections: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
}

/// The two engines.
#[derive(Debug, Clone)]
pub enum Engine {
    /// A PostgreSQL URL, with an optional schema that is made when missing and put first on the search path.
    Postgres {
        /// `postgres://user:password@host:port/database`.
        url: String,
        /// Schema name; `None` uses the server's default.
        schema: Option<String>,
    },
    /// A SQLite file.
    Sqlite {
        /// Path of the file; made when missing.
        path: PathBuf,
    },
}

/// The open database. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Store {
    /// PostgreSQL 15 or newer.
    Postgres(PgPool),
    /// SQLite in WAL mode: one writer connection, a pool of readers.
    Sqlite {
        /// The single writer; transactions queue here.
        writer: SqlitePool,
        /// Read-only connections, which see the last commit.
        readers: SqlitePool,
    },
}

/// How the schema stands against this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationState {
    /// Migrations already applied.
    pub applied: usize,
    /// Migrations this program would still apply.
    pub pending: usize,
}

impl Store {
    /// Opens the database; does not change its schema (see `migrate`).
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        match &options.engine {
            Engine::Postgres { url, schema } => open_postgres(url, schema.as_deref(), options).await,
            Engine::Sqlite { path } => open_sqlite(path.clone(), options).await,
        }
    }

    /// `postgres` or `sqlite`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Sqlite { .. } => "sqlite",
        }
    }

    /// True where several processes may share the data.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Brings the schema up to date, under a lock, so that several processes may start at once.
    pub async fn migrate(&self, now: Timestamp) -> Result<()> {
        match self {
            Self::Postgres(pool) => POSTGRES_MIGRATIONS.run(pool).await?,
            Self::Sqlite { writer, .. } => SQLITE_MIGRATIONS.run(writer).await?,
        }
        self.maintain(now).await
    }

    /// Makes the monthly partitions of usage and audit rows ahead of time (PostgreSQL only; no work on SQLite).
    pub async fn maintain(&self, now: Timestamp) -> Result<()> {
        match self {
            Self::Postgres(pool) => partitions::create_ahead(pool, now).await,
            Self::Sqlite { .. } => Ok(()),
        }
    }

    /// Drops whole months of the audit trail that ended at or before `before` (PostgreSQL only; no work on SQLite). What is
    /// left of a month is deleted by `audit::delete_before`.
    pub async fn drop_audit_months(&self, before: Timestamp) -> Result<usize> {
        match self {
            Self::Postgres(pool) => partitions::drop_before(pool, "audit_log", before).await,
            Self::Sqlite { .. } => Ok(0),
        }
    }

    /// Drops whole months of the usage log that ended at or before `before`, which must have been let go of (PostgreSQL only; no work on
    /// SQLite). What is left over is deleted by `usage_rollup::delete_before`.
    pub async fn drop_usage_months(&self, before: Timestamp) -> Result<usize> {
        match self {
            Self::Postgres(pool) => partitions::drop_before(pool, "usage_logs", before).await,
            Self::Sqlite { .. } => Ok(0),
        }
    }

    /// How many migrations are applied and pending, without changing anything.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        const APPLIED: &str = "SELECT COUNT(*) FROM _sqlx_migrations";
        let known = POSTGRES_MIGRATIONS.iter().count();
        let applied: std::result::Result<i64, sqlx::Error> = match self {
            Self::Postgres(pool) => sqlx::query_scalar(APPLIED).fetch_one(pool).await,
            Self::Sqlite { readers, .. } => sqlx::query_scalar(APPLIED).fetch_one(readers).await,
        };
        // A database that was never migrated has no such table.
        let applied = match applied {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(sqlx::Error::Database(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(MigrationState { applied, pending: known.saturating_sub(applied) })
    }

    /// Begins a transaction that may write.
    pub async fn write(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// Begins a transaction that only reads.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
        })
    }

    /// Begins a transaction that reads one unchanging picture of the whole database, for checks and exports.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
            // In WAL mode a SQLite reader already sees one commit for its whole transaction.
            Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
        })
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        let mut tx = self.read().await?;
        let _one: Option<i32> = run!(&mut tx, scalar, PING)?;
        Ok(())
    }

    /// The database's own time, which the hub's clock follows.
    pub async fn now(&self) -> Result<Timestamp> {
        let mut tx = self.read().await?;
        let now: Option<Timestamp> = run!(&mut tx, scalar, NOW)?;
        now.ok_or(StoreError::Corrupt("the database tells no time"))
    }

    /// Waits for open transactions and closes all connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

async fn open_postgres(url: &str, schema: Option<&str>, options: &StoreOptions) -> Result<Store> {
    let connect = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Settings("the database URL is not readable".to_owned()))?;
    let mut connect = connect.disable_statement_logging();
    if let Some(schema) = schema {
        if schema.is_empty() || !schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(StoreError::Settings("a schema name holds only a-z, 0-9 and _".to_owned()));
        }
        let mut connection = connect.connect().await?;
        // The name was checked above; identifiers cannot be bound as parameters.
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
        sqlx::query(create).execute(&mut connection).await?;
        connection.close().await?;
        connect = connect.options([("search_path", schema)]);
    }
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        // A round trip before each transaction would ask what the transaction itself finds out: only who rested is asked.
        .test_before_acquire(false)
        .before_acquire(|connection, rested| Box::pin(is_alive(connection, rested)))
        .connect_with(connect)
        .await?;
    Ok(Store::Postgres(pool))
}

/// Asks a connection that rested for a while for a sign of life; the pool replaces it when none comes.
pub(crate) async fn is_alive(connection: &mut PgConnection, rested: PoolConnectionMetadata) -> sqlx::Result<bool> {
    if rested.idle_for > RESTED {
        connection.ping().await?;
    }
    Ok(true)
}

async fn open_sqlite(path: PathBuf, options: &StoreOptions) -> Result<Store> {
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits at power loss; an acknowledged charge must not vanish (credits.md §2.10).
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("wal_autocheckpoint", "2000")
        // Without it REPLACE deletes the row in its way and no trigger hears of it: append-only tables would not be.
        .pragma("recursive_triggers", "ON")
        .disable_statement_logging();
    // There is no line that could have been cut, so nothing is asked before a connection is used.
    let pool = || SqlitePoolOptions::new().acquire_timeout(options.acquire_timeout).test_before_acquire(false);
    let writer = pool().max_connections(1).connect_with(connect.clone()).await?;
    let readers = pool()
        .max_connections(options.max_connections.clamp(1, 16))
        .connect_with(connect.read_only(true).create_if_missing(false))
        .await?;
    Ok(Store::Sqlite { writer, readers })
}
