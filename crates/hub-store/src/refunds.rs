//! Refunds: ledger rows that give back what another row took, all of them together never more than that.

use hub_types::{Credits, TransactionId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::After;
use crate::ledger::{self, Posting, Transaction};
use crate::{Result, Tx};

statements! {
    ORIGINAL = "SELECT t.user_id, t.kind, t.amount,
                  CAST(COALESCE((SELECT SUM(r.amount) FROM credit_transactions r WHERE r.reverses = t.id), 0) AS BIGINT) AS given_back
                FROM credit_transactions t WHERE t.id = $1";
    // The account is locked before: without that, the sum would be one of before the wait for the lock. The large number is the largest
    // balance there may be (`Credits::MAX`), which the table checks too.
    GIVE_BACK = "UPDATE credit_accounts SET balance = balance + $2, version = version + 1, updated_at = $3
                 WHERE user_id = $1 AND status <> 'closed' AND balance + $2 <= 1000000000000000
                   AND $2 <= (SELECT -t.amount - COALESCE((SELECT SUM(r.amount) FROM credit_transactions r WHERE r.reverses = t.id), 0)
                              FROM credit_transactions t
                              WHERE t.id = $4 AND t.user_id = $1 AND t.amount < 0 AND t.kind IN ('usage', 'adjustment'))
                 RETURNING balance, version";
}

/// A row that is to be reversed.
#[derive(Debug, Clone)]
pub struct Original {
    /// Whose.
    pub user: UserId,
    /// One of the words of [`ledger::Kind`].
    pub kind: String,
    /// Signed amount.
    pub amount: Credits,
    /// What earlier refunds gave back of it.
    pub given_back: Credits,
}

#[derive(FromRow)]
struct Row {
    user_id: Uuid,
    kind: String,
    amount: i64,
    given_back: i64,
}

/// The row with this id, and what was given back of it.
pub async fn original(tx: &mut Tx, id: TransactionId) -> Result<Option<Original>> {
    let row: Option<Row> = run!(tx, row, ORIGINAL, id.0)?;
    Ok(row.map(|row| Original {
        user: UserId(row.user_id),
        kind: row.kind,
        amount: Credits::from_micro(row.amount),
        given_back: Credits::from_micro(row.given_back),
    }))
}

/// Posts a refund of `original`, under the account's lock (`grants::lock`). `None` when that much is not left of it, it is not a charge of
/// this account, or the account is closed or has no room for it; nothing was changed then.
pub async fn post(tx: &mut Tx, posting: &Posting, original: TransactionId) -> Result<Option<Transaction>> {
    let (user, amount) = (posting.user.0, posting.amount.micro());
    let row: Option<(i64, i64)> = run!(tx, row, GIVE_BACK, user, amount, posting.at, original.0)?;
    let Some((balance, version)) = row else { return Ok(None) };
    ledger::insert_reversing(tx, posting, After { balance, version }, Some(original)).await.map(Some)
}
