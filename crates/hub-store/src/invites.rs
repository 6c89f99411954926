//! Invitations that nobody accepted yet: the mailed secrets of that purpose, as those see them who look after accounts. Never the secret.

use hub_types::{Email, Timestamp, VerificationId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    LIST = "SELECT id, email, payload, created_at, expires_at FROM verification_tokens
            WHERE purpose = 'invite' AND used_at IS NULL AND expires_at > $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    COUNT = "SELECT COUNT(*) FROM verification_tokens WHERE purpose = 'invite' AND used_at IS NULL AND expires_at > $1";
    GET = "SELECT id, email, payload, created_at, expires_at FROM verification_tokens
           WHERE id = $1 AND purpose = 'invite' AND used_at IS NULL AND expires_at > $2";
    WITHDRAW = "UPDATE verification_tokens SET used_at = $2
                WHERE id = $1 AND purpose = 'invite' AND used_at IS NULL AND expires_at > $2";
}

/// An invitation that nobody accepted yet.
#[derive(Clone)]
pub struct Invite {
    /// Its id.
    pub id: VerificationId,
    /// Who is invited.
    pub email: Email,
    /// What it promises.
    pub payload: Value,
    /// When it was mailed.
    pub created_at: Timestamp,
    /// The link works until then.
    pub expires_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "Uuid")]
    id: VerificationId,
    #[sqlx(try_from = "String")]
    email: Email,
    payload: Json<Value>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<Row> for Invite {
    fn from(row: Row) -> Self {
        let Row { id, email, payload, created_at, expires_at } = row;
        Self { id, email, payload: payload.0, created_at, expires_at }
    }
}

/// Up to `limit` open invitations older than `before`, newest first.
pub async fn list(tx: &mut Tx, now: Timestamp, before: Option<VerificationId>, limit: i64) -> Result<Vec<Invite>> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    let rows: Vec<Row> = run!(tx, rows, LIST, now, before, limit)?;
    Ok(rows.into_iter().map(Invite::from).collect())
}

/// How many invitations are open.
pub async fn count(tx: &mut Tx, now: Timestamp) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT, now)?;
    Ok(count.unwrap_or(0))
}

/// One open invitation.
pub async fn by_id(tx: &mut Tx, id: VerificationId, now: Timestamp) -> Result<Option<Invite>> {
    let row: Option<Row> = run!(tx, row, GET, id.0, now)?;
    Ok(row.map(Invite::from))
}

/// Voids an open invitation; `false` when it was accepted, replaced, withdrawn or has run out meanwhile.
pub async fn withdraw(tx: &mut Tx, id: VerificationId, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, WITHDRAW, id.0, now)? == 1)
}
