//! The check that a compiler would make: every fixed statement is prepared by a real server of each engine.

use hub_store::{Store, statements};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

async fn every_statement_prepares(store: Store) {
    let all = statements();
    assert!(all.len() > 60, "the list of statements is incomplete: {}", all.len());
    let mut refused = Vec::new();
    for statement in all {
        let result = match &store {
            Store::Postgres(line) => {
                line.pool().prepare(AssertSqlSafe(statement.postgres).into_sql_str()).await.map(drop)
            }
            Store::Sqlite { writer, .. } => {
                writer.pool().prepare(AssertSqlSafe(statement.sqlite).into_sql_str()).await.map(drop)
            }
        };
        if let Err(error) = result {
            refused.push(format!("{}: {error}", statement.name));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

both! {
    async fn all_statements_are_understood(store: Store) {
        every_statement_prepares(store).await;
    }
}

/// A module whose list is forgotten in `statements()` would not be prepared at all.
#[test]
fn no_module_with_statements_is_missing_from_the_list() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = std::fs::read_to_string(source.join("lib.rs")).unwrap();
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if name != "statement" && text.contains("\nstatements! {") {
            assert!(list.contains(&format!("{name}::STATEMENTS")), "{name} is not in statements()");
        }
    }
}
