//! The two schemas say the same: tables, columns, nullability, unique keys. And what must never change cannot be changed.

use std::collections::BTreeSet;

use hub_store::Store;

use crate::support::{on_postgres, on_sqlite};

/// `table.column null|not null` and `table unique (columns)`.
type Shape = BTreeSet<String>;

async fn sqlite_shape(store: &Store) -> Shape {
    let Store::Sqlite { readers, .. } = store else { panic!("not SQLite") };
    let columns: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT m.name, c.name, c.\"notnull\" FROM sqlite_master m, pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\' AND m.name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(readers.pool())
    .await
    .unwrap();
    let keys: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name, group_concat(column_name, ',') FROM (
           SELECT m.name AS table_name, i.name AS index_name, c.name AS column_name
           FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
           WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\' AND i.\"unique\" = 1 ORDER BY m.name, i.name, c.seqno)
         GROUP BY table_name, index_name",
    )
    .fetch_all(readers.pool())
    .await
    .unwrap();
    shape(columns, keys)
}

async fn postgres_shape(store: &Store) -> Shape {
    let Store::Postgres(line) = store else { panic!("not PostgreSQL") };
    let columns: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text, a.attnotnull FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND a.attnum > 0 AND NOT a.attisdropped AND c.relname NOT LIKE '\\_%'",
    )
    .fetch_all(line.pool())
    .await
    .unwrap();
    let keys: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, string_agg(a.attname::text, ',' ORDER BY k.position)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
         CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, position)
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
         WHERE i.indisunique AND c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition AND c.relname NOT LIKE '\\_%'
         GROUP BY c.relname, i.indexrelid",
    )
    .fetch_all(line.pool())
    .await
    .unwrap();
    shape(columns, keys)
}

fn shape(columns: Vec<(String, String, bool)>, keys: Vec<(String, String)>) -> Shape {
    let column = |(table, column, required)| format!("{table}.{column} {}", if required { "not null" } else { "null" });
    let key = |(table, columns)| format!("{table} unique ({columns})");
    columns.into_iter().map(column).chain(keys.into_iter().map(key)).collect()
}

mod parity {
    mod postgres_redis {
        use super::super::*;

        #[tokio::test(flavor = "multi_thread")]
        async fn both_engines_have_the_same_schema() {
            on_postgres(|postgres| async move {
                let there = postgres_shape(&postgres).await;
                on_sqlite(|sqlite| async move {
                    let here = sqlite_shape(&sqlite).await;
                    assert!(here.len() > 200, "{}", here.len());
                    let only_sqlite: Vec<_> = here.difference(&there).collect();
                    let only_postgres: Vec<_> = there.difference(&here).collect();
                    assert!(
                        only_sqlite.is_empty() && only_postgres.is_empty(),
                        "only SQLite: {only_sqlite:#?}\nonly PostgreSQL: {only_postgres:#?}"
                    );
                })
                .await;
            })
            .await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn usage_rows_of_the_coming_months_have_partitions() {
            on_postgres(|store| async move {
                let Store::Postgres(line) = &store else { panic!("not PostgreSQL") };
                let names: Vec<String> = sqlx::query_scalar(
                    "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r'
                 AND relnamespace = current_schema()::regnamespace AND relname LIKE 'usage_logs_2%' ORDER BY 1",
                )
                .fetch_all(line.pool())
                .await
                .unwrap();
                assert_eq!(
                    names,
                    ["usage_logs_2026_11", "usage_logs_2026_12", "usage_logs_2027_01", "usage_logs_2027_02"]
                );
                store.maintain(crate::support::now()).await.unwrap();
            })
            .await;
        }
    }
}

both! {
    async fn migrations_can_be_applied_again(store: Store) {
        store.migrate(crate::support::now()).await.unwrap();
        let state = store.migration_state().await.unwrap();
        assert!(state.applied > 0 && state.pending == 0, "{state:?}");
    }

    async fn the_database_tells_the_time(store: Store) {
        let now = store.now().await.unwrap();
        assert!((now - hub_types::Clock::system().now()).num_seconds().abs() < 5, "{now}");
    }
}
