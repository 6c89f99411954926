//! Adding usage up: nothing is missed and nothing is counted twice, whoever writes when. And history keeps its names.

use chrono::Duration;
use hub_store::usage::{self, UsageRow};
use hub_store::usage_rollup::{self, DAY, LENGTHS, QUARTER, State};
use hub_store::usage_totals::{self, GroupBy, Moments, Question, Slot, Span};
use hub_store::users::{self, NewUser};
use hub_store::{Store, Tx, usage_logs};
use hub_types::{ApiKeyId, Credits, Timestamp, TokenUsage, UsageId, UserId};
use serde_json::json;
use uuid::Uuid;

use crate::support::{clock, now};

pub(crate) fn call(user: UserId, at: Timestamp, credits: i64) -> UsageRow {
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
        users: user.into_iter().collect(),
        keys: Vec::new(),
        services: Vec::new(),
        providers: Vec::new(),
        models: Vec::new(),
    }
}

/// Calls and micro-credits of the hub, of each caller, and of one's own, as the sums of this length say.
async fn sums(tx: &mut Tx, user: UserId, length: i64) -> [(i64, i64); 3] {
    let to = now().timestamp() + 1_000_000;
    let span = [Span { place: 0, length, from: 0, to, step: to }];
    let questions =
        [question(None, GroupBy::Nothing), question(None, GroupBy::User), question(Some(user), GroupBy::Model)];
    let mut found = [(0, 0); 3];
    for (found, question) in found.iter_mut().zip(&questions) {
        for part in usage_totals::of_sums(tx, question, &span).await.unwrap() {
            *found = (found.0 + part.sums.calls, found.1 + part.sums.credits.micro());
        }
    }
    found
}

/// Asserts that the sums of every length up to a day say so.
async fn assert_sums(tx: &mut Tx, user: UserId, expected: (i64, i64)) {
    for length in LENGTHS.into_iter().filter(|length| *length <= DAY) {
        assert_eq!(sums(tx, user, length).await, [expected; 3], "{length} s");
    }
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
        assert_sums(&mut tx, user, (1, 5)).await;
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
        assert_sums(&mut tx, user, (1, 5)).await;
        drop(tx);
        assert_eq!((again(&store).await, again(&store).await), (2, 0));
        let mut tx = store.read().await.unwrap();
        assert_sums(&mut tx, user, (3, 117)).await;
    }

    async fn longer_sums_are_made_when_all_of_them_is_closed(store: Store) {
        let user = UserId::new(&clock());
        // Two days ago at one in the morning, in the third quarter of the hour.
        let hour = (now().timestamp() / 86_400 - 2) * 86_400 + 3600;
        let at = |second: i64| Timestamp::from_timestamp(hour + second, 0).unwrap();
        let first = call(user, at(2000), 5);
        put(&store, &first).await;
        close(&store, quarter(at(2700))).await;
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user, 900).await, [(1, 5); 3]);
        assert_eq!(sums(&mut tx, user, 3600).await, [(0, 0); 3], "the hour is not over");
        drop(tx);
        // Something comes late while only the quarter is closed, and again when the hour is.
        put(&store, &call(user, at(1900), 20)).await;
        assert_eq!(again(&store).await, 1);
        put(&store, &call(user, at(3599), 100)).await;
        close(&store, quarter(at(3600))).await;
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user, 3600).await, [(3, 125); 3]);
        assert_eq!(sums(&mut tx, user, 86_400).await, [(0, 0); 3], "the day is not over");
        drop(tx);
        put(&store, &UsageRow { credits: Credits::from_micro(6), ..first }).await;
        assert_eq!(again(&store).await, 1);
        put(&store, &call(user, at(-1), 1000)).await;
        assert_eq!(again(&store).await, 1);
        let mut tx = store.read().await.unwrap();
        assert_eq!(sums(&mut tx, user, 3600).await, [(4, 1126); 3]);
        drop(tx);
        close(&store, quarter(at(30 * 3600))).await;
        let mut tx = store.read().await.unwrap();
        assert_sums(&mut tx, user, (4, 1126)).await;
        let tens = sums(&mut tx, user, 10 * DAY).await;
        drop(tx);
        close(&store, quarter(at(20 * DAY))).await;
        put(&store, &call(user, at(0), 10_000)).await;
        assert_eq!(again(&store).await, 1);
        let mut tx = store.read().await.unwrap();
        assert_sums(&mut tx, user, (5, 11_126)).await;
        assert_eq!((tens, sums(&mut tx, user, 10 * DAY).await), ([(0, 0); 3], [(5, 11_126); 3]));
    }

    async fn many_spans_and_filters_are_one_question(store: Store) {
        let (ada, bob) = (UserId::new(&clock()), UserId::new(&clock()));
        let key = ApiKeyId::new(&clock());
        let day = now().timestamp() / 86_400 - 2;
        let at = |second: i64| Timestamp::from_timestamp(day * 86_400 + second, 0).unwrap();
        put(&store, &UsageRow { api_key: Some(key), model: "one".to_owned(), ..call(ada, at(0), 1) }).await;
        put(&store, &UsageRow { model: "two".to_owned(), ..call(ada, at(5000), 20) }).await;
        put(&store, &UsageRow { model: "two".to_owned(), provider: "other".to_owned(), ..call(bob, at(86_399), 300) }).await;
        close(&store, quarter(at(86_400))).await;
        // More ranges than a year has days. All but the first 96 are long ago and empty.
        let from = |n: i64| if n < 96 { day * 86_400 + n * 900 } else { n * 900 };
        let (spans, ranges): (Vec<_>, Vec<_>) = (0..1500)
            .zip(0..)
            .map(|(n, place)| {
                let (from, to) = (from(n), from(n) + 900);
                let moment = |second| Timestamp::from_timestamp(second, 0).unwrap();
                (Span { place, length: 900, from, to, step: 900 }, Moments { place, from: moment(from), to: moment(to) })
            })
            .unzip();
        let all = question(None, GroupBy::Nothing);
        let two = vec!["two".to_owned()];
        let cases = [
            (all.clone(), vec![(0, 1), (5, 20), (95, 300)]),
            (question(None, GroupBy::User), vec![(0, 1), (5, 20), (95, 300)]),
            (question(Some(ada), GroupBy::Key), vec![(0, 1), (5, 20)]),
            (Question { users: vec![ada, bob], models: two.clone(), ..all.clone() }, vec![(5, 20), (95, 300)]),
            (Question { keys: vec![key], users: vec![ada], ..all.clone() }, vec![(0, 1)]),
            (Question { models: two, providers: vec!["sandbox".to_owned()], ..all.clone() }, vec![(5, 20)]),
            (Question { services: vec!["none".to_owned(), "sandbox".to_owned()], ..all.clone() }, vec![(0, 1), (5, 20), (95, 300)]),
            (Question { services: vec!["none".to_owned()], ..all }, vec![]),
        ];
        let mut tx = store.snapshot().await.unwrap();
        for (question, expected) in cases {
            for parts in [
                usage_totals::of_sums(&mut tx, &question, &spans).await.unwrap(),
                usage_totals::of_calls(&mut tx, &question, &ranges).await.unwrap(),
            ] {
                let mut found: Vec<_> = parts.iter().map(|part| (part.place, part.sums.credits.micro())).collect();
                found.sort_unstable();
                assert_eq!(found, expected, "{question:?}");
                let keys = parts.iter().filter(|part| part.key.is_some()).count();
                assert_eq!(keys, usize::from(question.group == GroupBy::Key));
            }
        }
        // One span for bars of half an hour, the first of them number 7.
        let half_hours = [Span { place: 7, length: 900, from: day * DAY, to: (day + 1) * DAY, step: 1800 }];
        let parts = usage_totals::of_sums(&mut tx, &question(None, GroupBy::Model), &half_hours).await.unwrap();
        let mut found: Vec<_> = parts.iter().map(|part| (part.place, part.label.as_str(), part.sums.calls)).collect();
        found.sort_unstable();
        assert_eq!(found, [(7, "one", 1), (9, "two", 1), (54, "two", 1)]);
        assert!(usage_totals::of_sums(&mut tx, &question(None, GroupBy::Nothing), &[]).await.unwrap().is_empty());
    }

    async fn the_log_is_read_in_the_ranges_that_sums_name(store: Store) {
        let (ada, bob) = (UserId::new(&clock()), UserId::new(&clock()));
        let day = now().timestamp() / DAY - 2;
        let at = |second: i64| Timestamp::from_timestamp(day * DAY + second, 0).unwrap();
        for (user, second, status) in [(ada, 10, "completed"), (ada, 3700, "failed"), (ada, 3800, "completed"), (bob, 9000, "failed")] {
            put(&store, &UsageRow { status: status.to_owned(), ..call(user, at(second), second) }).await;
        }
        close(&store, quarter(at(DAY))).await;
        let mut tx = store.snapshot().await.unwrap();
        let hours = [Span { place: 0, length: 3600, from: day * DAY, to: (day + 1) * DAY, step: DAY }];
        let ada_only = question(Some(ada), GroupBy::Nothing);
        let slot = |hour: i64, count| Slot { length: 3600, start: day * DAY + hour * 3600, count };
        let found = usage_totals::slots(&mut tx, &ada_only, &hours, false, 10).await.unwrap();
        assert_eq!(found, [slot(1, 2), slot(0, 1)]);
        let found = usage_totals::slots(&mut tx, &ada_only, &hours, true, 10).await.unwrap();
        assert_eq!(found, [slot(1, 1)]);
        let found = usage_totals::slots(&mut tx, &question(None, GroupBy::Nothing), &hours, false, 1).await.unwrap();
        assert_eq!(found, [slot(2, 1)]);

        let filter = usage_logs::Filter { user: Some(ada), ..usage_logs::Filter::default() };
        let ranges = [(at(0), at(900)), (at(3600), at(4500))];
        let credits = async |tx: &mut Tx, before, ranges: &[_], limit| {
            let rows = usage_logs::list(tx, &filter, (before, UsageId(Uuid::max())), Some(ranges), limit).await.unwrap();
            rows.iter().map(|row| row.credits.micro()).collect::<Vec<_>>()
        };
        assert_eq!(credits(&mut tx, now(), &ranges, 10).await, [3800, 3700, 10]);
        assert_eq!(credits(&mut tx, now(), &ranges, 2).await, [3800, 3700]);
        assert_eq!(credits(&mut tx, at(3700), &ranges, 10).await, [3700, 10]);
        assert_eq!(credits(&mut tx, now(), &ranges[..1], 10).await, [10]);
        assert!(credits(&mut tx, now(), &[], 10).await.is_empty());
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
        assert_sums(&mut tx, user, (1, 5)).await;
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
        assert_sums(&mut tx, user, (1, 5)).await;
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
        assert_sums(&mut tx, user, (1, 6)).await;
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
            Store::Postgres(line) => sqlx::query(delete).execute(line.pool()).await.map(drop).unwrap(),
            Store::Sqlite { writer, .. } => sqlx::query(delete).execute(writer.pool()).await.map(drop).unwrap(),
        }
        let mut tx = store.read().await.unwrap();
        let rows = usage_logs::list(&mut tx, &usage_logs::Filter::default(), (now(), UsageId(Uuid::max())), None, 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].email.as_deref(), rows[0].user_deleted), (1, Some("ada@example.com"), true));
    }
}
