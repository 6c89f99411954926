//! The second factor: one sealed TOTP secret per account and its recovery codes, of which only hashes are stored.
//!
//! A time step and a recovery code are each used up by one guarded statement, so that of many parallel uses exactly one wins. This
//! room never sees the secret itself: it is sealed and opened by the rules.

use hub_types::{Timestamp, UserId};
use sqlx::FromRow;

use crate::{Result, Tx};

statements! {
    // Starting again replaces what was never confirmed; a factor in force stays.
    BEGIN = "INSERT INTO totp_secrets (user_id, secret_sealed, last_step, created_at, confirmed_at) VALUES ($1, $2, 0, $3, NULL)
             ON CONFLICT (user_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, last_step = 0, created_at = excluded.created_at
             WHERE totp_secrets.confirmed_at IS NULL";
    GET = "SELECT secret_sealed, created_at, confirmed_at FROM totp_secrets WHERE user_id = $1";
    // The secret is part of the guard: the code was computed from that one, not from one that replaced it meanwhile.
    CONFIRM = "UPDATE totp_secrets SET confirmed_at = $4, last_step = $3
               WHERE user_id = $1 AND secret_sealed = $2 AND confirmed_at IS NULL";
    USE_STEP = "UPDATE totp_secrets SET last_step = $2 WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2";
    REMOVE = "DELETE FROM totp_secrets WHERE user_id = $1";
    ADD_CODE = "INSERT INTO recovery_codes (user_id, code_hash, created_at) VALUES ($1, $2, $3)";
    USE_CODE = "UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL";
    CODES_LEFT = "SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL";
    REMOVE_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
}

/// The factor of one account as stored.
#[derive(Clone, FromRow)]
pub struct Totp {
    /// The shared secret, sealed with a key that is not in the database.
    pub secret_sealed: Vec<u8>,
    /// When its making began.
    pub created_at: Timestamp,
    /// When the first code proved that the owner has it; until then it is not asked for.
    pub confirmed_at: Option<Timestamp>,
}

impl std::fmt::Debug for Totp {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Totp").field("confirmed_at", &self.confirmed_at).finish_non_exhaustive()
    }
}

/// Stores a new, unconfirmed secret; `false` when a confirmed one is in force.
pub async fn begin(tx: &mut Tx, user: UserId, sealed: &[u8], now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, BEGIN, user.0, sealed, now)? == 1)
}

/// The factor of the account, confirmed or not.
pub async fn of(tx: &mut Tx, user: UserId) -> Result<Option<Totp>> {
    Ok(run!(tx, row, GET, user.0)?)
}

/// Puts the secret in force and uses up the step of the code that proved it; `false` when it was replaced or is in force already.
pub async fn confirm(tx: &mut Tx, user: UserId, sealed: &[u8], step: i64, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, CONFIRM, user.0, sealed, step, now)? == 1)
}

/// Uses up a time step and all before it; `false` when it was used already (RFC 6238 §5.2).
pub async fn use_step(tx: &mut Tx, user: UserId, step: i64) -> Result<bool> {
    Ok(run!(tx, execute, USE_STEP, user.0, step)? == 1)
}

/// Takes the factor and its recovery codes away; `false` when there was none.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<bool> {
    run!(tx, execute, REMOVE_CODES, user.0)?;
    Ok(run!(tx, execute, REMOVE, user.0)? == 1)
}

/// Replaces all recovery codes by these hashes.
pub async fn set_recovery_codes(tx: &mut Tx, user: UserId, hashes: &[[u8; 32]], now: Timestamp) -> Result<()> {
    run!(tx, execute, REMOVE_CODES, user.0)?;
    for hash in hashes {
        run!(tx, execute, ADD_CODE, user.0, hash.as_slice(), now)?;
    }
    Ok(())
}

/// Uses a recovery code up; `false` when there is none with this hash or it was used.
pub async fn use_recovery_code(tx: &mut Tx, user: UserId, hash: &[u8], now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, USE_CODE, user.0, hash, now)? == 1)
}

/// How many recovery codes are unused.
pub async fn recovery_codes_left(tx: &mut Tx, user: UserId) -> Result<i64> {
    let count: Option<i64> = run!(tx, scalar, CODES_LEFT, user.0)?;
    Ok(count.unwrap_or(0))
}
