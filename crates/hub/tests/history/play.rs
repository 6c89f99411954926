//! The history: rounds in which something happens to every account at the same time, and between them what concerns all.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Duration;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hub_domain::credits::{self, Depth};
use hub_domain::promo::{self, NewPromo, Rules, Terms};
use hub_domain::{Hub, Origin};
use hub_store::grants::Category;
use hub_store::users::{self, NewUser};
use hub_store::{accounts, budgets, grants, holds, promo as codes};
use hub_testkit::{Pair, TestHub};
use hub_types::{ApiKeyId, Caller, Credential, Credits, Permission, PromoCodeId, RateTier, UserId, UserLimits};

use crate::act::{Stage, Told, act, cost, until_crash};
use crate::dice::Dice;
use crate::model::{Account, Debit, Deducted, Hold, Status, WANTED};
use crate::payments;
use crate::step::{Step, step};

const OPERATIONS: usize = 10_000;
/// Operations between two verifications.
const VERIFY: usize = 500;
const ACCOUNTS: usize = 8;

/// A promo code as the model knows it.
struct Promo {
    id: PromoCodeId,
    credits: i64,
    most: i32,
    each: i64,
    days: Option<i32>,
    used: i32,
    by: Vec<i64>,
}

pub(crate) struct History {
    pub(crate) hubs: [TestHub; 2],
    pub(crate) dice: Dice,
    pub(crate) accounts: Vec<Account>,
    stage: Stage,
    promos: Vec<Promo>,
    /// Operations so far; each names its key.
    pub(crate) operations: usize,
}

/// Plays the history of this seed.
pub(crate) async fn history(pair: Pair, seed: u64) {
    let hub = payments::hub(pair).await;
    let twin = hub.sibling().await;
    let price = hub.hub.prices.current("sandbox", "sandbox", hub.clock().now()).unwrap();
    let service = caller(
        UserId::new(hub.clock()),
        &[Permission::CreditsUpdate, Permission::CreditsGrant, Permission::PromoManage],
    );
    let mut history = History {
        hubs: [hub, twin],
        dice: Dice::new(seed),
        accounts: Vec::new(),
        stage: Stage { service, price, promos: Vec::new() },
        promos: Vec::new(),
        operations: 0,
    };
    for _ in 0..ACCOUNTS {
        history.open().await;
    }
    history.new_promo().await;
    let mut verified = 0;
    while history.operations < OPERATIONS {
        history.round().await;
        history.between().await;
        if history.operations >= verified + VERIFY {
            verified = history.operations;
            history.verify().await;
        }
    }
    Box::pin(history.end()).await;
}

pub(crate) fn caller(user: UserId, may: &[Permission]) -> Caller {
    Caller {
        user,
        email: format!("{user}@example.com").parse().unwrap(),
        name: String::new(),
        roles: Arc::default(),
        permissions: may.iter().map(|one| one.name().to_owned()).collect(),
        verified: true,
        credential: Credential::Operator,
        models: Arc::default(),
        line: None,
        budgets: Arc::default(),
        limits: UserLimits::default(),
        acting: None,
        tier: RateTier::User,
        address: None,
    }
}

impl History {
    pub(crate) fn hub(&self) -> &Hub {
        &self.hubs[0].hub
    }

    async fn open(&mut self) {
        let hub = self.hub();
        let (user, at) = (UserId::new(&hub.clock), hub.clock.now());
        let caller = caller(user, &[Permission::CreditsRead, Permission::CreditsPurchase]);
        let mut tx = hub.store.write().await.unwrap();
        let new = NewUser { id: user, email: &caller.email, name: "", password_hash: None, verified: true, at };
        assert!(users::insert(&mut tx, &new).await.unwrap());
        accounts::open(&mut tx, user, at).await.unwrap();
        tx.commit().await.unwrap();
        let line = ApiKeyId::new(&hub.clock);
        self.accounts.push(Account::new(caller, line));
    }

    async fn new_promo(&mut self) {
        let (credits, most) = (self.dice.between(1, 20_000), i32::try_from(self.dice.between(1, 12)).unwrap());
        let (each, days) = (self.dice.between(1, 3), self.dice.chance(60).then_some(1));
        let terms = Terms {
            credits: Credits::from_micro(credits),
            starts_at: None,
            expires_at: None,
            credits_expire_days: days,
            rules: Rules::default(),
        };
        let max_uses_per_user = i32::try_from(each).unwrap();
        let new = NewPromo { code: None, terms, max_uses: Some(most), max_uses_per_user };
        let made = promo::create(self.hub(), &self.stage.service, &Origin::default(), new).await.unwrap();
        self.promos.push(Promo { id: made.id, credits, most, each, days, used: 0, by: vec![0; ACCOUNTS] });
        self.stage.promos.push(made.code);
    }

    /// One operation on every account, all at once, by one of the hubs.
    async fn round(&mut self) {
        let (number, clock) = (self.dice.below(2), self.hubs[0].clock().clone());
        let mut steps = Vec::new();
        for account in &self.accounts {
            let step = step(&mut self.dice, &clock, account, self.promos.len());
            let most = if self.dice.chance(70) { 24 } else { 4 };
            let crashes = [0, 1, 2][self.dice.below(3)].min(usize::try_from(self.dice.between(0, 2)).unwrap());
            let crashes: Vec<usize> = (0..crashes).map(|_| self.dice.below(most)).collect();
            steps.push((step, crashes, format!("key-{}-{}", self.operations, account.user())));
            self.operations += 1;
        }
        let (hub, stage) = (&self.hubs[number].hub, &self.stage);
        let acting: FuturesUnordered<_> = steps
            .iter()
            .zip(&self.accounts)
            .enumerate()
            .map(|(index, ((step, crashes, key), account))| {
                Box::pin(async move { (index, act(hub, stage, account, step, key, crashes).await) })
            })
            .collect();
        let mut told: Vec<(usize, Told)> = acting.collect().await;
        told.sort_by_key(|(index, _)| *index);
        for ((index, told), (step, _, key)) in told.into_iter().zip(&steps) {
            self.check(number, index, step, key, &told).await;
        }
        self.promos_add_up(&steps).await;
        self.compare(&steps).await;
    }

    /// The answer is the model's, which goes on with it.
    async fn check(&mut self, hub: usize, index: usize, step: &Step, key: &str, told: &Told) {
        if let Step::Redeem { promo } = *step {
            return self.redeemed(index, promo, told).await;
        }
        let now = self.hub().clock.now();
        let price = Arc::clone(&self.stage.price);
        let account = &mut self.accounts[index];
        let expected = match *step {
            Step::Grant { amount } => {
                account.gain(amount);
                None
            }
            Step::GiveLot { amount, category, seconds } => {
                account.gain_lot(amount, category, seconds.map(|seconds| now + Duration::seconds(seconds)));
                None
            }
            Step::Deduct { amount } => account.refusal(amount).or_else(|| {
                account.pay(amount);
                let Told::Row(transaction, after) = *told else { panic!("{step:?}: {told:?}") };
                account.deducted.push(Deducted { key: key.to_owned(), amount, after, transaction });
                account.debits.push(Debit { transaction, left: amount });
                None
            }),
            Step::DeductAgain { number, same } => {
                let first = &account.deducted[number];
                let expected = if same { Told::Row(first.transaction, first.after) } else { Told::Word("key reused") };
                assert_eq!(*told, expected, "{step:?}");
                return;
            }
            Step::Adjust { amount } if amount > 0 => {
                account.gain(amount);
                None
            }
            Step::Adjust { amount } => account.refusal(-amount).or_else(|| {
                account.pay(-amount);
                let Told::Row(transaction, _) = *told else { panic!("{step:?}: {told:?}") };
                account.debits.push(Debit { transaction, left: -amount });
                None
            }),
            Step::Refund { number, amount } => {
                let left = account.debits[number].left;
                let amount = amount.unwrap_or(left);
                if left == 0 || amount > left {
                    Some("not refundable")
                } else {
                    account.debits[number].left -= amount;
                    account.gain(amount);
                    None
                }
            }
            Step::Redeem { .. } => unreachable!(),
            Step::Begin { id, tokens, of_line, of_user } => {
                let budgets = account.budgets(of_line, of_user, now);
                let hold = Hold {
                    id,
                    hub,
                    amount: cost(&price.units, tokens),
                    status: Status::Held,
                    noted: (0, 0),
                    lease: now + Duration::seconds(60),
                    charged: 0,
                    windows: budgets.iter().map(|(window, _)| window.clone()).collect(),
                };
                Some(account.begin(hold, &budgets))
            }
            Step::Checkpoint { number, tokens } => {
                let hold = &mut account.holds[number];
                let ours = hold.status == Status::Held && hold.hub == hub;
                if ours {
                    hold.noted = (tokens, cost(&price.units, tokens));
                    hold.lease = now + Duration::seconds(60);
                }
                assert_eq!(*told, Told::Renewed(ours), "{step:?}");
                return;
            }
            Step::Settle { number, tokens } => {
                let charged = account.settle(number, cost(&price.units, tokens));
                assert_eq!(*told, Told::Charged(charged), "{step:?} of {:?}", account.holds[number]);
                return;
            }
            Step::Void { number } => {
                if account.holds[number].status == Status::Held {
                    account.resolve(number, 0, Status::Ended);
                }
                Some("given back")
            }
        };
        match (expected, told) {
            (Some(expected), Told::Word(word)) => assert_eq!(expected, *word, "{step:?}"),
            (None, Told::Row(_, after)) => assert_eq!(*after, account.balance, "{step:?}"),
            (expected, told) => panic!("{step:?}: told {told:?}, expected {expected:?}"),
        }
    }

    /// A redemption has no key: after a crash one has to look whether it happened.
    async fn redeemed(&mut self, index: usize, number: usize, told: &Told) {
        let promo = &self.promos[number];
        let mine = promo.by[index];
        let happened = match told {
            Told::Row(..) => true,
            Told::Unknown => {
                let mut tx = self.hub().store.write().await.unwrap();
                grants::lock(&mut tx, self.accounts[index].user()).await.unwrap();
                let times = codes::times_redeemed(&mut tx, &self.stage.promos[number], self.accounts[index].user());
                let times = times.await.unwrap();
                tx.rollback().await.unwrap();
                assert!(times == mine || times == mine + 1);
                times == mine + 1
            }
            Told::Word("redeemed already") => {
                assert!(mine > 0);
                false
            }
            Told::Word("not redeemable") => {
                assert_eq!(mine, 0);
                false
            }
            Told::Word("too many") => false,
            told => panic!("{told:?}"),
        };
        if !happened {
            // That nothing was left is told by `promos_add_up`.
            return;
        }
        let (credits, days) = (promo.credits, promo.days);
        assert!(mine < promo.each && promo.used < promo.most, "one use too many");
        let end = days.map(|days| self.hub().clock.now() + Duration::days(i64::from(days)));
        let account = &mut self.accounts[index];
        if end.is_some() {
            account.gain_lot(credits, Category::Promo, end);
        } else {
            account.gain(credits);
        }
        let promo = &mut self.promos[number];
        promo.used += 1;
        promo.by[index] += 1;
    }

    /// Who was refused a code was refused for a reason, and the uses are counted.
    async fn promos_add_up(&self, steps: &[(Step, Vec<usize>, String)]) {
        let asked =
            steps.iter().filter_map(|(step, _, _)| if let Step::Redeem { promo } = step { Some(*promo) } else { None });
        for number in asked {
            let promo = &self.promos[number];
            let mut tx = self.hub().store.read().await.unwrap();
            let stored = codes::by_id(&mut tx, promo.id).await.unwrap().unwrap();
            assert_eq!(stored.used_count, promo.used);
        }
    }

    /// Every account is the model's.
    pub(crate) async fn compare(&self, after: &impl std::fmt::Debug) {
        let mut tx = self.hub().store.read().await.unwrap();
        for (number, account) in self.accounts.iter().enumerate() {
            let stored = accounts::get(&mut tx, account.user()).await.unwrap().unwrap();
            let stored = (stored.balance.micro(), stored.held.micro(), stored.version, stored.status == "frozen");
            let expected = (account.balance, account.held, account.version, account.frozen);
            assert_eq!(stored, expected, "account {number} after {after:?}");
        }
        let windows: Vec<String> = self.accounts.iter().flat_map(|account| account.windows.keys().cloned()).collect();
        for (window, standing) in budgets::standing(&mut tx, &windows).await.unwrap() {
            let expected = self.accounts.iter().find_map(|account| account.windows.get(&window)).unwrap();
            assert_eq!((standing.spent.micro(), standing.held.micro()), *expected, "{window} after {after:?}");
        }
    }

    /// What is left of lots, those that end together as one.
    async fn compare_lots(&self) {
        for account in &self.accounts {
            let mut stored: Vec<_> = credits::grants(self.hub(), &account.caller, None).await.unwrap();
            let mut expected: Vec<_> = account.lots.iter().filter(|lot| lot.left > 0).collect();
            stored.sort_by_key(|lot| (lot.expires_at, lot.category, lot.remaining));
            expected.sort_by_key(|lot| (lot.ends, lot.category, lot.left));
            let group = |found: Vec<(_, Category, i64)>| {
                let mut groups = std::collections::BTreeMap::new();
                for (end, category, left) in found {
                    *groups.entry((end, category)).or_insert(0) += left;
                }
                groups
            };
            let stored =
                group(stored.iter().map(|lot| (lot.expires_at, lot.category, lot.remaining.micro())).collect());
            let expected = group(expected.iter().map(|lot| (lot.ends, lot.category, lot.left)).collect());
            assert_eq!(stored, expected, "lots of {}", account.user());
        }
    }

    /// What concerns everybody: time, sweeps, expiries, payments, new codes.
    async fn between(&mut self) {
        let crash = self.dice.chance(50).then(|| self.dice.below(60));
        match self.dice.below(20) {
            0..4 => {
                let seconds =
                    if self.dice.chance(4) { self.dice.between(3_600, 50_000) } else { self.dice.between(1, 25) };
                self.hubs[0].advance(Duration::seconds(seconds));
            }
            4..6 => self.sweep(crash).await,
            6..9 => self.expire(crash).await,
            9..11 => self.payment(crash).await,
            11 if self.promos.len() < 60 => self.new_promo().await,
            12 => self.compare_lots().await,
            _ => {}
        }
    }

    pub(crate) async fn sweep(&mut self, crash: Option<usize>) {
        self.operations += 1;
        if let Some(polls) = crash {
            until_crash(credits::sweep_all(&self.hubs[1].hub), polls).await;
        }
        let now = self.hub().clock.now();
        // A sweep passes over what a transaction has locked, and that of the sweep which crashed may not have ended yet.
        for look in 0.. {
            credits::sweep_all(self.hub()).await.unwrap();
            let mut tx = self.hub().store.read().await.unwrap();
            if holds::count_due(&mut tx, now).await.unwrap() == 0 {
                break;
            }
            assert!(look < 1_000, "calls are never swept");
        }
        self.accounts.iter_mut().for_each(|account| account.sweep(now));
        self.compare(&"a sweep").await;
    }

    async fn expire(&mut self, crash: Option<usize>) {
        self.operations += 1;
        if let Some(polls) = crash {
            until_crash(credits::expire_due(&self.hubs[1].hub), polls).await;
        }
        credits::expire_due(self.hub()).await.unwrap();
        let now = self.hub().clock.now();
        self.accounts.iter_mut().for_each(|account| account.expire(now));
        self.compare(&"an expiry").await;
    }

    async fn verify(&mut self) {
        self.sweep(None).await;
        self.compare_lots().await;
        let hub = self.hub();
        let report = credits::verify(&hub.store, &hub.prices, &hub.clock, Depth::Full).await.unwrap();
        let faults: Vec<_> = report.checks.iter().filter(|check| !check.faults.is_empty()).collect();
        assert!(report.clean, "{faults:#?}");
        let rows: i64 = self.accounts.iter().map(|account| account.version).sum();
        assert_eq!(report.transactions, rows);
    }

    /// What still runs is swept; everything adds up, also by what `finish` asks.
    async fn end(mut self) {
        self.hubs[0].advance(Duration::hours(1));
        self.verify().await;
        assert!(self.accounts.iter().all(|account| account.held == 0));
        let seen: BTreeSet<&str> = self.accounts.iter().flat_map(|account| account.seen.iter().copied()).collect();
        let missing: Vec<&str> = WANTED.into_iter().filter(|word| !seen.contains(word)).collect();
        assert!(missing.is_empty(), "this history has none of {missing:?}");
        let [hub, twin] = self.hubs;
        twin.finish().await;
        hub.finish().await;
    }
}
