//! API keys, by the SHA-256 of the key. The key itself is never here.

use hub_types::{ApiKeyId, Timestamp, UserId};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    // The cap is part of the insert; `users::lock` before it keeps parallel ones from seeing the same count.
    INSERT = "INSERT INTO api_keys (id, user_id, name, key_hash, key_prefix, scopes, models, addresses, created_at, expires_at)
              SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
              WHERE (SELECT COUNT(*) FROM api_keys
                     WHERE user_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $9)) < $11";
    BY_HASH = "SELECT id, user_id, name, key_prefix, scopes, models, addresses, created_at, expires_at, revoked_at, last_used_at
               FROM api_keys WHERE key_hash = $1";
    LIST = "SELECT id, user_id, name, key_prefix, scopes, models, addresses, created_at, expires_at, revoked_at, last_used_at
            FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL AND id < $2 ORDER BY id DESC LIMIT $3";
    COUNT = "SELECT COUNT(*) FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL";
    REVOKE = "UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING key_hash";
    BY_ID = "SELECT id, user_id, name, key_prefix, scopes, models, addresses, created_at, expires_at, revoked_at, last_used_at
             FROM api_keys WHERE id = $1";
    LIVE_HASHES = "SELECT key_hash FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL LIMIT 1000";
    LIVE_IDS = "SELECT id FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL LIMIT 1000";
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
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
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
        }
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
    /// How many live keys a user may have in all.
    pub cap: i64,
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
        new.cap
    )?;
    Ok(done == 1)
}

/// The key with this hash, live or not.
pub async fn by_hash(tx: &mut Tx, hash: &[u8]) -> Result<Option<ApiKey>> {
    let row: Option<Row> = run!(tx, row, BY_HASH, hash)?;
    Ok(row.map(ApiKey::from))
}

/// A user's keys that were not taken back, newest first, those made before `before`.
pub async fn list(tx: &mut Tx, user: UserId, before: Option<ApiKeyId>, limit: i64) -> Result<Vec<ApiKey>> {
    let before = before.map_or(Uuid::max(), |id| id.0);
    let rows: Vec<Row> = run!(tx, rows, LIST, user.0, before, limit)?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// How many keys of the user were not taken back.
pub async fn count(tx: &mut Tx, user: UserId) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT, user.0)?;
    Ok(count.unwrap_or(0))
}

/// The key with this id, live or not, whoever owns it.
pub async fn by_id(tx: &mut Tx, id: ApiKeyId) -> Result<Option<ApiKey>> {
    let row: Option<Row> = run!(tx, row, BY_ID, id.0)?;
    Ok(row.map(ApiKey::from))
}

/// Hashes of a user's keys that were not taken back; 1000 at most.
pub async fn live_hashes(tx: &mut Tx, user: UserId) -> Result<Vec<Vec<u8>>> {
    Ok(run!(tx, scalars, LIVE_HASHES, user.0)?)
}

/// Ids of the same keys; 1000 at most.
pub async fn live_ids(tx: &mut Tx, user: UserId) -> Result<Vec<ApiKeyId>> {
    let ids: Vec<Uuid> = run!(tx, scalars, LIVE_IDS, user.0)?;
    Ok(ids.into_iter().map(ApiKeyId).collect())
}

/// Takes a key back and returns its hash; `None` when it is not this user's or was taken back before.
pub async fn revoke(tx: &mut Tx, id: ApiKeyId, user: UserId, now: Timestamp) -> Result<Option<Vec<u8>>> {
    Ok(run!(tx, scalar, REVOKE, id.0, user.0, now)?)
}

/// Notes a use, unless one was noted after `not_since`.
pub async fn touch(tx: &mut Tx, id: ApiKeyId, now: Timestamp, not_since: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, TOUCH, id.0, now, not_since)? == 1)
}
