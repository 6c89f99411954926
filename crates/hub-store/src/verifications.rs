//! Mailed one-time secrets: registration, reset, change of address. Only hashes are stored.
//!
//! Each is consumed by one statement that checks and marks at once; a read before it would let two parallel requests both win.

use hub_types::{Email, Timestamp, UserId, VerificationId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Result, Tx};

statements! {
    INSERT = "INSERT INTO verification_tokens (id, purpose, email, user_id, secret_hash, code_hash, attempts, payload, created_at, expires_at)
              VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9)";
    // One step: is there a live newest one, has it tries left, count the try, and consume it when the code is right.
    TRY_CODE = "UPDATE verification_tokens
                SET attempts = attempts + 1, used_at = CASE WHEN code_hash = $3 THEN $4 ELSE used_at END
                WHERE id = (SELECT id FROM verification_tokens WHERE email = $1 AND purpose = $2 ORDER BY created_at DESC, id DESC LIMIT 1)
                  AND used_at IS NULL AND code_hash IS NOT NULL AND attempts < $6 AND expires_at > $4 AND created_at > $5
                RETURNING id, email, user_id, payload, created_at, used_at";
    CONSUME = "UPDATE verification_tokens SET used_at = $3
               WHERE secret_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3
               RETURNING id, email, user_id, payload, created_at, used_at";
    PEEK = "SELECT id, email, user_id, payload, created_at, used_at FROM verification_tokens
            WHERE secret_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3";
    SUPERSEDE = "UPDATE verification_tokens SET used_at = $3 WHERE email = $1 AND purpose = $2 AND used_at IS NULL";
    // The way back after a change of address must outlive what a thief does with the account, so it stays.
    VOID_OF = "UPDATE verification_tokens SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL AND purpose <> 'revert_email'";
    SUPERSEDE_OF = "UPDATE verification_tokens SET used_at = $3 WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL";
    COUNT_OF = "SELECT COUNT(*) FROM verification_tokens WHERE user_id = $1 AND purpose = $2 AND created_at > $3";
    NEWEST = "SELECT id, email, user_id, payload, created_at, used_at FROM verification_tokens
              WHERE email = $1 AND purpose = $2 ORDER BY created_at DESC, id DESC LIMIT 1";
    COUNT_SINCE = "SELECT COUNT(*) FROM verification_tokens WHERE email = $1 AND purpose = $2 AND created_at > $3";
    PRUNE = "DELETE FROM verification_tokens WHERE id IN (SELECT id FROM verification_tokens WHERE expires_at < $1 LIMIT $2)";
}

/// What a secret is good for; one made for another purpose is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Proves the mailbox of a registration; the account is made from the payload.
    Register,
    /// Allows one new password.
    ResetPassword,
    /// Lets the old address agree to another one, then proves the other one; the payload says which.
    ChangeEmail,
    /// Takes a change of address back.
    RevertEmail,
    /// Invites somebody.
    Invite,
}

impl Purpose {
    /// The word stored in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::RevertEmail => "revert_email",
            Self::Invite => "invite",
        }
    }
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "Uuid")]
    id: VerificationId,
    #[sqlx(try_from = "String")]
    email: Email,
    user_id: Option<Uuid>,
    payload: Json<Value>,
    created_at: Timestamp,
    used_at: Option<Timestamp>,
}

/// A one-time secret as stored, without its hashes. No `Debug`: the payload of a registration holds a password hash.
#[derive(Clone)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// The address it was mailed to.
    pub email: Email,
    /// The account it is for; none before a registration is proven.
    pub user: Option<UserId>,
    /// What the purpose needs later.
    pub payload: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was consumed or replaced.
    pub used_at: Option<Timestamp>,
}

impl From<Row> for Verification {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email,
            user: row.user_id.map(UserId),
            payload: row.payload.0,
            created_at: row.created_at,
            used_at: row.used_at,
        }
    }
}

/// A one-time secret to be stored.
#[derive(Clone)]
pub struct NewVerification<'a> {
    /// Its id.
    pub id: VerificationId,
    /// What it is good for.
    pub purpose: Purpose,
    /// Where it is mailed.
    pub email: &'a Email,
    /// The account it is for, if there is one.
    pub user: Option<UserId>,
    /// SHA-256 of the secret in the link.
    pub secret_hash: &'a [u8],
    /// Keyed hash of the short code, where there is one.
    pub code_hash: Option<&'a [u8]>,
    /// What the purpose needs later.
    pub payload: &'a Value,
    /// Now.
    pub at: Timestamp,
    /// The link works until then.
    pub expires_at: Timestamp,
}

/// One attempt to use a mailed code.
#[derive(Clone)]
pub struct CodeAttempt<'a> {
    /// Where the code was mailed.
    pub email: &'a Email,
    /// What it should be good for.
    pub purpose: Purpose,
    /// Keyed hash of what the client sent.
    pub code_hash: &'a [u8],
    /// Now.
    pub at: Timestamp,
    /// Codes made before this are too old.
    pub made_after: Timestamp,
    /// How many attempts a code allows in all.
    pub max_attempts: i32,
}

/// What an attempt came to.
#[derive(Clone)]
pub enum Attempt {
    /// The code was right and is now used up.
    Consumed(Verification),
    /// The code was wrong; the try is counted once the transaction commits.
    Wrong,
    /// Nothing to try: none made, used, expired, or out of tries.
    Dead,
}

/// Stores a secret.
pub async fn insert(tx: &mut Tx, new: &NewVerification<'_>) -> Result<()> {
    run!(
        tx,
        execute,
        INSERT,
        new.id.0,
        new.purpose.as_str(),
        new.email.as_str(),
        new.user.map(|id| id.0),
        new.secret_hash,
        new.code_hash,
        Json(new.payload),
        new.at,
        new.expires_at
    )?;
    Ok(())
}

/// Tries a code against the newest secret of that address. The caller commits whatever comes of it, or the try is not counted.
pub async fn try_code(tx: &mut Tx, attempt: &CodeAttempt<'_>) -> Result<Attempt> {
    let a = attempt;
    let row: Option<Row> =
        run!(tx, row, TRY_CODE, a.email.as_str(), a.purpose.as_str(), a.code_hash, a.at, a.made_after, a.max_attempts)?;
    Ok(match row {
        Some(row) if row.used_at.is_some() => Attempt::Consumed(row.into()),
        Some(_) => Attempt::Wrong,
        None => Attempt::Dead,
    })
}

/// Uses up the secret of a link; `None` when there is none that lives.
pub async fn consume(
    tx: &mut Tx,
    purpose: Purpose,
    secret_hash: &[u8],
    now: Timestamp,
) -> Result<Option<Verification>> {
    let row: Option<Row> = run!(tx, row, CONSUME, secret_hash, purpose.as_str(), now)?;
    Ok(row.map(Verification::from))
}

/// Looks at the secret of a link without using it up: to refuse early, never to grant.
pub async fn peek(tx: &mut Tx, purpose: Purpose, secret_hash: &[u8], now: Timestamp) -> Result<Option<Verification>> {
    let row: Option<Row> = run!(tx, row, PEEK, secret_hash, purpose.as_str(), now)?;
    Ok(row.map(Verification::from))
}

/// Voids all unused secrets of this purpose for the address.
pub async fn supersede(tx: &mut Tx, email: &Email, purpose: Purpose, now: Timestamp) -> Result<()> {
    run!(tx, execute, SUPERSEDE, email.as_str(), purpose.as_str(), now)?;
    Ok(())
}

/// Voids all unused secrets of an account but the ways back after a change of address.
pub async fn void_of(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<()> {
    run!(tx, execute, VOID_OF, user.0, now)?;
    Ok(())
}

/// Voids all unused secrets of this purpose of an account, wherever they were mailed.
pub async fn supersede_of(tx: &mut Tx, user: UserId, purpose: Purpose, now: Timestamp) -> Result<()> {
    run!(tx, execute, SUPERSEDE_OF, user.0, purpose.as_str(), now)?;
    Ok(())
}

/// How many secrets of this purpose were made for the account after `since`.
pub async fn count_of(tx: &mut Tx, user: UserId, purpose: Purpose, since: Timestamp) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT_OF, user.0, purpose.as_str(), since)?;
    Ok(count.unwrap_or(0))
}

/// The newest secret of this purpose for the address, used or not.
pub async fn newest(tx: &mut Tx, email: &Email, purpose: Purpose) -> Result<Option<Verification>> {
    let row: Option<Row> = run!(tx, row, NEWEST, email.as_str(), purpose.as_str())?;
    Ok(row.map(Verification::from))
}

/// How many secrets of this purpose were mailed to the address after `since`.
pub async fn count_since(tx: &mut Tx, email: &Email, purpose: Purpose, since: Timestamp) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, COUNT_SINCE, email.as_str(), purpose.as_str(), since)?;
    Ok(count.unwrap_or(0))
}

/// Deletes up to `limit` secrets that expired before `before`; returns how many.
pub async fn prune(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    Ok(run!(tx, execute, PRUNE, before, limit)?)
}
