//! The ledger: append-only signed rows with running balance and gapless version. The database refuses to change or delete one.

use hub_types::{Credits, HoldId, Timestamp, TransactionId, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::accounts::{self, After};
use crate::{Result, Tx};

statements! {
    INSERT = "INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash,
                hold_id, reverses, actor_id, reason, metadata, created_at)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    BY_KEY = "SELECT id, user_id, kind, amount, balance_after, account_version, idem_hash, hold_id, actor_id, reason, metadata, created_at
              FROM credit_transactions WHERE user_id = $1 AND idem_key = $2";
    // In the order of the unique index, which is stable while rows are added: (user, version) is cursor and order in one.
    EXPORT = "SELECT id, user_id, kind, amount, balance_after, account_version, idem_hash, hold_id, actor_id, reason, metadata, created_at
              FROM credit_transactions
              WHERE (user_id, account_version) > ($1, $2) AND user_id BETWEEN $3 AND $4 AND created_at >= $5 AND created_at < $6
              ORDER BY user_id, account_version LIMIT $7";
}

/// Why money moved. Each kind names its counter-account, so that the double-entry view balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Paid for; against `payments`.
    Purchase,
    /// A promo code; against `promotions`.
    Promo,
    /// Given by an administrator or at sign-up; against `promotions`.
    Grant,
    /// A charge; against `revenue`.
    Usage,
    /// A charge given back; against `refunds`.
    Refund,
    /// A correction by an administrator; against `adjustments`.
    Adjustment,
    /// A grant that ran out; against `expiry`.
    Expiry,
    /// Payment taken back; against `payments`.
    Chargeback,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Purchase,
        Self::Promo,
        Self::Grant,
        Self::Usage,
        Self::Refund,
        Self::Adjustment,
        Self::Expiry,
        Self::Chargeback,
    ];

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The account of the house on the other side of the movement, for the double-entry view.
    pub const fn counter_account(self) -> &'static str {
        match self {
            Self::Purchase | Self::Chargeback => "payments",
            Self::Promo | Self::Grant => "promotions",
            Self::Usage => "revenue",
            Self::Refund => "refunds",
            Self::Adjustment => "adjustments",
            Self::Expiry => "expiry",
        }
    }

    /// The word in the database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Promo => "promo",
            Self::Grant => "grant",
            Self::Usage => "usage",
            Self::Refund => "refund",
            Self::Adjustment => "adjustment",
            Self::Expiry => "expiry",
            Self::Chargeback => "chargeback",
        }
    }
}

/// A movement to be posted.
#[derive(Debug, Clone)]
pub struct Posting {
    /// Id of the new row.
    pub id: TransactionId,
    /// Whose account.
    pub user: UserId,
    /// Why.
    pub kind: Kind,
    /// Signed: negative takes from the account. Never zero.
    pub amount: Credits,
    /// Unique per account; the same key never posts twice.
    pub key: String,
    /// SHA-256 of the request, to tell a repetition from another request under the same key.
    pub request_hash: Option<Vec<u8>>,
    /// The hold this settles.
    pub hold: Option<HoldId>,
    /// Who did it, if not the owner.
    pub actor: Option<UserId>,
    /// Words for the history, at most 200 characters.
    pub reason: String,
    /// Free data for the history, at most 16 KiB.
    pub metadata: Value,
    /// When.
    pub at: Timestamp,
}

impl Posting {
    /// The ledger row this becomes when it is posted with that balance and version.
    pub fn posted(&self, balance_after: Credits, version: i64) -> Transaction {
        Transaction {
            id: self.id,
            user: self.user,
            kind: self.kind.as_str().to_owned(),
            amount: self.amount,
            balance_after,
            version,
            request_hash: self.request_hash.clone(),
            hold: self.hold,
            actor: self.actor,
            reason: self.reason.clone(),
            metadata: self.metadata.clone(),
            created_at: self.at,
        }
    }
}

/// A ledger row as stored.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// Whose.
    pub user: UserId,
    /// One of `Kind`'s words.
    pub kind: String,
    /// Signed amount.
    pub amount: Credits,
    /// Balance right after it.
    pub balance_after: Credits,
    /// 1, 2, 3, … without gaps per account.
    pub version: i64,
    /// SHA-256 of the request that caused it, if it carried a key.
    pub request_hash: Option<Vec<u8>>,
    /// The hold it settled.
    pub hold: Option<HoldId>,
    /// Who did it, if not the owner.
    pub actor: Option<UserId>,
    /// Words.
    pub reason: String,
    /// Data.
    pub metadata: Value,
    /// When.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    user_id: Uuid,
    kind: String,
    amount: i64,
    balance_after: i64,
    account_version: i64,
    idem_hash: Option<Vec<u8>>,
    hold_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    reason: String,
    metadata: Json<Value>,
    created_at: Timestamp,
}

impl From<Row> for Transaction {
    fn from(row: Row) -> Self {
        Self {
            id: TransactionId(row.id),
            user: UserId(row.user_id),
            kind: row.kind,
            amount: Credits::from_micro(row.amount),
            balance_after: Credits::from_micro(row.balance_after),
            version: row.account_version,
            request_hash: row.idem_hash,
            hold: row.hold_id.map(HoldId),
            actor: row.actor_id.map(UserId),
            reason: row.reason,
            metadata: row.metadata.0,
            created_at: row.created_at,
        }
    }
}

/// Moves the balance and writes the row. `None` when the account does not allow it: missing, frozen, closed or, for a debit, too
/// little to spend. Nothing was changed then.
///
/// # Errors
/// `Duplicate` when the key was posted before: the transaction is spoilt and must be rolled back, then `by_key` tells
/// the earlier row.
pub async fn post(tx: &mut Tx, posting: &Posting) -> Result<Option<Transaction>> {
    let Some(after) = accounts::move_balance(tx, posting.user, posting.amount, posting.at).await? else {
        return Ok(None);
    };
    insert(tx, posting, after).await.map(Some)
}

/// Writes the row of a movement whose balance change was made by `accounts`.
pub(crate) async fn insert(tx: &mut Tx, posting: &Posting, after: After) -> Result<Transaction> {
    insert_reversing(tx, posting, after, None).await
}

/// The same for a row that gives back what another one took.
pub(crate) async fn insert_reversing(
    tx: &mut Tx,
    posting: &Posting,
    after: After,
    reverses: Option<TransactionId>,
) -> Result<Transaction> {
    run!(
        tx,
        execute,
        INSERT,
        posting.id.0,
        posting.user.0,
        posting.kind.as_str(),
        posting.amount.micro(),
        after.balance,
        after.version,
        &posting.key,
        posting.request_hash.as_deref(),
        posting.hold.map(|hold| hold.0),
        reverses.map(|id| id.0),
        posting.actor.map(|actor| actor.0),
        &posting.reason,
        Json(&posting.metadata),
        posting.at,
    )?;
    Ok(posting.posted(Credits::from_micro(after.balance), after.version))
}

/// The row posted under this key, if any.
pub async fn by_key(tx: &mut Tx, user: UserId, key: &str) -> Result<Option<Transaction>> {
    let row: Option<Row> = run!(tx, row, BY_KEY, user.0, key)?;
    Ok(row.map(Transaction::from))
}

/// Which rows to export.
#[derive(Debug, Clone)]
pub struct Export {
    /// Only this account's.
    pub user: Option<UserId>,
    /// Made at or after this moment.
    pub from: Timestamp,
    /// Made before this moment.
    pub until: Timestamp,
    /// Continue after this row: account and version.
    pub after: Option<(UserId, i64)>,
    /// Rows at most.
    pub limit: i64,
}

/// One page of all rows, by account and then by version.
pub async fn export(tx: &mut Tx, page: &Export) -> Result<Vec<Transaction>> {
    let (after, version) = page.after.map_or((Uuid::nil(), 0), |(user, version)| (user.0, version));
    let (first, last) = page.user.map_or((Uuid::nil(), Uuid::max()), |user| (user.0, user.0));
    let rows: Vec<Row> = run!(tx, rows, EXPORT, after, version, first, last, page.from, page.until, page.limit)?;
    Ok(rows.into_iter().map(Transaction::from).collect())
}
