//! Accounts, ledger, holds: guards under races, transitions, and rows that cannot be changed.

use chrono::Duration;
use hub_store::history::{self, Direction, Filter, Page};
use hub_store::holds::{self, End, NewHold, Opened};
use hub_store::ledger::{self, Kind, Posting};
use hub_store::receipts::{self, Receipt};
use hub_store::usage::{self, UsageRow};
use hub_store::users::{self, NewUser};
use hub_store::{Store, StoreError, accounts, verify};
use hub_types::{Credits, HoldId, PriceId, TokenUsage, TransactionId, UsageId, UserId};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::task::JoinSet;

use crate::audit;
use crate::support::{clock, now};

pub(crate) async fn account(store: &Store, credits: i32) -> UserId {
    let user = UserId::new(&clock());
    let email = format!("{user}@example.com").parse().unwrap();
    let mut tx = store.write().await.unwrap();
    let new = NewUser { id: user, email: &email, name: "Ada", password_hash: None, verified: true, at: now() };
    assert!(users::insert(&mut tx, &new).await.unwrap());
    accounts::open(&mut tx, user, now()).await.unwrap();
    if credits > 0 {
        ledger::post(&mut tx, &posting(user, Kind::Grant, credits, "start")).await.unwrap().unwrap();
    }
    tx.commit().await.unwrap();
    user
}

fn posting(user: UserId, kind: Kind, credits: i32, key: &str) -> Posting {
    Posting {
        id: TransactionId::new(&clock()),
        user,
        kind,
        amount: Credits::whole(credits),
        key: key.to_owned(),
        request_hash: None,
        hold: None,
        actor: None,
        reason: "test".to_owned(),
        metadata: json!({}),
        at: now(),
    }
}

pub(crate) fn new_hold(user: UserId, credits: i32) -> NewHold {
    NewHold {
        id: HoldId::new(&clock()),
        user,
        api_key: None,
        request_id: "request".to_owned(),
        kind: "chat",
        amount: Credits::whole(credits),
        price: PriceId::new(&clock()),
        service: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        model: "sandbox".to_owned(),
        owner: "one".to_owned(),
        checkpoint: json!({}),
        lease_until: now() + Duration::seconds(60),
        budgets: Vec::new(),
        at: now(),
    }
}

async fn hold(store: &Store, hold: &NewHold) -> bool {
    let mut tx = store.write().await.unwrap();
    let opened = holds::open(&mut tx, hold).await.unwrap() == Opened::Yes;
    if opened {
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
    }
    opened
}

async fn settle(store: &Store, hold: &NewHold, credits: i32) -> bool {
    let posting =
        Posting { hold: Some(hold.id), ..posting(hold.user, Kind::Usage, -credits, &format!("settle:{}", hold.id)) };
    let mut tx = store.write().await.unwrap();
    let settled = holds::settle(&mut tx, hold.id, End::Settled, &posting).await.unwrap().is_some();
    tx.commit().await.unwrap();
    settled
}

async fn release(store: &Store, hold: &NewHold) -> bool {
    let mut tx = store.write().await.unwrap();
    let released = holds::release(&mut tx, hold.id, hold.user, End::Voided, now()).await.unwrap();
    tx.commit().await.unwrap();
    released
}

fn a_receipt(hold: &NewHold, row: TransactionId, amount: Credits) -> Receipt {
    Receipt {
        id: hold.id,
        user: hold.user,
        transaction: Some(row),
        api_key: None,
        request_id: hold.request_id.clone(),
        route: "/v1/chat/completions".to_owned(),
        service: hold.service.clone(),
        provider: hold.provider.clone(),
        model: hold.model.clone(),
        upstream_model: hold.model.clone(),
        upstream_id: None,
        price: hold.price,
        unit_prices: json!({}),
        usage: TokenUsage::default(),
        usage_source: "provider".to_owned(),
        exact_pico: 0,
        amount,
        uncollected: Credits::ZERO,
        held: hold.amount,
        outcome: "completed".to_owned(),
        attempts: json!([]),
        created_at: hold.at,
    }
}

/// Balance and held, in whole credits.
async fn standing(store: &Store, user: UserId) -> (i64, i64) {
    let mut tx = store.read().await.unwrap();
    let account = accounts::get(&mut tx, user).await.unwrap().unwrap();
    (account.balance.micro() / 1_000_000, account.held.micro() / 1_000_000)
}

async fn assert_sound(store: &Store) {
    let mut tx = store.snapshot().await.unwrap();
    assert_eq!(verify::balances(&mut tx).await.unwrap(), []);
    assert_eq!(verify::versions(&mut tx).await.unwrap(), []);
    assert_eq!(verify::held(&mut tx).await.unwrap(), []);
    assert_eq!(verify::running_balances(&mut tx).await.unwrap(), []);
    assert_eq!(verify::overdrawn(&mut tx).await.unwrap(), []);
    assert_eq!(verify::resolved_holds(&mut tx).await.unwrap(), []);
}

both! {
    async fn parallel_debits_take_exactly_what_is_there(store: Store) {
        let user = account(&store, 50).await;
        let mut tasks = JoinSet::new();
        for n in 0..80 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut tx = store.write().await.unwrap();
                let posted = ledger::post(&mut tx, &posting(user, Kind::Usage, -2, &format!("debit:{n}"))).await.unwrap();
                tx.commit().await.unwrap();
                posted.is_some()
            });
        }
        let taken = tasks.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!((taken, standing(&store, user).await), (25, (0, 0)));
        assert_sound(&store).await;
    }

    async fn parallel_holds_promise_nothing_twice(store: Store) {
        let user = account(&store, 50).await;
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            let store = store.clone();
            tasks.spawn(async move { hold(&store, &new_hold(user, 4)).await });
        }
        let held = tasks.join_all().await.into_iter().filter(|held| *held).count();
        assert_eq!((held, standing(&store, user).await), (12, (50, 48)));
        assert_sound(&store).await;
    }

    async fn a_hold_is_resolved_once_whoever_asks(store: Store) {
        let user = account(&store, 50).await;
        let new = new_hold(user, 30);
        assert!(hold(&store, &new).await);
        let mut tasks = JoinSet::new();
        for n in 0..20 {
            let (store, new) = (store.clone(), new.clone());
            tasks.spawn(async move { if n % 2 == 0 { settle(&store, &new, 10).await } else { release(&store, &new).await } });
        }
        let winners = tasks.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(winners, 1);
        let (balance, held) = standing(&store, user).await;
        assert!(held == 0 && (balance == 40 || balance == 50), "{balance} {held}");
        assert_sound(&store).await;
    }

    async fn a_settle_gives_the_rest_back_and_never_takes_more_than_was_held(store: Store) {
        let user = account(&store, 100).await;
        let new = new_hold(user, 80);
        assert!(hold(&store, &new).await);
        assert!(!hold(&store, &new_hold(user, 30)).await, "held credits were promised again");
        assert!(!settle(&store, &new, 81).await);
        assert_eq!(standing(&store, user).await, (100, 80));
        assert!(settle(&store, &new, 5).await);
        assert!(!settle(&store, &new, 5).await);
        assert_eq!(standing(&store, user).await, (95, 0));
        assert_sound(&store).await;
    }

    async fn a_key_posts_once_even_in_parallel(store: Store) {
        let user = account(&store, 100).await;
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut tx = store.write().await.unwrap();
                match ledger::post(&mut tx, &posting(user, Kind::Usage, -7, "same")).await {
                    Ok(Some(_)) => { tx.commit().await.unwrap(); true }
                    Ok(None) => panic!("there was enough"),
                    Err(StoreError::Duplicate(_)) => { tx.rollback().await.unwrap(); false }
                    Err(error) => panic!("{error:?}"),
                }
            });
        }
        let posted = tasks.join_all().await.into_iter().filter(|posted| *posted).count();
        assert_eq!((posted, standing(&store, user).await), (1, (93, 0)));
        assert_sound(&store).await;
    }

    async fn ledger_rows_can_be_neither_changed_nor_deleted_nor_replaced(store: Store) {
        let user = account(&store, 10).await;
        audit::insert(&store, &[audit::entry("test", now())]).await;
        let mut texts = vec!["UPDATE credit_transactions SET amount = 1", "DELETE FROM credit_transactions", "DELETE FROM audit_log"];
        match &store {
            Store::Postgres(_) => texts.extend(["TRUNCATE credit_transactions CASCADE", "TRUNCATE audit_log"]),
            Store::Sqlite { .. } => texts.extend([
                "INSERT OR REPLACE INTO credit_transactions SELECT * FROM credit_transactions",
                "REPLACE INTO audit_log SELECT * FROM audit_log",
            ]),
        }
        for text in texts {
            let refused = audit::execute(&store, text).await;
            assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{text}");
        }
        assert_eq!(standing(&store, user).await, (10, 0));
        assert_sound(&store).await;
    }

    async fn a_ledger_that_lost_its_guard_is_told_from_an_honest_one(store: Store) {
        account(&store, 10).await;
        assert_eq!(verify::changeable(&store).await.unwrap(), Vec::<&str>::new());
        let drops: &[&'static str] = match &store {
            Store::Postgres(_) => &["DROP TRIGGER credit_transactions_no_change ON credit_transactions"],
            Store::Sqlite { .. } => &[
                "DROP TRIGGER credit_transactions_no_change_update",
                "DROP TRIGGER credit_transactions_no_change_delete",
            ],
        };
        for text in drops {
            audit::execute(&store, text).await.unwrap();
        }
        let allowed = verify::changeable(&store).await.unwrap();
        assert_eq!(allowed, ["a ledger row could be changed", "a ledger row could be deleted"]);
        // What was tried was undone.
        assert_sound(&store).await;
    }

    async fn no_other_program_replaces_a_row_whatever_it_sets_on_its_connection(store: Store) {
        let Store::Sqlite { writer, .. } = &store else { return };
        let user = account(&store, 10).await;
        audit::insert(&store, &[audit::entry("test", now())]).await;
        let file = writer.pool().connect_options().get_filename().to_owned();
        let foreign = SqliteConnectOptions::new().filename(file).pragma("recursive_triggers", "OFF").foreign_keys(false);
        let mut foreign = foreign.connect().await.unwrap();
        let other = "x'0199a0000000700080000000000000ff'";
        for (text, values) in [
            ("credit_transactions", "id, user_id, kind, amount + 1, balance_after, 9, 'another', idem_hash".to_owned()),
            ("credit_transactions", format!("{other}, user_id, kind, amount + 1, balance_after, account_version, 'another', idem_hash")),
            ("credit_transactions", format!("{other}, user_id, kind, amount + 1, balance_after, 9, idem_key, idem_hash")),
        ] {
            let replace = format!(
                "INSERT OR REPLACE INTO {text} (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash, reason, metadata,
                   created_at) SELECT {values}, reason, metadata, created_at FROM {text}"
            );
            let refused = sqlx::query(sqlx::AssertSqlSafe(replace)).execute(&mut foreign).await;
            assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{values}");
        }
        let refused = sqlx::query("REPLACE INTO audit_log SELECT * FROM audit_log").execute(&mut foreign).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("append-only")));
        assert_eq!(standing(&store, user).await, (10, 0));
        assert_sound(&store).await;
    }

    async fn an_account_stays_as_long_as_its_ledger_and_a_row_needs_an_account(store: Store) {
        let user = account(&store, 10).await;
        for text in [
            "DELETE FROM credit_accounts",
            "UPDATE credit_accounts SET user_id = (SELECT id FROM users WHERE id <> user_id LIMIT 1)",
            "INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, reason, metadata, created_at)
             SELECT price_id, price_id, 'grant', 1, 1, 1, 'nobody', 'x', '{}', created_at FROM credit_holds",
        ] {
            // Any id that is not a user's will do for the row of nobody: the price of a hold has one.
            assert!(hold(&store, &new_hold(user, 1)).await);
            let refused = audit::execute(&store, text).await.expect_err(text).to_string().to_lowercase();
            assert!(refused.contains("account") || refused.contains("foreign key"), "{text}: {refused}");
        }
        assert_eq!(standing(&store, user).await, (10, 3));
        assert_sound(&store).await;
    }

    async fn a_row_that_goes_the_wrong_way_for_its_kind_is_named(store: Store) {
        let user = account(&store, 10).await;
        let mut tx = store.write().await.unwrap();
        ledger::post(&mut tx, &posting(user, Kind::Adjustment, -3, "correction")).await.unwrap().unwrap();
        assert_eq!(verify::signs(&mut tx).await.unwrap(), []);
        ledger::post(&mut tx, &posting(user, Kind::Usage, 5, "charge that gives")).await.unwrap().unwrap();
        let named = verify::signs(&mut tx).await.unwrap();
        assert_eq!(named.iter().map(|fault| (fault.user, fault.version)).collect::<Vec<_>>(), [(user, 3)]);
    }

    async fn only_holds_past_their_lease_are_due_and_a_checkpoint_renews_it(store: Store) {
        let user = account(&store, 100).await;
        let (renewed, dead) = (new_hold(user, 10), new_hold(user, 10));
        assert!(hold(&store, &renewed).await && hold(&store, &dead).await);
        let later = now() + Duration::seconds(90);
        let mut tx = store.write().await.unwrap();
        let until = later + Duration::seconds(60);
        assert!(holds::checkpoint(&mut tx, renewed.id, "one", Credits::whole(3), &json!({}), until).await.unwrap());
        assert!(!holds::checkpoint(&mut tx, dead.id, "another", Credits::whole(3), &json!({}), until).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = store.write().await.unwrap();
        let due = holds::due(&mut tx, later, 50).await.unwrap();
        assert_eq!(due.iter().map(|hold| hold.id).collect::<Vec<_>>(), [dead.id]);
    }

    async fn an_expired_hold_can_be_settled_late_for_what_is_missing(store: Store) {
        let user = account(&store, 100).await;
        let new = new_hold(user, 50);
        assert!(hold(&store, &new).await);
        let row = |credits: i32, key: &str| Posting { hold: Some(new.id), ..posting(user, Kind::Usage, credits, key) };
        let mut tx = store.write().await.unwrap();
        assert!(holds::settle(&mut tx, new.id, End::Expired, &row(-20, "sweep")).await.unwrap().is_some());
        assert!(holds::settle_late(&mut tx, new.id, &row(-15, "late")).await.unwrap().is_some());
        assert!(holds::settle_late(&mut tx, new.id, &row(-15, "later")).await.unwrap().is_none());
        tx.commit().await.unwrap();
        assert_eq!(standing(&store, user).await, (65, 0));
        assert_sound(&store).await;
    }

    async fn a_late_settle_takes_what_is_spendable(store: Store) {
        let user = account(&store, 50).await;
        let (new, other) = (new_hold(user, 40), new_hold(user, 45));
        assert!(hold(&store, &new).await);
        let row = |credits: i32, key: &str| Posting { hold: Some(new.id), ..posting(user, Kind::Usage, credits, key) };
        let mut tx = store.write().await.unwrap();
        assert!(holds::release(&mut tx, new.id, user, End::Expired, now()).await.unwrap());
        tx.commit().await.unwrap();
        assert!(hold(&store, &other).await);
        let mut tx = store.write().await.unwrap();
        let late = holds::settle_late(&mut tx, new.id, &row(-30, "late")).await.unwrap().unwrap();
        assert_eq!((late.taken, late.row.map(|row| row.amount)), (Credits::whole(5), Some(Credits::whole(-5))));
        tx.commit().await.unwrap();
        assert_eq!(standing(&store, user).await, (45, 45));
        assert_sound(&store).await;
        // Nothing is spendable now, and the hold is not expired any more all the same.
        let empty = account(&store, 0).await;
        let free = NewHold { user: empty, ..new_hold(empty, 10) };
        let mut tx = store.write().await.unwrap();
        ledger::post(&mut tx, &posting(empty, Kind::Grant, 10, "g")).await.unwrap().unwrap();
        assert_eq!(holds::open(&mut tx, &free).await.unwrap(), Opened::Yes);
        assert!(holds::release(&mut tx, free.id, empty, End::Expired, now()).await.unwrap());
        ledger::post(&mut tx, &posting(empty, Kind::Usage, -10, "u")).await.unwrap().unwrap();
        let owed = Posting { hold: Some(free.id), ..posting(empty, Kind::Usage, -7, "late") };
        let late = holds::settle_late(&mut tx, free.id, &owed).await.unwrap().unwrap();
        assert!(late.taken == Credits::ZERO && late.row.is_none());
        assert!(holds::settle_late(&mut tx, free.id, &owed).await.unwrap().is_none());
        tx.commit().await.unwrap();
        assert_sound(&store).await;
    }

    async fn a_charge_whose_papers_are_missing_or_wrong_is_named(store: Store) {
        let user = account(&store, 50).await;
        let new = new_hold(user, 40);
        assert!(hold(&store, &new).await);
        let charge = Posting { hold: Some(new.id), ..posting(user, Kind::Usage, -5, "sweep") };
        let mut tx = store.write().await.unwrap();
        let row = holds::settle(&mut tx, new.id, End::Expired, &charge).await.unwrap().unwrap();
        let named = |faults: Vec<verify::CallFault>| faults.into_iter().map(|fault| fault.hold).collect::<Vec<_>>();
        assert_eq!(named(verify::holds_without_receipt(&mut tx).await.unwrap()), [new.id]);
        let receipt = a_receipt(&new, row.id, Credits::whole(5));
        receipts::put(&mut tx, &receipt).await.unwrap();
        assert_eq!(named(verify::holds_without_receipt(&mut tx).await.unwrap()), []);
        assert_eq!(named(verify::receipts_without_usage(&mut tx).await.unwrap()), [new.id]);
        assert_eq!(named(verify::receipts_of_holds(&mut tx).await.unwrap()), []);
        let call = crate::usage::call(user, new.at, 5_000_000);
        let call = UsageRow { id: UsageId(new.id.0), hold: Some(new.id), ..call };
        usage::put(&mut tx, &call).await.unwrap();
        assert_eq!(named(verify::receipts_without_usage(&mut tx).await.unwrap()), []);
        assert_eq!(named(verify::usage(&mut tx).await.unwrap()), []);
        usage::put(&mut tx, &UsageRow { credits: Credits::whole(4), ..call.clone() }).await.unwrap();
        assert_eq!(named(verify::usage(&mut tx).await.unwrap()), [new.id]);
        // A usage row that charged something and has no receipt at all.
        let other = HoldId::new(&clock());
        usage::put(&mut tx, &UsageRow { id: UsageId(other.0), hold: Some(other), ..call }).await.unwrap();
        assert_eq!(named(verify::usage(&mut tx).await.unwrap()).len(), 2);
        tx.rollback().await.unwrap();
        // A receipt of another size than its hold.
        let mut tx = store.write().await.unwrap();
        receipts::put(&mut tx, &Receipt { held: Credits::whole(41), ..receipt }).await.unwrap();
        assert_eq!(named(verify::receipts_of_holds(&mut tx).await.unwrap()), [new.id]);
        tx.rollback().await.unwrap();
    }

    async fn history_pages_newest_first_without_gaps(store: Store) {
        let user = account(&store, 100).await;
        let mut tx = store.write().await.unwrap();
        for n in 0..25 {
            ledger::post(&mut tx, &posting(user, Kind::Usage, -1, &format!("row:{n}"))).await.unwrap().unwrap();
        }
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = Page { before_version: before, limit: 10, offset: 0 };
            let rows = history::list(&mut tx, &Filter::all(user), page).await.unwrap();
            let Some(last) = rows.last() else { break };
            before = Some(last.version);
            seen.extend(rows.iter().map(|row| row.version));
        }
        assert_eq!(seen, (1..=26).rev().collect::<Vec<_>>());
        let grants = Filter { kind: Some(Kind::Grant), ..Filter::all(user) };
        assert_eq!(history::totals(&mut tx, &grants).await.unwrap().rows, 1);
        let debits = Filter { direction: Some(Direction::Debit), ..Filter::all(user) };
        let totals = history::totals(&mut tx, &debits).await.unwrap();
        assert_eq!((totals.rows, totals.credited, totals.debited), (25, 0, 25_000_000));
        let large = Filter { least: 2_000_000, text: Some("TEST".to_owned()), ..Filter::all(user) };
        assert_eq!(history::totals(&mut tx, &large).await.unwrap().credited, 100_000_000);
        let later = Filter { from: now() + Duration::seconds(1), ..Filter::all(user) };
        assert_eq!(history::totals(&mut tx, &later).await.unwrap().rows, 0);
        tx.commit().await.unwrap();
    }
}
