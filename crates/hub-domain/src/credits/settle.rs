//! Ending a call: charge, receipt and usage row in one transaction.

use hub_store::budgets;
use hub_store::holds::{self, End, Hold};
use hub_store::ledger::{Kind, Posting};
use hub_store::receipts::{self, Receipt};
use hub_store::usage::{self, UsageRow};
use hub_store::{StoreError, Tx};
use hub_types::{Clock, Credits, HoldId, Timestamp, TokenUsage, TransactionId, UsageId, UsageSource, UserId};
use serde_json::{Value, json};

use super::measure;
use crate::Hub;
use crate::pricing::UnitPrices;

/// How a call ended, for receipt and usage row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The provider finished.
    Completed,
    /// The caller hung up.
    Cancelled,
    /// The provider failed.
    Failed,
    /// The process died; the sweeper settled.
    Expired,
}

impl Outcome {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// What a finished call consumed.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Its hold.
    pub hold: HoldId,
    /// Whose.
    pub user: UserId,
    /// The route called.
    pub route: String,
    /// Model as sent to the provider.
    pub upstream_model: String,
    /// The provider's own id of the call.
    pub upstream_id: Option<String>,
    /// The pinned unit prices.
    pub units: UnitPrices,
    /// Tokens by class.
    pub usage: TokenUsage,
    /// Who counted them.
    pub source: UsageSource,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts: `[{provider, outcome, milliseconds}]`.
    pub attempts: Value,
    /// Number of attempts.
    pub attempt_count: i32,
    /// From request to end.
    pub latency_ms: i64,
    /// From request to the first byte of the answer.
    pub first_token_ms: Option<i64>,
}

/// A charge that happened.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// The receipt.
    pub receipt: HoldId,
    /// What was charged.
    pub amount: Credits,
    /// What the call cost beyond that, borne by the house: the hold was too small, or too little was spendable after it had run out.
    pub uncollected: Credits,
    /// Balance right after it; `None` when nothing was charged.
    pub balance: Option<Credits>,
}

impl Settled {
    /// What was settled before, by whomever.
    fn before(hold: &Hold) -> Self {
        let amount = hold.settled.unwrap_or_default();
        Self { receipt: hold.id, amount, uncollected: Credits::ZERO, balance: None }
    }
}

/// Charges a call and gives the rest of its hold back, in a commit shared with whatever else ends at this moment. Repeated calls change
/// nothing. A hold the sweeper took meanwhile is settled late: what is still owed, as far as it is spendable; the rest stays uncollected.
pub async fn settle(hub: &Hub, charge: &Charge) -> Result<Settled, StoreError> {
    let settled = match hub.ledger.end(hub, charge.clone(), End::Settled).await? {
        Some(settled) => settled,
        None => settle_ended(hub, charge).await?,
    };
    measure::uncollected(settled.uncollected);
    Ok(settled)
}

/// Gives a whole hold back: the call cost nothing. Leaves a usage row, and a receipt of nothing. Repeated calls change nothing.
pub async fn void(hub: &Hub, charge: &Charge) -> Result<(), StoreError> {
    let nothing = Charge { usage: TokenUsage::default(), source: UsageSource::None, ..charge.clone() };
    hub.ledger.end(hub, nothing, End::Voided).await.map(drop)
}

/// The settle of a hold that somebody has resolved: the sweeper, or an earlier try of this settle whose answer was lost.
async fn settle_ended(hub: &Hub, charge: &Charge) -> Result<Settled, StoreError> {
    let mut tx = hub.store.write().await?;
    let hold = holds::get(&mut tx, charge.hold).await?.ok_or(StoreError::Corrupt("a settle without a hold"))?;
    if hold.status == "expired" {
        budgets::lock(&mut tx, &hold.budgets).await?;
        let owed = Owed::of(charge, &hold);
        if let Some(settled) = settle_late(hub, &mut tx, &hold, charge, owed, hub.clock.now()).await? {
            tx.commit().await?;
            return Ok(settled);
        }
        // Somebody else settled it late. One more look tells.
        tx.rollback().await?;
        let mut tx = hub.store.read().await?;
        let hold = holds::get(&mut tx, charge.hold).await?.ok_or(StoreError::Corrupt("a settle without a hold"))?;
        return Ok(Settled::before(&hold));
    }
    Ok(Settled::before(&hold))
}

/// What a call owes: its cost, capped by the hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    exact_pico: i64,
    pub(super) amount: Credits,
    pub(super) uncollected: Credits,
}

impl Owed {
    pub(super) const NOTHING: Self = Self { exact_pico: 0, amount: Credits::ZERO, uncollected: Credits::ZERO };

    pub(super) fn of(charge: &Charge, hold: &Hold) -> Self {
        // A cost out of range can only come from absurd usage numbers of a provider: charge the hold, the bound that was agreed.
        let (exact_pico, cost) =
            charge.units.cost(&charge.usage).map_or((i64::MAX, hold.amount), |cost| (cost.exact_pico, cost.amount));
        let amount = cost.min(hold.amount);
        Self { exact_pico, amount, uncollected: cost.checked_sub(amount).unwrap_or_default() }
    }
}

/// Resolves an open hold. `None`: it was not open any more, roll back.
pub(super) async fn settle_open(
    hub: &Hub,
    tx: &mut Tx,
    hold: &Hold,
    charge: &Charge,
    owed: Owed,
    end: End,
    now: Timestamp,
) -> Result<Option<Settled>, StoreError> {
    let mut settled = Settled { receipt: hold.id, amount: owed.amount, uncollected: owed.uncollected, balance: None };
    let mut transaction = None;
    if owed.amount.is_positive() {
        let posting = posting(&hub.clock, hold, "settle", owed.amount, now);
        let Some(row) = holds::settle(tx, hold.id, end, &posting).await? else { return Ok(None) };
        settled.balance = Some(row.balance_after);
        transaction = Some(row.id);
    } else if !holds::release(tx, hold.id, hold.user, end, now).await? {
        return Ok(None);
    }
    write_down(tx, hold, charge, owed, transaction, now).await?;
    Ok(Some(settled))
}

async fn settle_late(
    hub: &Hub,
    tx: &mut Tx,
    hold: &Hold,
    charge: &Charge,
    owed: Owed,
    now: Timestamp,
) -> Result<Option<Settled>, StoreError> {
    let already = hold.settled.unwrap_or_default();
    let missing = owed.amount.checked_sub(already).unwrap_or_default();
    if !missing.is_positive() {
        return Ok(Some(Settled::before(hold)));
    }
    let posting = posting(&hub.clock, hold, "settle-late", missing, now);
    let Some(late) = holds::settle_late(tx, hold.id, &posting).await? else { return Ok(None) };
    let short = missing.checked_sub(late.taken).unwrap_or_default();
    if short.is_positive() {
        tracing::warn!(hold = %hold.id, owed = %missing, uncollected = %short, "a late settle found too little to spend");
    }
    let owed = Owed {
        amount: owed.amount.checked_sub(short).unwrap_or_default(),
        uncollected: [owed.uncollected, short].into_iter().sum(),
        ..owed
    };
    let balance = late.row.as_ref().map(|row| row.balance_after);
    write_down(tx, hold, charge, owed, late.row.map(|row| row.id), now).await?;
    Ok(Some(Settled { receipt: hold.id, amount: owed.amount, uncollected: owed.uncollected, balance }))
}

/// The ledger row of a charge. Its key is made of the hold: no hold is charged twice for the same reason.
pub(super) fn posting(clock: &Clock, hold: &Hold, verb: &str, amount: Credits, now: Timestamp) -> Posting {
    Posting {
        id: TransactionId::new(clock),
        user: hold.user,
        kind: Kind::Usage,
        amount: -amount,
        key: format!("{verb}:{}", hold.id),
        request_hash: None,
        hold: Some(hold.id),
        actor: None,
        reason: format!("{}:{}", hold.kind, hold.model).chars().take(200).collect(),
        metadata: json!({ "receiptId": hold.id, "requestId": hold.request_id, "model": hold.model }),
        at: now,
    }
}

async fn write_down(
    tx: &mut Tx,
    hold: &Hold,
    charge: &Charge,
    owed: Owed,
    transaction: Option<TransactionId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (receipt, row) = papers(hold, charge, owed, transaction, now)?;
    receipts::put(tx, &receipt).await?;
    usage::put(tx, &row).await
}

/// The receipt and the usage row of a call that ended.
pub(super) fn papers(
    hold: &Hold,
    charge: &Charge,
    owed: Owed,
    transaction: Option<TransactionId>,
    now: Timestamp,
) -> Result<(Receipt, UsageRow), StoreError> {
    let unit_prices = serde_json::to_value(&charge.units).map_err(|_| StoreError::Corrupt("unit prices"))?;
    let receipt = Receipt {
        id: hold.id,
        user: hold.user,
        transaction,
        api_key: hold.api_key,
        request_id: hold.request_id.clone(),
        route: charge.route.clone(),
        service: hold.service.clone(),
        provider: hold.provider.clone(),
        model: hold.model.clone(),
        upstream_model: charge.upstream_model.clone(),
        upstream_id: charge.upstream_id.clone(),
        price: hold.price,
        unit_prices,
        usage: charge.usage,
        usage_source: charge.source.as_str().to_owned(),
        exact_pico: owed.exact_pico,
        amount: owed.amount,
        uncollected: owed.uncollected,
        held: hold.amount,
        outcome: charge.outcome.as_str().to_owned(),
        attempts: charge.attempts.clone(),
        created_at: now,
    };
    let row = UsageRow {
        id: UsageId(hold.id.0),
        at: hold.created_at,
        user: hold.user,
        api_key: hold.api_key,
        request_id: hold.request_id.clone(),
        hold: Some(hold.id),
        kind: hold.kind.clone(),
        route: charge.route.clone(),
        service: hold.service.clone(),
        provider: hold.provider.clone(),
        model: hold.model.clone(),
        usage: charge.usage,
        usage_source: charge.source.as_str().to_owned(),
        credits: owed.amount,
        status: charge.outcome.as_str().to_owned(),
        attempts: charge.attempt_count,
        latency_ms: charge.latency_ms,
        first_token_ms: charge.first_token_ms,
        metadata: if owed.uncollected.is_positive() { json!({ "uncollected": owed.uncollected }) } else { json!({}) },
    };
    Ok((receipt, row))
}
