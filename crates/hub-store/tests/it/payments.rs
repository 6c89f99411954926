//! Orders, reversals and invoices: what is paid once, what comes in any order, and numbers without a gap.

use hub_store::ledger::{Kind, Posting};
use hub_store::orders::{self, NewOrder};
use hub_store::reversals::{self, NewReversal};
use hub_store::users::{self, NewUser};
use hub_store::webhooks::{self, Received};
use hub_store::{Store, StoreError, accounts};
use hub_types::{Credits, OrderId, TransactionId, UserId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::audit;
use crate::support::{clock, now};

async fn user(store: &Store) -> UserId {
    let user = UserId::new(&clock());
    let email = format!("{user}@example.com").parse().unwrap();
    let mut tx = store.write().await.unwrap();
    let new = NewUser { id: user, email: &email, name: "Ada", password_hash: None, verified: true, at: now() };
    assert!(users::insert(&mut tx, &new).await.unwrap());
    accounts::open(&mut tx, user, now()).await.unwrap();
    tx.commit().await.unwrap();
    user
}

fn new(user: UserId, key: Option<&str>) -> NewOrder<'_> {
    NewOrder {
        id: OrderId::new(&clock()),
        user,
        package: "small",
        name: "500 credits",
        credits: Credits::whole(500),
        price_minor: 1000,
        currency: "usd",
        provider: "stripe",
        key,
        at: now(),
    }
}

async fn order(store: &Store, user: UserId) -> OrderId {
    let order = new(user, None);
    let mut tx = store.write().await.unwrap();
    assert!(orders::insert(&mut tx, &order).await.unwrap());
    tx.commit().await.unwrap();
    order.id
}

both! {
    async fn an_order_is_paid_by_one_of_twenty(store: Store) {
        let id = order(&store, user(&store).await).await;
        let mut tasks = JoinSet::new();
        for number in 0..20 {
            let store = store.clone();
            tasks.spawn(async move {
                let mut tx = store.write().await.unwrap();
                let won = orders::paid(&mut tx, id, "cs", &format!("pi_{number}"), now()).await.unwrap();
                tx.commit().await.unwrap();
                won
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }

    async fn a_payment_pays_one_order_and_a_key_makes_one(store: Store) {
        let user = user(&store).await;
        let (first, second) = (order(&store, user).await, order(&store, user).await);
        let mut tx = store.write().await.unwrap();
        assert!(orders::paid(&mut tx, first, "cs_1", "pi_1", now()).await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = store.write().await.unwrap();
        let twice = orders::paid(&mut tx, second, "cs_2", "pi_1", now()).await;
        assert!(matches!(twice, Err(StoreError::Duplicate(_))), "{twice:?}");
        tx.rollback().await.unwrap();
        let mut tx = store.write().await.unwrap();
        let made = [orders::insert(&mut tx, &new(user, Some("k"))).await.unwrap(), orders::insert(&mut tx, &new(user, Some("k"))).await.unwrap()];
        assert_eq!(made, [true, false]);
        // Orders without a key are as many as one likes.
        assert!(orders::insert(&mut tx, &new(user, None)).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn an_invoice_that_is_rolled_back_leaves_no_gap(store: Store) {
        let user = user(&store).await;
        let (first, second) = (order(&store, user).await, order(&store, user).await);
        let mut tx = store.write().await.unwrap();
        assert_eq!(orders::issue(&mut tx, "invoice", first, &json!({}), now()).await.unwrap(), 1);
        tx.rollback().await.unwrap();
        let mut tx = store.write().await.unwrap();
        assert_eq!(orders::issue(&mut tx, "invoice", second, &json!({}), now()).await.unwrap(), 1);
        assert_eq!(orders::issue(&mut tx, "invoice", first, &json!({ "a": 1 }), now()).await.unwrap(), 2);
        tx.commit().await.unwrap();
        let mut tx = store.read().await.unwrap();
        let found = orders::invoice(&mut tx, first).await.unwrap().unwrap();
        assert_eq!((found.number, found.content), (2, json!({ "a": 1 })));
        let mut texts = vec!["UPDATE invoices SET number = 9", "DELETE FROM invoices"];
        if matches!(store, Store::Sqlite { .. }) {
            texts.push("REPLACE INTO invoices SELECT * FROM invoices");
        }
        for text in texts {
            let refused = audit::execute(&store, text).await;
            assert!(refused.is_err_and(|error| error.to_string().contains("append-only")), "{text}");
        }
    }

    async fn refunds_only_grow_and_the_latest_word_about_a_dispute_stays(store: Store) {
        let note = |id, kind, state, stamp, amount_minor| NewReversal {
            provider: "stripe", id, payment: "pi", kind, state, stamp, amount_minor, currency: "usd", at: now(),
        };
        let mut tx = store.write().await.unwrap();
        for new in [
            note("ch", "refund", "lost", 0, 500),
            note("ch", "refund", "lost", 0, 200),
            note("dp", "dispute", "lost", 6, 1000),
            note("dp", "dispute", "won", 11, 1000),
            note("dp", "dispute", "open", 9, 1000),
        ] {
            reversals::note(&mut tx, &new).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut tx = store.read().await.unwrap();
        let known = reversals::of_payment(&mut tx, "stripe", "pi").await.unwrap();
        let known: Vec<_> = known.iter().map(|one| (one.id.as_str(), one.state.as_str(), one.amount_minor)).collect();
        assert_eq!(known, [("ch", "lost", 500), ("dp", "won", 1000)]);
    }

    async fn a_balance_below_zero_freezes_and_only_that_freeze_is_lifted(store: Store) {
        let user = user(&store).await;
        let mut tx = store.write().await.unwrap();
        let new = NewReversal {
            provider: "stripe", id: "dp", payment: "pi", kind: "dispute", state: "lost", stamp: 2, amount_minor: 1, currency: "usd", at: now(),
        };
        reversals::note(&mut tx, &new).await.unwrap();
        let posting = |credits, key: &str| Posting {
            id: TransactionId::new(&clock()),
            user,
            kind: Kind::Chargeback,
            amount: Credits::whole(credits),
            key: key.to_owned(),
            request_hash: None,
            hold: None,
            actor: None,
            reason: "test".to_owned(),
            metadata: json!({}),
            at: now(),
        };
        let row = reversals::post(&mut tx, "stripe", "dp", Credits::whole(5), &posting(-5, "a")).await.unwrap().unwrap();
        assert_eq!((row.balance_after, row.version), (Credits::whole(-5), 1));
        assert_eq!(accounts::get(&mut tx, user).await.unwrap().unwrap().status, "frozen");
        assert!(!reversals::thaw(&mut tx, user, now()).await.unwrap());
        assert!(reversals::any_frozen(&mut tx).await.unwrap());
        reversals::post(&mut tx, "stripe", "dp", Credits::ZERO, &posting(5, "b")).await.unwrap().unwrap();
        assert_eq!(reversals::frozen(&mut tx, None, 10).await.unwrap(), [user]);
        assert!(reversals::thaw(&mut tx, user, now()).await.unwrap());
        assert_eq!(accounts::get(&mut tx, user).await.unwrap().unwrap().status, "active");
        assert!(!reversals::any_frozen(&mut tx).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn an_event_is_kept_once_and_taken_until_it_is_done(store: Store) {
        let payload = json!({ "a": 1 });
        let event = Received { provider: "stripe", id: "evt", kind: "x", payload: &payload, at: now() };
        let mut tx = store.write().await.unwrap();
        let kept = [webhooks::receive(&mut tx, &event).await.unwrap(), webhooks::receive(&mut tx, &event).await.unwrap()];
        assert_eq!(kept, [true, false]);
        assert_eq!(webhooks::take(&mut tx, "stripe", "evt").await.unwrap(), Some(payload.clone()));
        webhooks::done(&mut tx, "stripe", "evt", Some("no"), now()).await.unwrap();
        assert_eq!(webhooks::take(&mut tx, "stripe", "evt").await.unwrap(), None);
        tx.commit().await.unwrap();
    }
}
