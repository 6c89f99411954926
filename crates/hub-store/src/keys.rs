//! API keys, by the SHA-256 of the key. The key itself is never here.

use hub_types::{ApiKeyId, KeyLimits, RoleId, Timestamp, UserId};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::user_budgets::budget;
use crate::{Result, StoreError, Tx};

statements! {
    // The cap is part of the insert; `users::lock` before it keeps parallel ones from seeing the same count.
    INSERT = "INSERT INTO api_keys (id, user_id, name, key_hash, key_prefix, scopes, models, addresses, created_at, expires_at,
                line_id, budget, budget_period, requests_per_minute, tokens_per_minute, concurrent_calls)
              SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12, $13, $14, $15, $16, $17
              WHERE (SELECT COUNT(*) FROM api_keys
                     WHERE user_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $9)) < $11";
    BY_HASH = "SELECT id, user_id, name, key_prefix, scopes, models, addresses, created_at, expires_at, revoked_at, last_used_at,
                 line_id, replaced_by, budget, budget_period, requests_per_minute, tokens_per_minute, concurrent_calls
               FROM api_keys WHERE key_hash = $1";
    LIST = "SELECT id, user_id, name, key_prefix, scopes, models, addresses, created_at, expires_at, revoked_at, last_used_at,
              line_id, replaced_by, budget, budget_period, requests_per_minute, tokens_per_minute, concurrent_calls
            FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL AND id < $2 ORDER BY id DESC LIMIT $3";
    COUNT = "SELECT COUNT(*) FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL";
    REVOKE = "UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING key_hash, key_prefix";
    BY_ID = "SELECT id, user_id, name, key_prefix, scopes, models, addresses, created_at, expires_at, revoked_at, last_used_at,
               line_id, replaced_by, budget, budget_period, requests_per_minute, tokens_per_minute, concurrent_calls
             FROM api_keys WHERE id = $1";
    // Both guards in one statement: a key is replaced once, and only while it lives. It goes on until $4, unless it ends before.
    REPLACE = "UPDATE api_keys SET replaced_by = $3, expires_at = CASE WHEN expires_at < $4 THEN expires_at ELSE $4 END
               WHERE id = $1 AND user_id = $2 AND replaced_by IS NULL AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $5)
               RETURNING key_hash";
    SET = "UPDATE api_keys SET name = $3, expires_at = $4 WHERE id = $1 AND user_id = $2 AND replaced_by IS NULL AND revoked_at IS NULL
           RETURNING line_id";
    SET_LINE = "UPDATE api_keys SET scopes = $3, models = $4, addresses = $5, budget = $6, budget_period = $7, requests_per_minute = $8,
                  tokens_per_minute = $9, concurrent_calls = $10
                WHERE line_id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING key_hash";
    LINE_IDS = "SELECT id FROM api_keys WHERE line_id = $1 AND revoked_at IS NULL LIMIT 1000";
    LIVE_HASHES = "SELECT key_hash FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL LIMIT 1000";
    LIVE_IDS = "SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL LIMIT 1000";
    LIVE_OF_ROLE = "SELECT k.id, k.key_hash FROM api_keys k JOIN user_roles u ON u.user_id = k.user_id
                    WHERE u.role_id = $1 AND k.revoked_at IS NULL
                    ORDER BY COALESCE(k.last_used_at, k.created_at) DESC, k.id DESC LIMIT $2";
    TOUCH = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)";
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "Uuid")]
    id: ApiKeyId,
    #[sqlx(try_from = "Uuid")]
    user_id: UserId,
    name: String,
    key_prefix: String,
    scopes: Json<Vec<String>>,
    models: Json<Vec<String>>,
    addresses: Json<Vec<String>>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    #[sqlx(try_from = "Uuid")]
    line_id: ApiKeyId,
    replaced_by: Option<Uuid>,
    budget: Option<i64>,
    budget_period: Option<String>,
    requests_per_minute: Option<i32>,
    tokens_per_minute: Option<i64>,
    concurrent_calls: Option<i32>,
}

/// An API key as stored, without its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose.
    pub user: UserId,
    /// What the owner calls it.
    pub name: String,
    /// The first characters of the key, to recognise it by.
    pub prefix: String,
    /// Permissions it is narrowed to; empty means all of the owner's that a key may have.
    pub scopes: Vec<String>,
    /// Models it may use; empty means all.
    pub models: Vec<String>,
    /// Networks it may be used from, as CIDR text; empty means anywhere.
    pub addresses: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// Set when it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// Last use, exact to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The id of the first key of its line; rotation makes the next one.
    pub line: ApiKeyId,
    /// The key that took its place.
    pub replaced_by: Option<ApiKeyId>,
    /// The limits of its line.
    pub limits: KeyLimits,
}

impl TryFrom<Row> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let budget = match (row.budget, row.budget_period) {
            (Some(amount), Some(period)) => Some(budget(amount, &period)?),
            _ => None,
        };
        let count = |column: Option<i64>| column.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let limits = KeyLimits {
            budget,
            requests_per_minute: count(row.requests_per_minute.map(i64::from)),
            tokens_per_minute: count(row.tokens_per_minute),
            concurrent_calls: count(row.concurrent_calls.map(i64::from)),
        };
        Ok(Self {
            id: row.id,
            user: row.user_id,
            name: row.name,
            prefix: row.key_prefix,
            scopes: row.scopes.0,
            models: row.models.0,
            addresses: row.addresses.0,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            line: row.line_id,
            replaced_by: row.replaced_by.map(ApiKeyId),
            limits,
        })
    }
}

/// A key to be stored.
#[derive(Clone)]
pub struct NewKey<'a> {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose.
    pub user: UserId,
    /// What the owner calls it.
    pub name: &'a str,
    /// SHA-256 of the key.
    pub hash: &'a [u8],
    /// The first characters of the key.
    pub prefix: &'a str,
    /// Permissions it is narrowed to.
    pub scopes: &'a [String],
    /// Models it may use.
    pub models: &'a [String],
    /// Networks it may be used from.
    pub addresses: &'a [String],
    /// Now.
    pub at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// The line it belongs to; its own id for the first.
    pub line: ApiKeyId,
    /// The limits of its line.
    pub limits: KeyLimits,
    /// How many live keys a user may have in all.
    pub cap: i64,
}

/// What may be changed of a key; all of it is written.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// What the owner calls this key.
    pub name: &'a str,
    /// When this key ends.
    pub expires_at: Option<Timestamp>,
    /// Permissions the line is narrowed to.
    pub scopes: &'a [String],
    /// Models the line may use.
    pub models: &'a [String],
    /// Networks the line may be used from.
    pub addresses: &'a [String],
    /// The limits of the line.
    pub limits: KeyLimits,
}

/// Stores a key; `false` when the user has `cap` live ones. Call `users::lock` before it in the same transaction.
pub async fn insert(tx: &mut Tx, new: &NewKey<'_>) -> Result<bool> {
    let done = run!(
        tx,
        execute,
        INSERT,
        new.id.0,
        new.user.0,
        new.name,
        new.hash,
        new.prefix,
        Json(new.scopes),
        Json(new.models),
        Json(new.addresses),
        new.at,
        new.expires_at,
        new.cap,
        new.line.0,
        new.limits.budget.map(|budget| budget.amount.micro()),
        new.limits.budget.map(|budget| budget.period.as_str()),
        new.limits.requests_per_minute.map(small),
        new.limits.tokens_per_minute.map(i64::from),
        new.limits.concurrent_calls.map(small),
    )?;
    Ok(done == 1)
}

/// A count for a four-byte column.
fn small(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The key with this hash, live or not.
pub async fn by_hash(tx: &mut Tx, hash: &[u8]) -> Result<Option<ApiKey>> {
    let row: Option<Row> = run!(tx, row, BY_HASH, hash)?;
    row.map(ApiKey::try_from).transpose()
}

/// A user's keys that were not taken back, newest first, those made before `before`.
pub async fn list(tx: &mut Tx, user: UserId, before: Option<ApiKeyId>, limit: i64) -> Result<Vec<ApiKey>> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    let rows: Vec<Row> = run!(tx, rows, LIST, user.0, before, limit)?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// How many keys of the user were not taken back.
pub async fn count(tx: &mut Tx, user: UserId) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT, user.0)?;
    Ok(count.unwrap_or(0))
}

/// The key with this id, live or not, whoever owns it.
pub async fn by_id(tx: &mut Tx, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row: Option<Row> = run!(tx, row, BY_ID, id.0)?;
    row.map(ApiKey::try_from).transpose()
}

/// Hashes of a user's keys that were not taken back; 1000 at most.
pub async fn live_hashes(tx: &mut Tx, user: UserId) -> Result<Vec<Vec<u8>>> {
    Ok(run!(tx, scalars, LIVE_HASHES, user.0)?)
}

/// Takes a key back and returns its hash and prefix; `None` when it is not this user's or was taken back before.
pub async fn revoke(tx: &mut Tx, id: ApiKeyId, user: UserId, now: Timestamp) -> Result<Option<(Vec<u8>, String)>> {
    Ok(run!(tx, row, REVOKE, id.0, user.0, now)?)
}

/// Puts `successor` in the key's place, which then works until `until` at the longest, and returns its hash. `None` when it is not this
/// user's, not live, or was replaced before.
pub async fn replace(
    tx: &mut Tx,
    id: ApiKeyId,
    user: UserId,
    successor: ApiKeyId,
    until: Timestamp,
    now: Timestamp,
) -> Result<Option<Vec<u8>>> {
    Ok(run!(tx, scalar, REPLACE, id.0, user.0, successor.0, until, now)?)
}

/// Changes a key and its line; returns ids and hashes of the whole line. `None` when it is not this user's, or was revoked or replaced.
pub async fn change(
    tx: &mut Tx,
    id: ApiKeyId,
    user: UserId,
    change: &Change<'_>,
) -> Result<Option<(Vec<ApiKeyId>, Vec<Vec<u8>>)>> {
    let line: Option<Uuid> = run!(tx, scalar, SET, id.0, user.0, change.name, change.expires_at)?;
    let Some(line) = line else { return Ok(None) };
    let hashes: Vec<Vec<u8>> = run!(
        tx,
        scalars,
        SET_LINE,
        line,
        user.0,
        Json(change.scopes),
        Json(change.models),
        Json(change.addresses),
        change.limits.budget.map(|budget| budget.amount.micro()),
        change.limits.budget.map(|budget| budget.period.as_str()),
        change.limits.requests_per_minute.map(small),
        change.limits.tokens_per_minute.map(i64::from),
        change.limits.concurrent_calls.map(small),
    )?;
    let ids: Vec<Uuid> = run!(tx, scalars, LINE_IDS, line)?;
    Ok(Some((ids.into_iter().map(ApiKeyId).collect(), hashes)))
}

/// Ids of the same keys; 1000 at most.
pub async fn live_ids(tx: &mut Tx, user: UserId) -> Result<Vec<ApiKeyId>> {
    let ids: Vec<Uuid> = run!(tx, scalars, LIVE_IDS, user.0)?;
    Ok(ids.into_iter().map(ApiKeyId).collect())
}

/// Ids and hashes of the live keys of everybody who holds the role, most recently used first.
pub async fn live_of_role(tx: &mut Tx, role: RoleId, limit: i64) -> Result<Vec<(ApiKeyId, Vec<u8>)>> {
    let rows: Vec<(Uuid, Vec<u8>)> = run!(tx, rows, LIVE_OF_ROLE, role.0, limit)?;
    Ok(rows.into_iter().map(|(id, hash)| (ApiKeyId(id), hash)).collect())
}

/// Notes a use, unless one was noted after `not_since`.
pub async fn touch(tx: &mut Tx, id: ApiKeyId, now: Timestamp, not_since: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, TOUCH, id.0, now, not_since)? == 1)
}
