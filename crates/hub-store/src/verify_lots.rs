//! The questions of `hub ledger verify` about lots: each against the ledger row that made it and the rows that took from it.
//!
//! What charges took of a lot is in no row of its own; the rules compute it again from the rows that `taken` gives.

use hub_types::{GrantId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::ledger::Kind;
use crate::verify::{AccountFault, NAMED, NamedFault, RowFault};
use crate::{Result, Tx};

statements! {
    MADE = "SELECT g.id, g.amount, COALESCE(t.amount, 0) FROM credit_grants g
            LEFT JOIN credit_transactions t
              ON t.id = g.source_transaction AND t.user_id = g.user_id AND t.kind IN ('grant', 'promo', 'purchase')
            WHERE t.id IS NULL OR t.amount <> g.amount LIMIT $1";
    CLOSED = "SELECT id, consumed + expired, amount FROM credit_grants
              WHERE consumed + expired > amount OR (closed_at IS NULL AND consumed + expired = amount)
                 OR (closed_at IS NOT NULL AND consumed + expired < amount) LIMIT $1";
    MARK = "SELECT user_id, burned_version, version FROM credit_accounts WHERE burned_version < 0 OR burned_version > version LIMIT $1";
    EXPIRED = "SELECT COALESCE(g.user_id, t.user_id), CAST(COALESCE(g.total, 0) AS BIGINT), CAST(COALESCE(t.total, 0) AS BIGINT)
               FROM (SELECT user_id, SUM(expired) AS total FROM credit_grants GROUP BY user_id) g
               FULL JOIN (SELECT user_id, -SUM(amount) AS total FROM credit_transactions WHERE kind = 'expiry' GROUP BY user_id) t
                 ON t.user_id = g.user_id
               WHERE COALESCE(g.total, 0) <> COALESCE(t.total, 0) LIMIT $1";
    // A row that says what kind of lot it gives, or when it ends, gives one.
    NO_LOT = "SELECT t.user_id, t.account_version, t.kind, t.amount FROM credit_transactions t
              LEFT JOIN credit_grants g ON g.source_transaction = t.id
              WHERE g.id IS NULL AND ((t.kind = 'grant' AND (t.metadata->>'category') IS NOT NULL)
                                   OR (t.kind = 'promo' AND (t.metadata->>'expiresAt') IS NOT NULL)) LIMIT $1";
    OWNERS = "SELECT DISTINCT user_id FROM credit_grants WHERE user_id > $1 ORDER BY user_id LIMIT $2";
    TAKEN = "SELECT account_version, -amount AS taken, balance_after, kind, metadata->>'grantId' AS lot FROM credit_transactions
             WHERE user_id = $1 AND account_version > $2 AND account_version <= $3 AND amount < 0 ORDER BY account_version LIMIT $4";
}

/// A row that took credits. Amounts are micro-credits.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Taken {
    /// Its version.
    #[sqlx(rename = "account_version")]
    pub version: i64,
    /// What it took; above zero.
    #[sqlx(rename = "taken")]
    pub amount: i64,
    /// The balance right after it.
    pub balance_after: i64,
    kind: String,
    lot: Option<String>,
}

impl Taken {
    /// True for a purchase that was taken back.
    pub fn takes_back(&self) -> bool {
        self.kind == Kind::Chargeback.as_str()
    }

    /// True for what was left of a lot at its end.
    pub fn is_expiry(&self) -> bool {
        self.kind == Kind::Expiry.as_str()
    }

    /// The lot whose end this is, as an expiry says.
    pub fn lot(&self) -> Option<GrantId> {
        self.lot.as_deref().and_then(|text| text.parse().ok()).map(GrantId)
    }
}

/// Lots of another size than the row that made them, or without one of their account.
pub async fn made(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, MADE, NAMED)?;
    Ok(rows.into_iter().map(named).collect())
}

/// Lots that are closed with something left, open with nothing left, or of which more was taken than there was: what was taken, and the
/// size.
pub async fn closed(tx: &mut Tx) -> Result<Vec<NamedFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, CLOSED, NAMED)?;
    Ok(rows.into_iter().map(named).collect())
}

/// Accounts whose lots are worked out further than their ledger goes.
pub async fn marks(tx: &mut Tx) -> Result<Vec<AccountFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, MARK, NAMED)?;
    Ok(rows.into_iter().map(of_account).collect())
}

/// Accounts whose lots say another expired amount than their expiry rows.
pub async fn expired(tx: &mut Tx) -> Result<Vec<AccountFault>> {
    let rows: Vec<(Uuid, i64, i64)> = run!(tx, rows, EXPIRED, NAMED)?;
    Ok(rows.into_iter().map(of_account).collect())
}

/// Rows that gave a lot which is not there.
pub async fn without_lot(tx: &mut Tx) -> Result<Vec<RowFault>> {
    let rows: Vec<(Uuid, i64, String, i64)> = run!(tx, rows, NO_LOT, NAMED)?;
    Ok(rows.into_iter().map(RowFault::from).collect())
}

/// Accounts that ever had a lot, in order of id, those after `after`.
pub async fn owners(tx: &mut Tx, after: UserId, limit: i64) -> Result<Vec<UserId>> {
    let users: Vec<Uuid> = run!(tx, scalars, OWNERS, after.0, limit)?;
    Ok(users.into_iter().map(UserId).collect())
}

/// Up to `limit` rows that took credits, above a version and up to another, oldest first.
pub async fn taken(tx: &mut Tx, user: UserId, above: i64, up_to: i64, limit: i64) -> Result<Vec<Taken>> {
    Ok(run!(tx, rows, TAKEN, user.0, above, up_to, limit)?)
}

fn named((lot, stored, computed): (Uuid, i64, i64)) -> NamedFault {
    NamedFault { what: format!("lot {lot}"), stored, computed }
}

fn of_account((user, stored, computed): (Uuid, i64, i64)) -> AccountFault {
    AccountFault { user: UserId(user), stored, computed }
}
