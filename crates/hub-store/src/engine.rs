//! Opening, migrating and watching the database. Two engines for ever, so an enum and no trait.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Database, Postgres, SqlSafeStr as _, Sqlite};
use tokio::time::timeout;

use hub_types::Timestamp;

use crate::watch::{Limits, MOMENT, Patience, Watch};
use crate::{Line, Result, StoreError, Tx, partitions};

static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

statements! {
    PING = "SELECT 1";
    NOW = postgres: "SELECT clock_timestamp()", lite: "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')";
}

/// A connection that rested longer may have been cut in the meantime.
const RESTED: Duration = Duration::from_secs(1);
/// How much longer than PostgreSQL itself we wait for the end of a statement that is too slow.
const GRACE: Duration = Duration::from_secs(1);
/// How long the migrations of one start may take, the wait for another process that makes them included.
const MIGRATION: Duration = Duration::from_hours(1);
const NO_LIMITS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

/// Which database, and how many connections.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the data is.
    pub engine: Engine,
    /// PostgreSQL: connections at most. SQLite: readers at most (there is always one writer).
    pub max_connections: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long a statement may take that reads a picture of the whole database (`Store::snapshot`), and work on its tables themselves.
    pub report_timeout: Duration,
}

impl StoreOptions {
    /// With the limits of the settings' defaults, and this many connections.
    pub const fn new(engine: Engine, max_connections: u32) -> Self {
        Self {
            engine,
            max_connections,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            report_timeout: Duration::from_mins(10),
        }
    }

    /// The same, where nothing but a defect takes too long: for tests on a busy machine.
    pub fn patient(self, limit: Duration) -> Self {
        Self { acquire_timeout: limit, statement_timeout: limit, ..self }
    }

    const fn limits(&self) -> Limits {
        Limits {
            acquire: self.acquire_timeout,
            statement: self.statement_timeout,
            report: self.report_timeout,
            moment: MOMENT,
        }
    }
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
    Postgres(Line<Postgres>),
    /// SQLite in WAL mode: one writer connection, a pool of readers.
    Sqlite {
        /// The single writer; transactions queue here.
        writer: Line<Sqlite>,
        /// Read-only connections, which see the last commit.
        readers: Line<Sqlite>,
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
        let migrating = async {
            match self {
                Self::Postgres(line) => {
                    let mut connection = line.pool().acquire().await?;
                    // Nobody else is to have it, without its limits.
                    connection.close_on_drop();
                    sqlx::raw_sql(NO_LIMITS).execute(&mut *connection).await?;
                    POSTGRES_MIGRATIONS.run(&mut *connection).await?;
                }
                Self::Sqlite { writer, .. } => SQLITE_MIGRATIONS.run(writer.pool()).await?,
            }
            Ok(())
        };
        timeout(MIGRATION, migrating).await.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))?;
        self.maintain(now).await
    }

    /// Makes the monthly partitions of usage and audit rows ahead of time (PostgreSQL only; no work on SQLite).
    pub async fn maintain(&self, now: Timestamp) -> Result<()> {
        match self {
            Self::Postgres(line) => in_time(line, partitions::create_ahead(line, now)).await,
            Self::Sqlite { .. } => Ok(()),
        }
    }

    /// Drops whole months of the audit trail that ended at or before `before` (PostgreSQL only; no work on SQLite). What is
    /// left of a month is deleted by `audit::delete_before`.
    pub async fn drop_audit_months(&self, before: Timestamp) -> Result<usize> {
        match self {
            Self::Postgres(line) => in_time(line, partitions::drop_before(line, "audit_log", before)).await,
            Self::Sqlite { .. } => Ok(0),
        }
    }

    /// Drops whole months of the usage log that ended at or before `before`, which must have been let go of (PostgreSQL only; no work on
    /// SQLite). What is left over is deleted by `usage_rollup::delete_before`.
    pub async fn drop_usage_months(&self, before: Timestamp) -> Result<usize> {
        match self {
            Self::Postgres(line) => in_time(line, partitions::drop_before(line, "usage_logs", before)).await,
            Self::Sqlite { .. } => Ok(0),
        }
    }

    /// How many migrations are applied and pending, without changing anything.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        const APPLIED: &str = "SELECT COUNT(*) FROM _sqlx_migrations";
        let known = POSTGRES_MIGRATIONS.iter().count();
        let mut tx = self.read().await?;
        let applied: sqlx::Result<i64> = on!(&mut tx, |c, _s| sqlx::query_scalar(APPLIED).fetch_one(c).await);
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
            Self::Postgres(line) => Tx::Postgres(line.begin(None, request(line)).await?),
            Self::Sqlite { writer, .. } => {
                Tx::Sqlite(writer.begin(Some("BEGIN IMMEDIATE".into_sql_str()), request(writer)).await?)
            }
        })
    }

    /// Begins a transaction that only reads.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(line) => Tx::Postgres(line.begin(None, request(line)).await?),
            Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin(None, request(readers)).await?),
        })
    }

    /// Begins a transaction that reads one unchanging picture of the whole database, for checks and exports. Its statements may take as long
    /// as those of a report, and so may the pauses between them.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(line) => {
                let limit = line.watch().limits().report;
                let begin = format!(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {0}; \
                     SET LOCAL idle_in_transaction_session_timeout = {0}",
                    limit.as_millis()
                );
                // The one thing in it that is not fixed is a number.
                Tx::Postgres(line.begin(Some(AssertSqlSafe(begin).into_sql_str()), Patience::Long(limit)).await?)
            }
            // In WAL mode a SQLite reader already sees one commit for its whole transaction.
            Self::Sqlite { readers, .. } => {
                Tx::Sqlite(readers.begin(None, Patience::Long(readers.watch().limits().report)).await?)
            }
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
            Self::Postgres(line) => line.pool().close().await,
            Self::Sqlite { writer, readers } => {
                readers.pool().close().await;
                writer.pool().close().await;
            }
        }
    }
}

/// The patience of whoever has asked for something and waits.
fn request<DB: Database>(line: &Line<DB>) -> Patience {
    Patience::Short(line.watch().limits().statement)
}

/// Work on the tables themselves, which nobody waits for.
async fn in_time<T>(line: &Line<Postgres>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let limit = line.watch().limits().report;
    timeout(limit, work).await.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))
}

async fn open_postgres(url: &str, schema: Option<&str>, options: &StoreOptions) -> Result<Store> {
    let connect = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::Settings("the database URL is not readable".to_owned()))?;
    let mut connect = connect.disable_statement_logging();
    if let Some(schema) = schema {
        if schema.is_empty() || !schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(StoreError::Settings("a schema name holds only a-z, 0-9 and _".to_owned()));
        }
        let connecting = timeout(options.acquire_timeout, connect.connect()).await;
        let mut connection = connecting.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        // The name was checked above; identifiers cannot be bound as parameters.
        let create = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
        sqlx::query(create).execute(&mut connection).await?;
        connection.close().await?;
        connect = connect.options([("search_path", schema)]);
    }
    // The server's own limits: who is not heard of any more must not keep its locks, and a statement that is only slow is ended by the server, who
    // then says so, before anybody has to wonder what became of it.
    let limit = options.statement_timeout.as_millis();
    let limits = format!("SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit}");
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .after_connect(move |connection, _| {
            let limits = AssertSqlSafe(limits.clone());
            Box::pin(async move { sqlx::raw_sql(limits).execute(connection).await.map(drop) })
        })
        .acquire_timeout(options.acquire_timeout)
        // A round trip before each transaction would ask what the transaction itself finds out: only who rested is asked.
        .test_before_acquire(false)
        .before_acquire(|connection, rested| Box::pin(is_alive(connection, rested)))
        .connect_with(connect)
        .await?;
    let mut limits = options.limits();
    limits.statement += GRACE;
    limits.report += GRACE;
    Ok(Store::Postgres(Line::new(pool, Watch::new(limits))))
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
    // One of each: that somebody else holds the file's one right to write says nothing about reading.
    let line = |pool| Line::new(pool, Watch::new(options.limits()));
    Ok(Store::Sqlite { writer: line(writer), readers: line(readers) })
}
