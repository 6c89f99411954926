//! The audit trail: append-only rows of who did what to whom, written in the transaction of the change. Holds no secrets.

use hub_types::{AuditId, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    INSERT = "INSERT INTO audit_log (id, created_at, action, outcome, actor_id, actor_email, target_kind, target_id, user_id, address,
                user_agent, request_id, details)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    OF_USER = "SELECT id, created_at, action, outcome, actor_id, actor_email, target_kind, target_id, user_id, address, user_agent,
                 request_id, details
               FROM audit_log WHERE user_id = $1 AND (created_at < $2 OR (created_at = $2 AND id < $3))
               ORDER BY created_at DESC, id DESC LIMIT $4";
    ALL = "SELECT id, created_at, action, outcome, actor_id, actor_email, target_kind, target_id, user_id, address, user_agent,
             request_id, details
           FROM audit_log WHERE created_at < $1 OR (created_at = $1 AND id < $2)
           ORDER BY created_at DESC, id DESC LIMIT $3";
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "Uuid")]
    id: AuditId,
    created_at: Timestamp,
    action: String,
    outcome: String,
    actor_id: Option<Uuid>,
    actor_email: String,
    target_kind: String,
    target_id: String,
    user_id: Option<Uuid>,
    address: String,
    user_agent: String,
    request_id: String,
    details: Json<Value>,
}

/// One row of the trail. Texts are cut and cleaned of control characters by the writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: AuditId,
    /// When, UTC.
    pub at: Timestamp,
    /// What, such as `auth.login`.
    pub action: String,
    /// `ok` or `failed`.
    pub outcome: String,
    /// Who, where known.
    pub actor: Option<UserId>,
    /// Their address at that time, or the one that was tried.
    pub actor_email: String,
    /// Kind of thing it was done to: `user`, `session`, `key`, …
    pub target_kind: String,
    /// Which one.
    pub target_id: String,
    /// Whose account it concerns; that user may read the row.
    pub user: Option<UserId>,
    /// Client address.
    pub address: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// The request.
    pub request_id: String,
    /// More facts; no secrets.
    pub details: Value,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            at: row.created_at,
            action: row.action,
            outcome: row.outcome,
            actor: row.actor_id.map(UserId),
            actor_email: row.actor_email,
            target_kind: row.target_kind,
            target_id: row.target_id,
            user: row.user_id.map(UserId),
            address: row.address,
            user_agent: row.user_agent,
            request_id: row.request_id,
            details: row.details.0,
        }
    }
}

/// Appends a row.
pub async fn insert(tx: &mut Tx, entry: &Entry) -> Result<()> {
    run!(
        tx,
        execute,
        INSERT,
        entry.id.0,
        entry.at,
        &entry.action,
        &entry.outcome,
        entry.actor.map(|id| id.0),
        &entry.actor_email,
        &entry.target_kind,
        &entry.target_id,
        entry.user.map(|id| id.0),
        &entry.address,
        &entry.user_agent,
        &entry.request_id,
        Json(&entry.details)
    )?;
    Ok(())
}

/// Rows about one user, newest first, those before the position `(at, id)`.
pub async fn of_user(tx: &mut Tx, user: UserId, before: (Timestamp, AuditId), limit: i64) -> Result<Vec<Entry>> {
    let rows: Vec<Row> = run!(tx, rows, OF_USER, user.0, before.0, before.1.0, limit)?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// All rows, newest first, those before the position `(at, id)`.
pub async fn list(tx: &mut Tx, before: (Timestamp, AuditId), limit: i64) -> Result<Vec<Entry>> {
    let rows: Vec<Row> = run!(tx, rows, ALL, before.0, before.1.0, limit)?;
    Ok(rows.into_iter().map(Entry::from).collect())
}
