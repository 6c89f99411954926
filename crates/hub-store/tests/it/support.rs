//! Fresh databases for the contract tests: a SQLite file always, a PostgreSQL schema where a server is named by
//! `HUB_TEST_POSTGRES_URL`. Each test gets its own and leaves nothing behind when it passes.

use std::future::Future;
use std::time::Duration;

use hub_store::{Engine, Store, StoreOptions};
use hub_types::{Clock, Timestamp, random_bytes};

/// The time at which all these tests happen.
pub(crate) fn clock() -> Clock {
    Clock::fixed_at("2026-11-23T10:00:00Z")
}

/// The same as a value.
pub(crate) fn now() -> Timestamp {
    clock().now()
}

fn options(engine: Engine) -> StoreOptions {
    StoreOptions::new(engine, 8).patient(Duration::from_secs(30))
}

async fn migrated(engine: Engine) -> Store {
    let store = Store::open(&options(engine)).await.expect("the database opens");
    store.migrate(now()).await.expect("the migrations apply");
    let mut tx = store.write().await.unwrap();
    hub_store::roles::seed(&mut tx, &clock()).await.expect("the seed applies");
    tx.commit().await.unwrap();
    store
}

/// Applies one migration once more, to what is in the database now.
pub(crate) async fn migrated_again(store: &Store, version: i64) {
    let forget = format!("DELETE FROM _sqlx_migrations WHERE version = {version}");
    let forgotten = match store {
        Store::Postgres(line) => {
            sqlx::query(sqlx::AssertSqlSafe(forget)).execute(line.pool()).await.unwrap().rows_affected()
        }
        Store::Sqlite { writer, .. } => {
            sqlx::query(sqlx::AssertSqlSafe(forget)).execute(writer.pool()).await.unwrap().rows_affected()
        }
    };
    assert_eq!(forgotten, 1, "there is such a migration");
    store.migrate(now()).await.expect("the migration applies");
}

/// Runs a test on a SQLite file in a directory of its own.
pub(crate) async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let store = migrated(Engine::Sqlite { path: directory.path().join("hub.db") }).await;
    test(store.clone()).await;
    store.close().await;
}

/// Runs a test in a PostgreSQL schema of its own; says so and does nothing where no server is named.
pub(crate) async fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    #[expect(clippy::disallowed_methods, reason = "where the test server is can only be told from outside")]
    let Ok(url) = std::env::var("HUB_TEST_POSTGRES_URL") else {
        println!("skipped: HUB_TEST_POSTGRES_URL is not set");
        return;
    };
    let schema = format!("test_{:016x}", u64::from_be_bytes(random_bytes()));
    let store = migrated(Engine::Postgres { url, schema: Some(schema.clone()) }).await;
    test(store.clone()).await;
    if let Store::Postgres(line) = &store {
        let drop = sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"));
        sqlx::query(drop).execute(line.pool()).await.expect("the schema can be dropped");
    }
    store.close().await;
}

/// Makes each test run on both engines, as `sqlite_memory::name` and `postgres_redis::name`.
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident: Store) $body:block)+) => {
        $($(#[$meta])* async fn $name($store: Store) $body)+

        mod sqlite_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::support::on_sqlite(super::$name).await;
            })+
        }

        mod postgres_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::support::on_postgres(super::$name).await;
            })+
        }
    };
}
