//! Steps done by the rules' own functions, as often as it takes: who crashed asks again under the same key.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use chrono::Duration;
use hub_domain::credits::{
    self, Adjust, Charge, Checkpoint, CreditsError, Deduct, Grant, GrantLot, HoldError, Outcome, Refund,
};
use hub_domain::pricing::{Price, UnitPrices};
use hub_domain::promo::{self, PromoError};
use hub_domain::{Hub, Origin};
use hub_store::budgets::Charge as Budget;
use hub_store::holds::NewHold;
use hub_types::{Caller, Credits, TokenUsage, TransactionId, UsageSource};
use serde_json::{Value, json};

use crate::model::Account;
use crate::step::Step;

/// What the rules answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A row: its id and the balance after it.
    Row(TransactionId, i64),
    /// A word.
    Word(&'static str),
    /// A call was charged so much.
    Charged(i64),
    /// Whether the lease was renewed.
    Renewed(bool),
    /// The caller crashed, and asking again would be another operation.
    Unknown,
}

/// What everybody needs who acts.
pub(crate) struct Stage {
    pub(crate) service: Caller,
    pub(crate) price: Arc<Price>,
    /// Names of the promo codes.
    pub(crate) promos: Vec<String>,
}

/// Lets the work be polled so many times, then drops it.
pub(crate) async fn until_crash<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// The cost of so many tokens of an answer.
pub(crate) fn cost(units: &UnitPrices, tokens: i64) -> i64 {
    units.cost(&TokenUsage { output: tokens, ..TokenUsage::default() }).unwrap().amount.micro()
}

/// Does the step, crashing after that many polls each time.
pub(crate) async fn act(
    hub: &Hub,
    stage: &Stage,
    account: &Account,
    step: &Step,
    key: &str,
    crashes: &[usize],
) -> Told {
    for polls in crashes {
        if let Some(told) = until_crash(once(hub, stage, account, step, key), *polls).await {
            return told;
        }
        if matches!(step, Step::Redeem { .. }) {
            return Told::Unknown;
        }
    }
    once(hub, stage, account, step, key).await
}

async fn once(hub: &Hub, stage: &Stage, account: &Account, step: &Step, key: &str) -> Told {
    let (user, origin, key) = (account.user(), Origin::default(), Some(key.to_owned()));
    let reason = "test".to_owned();
    let micro = Credits::from_micro;
    match *step {
        Step::Grant { amount } => {
            let grant = Grant { user, amount: micro(amount), reason, key };
            row(credits::grant(hub, &stage.service, &origin, grant).await)
        }
        Step::GiveLot { amount, category, seconds } => {
            let grant = Grant { user, amount: micro(amount), reason, key };
            let expires_at = seconds.map(|seconds| hub.clock.now() + Duration::seconds(seconds));
            row(credits::grant_lot(hub, &stage.service, &origin, GrantLot { grant, category, expires_at }).await)
        }
        Step::Deduct { amount } => deduct(hub, stage, account, amount, key).await,
        Step::DeductAgain { number, same } => {
            let earlier = &account.deducted[number];
            let amount = earlier.amount + i64::from(!same);
            deduct(hub, stage, account, amount, Some(earlier.key.clone())).await
        }
        Step::Adjust { amount } => {
            let adjust = Adjust { user, amount: micro(amount), reason, key };
            row(credits::adjust(hub, &stage.service, &origin, adjust).await)
        }
        Step::Refund { number, amount } => {
            let transaction = account.debits[number].transaction;
            let refund = Refund { transaction, user: Some(user), amount: amount.map(micro), reason, key };
            row(credits::refund(hub, &stage.service, &origin, refund).await)
        }
        Step::Redeem { promo } => match promo::redeem(hub, &account.caller, &origin, &stage.promos[promo]).await {
            Ok(given) => Told::Row(given.transaction, given.balance.micro()),
            Err(PromoError::AlreadyRedeemed) => Told::Word("redeemed already"),
            Err(PromoError::NotRedeemable) => Told::Word("not redeemable"),
            Err(PromoError::TooMany { .. }) => Told::Word("too many"),
            Err(error) => panic!("{step:?}: {error:?}"),
        },
        Step::Begin { .. } => match credits::hold(hub, &new_hold(hub, stage, account, step)).await {
            Ok(()) => Told::Word("begun"),
            Err(HoldError::Insufficient(_)) => Told::Word("short"),
            Err(HoldError::Frozen) => Told::Word("frozen"),
            Err(HoldError::Budget(short)) if short.scope == "key" => Told::Word("over the budget of the key"),
            Err(HoldError::Budget(_)) => Told::Word("over the budget of the user"),
            Err(error) => panic!("{step:?}: {error:?}"),
        },
        Step::Checkpoint { number, tokens } => {
            let noted = checkpoint(&stage.price, tokens);
            Told::Renewed(credits::checkpoint(hub, account.holds[number].id, &noted).await.unwrap())
        }
        Step::Settle { number, tokens } => {
            let settled = credits::settle(hub, &charge(stage, account, number, tokens)).await.unwrap();
            Told::Charged(settled.amount.micro())
        }
        Step::Void { number } => {
            credits::void(hub, &charge(stage, account, number, 0)).await.unwrap();
            Told::Word("given back")
        }
    }
}

async fn deduct(hub: &Hub, stage: &Stage, account: &Account, amount: i64, key: Option<String>) -> Told {
    let (user, amount) = (account.user(), Credits::from_micro(amount));
    let input = Deduct { user, amount, reason: "test".to_owned(), metadata: json!({}), key };
    match credits::deduct(hub, &stage.service, input).await {
        Ok(done) => Told::Row(done.transaction, done.new_balance.micro()),
        Err(error) => Told::Word(word(&error)),
    }
}

fn row(done: Result<credits::Transaction, CreditsError>) -> Told {
    match done {
        Ok(row) => Told::Row(row.id, row.balance_after.micro()),
        Err(error) => Told::Word(word(&error)),
    }
}

fn word(error: &CreditsError) -> &'static str {
    match error {
        CreditsError::Insufficient { .. } => "short",
        CreditsError::Frozen => "frozen",
        CreditsError::KeyReused => "key reused",
        CreditsError::NotRefundable(_) => "not refundable",
        error => panic!("{error:?}"),
    }
}

fn new_hold(hub: &Hub, stage: &Stage, account: &Account, step: &Step) -> NewHold {
    let Step::Begin { id, tokens, of_line, of_user } = *step else { panic!("{step:?} begins no call") };
    let now = hub.clock.now();
    let budget = |(window, limit)| Budget { window, period_start: now, limit: Credits::from_micro(limit) };
    NewHold {
        id,
        user: account.user(),
        api_key: None,
        request_id: "request".to_owned(),
        kind: "chat",
        amount: Credits::from_micro(cost(&stage.price.units, tokens)),
        price: stage.price.id,
        service: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        model: "sandbox".to_owned(),
        owner: hub.instance.clone(),
        checkpoint: json(&checkpoint(&stage.price, 0)),
        lease_until: now + hub.settings.credits.lease(),
        budgets: account.budgets(of_line, of_user, now).into_iter().map(budget).collect(),
        at: now,
    }
}

fn json(checkpoint: &Checkpoint) -> Value {
    serde_json::to_value(checkpoint).unwrap()
}

fn checkpoint(price: &Price, tokens: i64) -> Checkpoint {
    Checkpoint {
        route: "/v1/chat/completions".to_owned(),
        upstream_model: "sandbox".to_owned(),
        unit_prices: price.units.clone(),
        usage: TokenUsage { output: tokens, ..TokenUsage::default() },
        attempts: 1,
    }
}

fn charge(stage: &Stage, account: &Account, number: usize, tokens: i64) -> Charge {
    Charge {
        hold: account.holds[number].id,
        user: account.user(),
        route: "/v1/chat/completions".to_owned(),
        upstream_model: "sandbox".to_owned(),
        upstream_id: None,
        units: stage.price.units.clone(),
        usage: TokenUsage { output: tokens, ..TokenUsage::default() },
        source: UsageSource::Provider,
        outcome: Outcome::Completed,
        attempts: json!([]),
        attempt_count: 1,
        latency_ms: 1,
        first_token_ms: None,
    }
}
