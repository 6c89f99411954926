//! Accounts of people and programs, and the sign-in identities that belong to them. Never decides who may do what.
//!
//! `auth_version` goes up with every change that must end what was issued before: password, status, roles.

use hub_types::{Email, Timestamp, UserId};
use sqlx::FromRow;

use crate::{Result, StoreError, Tx};

statements! {
    INSERT = "INSERT INTO users (id, email, name, password_hash, verified, status, auth_version, created_at, updated_at)
              VALUES ($1, $2, $3, $4, $5, 'active', 1, $6, $6) ON CONFLICT (email) DO NOTHING";
    BY_ID = "SELECT id, email, name, password_hash, verified, status, auth_version, created_at, last_login_at, deleted_at
             FROM users WHERE id = $1";
    BY_EMAIL = "SELECT id, email, name, password_hash, verified, status, auth_version, created_at, last_login_at, deleted_at
                FROM users WHERE email = $1";
    // Serialises changes that must see each other, such as counting a user's keys. SQLite has one writer anyway.
    LOCK = postgres: "SELECT id FROM users WHERE id = $1 AND deleted_at IS NULL FOR UPDATE",
           lite: "SELECT id FROM users WHERE id = $1 AND deleted_at IS NULL";
    SET_PASSWORD = "UPDATE users SET password_hash = $2, auth_version = auth_version + 1, updated_at = $3
                    WHERE id = $1 AND deleted_at IS NULL";
    REHASH = "UPDATE users SET password_hash = $3, updated_at = $4 WHERE id = $1 AND password_hash = $2";
    // Guarded by the address it replaces and by the address being free; the unique key decides between two at once.
    SET_EMAIL = "UPDATE users SET email = $3, verified = $4, updated_at = $5
                 WHERE id = $1 AND email = $2 AND deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM users WHERE email = $3)";
    SET_IDENTITY_EMAIL = "UPDATE user_identities SET email = $3 WHERE user_id = $1 AND provider = $2";
    TOUCH_LOGIN = "UPDATE users SET last_login_at = $2 WHERE id = $1";
    BUMP = "UPDATE users SET auth_version = auth_version + 1, updated_at = $2 WHERE id = $1";
    SET_STATUS = "UPDATE users SET status = $2, auth_version = auth_version + 1, updated_at = $3
                  WHERE id = $1 AND status <> $2 AND deleted_at IS NULL";
    SET_NAME = "UPDATE users SET name = $2, updated_at = $3 WHERE id = $1 AND name <> $2 AND deleted_at IS NULL";
    VOUCH = "UPDATE users SET verified = $2, auth_version = auth_version + 1, updated_at = $3
             WHERE id = $1 AND verified <> $2 AND deleted_at IS NULL";
    DELETE = "UPDATE users SET deleted_at = $2, auth_version = auth_version + 1, updated_at = $2 WHERE id = $1 AND deleted_at IS NULL";
    RESTORE = "UPDATE users SET deleted_at = NULL, auth_version = auth_version + 1, updated_at = $2
               WHERE id = $1 AND deleted_at IS NOT NULL";
    ADD_IDENTITY = "INSERT INTO user_identities (provider, subject, user_id, email, created_at) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT DO NOTHING";
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserStatus {
    /// In use.
    Active,
    /// Switched off by an operator: nothing it holds works.
    Disabled,
}

impl UserStatus {
    /// The word stored in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl TryFrom<String> for UserStatus {
    type Error = StoreError;

    fn try_from(word: String) -> Result<Self> {
        match word.as_str() {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            _ => Err(StoreError::Corrupt("a user status")),
        }
    }
}

/// An account as stored.
#[derive(Clone, FromRow)]
pub struct User {
    /// Its id.
    #[sqlx(try_from = "uuid::Uuid")]
    pub id: UserId,
    /// Its address, unique in the hub, also among deleted accounts.
    #[sqlx(try_from = "String")]
    pub email: Email,
    /// Display name, may be empty.
    pub name: String,
    /// The password's hash with its algorithm and parameters; `None` where only a provider signs in.
    pub password_hash: Option<String>,
    /// True when the mailbox was proven.
    pub verified: bool,
    /// Whether it may be used.
    #[sqlx(try_from = "String")]
    pub status: UserStatus,
    /// Tokens that carry another number are void.
    pub auth_version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last sign-in with a password or a provider.
    pub last_login_at: Option<Timestamp>,
    /// Set when the account was deleted; it can be restored.
    pub deleted_at: Option<Timestamp>,
}

impl User {
    /// True when the account may be used at all.
    pub fn is_usable(&self) -> bool {
        self.status == UserStatus::Active && self.deleted_at.is_none()
    }
}

impl std::fmt::Debug for User {
    /// Without the hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

/// An account to be made.
#[derive(Clone)]
pub struct NewUser<'a> {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: &'a Email,
    /// Display name, may be empty.
    pub name: &'a str,
    /// The password's hash, if it has a password.
    pub password_hash: Option<&'a str>,
    /// True when the mailbox was proven, or an operator vouches for it.
    pub verified: bool,
    /// Now.
    pub at: Timestamp,
}

/// Makes an account; `false` when the address is taken, also by a deleted account.
pub async fn insert(tx: &mut Tx, user: &NewUser<'_>) -> Result<bool> {
    let done = run!(
        tx,
        execute,
        INSERT,
        user.id.0,
        user.email.as_str(),
        user.name,
        user.password_hash,
        user.verified,
        user.at
    )?;
    Ok(done == 1)
}

/// The account with this id, deleted or not.
pub async fn by_id(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    Ok(run!(tx, row, BY_ID, id.0)?)
}

/// The account with this address, deleted or not.
pub async fn by_email(tx: &mut Tx, email: &Email) -> Result<Option<User>> {
    Ok(run!(tx, row, BY_EMAIL, email.as_str())?)
}

/// Makes other writers of this account's belongings wait for this transaction; `false` when there is no such account.
pub async fn lock(tx: &mut Tx, id: UserId) -> Result<bool> {
    let found: Option<uuid::Uuid> = run!(tx, scalar, LOCK, id.0)?;
    Ok(found.is_some())
}

/// Replaces the password and voids every access token.
pub async fn set_password(tx: &mut Tx, id: UserId, hash: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, SET_PASSWORD, id.0, hash, now)? == 1)
}

/// Stores the same password under newer parameters, unless it was changed meanwhile.
pub async fn rehash(tx: &mut Tx, id: UserId, old: &str, new: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, REHASH, id.0, old, new, now)? == 1)
}

/// Replaces the address `old` by `new`, which its owner has proven; `false` when the account has another address by now or the new
/// one is taken, also by a deleted account. Fails with [`StoreError::Duplicate`] when somebody takes it at the same moment.
pub async fn set_email(tx: &mut Tx, id: UserId, old: &Email, new: &Email, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, SET_EMAIL, id.0, old.as_str(), new.as_str(), true, now)? == 1)
}

/// Notes the address of a sign-in identity of this account.
pub async fn set_identity_email(tx: &mut Tx, id: UserId, provider: &str, email: &Email) -> Result<()> {
    run!(tx, execute, SET_IDENTITY_EMAIL, id.0, provider, email.as_str())?;
    Ok(())
}

/// Notes a sign-in.
pub async fn touch_login(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<()> {
    run!(tx, execute, TOUCH_LOGIN, id.0, now)?;
    Ok(())
}

/// Voids every access token of the account; the next refresh issues one with the new rights.
pub async fn bump_auth_version(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<()> {
    run!(tx, execute, BUMP, id.0, now)?;
    Ok(())
}

/// Switches an account on or off and voids every access token; `false` when nothing changed.
pub async fn set_status(tx: &mut Tx, id: UserId, status: UserStatus, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, SET_STATUS, id.0, status.as_str(), now)? == 1)
}

/// Changes the display name; `false` when nothing changed.
pub async fn set_name(tx: &mut Tx, id: UserId, name: &str, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, SET_NAME, id.0, name, now)? == 1)
}

/// Notes that the mailbox is vouched for and voids every access token; `false` when nothing changed.
pub async fn set_verified(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, VOUCH, id.0, true, now)? == 1)
}

/// Marks an account as deleted and voids every access token; its address stays taken. `false` when it is deleted already.
pub async fn delete(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, DELETE, id.0, now)? == 1)
}

/// Takes a deletion back; `false` when the account is not deleted.
pub async fn restore(tx: &mut Tx, id: UserId, now: Timestamp) -> Result<bool> {
    Ok(run!(tx, execute, RESTORE, id.0, now)? == 1)
}

/// Ties a sign-in identity to an account; `false` when that identity belongs to somebody already, or the account is tied to another
/// one of that provider.
pub async fn add_identity(
    tx: &mut Tx,
    user: UserId,
    provider: &str,
    subject: &str,
    email: Option<&Email>,
    now: Timestamp,
) -> Result<bool> {
    Ok(run!(tx, execute, ADD_IDENTITY, provider, subject, user.0, email.map(Email::as_str), now)? == 1)
}
