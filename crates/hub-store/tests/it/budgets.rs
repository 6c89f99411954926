//! Budget windows: guards under races, and every end of a hold gives back what was taken.

use chrono::Duration;
use hub_store::budgets::{self, Charge, Standing};
use hub_store::holds::{self, End, NewHold, Opened};
use hub_store::ledger::{Kind, Posting};
use hub_store::{Store, user_budgets};
use hub_types::{Budget, BudgetPeriod, Credits, TransactionId, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::money::{account, new_hold};
use crate::support::{clock, now};

fn charge(window: &str, credits: i32) -> Charge {
    Charge { window: window.to_owned(), period_start: now(), limit: Credits::whole(credits) }
}

async fn open(store: &Store, hold: &NewHold) -> Opened {
    let mut tx = store.write().await.unwrap();
    let opened = holds::open(&mut tx, hold).await.unwrap();
    if opened == Opened::Yes {
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
    }
    opened
}

fn usage(user: UserId, hold: &NewHold, credits: i32, key: &str) -> Posting {
    Posting {
        id: TransactionId::new(&clock()),
        user,
        kind: Kind::Usage,
        amount: Credits::whole(-credits),
        key: key.to_owned(),
        request_hash: None,
        hold: Some(hold.id),
        actor: None,
        reason: "test".to_owned(),
        metadata: json!({}),
        at: now(),
    }
}

/// Spent and held of a window, in whole credits; `None` before anything was taken from it.
async fn standing(store: &Store, window: &str) -> Option<(i64, i64)> {
    let mut tx = store.read().await.unwrap();
    let found = budgets::standing(&mut tx, &[window.to_owned()]).await.unwrap();
    assert_eq!(budgets::wrong(&mut tx).await.unwrap(), []);
    found.first().map(|(_, Standing { spent, held })| (spent.micro() / 1_000_000, held.micro() / 1_000_000))
}

both! {
    async fn parallel_holds_take_exactly_what_every_budget_has(store: Store) {
        let user = account(&store, 1000).await;
        let mut tasks = JoinSet::new();
        for n in 0..60 {
            let store = store.clone();
            tasks.spawn(async move {
                // Named in either order: they are taken in one.
                let mut budgets = vec![charge("user:x:day", 100), charge("key:x:day", 50)];
                if n % 2 == 0 { budgets.reverse() }
                open(&store, &NewHold { budgets, ..new_hold(user, 4) }).await == Opened::Yes
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|opened| *opened).count(), 12);
        assert_eq!((standing(&store, "key:x:day").await, standing(&store, "user:x:day").await), (Some((0, 48)), Some((0, 48))));
    }

    async fn a_refusal_names_the_side_and_takes_from_none(store: Store) {
        let user = account(&store, 10).await;
        let both = vec![charge("a", 100), charge("b", 3)];
        assert_eq!(open(&store, &NewHold { budgets: both, ..new_hold(user, 4) }).await, Opened::Budget(1));
        assert_eq!((standing(&store, "a").await, standing(&store, "b").await), (None, None));
        let wide = vec![charge("a", 100)];
        assert_eq!(open(&store, &NewHold { budgets: wide, ..new_hold(user, 11) }).await, Opened::Account);
        assert_eq!(standing(&store, "a").await, None);
        // A limit that was lowered below what is spent refuses, and nothing goes below zero.
        assert_eq!(open(&store, &NewHold { budgets: vec![charge("a", 5)], ..new_hold(user, 5) }).await, Opened::Yes);
        assert_eq!(open(&store, &NewHold { budgets: vec![charge("a", 1)], ..new_hold(user, 1) }).await, Opened::Budget(0));
    }

    async fn every_end_of_a_hold_gives_back_what_it_took(store: Store) {
        let user = account(&store, 100).await;
        let hold = || NewHold { budgets: vec![charge("w", 30)], ..new_hold(user, 10) };
        let (settled, voided, expired) = (hold(), hold(), hold());
        for hold in [&settled, &voided, &expired] {
            assert_eq!(open(&store, hold).await, Opened::Yes);
        }
        let mut tx = store.write().await.unwrap();
        let due = holds::due_budgets(&mut tx, now() + Duration::hours(1), 10).await.unwrap();
        assert_eq!(due.len(), 3);
        budgets::lock(&mut tx, due.iter().flat_map(|(_, charged)| charged)).await.unwrap();
        assert!(holds::settle(&mut tx, settled.id, End::Settled, &usage(user, &settled, 7, "s")).await.unwrap().is_some());
        assert!(holds::release(&mut tx, voided.id, user, End::Voided, now()).await.unwrap());
        assert!(holds::settle(&mut tx, expired.id, End::Expired, &usage(user, &expired, 2, "e")).await.unwrap().is_some());
        tx.commit().await.unwrap();
        assert_eq!(standing(&store, "w").await, Some((9, 0)));
        // What is owed beyond the sweep is owed, whatever room is left by now.
        assert_eq!(open(&store, &NewHold { budgets: vec![charge("w", 30)], ..new_hold(user, 18) }).await, Opened::Yes);
        let mut tx = store.write().await.unwrap();
        let late = holds::settle_late(&mut tx, expired.id, &usage(user, &expired, 4, "late")).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert_eq!((late.taken, standing(&store, "w").await), (Credits::whole(4), Some((13, 18))));
        let mut tx = store.read().await.unwrap();
        assert_eq!(budgets::wrong(&mut tx).await.unwrap(), []);
    }

    async fn a_users_budgets_are_replaced_as_a_whole(store: Store) {
        let user = account(&store, 0).await;
        let budget = |credits, period| Budget { amount: Credits::whole(credits), period };
        let mut tx = store.write().await.unwrap();
        let first = [budget(1, BudgetPeriod::Day), budget(2, BudgetPeriod::Month)];
        user_budgets::replace(&mut tx, user, &first, now()).await.unwrap();
        assert_eq!(user_budgets::of(&mut tx, user).await.unwrap(), first);
        user_budgets::replace(&mut tx, user, &[budget(3, BudgetPeriod::Total)], now()).await.unwrap();
        assert_eq!(user_budgets::of(&mut tx, user).await.unwrap(), [budget(3, BudgetPeriod::Total)]);
    }
}
