//! Holds that move to another price: what more they need is guarded like the hold itself.

use hub_store::budgets::{self, Charge};
use hub_store::holds::{self, NewHold, Opened, Rerouted, Route};
use hub_store::{Store, accounts, verify};
use hub_types::{Credits, HoldId, PriceId, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::money::{account, new_hold};
use crate::support::{clock, now};

async fn open(store: &Store, hold: &NewHold) {
    let mut tx = store.write().await.unwrap();
    assert_eq!(holds::open(&mut tx, hold).await.unwrap(), Opened::Yes);
    tx.commit().await.unwrap();
}

async fn reroute(store: &Store, id: HoldId, owner: &str, more: i32) -> Rerouted {
    let mut tx = store.write().await.unwrap();
    let hold = holds::get(&mut tx, id).await.unwrap().unwrap();
    let checkpoint = json!({ "moved": true });
    let route =
        Route { owner, service: "s", provider: "p", price: PriceId::new(&clock()), checkpoint: &checkpoint, at: now() };
    let moved = holds::reroute(&mut tx, &hold, Credits::whole(more), &route).await.unwrap();
    if moved == Rerouted::Yes {
        tx.commit().await.unwrap();
    } else {
        tx.rollback().await.unwrap();
    }
    moved
}

/// What the account holds, in whole credits; nothing may be wrong about it.
async fn held(store: &Store, user: UserId) -> i64 {
    let mut tx = store.read().await.unwrap();
    assert_eq!((budgets::wrong(&mut tx).await.unwrap(), verify::held(&mut tx).await.unwrap()), (vec![], vec![]));
    accounts::get(&mut tx, user).await.unwrap().unwrap().held.micro() / 1_000_000
}

fn budget(credits: i32) -> Vec<Charge> {
    vec![Charge { window: "w".to_owned(), period_start: now(), limit: Credits::whole(credits) }]
}

both! {
    async fn a_hold_grows_by_what_account_and_budgets_allow_or_stays_as_it_was(store: Store) {
        let user = account(&store, 20).await;
        let hold = NewHold { budgets: budget(12), ..new_hold(user, 10) };
        open(&store, &hold).await;
        assert_eq!(reroute(&store, hold.id, "one", 3).await, Rerouted::Short, "the budget has 2 left");
        assert_eq!(reroute(&store, hold.id, "another", 1).await, Rerouted::Lost);
        assert_eq!(held(&store, user).await, 10);
        assert_eq!(reroute(&store, hold.id, "one", 2).await, Rerouted::Yes);
        assert_eq!(reroute(&store, hold.id, "one", 0).await, Rerouted::Yes);
        assert_eq!(held(&store, user).await, 12);
        let mut tx = store.read().await.unwrap();
        let moved = holds::get(&mut tx, hold.id).await.unwrap().unwrap();
        drop(tx);
        assert_eq!((moved.service.as_str(), moved.provider.as_str(), moved.checkpoint), ("s", "p", json!({ "moved": true })));
        assert_ne!(moved.price, hold.price);
        let rich = new_hold(user, 8);
        open(&store, &rich).await;
        assert_eq!(reroute(&store, rich.id, "one", 1).await, Rerouted::Short, "the account has nothing left");
        assert_eq!(held(&store, user).await, 20);
    }

    async fn parallel_growth_takes_exactly_what_there_is(store: Store) {
        let user = account(&store, 27).await;
        let all: Vec<NewHold> = (0..20).map(|_| new_hold(user, 1)).collect();
        for hold in &all {
            open(&store, hold).await;
        }
        let mut tasks = JoinSet::new();
        for hold in all {
            let store = store.clone();
            tasks.spawn(async move { reroute(&store, hold.id, "one", 1).await == Rerouted::Yes });
        }
        let grown = tasks.join_all().await.into_iter().filter(|grown| *grown).count();
        assert_eq!((grown, held(&store, user).await), (7, 27));
    }
}
