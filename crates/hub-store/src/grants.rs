//! Lots: credits with an origin and an end. The balance is not here; a lot only says how much of what was given is left.
//!
//! Charges do not touch lots. What they took is worked out later from the ledger (credits.md §2.9) and written here together with the
//! account's `burned_version`, under the account's lock.

use hub_types::{Credits, GrantId, Timestamp, TransactionId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::ledger::Kind;
use crate::{Result, StoreError, Tx};

statements! {
    INSERT = "INSERT INTO credit_grants (id, user_id, source_transaction, category, priority, amount, consumed, expired, created_at, expires_at)
              VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8)";
    OPEN = "SELECT g.id, g.source_transaction, g.category, g.priority, g.amount, g.consumed, g.expired, g.created_at, g.expires_at,
              t.account_version
            FROM credit_grants g JOIN credit_transactions t ON t.id = g.source_transaction
            WHERE g.user_id = $1 AND g.closed_at IS NULL";
    // Closed ones too, for whoever checks them.
    ALL = "SELECT g.id, g.source_transaction, g.category, g.priority, g.amount, g.consumed, g.expired, g.created_at, g.expires_at,
             t.account_version
           FROM credit_grants g JOIN credit_transactions t ON t.id = g.source_transaction
           WHERE g.user_id = $1";
    STANDING = "SELECT burned_version, version FROM credit_accounts WHERE user_id = $1";
    LOCK = postgres: "SELECT burned_version, version FROM credit_accounts WHERE user_id = $1 FOR UPDATE",
           lite: "SELECT burned_version, version FROM credit_accounts WHERE user_id = $1";
    DEBITS = "SELECT account_version, -amount AS taken, balance_after, kind FROM credit_transactions
              WHERE user_id = $1 AND account_version > $2 AND amount < 0 AND kind <> 'expiry' ORDER BY account_version LIMIT $3";
    SAVE = "UPDATE credit_grants SET consumed = $2, expired = $3, closed_at = $4 WHERE id = $1 AND closed_at IS NULL";
    BURNED = "UPDATE credit_accounts SET burned_version = $2 WHERE user_id = $1 AND burned_version < $2";
    // Frozen accounts wait: nothing is taken from them.
    DUE = "SELECT DISTINCT g.user_id FROM credit_grants g JOIN credit_accounts a ON a.user_id = g.user_id
           WHERE g.closed_at IS NULL AND g.expires_at <= $1 AND a.status = 'active' AND g.user_id > $2 ORDER BY g.user_id LIMIT $3";
}

/// Where a lot came from. Of lots that end together, the first of these is spent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// A promotion.
    Promo,
    /// A present.
    Bonus,
    /// Paid for.
    Purchase,
}

impl Category {
    /// The word in the database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promo => "promo",
            Self::Bonus => "bonus",
            Self::Purchase => "purchase",
        }
    }

    /// The category of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Promo, Self::Bonus, Self::Purchase].into_iter().find(|category| category.as_str() == word)
    }
}

/// A lot to be stored.
#[derive(Debug, Clone)]
pub struct NewLot {
    /// Its id.
    pub id: GrantId,
    /// Whose.
    pub user: UserId,
    /// The ledger row that gave the credits.
    pub source: TransactionId,
    /// Where they came from.
    pub category: Category,
    /// Lots with a smaller number are spent first.
    pub priority: i32,
    /// How much; above zero.
    pub amount: Credits,
    /// Now.
    pub at: Timestamp,
    /// When what is left is taken back.
    pub expires_at: Option<Timestamp>,
}

/// An open lot as stored: what is left is `amount - consumed - expired`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Its id.
    pub id: GrantId,
    /// The ledger row that gave the credits.
    pub source: TransactionId,
    /// The version of that row: charges above it may take from the lot.
    pub opened: i64,
    /// Where the credits came from.
    pub category: Category,
    /// Lots with a smaller number are spent first.
    pub priority: i32,
    /// What was given, in micro-credits.
    pub amount: i64,
    /// What charges took of it.
    pub consumed: i64,
    /// What was taken back.
    pub expired: i64,
    /// When it was given.
    pub created_at: Timestamp,
    /// When what is left is taken back.
    pub expires_at: Option<Timestamp>,
}

impl Lot {
    /// What is left, in micro-credits.
    pub const fn left(&self) -> i64 {
        self.amount - self.consumed - self.expired
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    source_transaction: Uuid,
    category: String,
    priority: i32,
    amount: i64,
    consumed: i64,
    expired: i64,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    account_version: i64,
}

impl TryFrom<Row> for Lot {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let category = Category::from_word(&row.category).ok_or(StoreError::Corrupt("the category of a grant"))?;
        Ok(Self {
            id: GrantId(row.id),
            source: TransactionId(row.source_transaction),
            opened: row.account_version,
            category,
            priority: row.priority,
            amount: row.amount,
            consumed: row.consumed,
            expired: row.expired,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// How far an account's lots are worked out, and how far its ledger goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Rows up to this version were taken from lots.
    pub burned: i64,
    /// The newest row.
    pub version: i64,
}

/// Stores a lot, in the transaction of its ledger row.
pub async fn insert(tx: &mut Tx, lot: &NewLot) -> Result<()> {
    run!(
        tx,
        execute,
        INSERT,
        lot.id.0,
        lot.user.0,
        lot.source.0,
        lot.category.as_str(),
        lot.priority,
        lot.amount.micro(),
        lot.at,
        lot.expires_at
    )?;
    Ok(())
}

/// The open lots of an account, in no order.
pub async fn open(tx: &mut Tx, user: UserId) -> Result<Vec<Lot>> {
    let rows: Vec<Row> = run!(tx, rows, OPEN, user.0)?;
    rows.into_iter().map(Lot::try_from).collect()
}

/// All lots an account ever had, in no order.
pub async fn all(tx: &mut Tx, user: UserId) -> Result<Vec<Lot>> {
    let rows: Vec<Row> = run!(tx, rows, ALL, user.0)?;
    rows.into_iter().map(Lot::try_from).collect()
}

/// How far the account is worked out.
pub async fn standing(tx: &mut Tx, user: UserId) -> Result<Option<Standing>> {
    let row: Option<(i64, i64)> = run!(tx, row, STANDING, user.0)?;
    Ok(row.map(|(burned, version)| Standing { burned, version }))
}

/// The same; other writers of the account wait for this transaction.
pub async fn lock(tx: &mut Tx, user: UserId) -> Result<Option<Standing>> {
    let row: Option<(i64, i64)> = run!(tx, row, LOCK, user.0)?;
    Ok(row.map(|(burned, version)| Standing { burned, version }))
}

/// A row that took credits, other than an expiry. Amounts are micro-credits.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Debit {
    /// Its version.
    #[sqlx(rename = "account_version")]
    pub version: i64,
    /// What it took; above zero.
    #[sqlx(rename = "taken")]
    pub amount: i64,
    /// The balance right after it.
    pub balance_after: i64,
    kind: String,
}

impl Debit {
    /// True for a purchase that was taken back: it takes the credits that were bought and not those that were given.
    pub fn takes_back(&self) -> bool {
        self.kind == Kind::Chargeback.as_str()
    }
}

/// Up to `limit` charges above a version, oldest first.
pub async fn debits(tx: &mut Tx, user: UserId, above: i64, limit: i64) -> Result<Vec<Debit>> {
    Ok(run!(tx, rows, DEBITS, user.0, above, limit)?)
}

/// Writes what became of a lot, closing it when nothing is left.
pub async fn save(tx: &mut Tx, lot: &Lot, now: Timestamp) -> Result<()> {
    let closed = (lot.left() <= 0).then_some(now);
    run!(tx, execute, SAVE, lot.id.0, lot.consumed, lot.expired, closed)?;
    Ok(())
}

/// Notes that rows up to this version were taken from lots.
pub async fn set_burned(tx: &mut Tx, user: UserId, version: i64) -> Result<()> {
    run!(tx, execute, BURNED, user.0, version)?;
    Ok(())
}

/// Active accounts that have a lot which has run out, in order of id, those after `after`.
pub async fn due(tx: &mut Tx, now: Timestamp, after: UserId, limit: i64) -> Result<Vec<UserId>> {
    let users: Vec<Uuid> = run!(tx, scalars, DUE, now, after.0, limit)?;
    Ok(users.into_iter().map(UserId).collect())
}
