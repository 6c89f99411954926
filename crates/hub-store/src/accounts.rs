//! Credit accounts: one row per user with three numbers. `balance` is the sum of the ledger, `held` the sum of open holds,
//! `version` the count of ledger rows. Only `ledger` and `holds` change them, always together with the row that explains it.

use hub_types::{Credits, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Result, StoreError, Tx};

statements! {
    OPEN = "INSERT INTO credit_accounts (user_id, balance, held, overdraft_limit, version, status, created_at, updated_at)
            VALUES ($1, 0, 0, 0, 0, 'active', $2, $2) ON CONFLICT (user_id) DO NOTHING";
    GET = "SELECT user_id, balance, held, overdraft_limit, version, status, updated_at FROM credit_accounts WHERE user_id = $1";
    TOTALS = "SELECT CAST(COALESCE(SUM(balance), 0) AS BIGINT), CAST(COALESCE(SUM(held), 0) AS BIGINT) FROM credit_accounts";
    // The guard of every hold: what is not there or already promised cannot be promised again.
    RESERVE = "UPDATE credit_accounts SET held = held + $2, updated_at = $3
               WHERE user_id = $1 AND status = 'active' AND balance + overdraft_limit - held >= $2";
    RELEASE = "UPDATE credit_accounts SET held = held - $2, updated_at = $3 WHERE user_id = $1";
    // A settle gives back the whole hold and takes the actual amount, which is never more than the hold.
    CAPTURE = "UPDATE credit_accounts SET held = held - $2, balance = balance - $3, version = version + 1, updated_at = $4
               WHERE user_id = $1 RETURNING balance, version";
    // The last number is the largest balance there may be (`Credits::MAX`), which the table checks too.
    DEPOSIT = "UPDATE credit_accounts SET balance = balance + $2, version = version + 1, updated_at = $3
               WHERE user_id = $1 AND status <> 'closed' AND balance + $2 <= 1000000000000000 RETURNING balance, version";
    WITHDRAW = "UPDATE credit_accounts SET balance = balance - $2, version = version + 1, updated_at = $3
                WHERE user_id = $1 AND status = 'active' AND balance + overdraft_limit - held >= $2
                RETURNING balance, version";
}

/// A credit account as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub user: UserId,
    /// Sum of all ledger rows.
    pub balance: Credits,
    /// Sum of all open holds.
    pub held: Credits,
    /// How far the balance may fall below zero.
    pub overdraft_limit: Credits,
    /// Count of ledger rows.
    pub version: i64,
    /// `active`, `frozen` or `closed`.
    pub status: String,
    /// Last movement.
    pub updated_at: Timestamp,
}

impl Account {
    /// What could be spent now: balance and overdraft less what is held. Never below zero.
    pub fn spendable(&self) -> Credits {
        let micro = self.balance.micro() + self.overdraft_limit.micro() - self.held.micro();
        Credits::from_micro(micro.max(0))
    }

    /// What could be spent if every running call gave back all it holds.
    pub fn spendable_without_holds(&self) -> Credits {
        Self { held: Credits::ZERO, ..self.clone() }.spendable()
    }
}

#[derive(FromRow)]
pub(crate) struct Row {
    user_id: Uuid,
    balance: i64,
    held: i64,
    overdraft_limit: i64,
    version: i64,
    status: String,
    updated_at: Timestamp,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            user: UserId(row.user_id),
            balance: Credits::from_micro(row.balance),
            held: Credits::from_micro(row.held),
            overdraft_limit: Credits::from_micro(row.overdraft_limit),
            version: row.version,
            status: row.status,
            updated_at: row.updated_at,
        }
    }
}

/// Opens an empty account; does nothing where one is open.
pub async fn open(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    run!(tx, execute, OPEN, user.0, now)?;
    Ok(())
}

/// The account, if the user has one.
pub async fn get(tx: &mut Tx, user: UserId) -> Result<Option<Account>> {
    let row: Option<Row> = run!(tx, row, GET, user.0)?;
    Ok(row.map(Account::from))
}

/// What all accounts have together, and what of it is held.
pub async fn totals(tx: &mut Tx) -> Result<(Credits, Credits)> {
    let row: Option<(i64, i64)> = run!(tx, row, TOTALS)?;
    let (balance, held) = row.unwrap_or((0, 0));
    Ok((Credits::from_micro(balance), Credits::from_micro(held)))
}

/// Balance and version right after a movement; they go onto its ledger row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct After {
    pub(crate) balance: i64,
    pub(crate) version: i64,
}

pub(crate) async fn reserve(tx: &mut Tx, user: UserId, amount: Credits, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, RESERVE, user.0, amount.micro(), now)? == 1)
}

pub(crate) async fn release(tx: &mut Tx, user: UserId, amount: Credits, now: Timestamp) -> Result<()> {
    run!(tx, execute, RELEASE, user.0, amount.micro(), now)?;
    Ok(())
}

pub(crate) async fn capture(
    tx: &mut Tx,
    user: UserId,
    held: Credits,
    actual: Credits,
    now: Timestamp,
) -> Result<After> {
    let row: Option<(i64, i64)> = run!(tx, row, CAPTURE, user.0, held.micro(), actual.micro(), now)?;
    row.map(|(balance, version)| After { balance, version }).ok_or(StoreError::Corrupt("a hold without an account"))
}

/// `None` when the account does not exist, is not active (debits) or closed (credits), or has too little to spend or no room for more.
pub(crate) async fn move_balance(tx: &mut Tx, user: UserId, amount: Credits, now: Timestamp) -> Result<Option<After>> {
    let row: Option<(i64, i64)> = if amount.is_positive() {
        run!(tx, row, DEPOSIT, user.0, amount.micro(), now)?
    } else {
        run!(tx, row, WITHDRAW, user.0, (-amount).micro(), now)?
    };
    Ok(row.map(|(balance, version)| After { balance, version }))
}
