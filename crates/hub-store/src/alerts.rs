//! When and where the owner of an account wants to be told of a low balance. The alert itself is enqueued by the database, with the row
//! that crosses the threshold (`0012_credit_apis.sql`), so that no way of posting can forget it.

use hub_types::{Credits, Timestamp, TransactionId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    GET = "SELECT a.low_balance_at, w.url, w.secret_sealed FROM credit_accounts a
           LEFT JOIN credit_webhooks w ON w.user_id = a.user_id WHERE a.user_id = $1";
    SET_THRESHOLD = "UPDATE credit_accounts SET low_balance_at = $2 WHERE user_id = $1";
    SET_WEBHOOK = "INSERT INTO credit_webhooks (user_id, url, secret_sealed, updated_at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (user_id) DO UPDATE SET url = excluded.url, secret_sealed = excluded.secret_sealed,
                     updated_at = excluded.updated_at";
    DROP_WEBHOOK = "DELETE FROM credit_webhooks WHERE user_id = $1";
    CROSSING = "SELECT t.user_id, u.email, t.balance_after, t.created_at FROM credit_transactions t JOIN users u ON u.id = t.user_id
                WHERE t.id = $1";
}

/// What an account is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alerts {
    /// A balance below this is low; `None` for no alerts.
    pub low_balance_at: Option<Credits>,
    /// Where else to tell besides by mail.
    pub webhook: Option<Webhook>,
}

/// An address that is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// What signs, sealed.
    pub secret_sealed: Vec<u8>,
}

impl std::fmt::Debug for Webhook {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct Row {
    low_balance_at: Option<i64>,
    url: Option<String>,
    secret_sealed: Option<Vec<u8>>,
}

/// The row that made a balance low.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Whose.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// Balance right after it.
    pub balance: Credits,
    /// When.
    pub at: Timestamp,
}

/// What the account is told, if there is such an account.
pub async fn get(tx: &mut Tx, user: UserId) -> Result<Option<Alerts>> {
    let row: Option<Row> = run!(tx, row, GET, user.0)?;
    Ok(row.map(|row| Alerts {
        low_balance_at: row.low_balance_at.map(Credits::from_micro),
        webhook: row.url.zip(row.secret_sealed).map(|(url, secret_sealed)| Webhook { url, secret_sealed }),
    }))
}

/// Sets or lifts the threshold; `false` when there is no such account.
pub async fn set_threshold(tx: &mut Tx, user: UserId, below: Option<Credits>) -> Result<bool> {
    Ok(run!(tx, execute, SET_THRESHOLD, user.0, below.map(Credits::micro))? == 1)
}

/// Sets or forgets the address.
pub async fn set_webhook(tx: &mut Tx, user: UserId, webhook: Option<&Webhook>, now: Timestamp) -> Result<()> {
    match webhook {
        Some(webhook) => run!(tx, execute, SET_WEBHOOK, user.0, &webhook.url, &webhook.secret_sealed, now)?,
        None => run!(tx, execute, DROP_WEBHOOK, user.0)?,
    };
    Ok(())
}

/// The row with this id, as far as an alert tells of it.
pub async fn crossing(tx: &mut Tx, id: TransactionId) -> Result<Option<Crossing>> {
    let row: Option<(Uuid, String, i64, Timestamp)> = run!(tx, row, CROSSING, id.0)?;
    Ok(row.map(|(user, email, balance, at)| Crossing {
        user: UserId(user),
        email,
        balance: Credits::from_micro(balance),
        at,
    }))
}
