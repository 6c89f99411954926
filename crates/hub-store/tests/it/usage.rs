//! Adding usage up: nothing is missed and nothing is counted twice, whoever writes when. And history keeps its names.

use chrono::Duration;
use hub_store::usage::{self, UsageRow};
use hub_store::usage_rollup::{self, QUARTER, State};
use hub_store::usage_totals::{self, GroupBy, Question};
use hub_store::users::{self, NewUser};
use hub_store::{Store, Tx, usage_logs};
use hub_types::{Credits, Timestamp, TokenUsage, UsageId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::support::{clock, now};

fn call(user: UserId, at: Timestamp, credits: i64) -> UsageRow {
    UsageRow {
        id: UsageId::new(&clock()),
        at,
        user,
        api_key: None,
        request_id: "r".to_owned(),
        hold: None,
        kind: "chat".to_owned(),
        route: "/v1/chat/completions".to_owned(),
        service: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        model: "sandbox".to_owned(),
        usage: TokenUsage::default(),
        usage_source: "provider".to_owned(),
        credits: Credits::from_micro(credits),
        status: "completed".to_owned(),
        attempts: 1,
        latency_ms: 1,
        first_token_ms: None,
        metadata: json!({}),
    }
}

async fn put(store: &Store, row: &UsageRow) {
    let mut tx = store.write().await.unwrap();
    usage::put(&mut tx, row).await.unwrap();
    tx.commit().await.unwrap();
}

fn quarter(at: Timestamp) -> i64 {
    at.timestamp() / QUARTER
}

fn question(user: Option<UserId>, group: GroupBy) -> Question {
    Question {
        group,
        offset: 0,
        period: i64::MAX,
        user,
        key: None,
        service: String::new(),
        provider: String::new(),
        model: String::new(),
    }
}

/// Calls and micro-credits as the sums of quarters, of one's own quarters, and of days say.
async fn sums(tx: &mut Tx, user: UserId) -> Vec<(i64, i64)> {
    let (from, to) = (0, quarter(now()) + 1000);
    let found = [
        usage_totals::of_quarters(tx, &question(None, GroupBy::Nothing), from, to).await.unwrap(),
        usage_totals::of_quarters(tx, &question(Some(user), GroupBy::Key), from, to).await.unwrap(),
        usage_totals::of_quarters(tx, &question(None, GroupBy::User), from, to).await.unwrap(),
        usage_totals::of_days(tx, &question(None, GroupBy::User), from, to).await.unwrap(),
        usage_totals::of_days(tx, &question(Some(user), GroupBy::Model), from, to).await.unwrap(),
    ];
    let sum = |parts: Vec<usage_totals::Part>| {
        parts.iter().fold((0, 0), |sum, part| (sum.0 + part.sums.calls, sum.1 + part.sums.credits.micro()))
    };
    found.into_iter().map(sum).collect()
}

async fn close(store: &Store, to: i64) {
    let mut tx = store.write().await.unwrap();
    usage_rollup::begin_closing(&mut tx, to).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.write().await.unwrap();
    let State { closed, .. } = usage_rollup::state(&mut tx).await.unwrap();
    assert!(usage_rollup::close(&mut tx, closed, to).await.unwrap());
    tx.commit().await.unwrap();
}

async fn again(store: &Store) -> usize {
    let mut tx = store.write().await.unwrap();
    let count = usage_rollup::again(&mut tx, 10).await.unwrap();
    tx.commit().await.unwrap();
    count
}

both! {
    async fn a_call_in_a_closed_quarter_leaves_a_mark_until_it_is_added_up(store: Store) {
        let user = UserId::new(&clock());
        let (early, end) = (now() - Duration::days(2), quarter(now()));
        let mut first = call(user, early, 5);
        put(&store, &first).await;
        assert_eq!(again(&store).await, 0, "what is not closed needs no mark");
        close(&store, end).await;
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user).await, [(1, 5); 5]);
        drop(tx);

        // A late settle changes the row; another call comes late, at the last microsecond of its quarter.
        first.credits = Credits::from_micro(7);
        put(&store, &first).await;
        let edge = Timestamp::from_timestamp((quarter(early) + 1) * QUARTER, 0).unwrap() - Duration::microseconds(1);
        put(&store, &call(user, edge, 10)).await;
        put(&store, &call(user, edge + Duration::microseconds(1), 100)).await;
        let mut tx = store.read().await.unwrap();
        let late = usage_rollup::late(&mut tx, 0, end, 10).await.unwrap();
        assert_eq!(late, [quarter(early), quarter(early) + 1]);
        assert_eq!(sums(&mut tx, user).await, [(1, 5); 5]);
        drop(tx);
        assert_eq!((again(&store).await, again(&store).await), (2, 0));
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user).await, [(3, 117); 5]);
    }

    async fn two_workers_add_up_once(store: Store) {
        let user = UserId::new(&clock());
        put(&store, &call(user, now() - Duration::days(2), 5)).await;
        let end = quarter(now());
        let mut tx = store.write().await.unwrap();
        assert!(!usage_rollup::close(&mut tx, 0, end).await.unwrap(), "nobody announced it");
        usage_rollup::begin_closing(&mut tx, end).await.unwrap();
        tx.commit().await.unwrap();
        let work = async || {
            let mut tx = store.write().await.unwrap();
            let done = usage_rollup::close(&mut tx, 0, end).await.unwrap();
            tx.commit().await.unwrap();
            done
        };
        let (one, other) = tokio::join!(work(), work());
        assert!(one != other);
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user).await, [(1, 5); 5]);
    }

    async fn closing_waits_for_who_cannot_know_of_it(store: Store) {
        let user = UserId::new(&clock());
        let end = quarter(now());
        let mut writer = store.write().await.unwrap();
        usage::put(&mut writer, &call(user, now() - Duration::days(2), 5)).await.unwrap();
        let closing = async {
            let mut tx = store.write().await.unwrap();
            usage_rollup::begin_closing(&mut tx, end).await.unwrap();
            tx.commit().await.unwrap();
        };
        let mut closing = Box::pin(closing);
        let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut closing).await;
        assert!(early.is_err(), "it did not wait");
        writer.commit().await.unwrap();
        closing.await;
        let mut tx = store.write().await.unwrap();
        assert!(usage_rollup::close(&mut tx, 0, end).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user).await, [(1, 5); 5]);
    }

    async fn nothing_is_let_go_of_before_it_is_added_up(store: Store) {
        let user = UserId::new(&clock());
        let row = call(user, now() - Duration::days(40), 5);
        put(&store, &row).await;
        let kept_from = quarter(now()) - 960;
        let let_go = async || {
            let mut tx = store.write().await.unwrap();
            let gone = usage_rollup::let_go(&mut tx, kept_from).await.unwrap();
            tx.commit().await.unwrap();
            gone
        };
        assert!(!let_go().await);
        close(&store, quarter(now())).await;
        put(&store, &UsageRow { credits: Credits::from_micro(6), ..row.clone() }).await;
        assert!(!let_go().await, "something came late");
        again(&store).await;
        assert!(let_go().await);
        let before = usage_rollup::start_of(kept_from).unwrap();
        store.drop_usage_months(before).await.unwrap();
        let mut tx = store.write().await.unwrap();
        usage_rollup::delete_before(&mut tx, before, 10).await.unwrap();
        assert_eq!(usage_rollup::oldest(&mut tx).await.unwrap(), None);
        assert_eq!(sums(&mut tx, user).await, [(1, 6); 5]);
    }

    async fn a_deleted_account_keeps_its_name_in_the_log(store: Store) {
        let user = UserId::new(&clock());
        let email = "ada@example.com".parse().unwrap();
        let new = NewUser { id: user, email: &email, name: "Ada", password_hash: None, verified: true, at: now() };
        let mut tx = store.write().await.unwrap();
        users::insert(&mut tx, &new).await.unwrap();
        usage::put(&mut tx, &call(user, now(), 5)).await.unwrap();
        tx.commit().await.unwrap();
        let delete = "UPDATE users SET deleted_at = created_at";
        match &store {
            Store::Postgres(pool) => sqlx::query(delete).execute(pool).await.map(drop).unwrap(),
            Store::Sqlite { writer, .. } => sqlx::query(delete).execute(writer).await.map(drop).unwrap(),
        }
        let mut tx = store.read().await.unwrap();
        let rows = usage_logs::list(&mut tx, &usage_logs::Filter::default(), (now(), UsageId(Uuid::max())), 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].email.as_deref(), rows[0].user_deleted), (1, Some("ada@example.com"), true));
    }
}
