//! Holds: money set aside for one call. `held → settled | voided | expired`, each transition by one guarded statement.
//!
//! A hold takes its amount from the account and from every budget it names, and remembers which: whoever resolves it cannot forget
//! them. Call `budgets::lock` first where holds are resolved (lock order: windows, holds, accounts).

use hub_types::{ApiKeyId, Credits, HoldId, PriceId, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::budgets::{self, Charge, Charged};
use crate::ledger::{self, Posting, Transaction};
use crate::{Result, StoreError, Tx, accounts, grants};

statements! {
    INSERT = "INSERT INTO credit_holds (id, user_id, api_key_id, request_id, kind, amount, accrued, price_id, service, provider, model,
                status, owner, checkpoint, lease_until, created_at, budgets)
              VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, 'held', $11, $12, $13, $14, $15)";
    GET = "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model, status,
             owner, checkpoint, lease_until, created_at, budgets
           FROM credit_holds WHERE id = $1";
    RESOLVE = "UPDATE credit_holds SET status = $2, settled_amount = $3, resolved_at = $4
               WHERE id = $1 AND status = 'held' AND amount >= $3 RETURNING amount, budgets";
    CLAIM = "UPDATE credit_holds SET status = 'settled' WHERE id = $1 AND status = 'expired' RETURNING budgets";
    EXTEND = "UPDATE credit_holds SET settled_amount = settled_amount + $2 WHERE id = $1";
    CHECKPOINT = "UPDATE credit_holds SET accrued = CASE WHEN $3 > accrued THEN $3 ELSE accrued END, checkpoint = $4, lease_until = $5
                  WHERE id = $1 AND status = 'held' AND owner = $2";
    ROUTE = "UPDATE credit_holds SET provider = $3, service = $4, price_id = $5, checkpoint = $6, amount = amount + $7
             WHERE id = $1 AND owner = $2 AND status = 'held' AND amount = $8";
    // Several sweepers may run: each takes rows the others have not locked. SQLite has one writer, so nothing to skip.
    DUE = postgres: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model, status,
             owner, checkpoint, lease_until, created_at, budgets
           FROM credit_holds WHERE status = 'held' AND lease_until < $1 ORDER BY lease_until LIMIT $2 FOR UPDATE SKIP LOCKED",
          lite: "SELECT id, user_id, api_key_id, request_id, kind, amount, accrued, settled_amount, price_id, service, provider, model, status,
             owner, checkpoint, lease_until, created_at, budgets
           FROM credit_holds WHERE status = 'held' AND lease_until < $1 ORDER BY lease_until LIMIT $2";
    DUE_BUDGETS = "SELECT id, budgets FROM credit_holds WHERE status = 'held' AND lease_until < $1 ORDER BY lease_until LIMIT $2";
    OPEN_COUNT = "SELECT COUNT(*) FROM credit_holds WHERE status = 'held'";
    OLDEST_DUE = "SELECT COUNT(*) FROM credit_holds WHERE status = 'held' AND lease_until < $1";
}

/// A hold to be opened.
#[derive(Debug, Clone)]
pub struct NewHold {
    /// Its id; the receipt will have the same.
    pub id: HoldId,
    /// Whose account.
    pub user: UserId,
    /// The key used, if any.
    pub api_key: Option<ApiKeyId>,
    /// The request.
    pub request_id: String,
    /// `chat`, `completion`, `embedding`, …
    pub kind: &'static str,
    /// Upper bound of the cost; above zero.
    pub amount: Credits,
    /// The pinned price.
    pub price: PriceId,
    /// The spec's service word: `openai`, `claude`, `sandbox`.
    pub service: String,
    /// The provider first chosen.
    pub provider: String,
    /// The model as asked for.
    pub model: String,
    /// The process that owns the call.
    pub owner: String,
    /// What the sweeper needs to write a receipt, should the process die.
    pub checkpoint: Value,
    /// Until when the owner has to renew.
    pub lease_until: Timestamp,
    /// The budgets it takes the same amount from.
    pub budgets: Vec<Charge>,
    /// Now.
    pub at: Timestamp,
}

impl NewHold {
    /// The windows it takes from, as it remembers them.
    pub(crate) fn charged(&self) -> Vec<Charged> {
        let charged = |charge: &Charge| Charged { window: charge.window.clone(), limit: charge.limit.micro() };
        self.budgets.iter().map(charged).collect()
    }

    /// The hold this becomes when it is opened, without its checkpoint.
    pub fn opened(&self) -> Hold {
        Hold {
            id: self.id,
            user: self.user,
            api_key: self.api_key,
            request_id: self.request_id.clone(),
            kind: self.kind.to_owned(),
            amount: self.amount,
            accrued: Credits::ZERO,
            settled: None,
            price: self.price,
            service: self.service.clone(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            status: "held".to_owned(),
            owner: self.owner.clone(),
            checkpoint: Value::Null,
            lease_until: self.lease_until,
            created_at: self.at,
            budgets: self.charged(),
        }
    }
}

/// What became of a hold that was to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The amount is set aside.
    Yes,
    /// The account does not allow it: missing, not active, or too little to spend.
    Account,
    /// The budget with this number in `NewHold::budgets` has too little left.
    Budget(usize),
}

/// A hold as stored.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// Whose.
    pub user: UserId,
    /// The key used.
    pub api_key: Option<ApiKeyId>,
    /// The request.
    pub request_id: String,
    /// What kind of call.
    pub kind: String,
    /// Upper bound.
    pub amount: Credits,
    /// Cost at the last checkpoint.
    pub accrued: Credits,
    /// What was charged in the end.
    pub settled: Option<Credits>,
    /// The pinned price.
    pub price: PriceId,
    /// Service word.
    pub service: String,
    /// Provider.
    pub provider: String,
    /// Model.
    pub model: String,
    /// `held`, `settled`, `voided` or `expired`.
    pub status: String,
    /// Owning process.
    pub owner: String,
    /// The last checkpoint's data.
    pub checkpoint: Value,
    /// Lease.
    pub lease_until: Timestamp,
    /// When it was opened.
    pub created_at: Timestamp,
    /// The budget windows it took from.
    pub budgets: Vec<Charged>,
}

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    user_id: Uuid,
    api_key_id: Option<Uuid>,
    request_id: String,
    kind: String,
    amount: i64,
    accrued: i64,
    settled_amount: Option<i64>,
    price_id: Uuid,
    service: String,
    provider: String,
    model: String,
    status: String,
    owner: String,
    checkpoint: Json<Value>,
    lease_until: Timestamp,
    created_at: Timestamp,
    budgets: Json<Vec<Charged>>,
}

impl From<Row> for Hold {
    fn from(row: Row) -> Self {
        Self {
            id: HoldId(row.id),
            user: UserId(row.user_id),
            api_key: row.api_key_id.map(ApiKeyId),
            request_id: row.request_id,
            kind: row.kind,
            amount: Credits::from_micro(row.amount),
            accrued: Credits::from_micro(row.accrued),
            settled: row.settled_amount.map(Credits::from_micro),
            price: PriceId(row.price_id),
            service: row.service,
            provider: row.provider,
            model: row.model,
            status: row.status,
            owner: row.owner,
            checkpoint: row.checkpoint.0,
            lease_until: row.lease_until,
            created_at: row.created_at,
            budgets: row.budgets.0,
        }
    }
}

/// How a hold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its owner charged what the call cost.
    Settled,
    /// Its owner found that the call cost nothing.
    Voided,
    /// Its owner died or lost the lease; the sweeper charged the last checkpoint, which may be nothing.
    Expired,
}

impl End {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }
}

/// Sets the amount aside, of the account and of every budget. Unless it is `Opened::Yes` the caller must roll back.
pub async fn open(tx: &mut Tx, hold: &NewHold) -> Result<Opened> {
    if let Some(short) = budgets::take(tx, hold.user, &hold.budgets, hold.amount, hold.at).await? {
        return Ok(Opened::Budget(short));
    }
    if !accounts::reserve(tx, hold.user, hold.amount, hold.at).await? {
        return Ok(Opened::Account);
    }
    run!(
        tx,
        execute,
        INSERT,
        hold.id.0,
        hold.user.0,
        hold.api_key.map(|key| key.0),
        &hold.request_id,
        hold.kind,
        hold.amount.micro(),
        hold.price.0,
        &hold.service,
        &hold.provider,
        &hold.model,
        &hold.owner,
        Json(&hold.checkpoint),
        hold.lease_until,
        hold.at,
        Json(&hold.charged()),
    )?;
    Ok(Opened::Yes)
}

/// Charges the posting's amount against the hold and its budgets and gives the rest back. `None` when the hold is not open any more, or smaller than
/// the charge; nothing was changed then.
pub async fn settle(tx: &mut Tx, id: HoldId, end: End, posting: &Posting) -> Result<Option<Transaction>> {
    let actual = -posting.amount;
    let held: Option<(i64, Json<Vec<Charged>>)> =
        run!(tx, row, RESOLVE, id.0, end.as_str(), actual.micro(), posting.at)?;
    let Some((held, Json(charged))) = held else { return Ok(None) };
    budgets::settle(tx, &charged, Credits::from_micro(held), actual, posting.at).await?;
    let after = accounts::capture(tx, posting.user, Credits::from_micro(held), actual, posting.at).await?;
    ledger::insert(tx, posting, after).await.map(Some)
}

/// Gives the whole hold back, to the account and to its budgets. `false` when it was not open any more.
pub async fn release(tx: &mut Tx, id: HoldId, user: UserId, end: End, at: Timestamp) -> Result<bool> {
    let held: Option<(i64, Json<Vec<Charged>>)> = run!(tx, row, RESOLVE, id.0, end.as_str(), 0_i64, at)?;
    let Some((held, Json(charged))) = held else { return Ok(false) };
    budgets::settle(tx, &charged, Credits::from_micro(held), Credits::ZERO, at).await?;
    accounts::release(tx, user, Credits::from_micro(held), at).await?;
    Ok(true)
}

/// What a late settle could take.
#[derive(Debug, Clone)]
pub struct Late {
    /// How much; the posting's amount, or what was spendable of it.
    pub taken: Credits,
    /// Its row; `None` when nothing was spendable.
    pub row: Option<Transaction>,
}

/// Charges more for a call whose hold the sweeper has already resolved: as much of the posting's amount as is spendable now (credits.md
/// §2.6, late settle). Its budgets had room for it when the call began, so it is noted as spent there whatever room they have now.
/// `None` when the hold is not expired; nothing was changed then.
pub async fn settle_late(tx: &mut Tx, id: HoldId, posting: &Posting) -> Result<Option<Late>> {
    let charged: Option<Json<Vec<Charged>>> = run!(tx, scalar, CLAIM, id.0)?;
    let Some(Json(charged)) = charged else { return Ok(None) };
    // From here on nobody else posts to the account, so what is read stays true.
    grants::lock(tx, posting.user).await?;
    let account = accounts::get(tx, posting.user).await?.ok_or(StoreError::Corrupt("a hold without an account"))?;
    let spendable = if account.status == "active" { account.spendable() } else { Credits::ZERO };
    let taken = spendable.min(-posting.amount);
    if !taken.is_positive() {
        return Ok(Some(Late { taken: Credits::ZERO, row: None }));
    }
    let row = ledger::post(tx, &Posting { amount: -taken, ..posting.clone() }).await?;
    let row = row.ok_or(StoreError::Corrupt("an account that changed under its lock"))?;
    run!(tx, execute, EXTEND, id.0, taken.micro())?;
    budgets::spend(tx, &charged, taken, posting.at).await?;
    Ok(Some(Late { taken, row: Some(row) }))
}

/// Renews the lease and notes what the call has cost so far. `false`: the hold is no longer this owner's, stop the call.
pub async fn checkpoint(
    tx: &mut Tx,
    id: HoldId,
    owner: &str,
    accrued: Credits,
    data: &Value,
    lease_until: Timestamp,
) -> Result<bool> {
    Ok(run!(tx, execute, CHECKPOINT, id.0, owner, accrued.micro(), Json(data), lease_until)? == 1)
}

/// Where a call goes on.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// The process that owns the call.
    pub owner: &'a str,
    /// Service word of the provider.
    pub service: &'a str,
    /// The provider.
    pub provider: &'a str,
    /// Its price, which the hold pins from now on.
    pub price: PriceId,
    /// What the sweeper needs to know from now on.
    pub checkpoint: &'a Value,
    /// Now.
    pub at: Timestamp,
}

/// What became of a hold that was to go on elsewhere. Unless it is `Yes` the caller must roll back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rerouted {
    /// It did, and `more` is set aside for it.
    Yes,
    /// The account or a budget does not allow more.
    Short,
    /// It is not open any more, has another owner, or was changed meanwhile.
    Lost,
}

/// Moves an open hold, read in this transaction, to another provider and price, and sets `more` aside for it (zero or above): of the same
/// budgets and the account it was taken from.
pub async fn reroute(tx: &mut Tx, hold: &Hold, more: Credits, to: &Route<'_>) -> Result<Rerouted> {
    let grows = more.is_positive();
    if grows && !budgets::grow(tx, &hold.budgets, more, to.at).await? {
        return Ok(Rerouted::Short);
    }
    let (more_micro, was) = (more.micro(), hold.amount.micro());
    let checkpoint = Json(to.checkpoint);
    if run!(tx, execute, ROUTE, hold.id.0, to.owner, to.provider, to.service, to.price.0, checkpoint, more_micro, was)?
        != 1
    {
        return Ok(Rerouted::Lost);
    }
    if grows && !accounts::reserve(tx, hold.user, more, to.at).await? {
        return Ok(Rerouted::Short);
    }
    Ok(Rerouted::Yes)
}

/// The hold, if there is one.
pub async fn get(tx: &mut Tx, id: HoldId) -> Result<Option<Hold>> {
    let row: Option<Row> = run!(tx, row, GET, id.0)?;
    Ok(row.map(Hold::from))
}

/// Open holds whose lease ended before `before`, locked for this transaction.
pub async fn due(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<Hold>> {
    let rows: Vec<Row> = run!(tx, rows, DUE, before, limit)?;
    Ok(rows.into_iter().map(Hold::from).collect())
}

/// The budget windows of the holds that `due` would find, which must be locked before the holds are.
pub async fn due_budgets(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<Vec<(HoldId, Vec<Charged>)>> {
    let rows: Vec<(Uuid, Json<Vec<Charged>>)> = run!(tx, rows, DUE_BUDGETS, before, limit)?;
    Ok(rows.into_iter().map(|(id, Json(charged))| (HoldId(id), charged)).collect())
}

/// How many holds are open.
pub async fn count_open(tx: &mut Tx) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, OPEN_COUNT)?;
    Ok(count.unwrap_or(0))
}

/// How many open holds have outlived their lease.
pub async fn count_due(tx: &mut Tx, before: Timestamp) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, OLDEST_DUE, before)?;
    Ok(count.unwrap_or(0))
}
