//! Two hubs on one database, each with a writer of its own: what many ask at once is admitted, refused and paid exactly.

use std::sync::Arc;

use futures::future::join_all;
use hub_domain::credits::{self, Charge, Checkpoint, HoldError, Outcome};
use hub_store::budgets::{self, Charge as Budget};
use hub_store::holds::NewHold;
use hub_store::ledger::{self, Kind, Posting};
use hub_store::users::{self, NewUser};
use hub_store::{accounts, holds};
use hub_testkit::{TestHub, on_both_pairs};
use hub_types::{Credits, HoldId, TokenUsage, TransactionId, UsageSource, UserId};
use serde_json::json;

use crate::ledger::service;

/// Spends of the large test, and the accounts they are scattered over.
const SPENDS: usize = 50_000;
const ACCOUNTS: usize = 1_000;
/// Callers at the same time, on each hub.
const CALLERS: usize = 256;

/// Accounts with so many credits each, and nobody to sign in to them.
async fn accounts_with(hub: &TestHub, count: usize, credits: impl Fn(usize) -> i32) -> Vec<UserId> {
    let (clock, mut made) = (hub.clock(), Vec::new());
    let mut tx = hub.hub.store.write().await.unwrap();
    for number in 0..count {
        let (id, at) = (UserId::new(clock), clock.now());
        let email = format!("{id}@example.com").parse().unwrap();
        let user = NewUser { id, email: &email, name: "", password_hash: None, verified: true, at };
        assert!(users::insert(&mut tx, &user).await.unwrap());
        accounts::open(&mut tx, id, at).await.unwrap();
        let grant = Posting {
            id: TransactionId::new(clock),
            user: id,
            kind: Kind::Grant,
            amount: Credits::whole(credits(number)),
            key: "test".to_owned(),
            request_hash: None,
            hold: None,
            actor: None,
            reason: "test".to_owned(),
            metadata: json!({}),
            at,
        };
        assert!(ledger::post(&mut tx, &grant).await.unwrap().is_some());
        made.push(id);
    }
    tx.commit().await.unwrap();
    made
}

/// Balance, held and version.
async fn standing(hub: &TestHub, user: UserId) -> (Credits, Credits, i64) {
    let mut tx = hub.hub.store.read().await.unwrap();
    let account = accounts::get(&mut tx, user).await.unwrap().unwrap();
    (account.balance, account.held, account.version)
}

/// A call that may cost so many credits.
fn call(hub: &TestHub, user: UserId, credits: i32) -> NewHold {
    let now = hub.clock().now();
    let price = hub.hub.prices.current("sandbox", "sandbox", now).unwrap();
    let checkpoint = Checkpoint {
        route: "/v1/chat/completions".into(),
        upstream_model: "sandbox".into(),
        unit_prices: price.units.clone(),
        usage: TokenUsage::default(),
        attempts: 1,
    };
    NewHold {
        id: HoldId::new(hub.clock()),
        user,
        api_key: None,
        request_id: "test".into(),
        kind: "chat",
        amount: Credits::whole(credits),
        price: price.id,
        service: "sandbox".into(),
        provider: "sandbox".into(),
        model: "sandbox".into(),
        owner: "a call".into(),
        checkpoint: serde_json::to_value(&checkpoint).unwrap(),
        lease_until: now + chrono::Duration::days(30),
        budgets: Vec::new(),
        at: now,
    }
}

/// The end of a call that said so many words, at 60 micro-credits each.
fn ended(hub: &TestHub, hold: &NewHold, words: i64) -> Charge {
    let price = hub.hub.prices.current("sandbox", "sandbox", hub.clock().now()).unwrap();
    Charge {
        hold: hold.id,
        user: hold.user,
        route: "/v1/chat/completions".into(),
        upstream_model: "sandbox".into(),
        upstream_id: None,
        units: price.units.clone(),
        usage: TokenUsage { output: words, ..TokenUsage::default() },
        source: UsageSource::Provider,
        outcome: Outcome::Completed,
        attempts: json!([]),
        attempt_count: 1,
        latency_ms: 1,
        first_token_ms: None,
    }
}

on_both_pairs! {
    async fn fifty_thousand_spends_on_a_thousand_accounts_by_two_writers_add_up(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        // Every account is asked for 50 credits; every tenth has 33, and pays 33 times.
        let users = Arc::new(accounts_with(&hub, ACCOUNTS, |number| if number % 10 == 0 { 33 } else { 100 }).await);
        let service = Arc::new(service(&hub));
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..2 * CALLERS {
            let one = Arc::clone(&[&hub, &sibling][caller % 2].hub);
            let (users, service) = (Arc::clone(&users), Arc::clone(&service));
            tasks.spawn(async move {
                let mut admitted = 0;
                for number in (caller..SPENDS).step_by(2 * CALLERS) {
                    // Prime to the number of accounts, so that every batch has its accounts in another order.
                    let user = users[number * 617 % ACCOUNTS];
                    let spend = credits::Deduct {
                        user,
                        amount: Credits::whole(1),
                        reason: "test".to_owned(),
                        metadata: json!({}),
                        key: Some(number.to_string()),
                    };
                    match credits::deduct(&one, &service, spend).await {
                        Ok(_) => admitted += 1,
                        Err(credits::CreditsError::Insufficient { needed, spendable }) => {
                            assert_eq!((needed, spendable), (Credits::whole(1), Credits::ZERO));
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
                admitted
            });
        }
        let admitted: usize = tasks.join_all().await.into_iter().sum();
        assert_eq!(admitted, 900 * 50 + 100 * 33);
        for (number, user) in users.iter().enumerate() {
            let (balance, version) = if number % 10 == 0 { (0, 1 + 33) } else { (50, 1 + 50) };
            assert_eq!(standing(&hub, *user).await, (Credits::whole(balance), Credits::ZERO, version));
        }
        // That every running balance is exact is what `finish` checks.
        sibling.finish().await;
        hub.finish().await;
    }

    async fn calls_that_begin_at_once_are_admitted_as_far_as_the_credits_go_and_refused_with_the_numbers(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let users = accounts_with(&hub, 4, |number| if number == 3 { 1_000 } else { 10 }).await;
        // 24 callers each on three accounts that can promise ten, and on one that can promise all.
        let calls: Vec<NewHold> = (0..96).map(|number| call(&hub, users[number % 4], 1)).collect();
        let begin = async |number: usize| {
            let one = [&hub, &sibling][number / 4 % 2];
            credits::hold(&one.hub, &calls[number]).await
        };
        let answers = join_all((0..calls.len()).map(begin)).await;
        for (user, expected) in users.iter().zip([10, 10, 10, 24]) {
            let mine = || calls.iter().zip(&answers).filter(|(call, _)| call.user == *user);
            assert_eq!(mine().filter(|(_, answer)| answer.is_ok()).count(), expected);
            for (_, answer) in mine() {
                if let Err(error) = answer {
                    let HoldError::Insufficient(short) = error else { panic!("{error:?}") };
                    let numbers = (short.needed, short.spendable, short.held);
                    assert_eq!(numbers, (Credits::whole(1), Credits::ZERO, Credits::whole(10)));
                    assert!(short.retry_after.is_some(), "what running calls hold comes back");
                }
            }
            assert_eq!(standing(&hub, *user).await.1, Credits::whole(i32::try_from(expected).unwrap()));
        }
        // They end at once as well, some at the other hub, which never heard of them; as many more begin.
        let more: Vec<NewHold> = (0..24).map(|number| call(&hub, users[number % 4], 1)).collect();
        let open: Vec<&NewHold> = calls.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(call, _)| call).collect();
        let end = async |number: usize| {
            let (one, words) = ([&hub, &sibling][number % 2], i64::try_from(number % 5).unwrap());
            let charge = ended(&hub, open[number], words);
            if number.is_multiple_of(3) {
                credits::void(&one.hub, &charge).await.unwrap();
                return Credits::ZERO;
            }
            let settled = credits::settle(&one.hub, &charge).await.unwrap();
            assert_eq!(settled.amount, Credits::from_micro(words * 60));
            settled.amount
        };
        let begin_more = async |call| credits::hold(&hub.hub, call).await;
        let (paid, begun) = tokio::join!(join_all((0..open.len()).map(end)), join_all(more.iter().map(begin_more)));
        for (index, user) in users.iter().enumerate() {
            let spent: i64 = open.iter().zip(&paid).filter(|(call, _)| call.user == *user).map(|(_, paid)| paid.micro()).sum();
            let held = more.iter().zip(&begun).filter(|(call, begun)| call.user == *user && begun.is_ok()).count();
            let (balance, promised, _) = standing(&hub, *user).await;
            let had = if index == 3 { 1_000 } else { 10 };
            assert_eq!(balance.micro(), had * 1_000_000 - spent);
            assert_eq!(promised, Credits::whole(i32::try_from(held).unwrap()));
        }
        for (call, begun) in more.iter().zip(&begun) {
            if begun.is_ok() {
                credits::void(&sibling.hub, &ended(&hub, call, 0)).await.unwrap();
            }
        }
        sibling.finish().await;
        hub.finish().await;
    }

    async fn a_budget_is_never_overdrawn_by_calls_that_begin_together_and_a_refused_one_disturbs_nobody(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let users = accounts_with(&hub, 2, |_| 100).await;
        let window = |user: UserId, period: &str, credits: i32| Budget {
            window: format!("user:{user}:{period}"),
            period_start: hub.clock().now(),
            limit: Credits::whole(credits),
        };
        // Of the first account half of the calls have budgets: seven credits in all, and twenty. The others have none.
        let budgets = vec![window(users[0], "total", 20), window(users[0], "day:2026-11-23", 7)];
        let calls: Vec<NewHold> = (0..60)
            .map(|number| {
                let plain = call(&hub, users[number % 2], 1);
                if number % 4 == 0 { NewHold { budgets: budgets.clone(), ..plain } } else { plain }
            })
            .collect();
        let begin = async |number: usize| credits::hold(&[&hub, &sibling][number / 4 % 2].hub, &calls[number]).await;
        let answers = join_all((0..calls.len()).map(begin)).await;
        let mut admitted = 0;
        for (call, answer) in calls.iter().zip(&answers) {
            match answer {
                Ok(()) => admitted += usize::from(!call.budgets.is_empty()),
                Err(HoldError::Budget(short)) => {
                    assert!(!call.budgets.is_empty());
                    let numbers = (short.scope, short.period, short.limit, short.spent, short.held, short.needed);
                    let one = Credits::whole(1);
                    assert_eq!(numbers, ("user", "day", Credits::whole(7), Credits::ZERO, Credits::whole(7), one));
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(admitted, 7);
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 45 + 7);
        let open: Vec<&NewHold> = calls.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(call, _)| call).collect();
        join_all(open.iter().map(async |call| credits::settle(&hub.hub, &ended(&hub, call, 10)).await.unwrap())).await;
        let mut tx = hub.hub.store.read().await.unwrap();
        let windows: Vec<String> = budgets.iter().map(|charge| charge.window.clone()).collect();
        for (_, standing) in budgets::standing(&mut tx, &windows).await.unwrap() {
            assert_eq!((standing.spent, standing.held), (Credits::from_micro(7 * 600), Credits::ZERO));
        }
        assert_eq!(budgets::wrong(&mut tx).await.unwrap(), []);
        drop(tx);
        sibling.finish().await;
        hub.finish().await;
    }

    async fn one_call_that_is_begun_twenty_times_is_begun_once(pair: Pair) {
        let hub = TestHub::start(pair).await;
        let sibling = hub.sibling().await;
        let ada = accounts_with(&hub, 1, |_| 10).await[0];
        let one = call(&hub, ada, 6);
        let begin = async |number: usize| credits::hold(&[&hub, &sibling][number % 2].hub, &one).await;
        for answer in join_all((0..20).map(begin)).await {
            answer.unwrap();
        }
        assert_eq!(standing(&hub, ada).await, (Credits::whole(10), Credits::whole(6), 1));
        // And it ends once, whoever ends it.
        let charge = ended(&hub, &one, 5);
        let end = async |number: usize| credits::settle(&[&hub, &sibling][number % 2].hub, &charge).await.unwrap().amount;
        assert_eq!(join_all((0..20).map(end)).await, [Credits::from_micro(300); 20]);
        assert_eq!(standing(&hub, ada).await, (Credits::from_micro(9_999_700), Credits::ZERO, 2));
        let mut tx = hub.hub.store.read().await.unwrap();
        assert_eq!(holds::get(&mut tx, one.id).await.unwrap().unwrap().status, "settled");
        drop(tx);
        sibling.finish().await;
        hub.finish().await;
    }
}
