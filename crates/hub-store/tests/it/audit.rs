//! The audit trail: found by every filter, changed by nobody, deleted only by retention.

use chrono::Duration;
use hub_store::audit::{self, Entry, Filter};
use hub_store::{Store, Tx};
use hub_types::{AuditId, Timestamp, UserId};
use serde_json::json;

use crate::support::{clock, now};

pub(crate) fn entry(action: &str, at: Timestamp) -> Entry {
    Entry {
        id: AuditId::new(&clock()),
        at,
        action: action.to_owned(),
        outcome: "ok".to_owned(),
        actor: None,
        actor_email: "ada@example.com".to_owned(),
        target_kind: "user".to_owned(),
        target_id: "1".to_owned(),
        user: None,
        address: "192.0.2.1".to_owned(),
        user_agent: "curl/8 100% _plain_".to_owned(),
        request_id: "r".to_owned(),
        details: json!({}),
    }
}

pub(crate) async fn insert(store: &Store, entries: &[Entry]) {
    let mut tx = store.write().await.unwrap();
    for entry in entries {
        audit::insert(&mut tx, entry).await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn end() -> (Timestamp, AuditId) {
    (now() + Duration::days(1), AuditId::new(&clock()))
}

async fn found(tx: &mut Tx, filter: &Filter) -> Vec<String> {
    audit::list(tx, filter, end(), 100).await.unwrap().into_iter().map(|row| row.action).collect()
}

async fn count(store: &Store) -> usize {
    let mut tx = store.read().await.unwrap();
    found(&mut tx, &Filter::default()).await.len()
}

/// Runs a statement that no function of the room has.
pub(crate) async fn execute(store: &Store, sql: &'static str) -> Result<u64, sqlx::Error> {
    match store {
        Store::Postgres(line) => sqlx::query(sql).execute(line.pool()).await.map(|done| done.rows_affected()),
        Store::Sqlite { writer, .. } => sqlx::query(sql).execute(writer.pool()).await.map(|done| done.rows_affected()),
    }
}

both! {
    async fn every_filter_finds_its_rows_and_no_others(store: Store) {
        let (ada, bob) = (UserId::new(&clock()), UserId::new(&clock()));
        let hour = Duration::hours(1);
        insert(&store, &[
            Entry { actor: Some(ada), user: Some(ada), ..entry("auth.login", now() - hour * 3) },
            Entry { actor: Some(bob), user: Some(ada), address: "2001:db8::7".to_owned(), ..entry("role.granted", now() - hour * 2) },
            Entry { outcome: "failed".to_owned(), user_agent: "Mozilla/5.0".to_owned(), ..entry("auth.login_failed", now() - hour) },
        ]).await;
        let mut tx = store.read().await.unwrap();
        let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
        let action = |action: &str| Filter { action: Some(action.to_owned()), ..Filter::default() };
        for (filter, actions) in [
            (Filter::default(), &["auth.login_failed", "role.granted", "auth.login"][..]),
            (Filter { actor: Some(bob), ..Filter::default() }, &["role.granted"]),
            (Filter { user: Some(ada), ..Filter::default() }, &["role.granted", "auth.login"]),
            (Filter { user: Some(ada), actor: Some(ada), ..Filter::default() }, &["auth.login"]),
            (action("auth."), &["auth.login_failed", "auth.login"]),
            (action("auth%"), &[]),
            (Filter { outcome: Some("failed".to_owned()), ..Filter::default() }, &["auth.login_failed"]),
            (Filter { from: Some(now() - hour * 2), ..Filter::default() }, &["auth.login_failed", "role.granted"]),
            (text("DB8::7"), &["role.granted"]),
            (text("mozilla"), &["auth.login_failed"]),
            (text("ada@"), &["auth.login_failed", "role.granted", "auth.login"]),
            (text("100%"), &["role.granted", "auth.login"]),
            (text("l_in"), &[]),
        ] {
            assert_eq!(found(&mut tx, &filter).await, actions, "{filter:?}");
        }
    }

    async fn pages_follow_each_other_without_gap_or_repetition(store: Store) {
        // Rows of one moment are told apart by their ids.
        let rows: Vec<Entry> = (0..25).map(|n| entry("auth.login", now() - Duration::seconds(n / 7))).collect();
        insert(&store, &rows).await;
        let mut tx = store.read().await.unwrap();
        let (mut seen, mut before) = (Vec::new(), end());
        loop {
            let page = audit::list(&mut tx, &Filter::default(), before, 10).await.unwrap();
            let Some(last) = page.last() else { break };
            before = (last.at, last.id);
            seen.extend(page.into_iter().map(|row| (row.at, row.id)));
        }
        let mut sorted = seen.clone();
        sorted.sort_by(|one, other| other.cmp(one));
        sorted.dedup();
        assert_eq!((seen.len(), seen), (25, sorted));
    }

    async fn the_database_refuses_to_change_or_delete_a_row(store: Store) {
        insert(&store, &[entry("auth.login", now() - Duration::days(900)), entry("auth.login", now())]).await;
        for sql in ["UPDATE audit_log SET outcome = 'failed'", "DELETE FROM audit_log"] {
            let error = execute(&store, sql).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{sql}: {error}");
        }
        if matches!(store, Store::Postgres(_)) {
            assert!(execute(&store, "TRUNCATE audit_log").await.is_err());
        }
        assert_eq!(count(&store).await, 2);
    }

    async fn retention_deletes_what_it_let_go_of_and_nothing_else_can(store: Store) {
        let day = Duration::days(1);
        let rows: Vec<Entry> = (0..6).map(|n| entry("auth.login", now() - day * n * 30)).collect();
        insert(&store, &rows).await;
        let before = now() - day * 75;
        let mut tx = store.write().await.unwrap();
        assert_eq!(audit::delete_before(&mut tx, before, 2).await.unwrap(), 2);
        assert_eq!(audit::delete_before(&mut tx, before, 2).await.unwrap(), 1);
        assert_eq!(audit::delete_before(&mut tx, before, 2).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!(count(&store).await, 3);
        assert!(execute(&store, "DELETE FROM audit_log").await.is_err());
        assert_eq!(count(&store).await, 3);
    }

    async fn whole_months_go_at_once(store: Store) {
        // The default partition is no month and stays.
        insert(&store, &[entry("auth.login", now() - Duration::days(900)), entry("auth.login", now())]).await;
        assert_eq!(store.drop_audit_months(now()).await.unwrap(), 0);
        let months = store.drop_audit_months(now() + Duration::days(40)).await.unwrap();
        let (dropped, left) = if matches!(store, Store::Postgres(_)) { (2, 1) } else { (0, 2) };
        assert_eq!((months, count(&store).await), (dropped, left));
        store.maintain(now()).await.unwrap();
        insert(&store, &[entry("auth.login", now())]).await;
    }
}
