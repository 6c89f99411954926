//! Sign-in identities: which account at which provider belongs to which user. Never decides whether one may be tied or untied.

use hub_types::{Email, Timestamp, UserId};
use sqlx::FromRow;

use crate::{Result, StoreError, Tx};

statements! {
    OWNER = "SELECT user_id FROM user_identities WHERE provider = $1 AND subject = $2";
    OF_USER = "SELECT provider, subject, email, created_at FROM user_identities WHERE user_id = $1 ORDER BY created_at, provider";
    NOTE_EMAIL = "UPDATE user_identities SET email = $3 WHERE provider = $1 AND subject = $2";
    REMOVE = "DELETE FROM user_identities WHERE user_id = $1 AND provider = $2";
    REMOVE_ALL = "DELETE FROM user_identities WHERE user_id = $1";
    // Whatever was set up before the address was proven was set up by somebody else, perhaps.
    CLAIM = "UPDATE users SET verified = $3, password_hash = NULL, auth_version = auth_version + 1, updated_at = $2
             WHERE id = $1 AND verified <> $3 AND deleted_at IS NULL";
    TAKE_KEYS_BACK = "UPDATE api_keys SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL";
    DROP_FACTOR = "DELETE FROM totp_secrets WHERE user_id = $1";
    DROP_CODES = "DELETE FROM recovery_codes WHERE user_id = $1";
}

/// One identity of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// The provider's name; `password` for the hub's own.
    pub provider: String,
    /// The provider's lasting id of the account.
    pub subject: String,
    /// The address the provider knew last.
    pub email: Option<Email>,
    /// When it was tied to the user.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    provider: String,
    subject: String,
    email: Option<String>,
    created_at: Timestamp,
}

impl TryFrom<Row> for IdentityRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let email = row.email.map(|email| email.parse()).transpose();
        Ok(Self {
            provider: row.provider,
            subject: row.subject,
            email: email.map_err(|_| StoreError::Corrupt("the address of an identity"))?,
            created_at: row.created_at,
        })
    }
}

/// Whose identity this is.
pub async fn owner(tx: &mut Tx, provider: &str, subject: &str) -> Result<Option<UserId>> {
    let id: Option<uuid::Uuid> = run!(tx, scalar, OWNER, provider, subject)?;
    Ok(id.map(UserId))
}

/// All identities of a user, oldest first. One per provider, so there are few.
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Vec<IdentityRow>> {
    let rows: Vec<Row> = run!(tx, rows, OF_USER, user.0)?;
    rows.into_iter().map(IdentityRow::try_from).collect()
}

/// Notes the address the provider knows now. It is shown, never matched.
pub async fn note_email(tx: &mut Tx, provider: &str, subject: &str, email: Option<&Email>) -> Result<()> {
    run!(tx, execute, NOTE_EMAIL, provider, subject, email.map(Email::as_str))?;
    Ok(())
}

/// Unties the user from this provider; `false` when they were not tied.
pub async fn remove(tx: &mut Tx, user: UserId, provider: &str) -> Result<bool> {
    Ok(run!(tx, execute, REMOVE, user.0, provider)? == 1)
}

/// Makes an account whose address was never proven belong to whoever has proven it now: verified, every access token void, and nothing
/// left by which somebody else could come in: password, identities, keys, second factor. Sessions are left to the caller. `false` when
/// the address was proven before, and nothing was done.
pub async fn claim_unverified(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<bool> {
    if run!(tx, execute, CLAIM, user.0, now, true)? == 0 {
        return Ok(false);
    }
    run!(tx, execute, REMOVE_ALL, user.0)?;
    run!(tx, execute, TAKE_KEYS_BACK, user.0, now)?;
    run!(tx, execute, DROP_FACTOR, user.0)?;
    run!(tx, execute, DROP_CODES, user.0)?;
    Ok(true)
}
