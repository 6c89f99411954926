//! The audit trail: append-only rows of who did what to whom, written in the transaction of the change. Holds no secrets.
//!
//! The database itself refuses to change a row, and to delete one that retention has not let go of (see `0008_audit.sql`).

use hub_types::{AuditId, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::search::containing;
use crate::{Result, Tx};

// `$find` is how the engine compares with a pattern. The typed use of a parameter stands before its IS NULL: PostgreSQL learns its type
// from the first one.
macro_rules! list {
    ($find:literal) => {
        concat!(
            "SELECT id, created_at, action, outcome, actor_id, actor_email, target_kind, target_id, user_id, address, user_agent,
               request_id, details
             FROM audit_log WHERE created_at <= $1 AND (created_at < $1 OR id < $2) AND created_at >= $3
               AND (actor_id = $4 OR $4 IS NULL) AND (user_id = $5 OR $5 IS NULL)
               AND (substr(action, 1, length($6)) = $6 OR $6 IS NULL) AND (outcome = $7 OR $7 IS NULL)
               AND (address ",
            $find,
            " $8 OR user_agent ",
            $find,
            " $8 OR actor_email ",
            $find,
            " $8 OR $8 IS NULL)
             ORDER BY created_at DESC, id DESC LIMIT $9"
        )
    };
}

statements! {
    INSERT = "INSERT INTO audit_log (id, created_at, action, outcome, actor_id, actor_email, target_kind, target_id, user_id, address,
                user_agent, request_id, details)
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    OF_USER = "SELECT id, created_at, action, outcome, actor_id, actor_email, target_kind, target_id, user_id, address, user_agent,
                 request_id, details
               FROM audit_log WHERE user_id = $1 AND created_at <= $2 AND (created_at < $2 OR id < $3)
               ORDER BY created_at DESC, id DESC LIMIT $4";
    LIST = postgres: list!("~"), lite: list!("GLOB");
    LET_GO = "INSERT INTO audit_retention (id, kept_from) VALUES (1, $1)
              ON CONFLICT (id) DO UPDATE SET kept_from = excluded.kept_from WHERE audit_retention.kept_from < excluded.kept_from";
    DELETE = "DELETE FROM audit_log WHERE (created_at, id) IN
                (SELECT created_at, id FROM audit_log WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
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

/// Which rows are wanted; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Done by this user.
    pub actor: Option<UserId>,
    /// Concerning this user.
    pub user: Option<UserId>,
    /// Actions that begin so: `auth.` or `auth.login`.
    pub action: Option<String>,
    /// `ok` or `failed`.
    pub outcome: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Stands in the client's address, its `User-Agent` or the actor's e-mail address; case does not matter.
    pub text: Option<String>,
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

/// Rows that fit the filter, newest first, those before the position `(at, id)`.
pub async fn list(tx: &mut Tx, filter: &Filter, before: (Timestamp, AuditId), limit: i64) -> Result<Vec<Entry>> {
    let pattern = filter.text.as_deref().map(|text| containing(tx, text));
    let rows: Vec<Row> = run!(
        tx,
        rows,
        LIST,
        before.0,
        before.1.0,
        filter.from.unwrap_or(Timestamp::UNIX_EPOCH),
        filter.actor.map(|id| id.0),
        filter.user.map(|id| id.0),
        filter.action.as_deref(),
        filter.outcome.as_deref(),
        pattern.as_deref(),
        limit
    )?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

/// Lets go of rows older than `before` and deletes up to `limit` of them; returns how many. What was let go once stays so: a
/// later call with an earlier time lets go of nothing more.
pub async fn delete_before(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    run!(tx, execute, LET_GO, before)?;
    Ok(run!(tx, execute, DELETE, before, limit)?)
}
