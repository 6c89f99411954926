//! The list of accounts, for those who look after them: filtered, newest first. Never decides who may see it.
//!
//! Ids sort by the time an account was made, so a page that follows by id neither repeats nor skips a row while accounts are added.

use hub_types::{Email, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use crate::search::containing;
use crate::users::UserStatus;
use crate::{Result, Tx};

/// Accounts that fit a filter; `$find` is how the engine compares with a pattern. The typed use of a
/// parameter stands before its IS NULL: PostgreSQL learns its type from the first one.
macro_rules! list {
    ($find:literal) => {
        concat!(
            "SELECT u.id, u.email, u.name, u.verified, u.status, u.created_at, u.last_login_at, u.deleted_at,
               (SELECT string_agg(r.name, ',' ORDER BY r.rank DESC, r.name)
                FROM user_roles g JOIN roles r ON r.id = g.role_id WHERE g.user_id = u.id) AS roles
             FROM users u WHERE u.id < $1 AND (u.email ",
            $find,
            " $2 OR u.name ",
            $find,
            " $2 OR $2 IS NULL)
               AND (u.status = $3 OR $3 IS NULL) AND ((u.deleted_at IS NOT NULL) = $4 OR $4 IS NULL) AND (u.verified = $5 OR $5 IS NULL)
               AND (EXISTS (SELECT 1 FROM user_roles g JOIN roles r ON r.id = g.role_id WHERE g.user_id = u.id AND r.name = $6)
                    OR $6 IS NULL)
             ORDER BY u.id DESC LIMIT $7"
        )
    };
}

macro_rules! count {
    ($find:literal) => {
        concat!(
            "SELECT COUNT(*) FROM users u WHERE (u.email ",
            $find,
            " $1 OR u.name ",
            $find,
            " $1 OR $1 IS NULL)
               AND (u.status = $2 OR $2 IS NULL) AND ((u.deleted_at IS NOT NULL) = $3 OR $3 IS NULL) AND (u.verified = $4 OR $4 IS NULL)
               AND (EXISTS (SELECT 1 FROM user_roles g JOIN roles r ON r.id = g.role_id WHERE g.user_id = u.id AND r.name = $5)
                    OR $5 IS NULL)"
        )
    };
}

statements! {
    LIST = postgres: list!("~"), lite: list!("GLOB");
    COUNT = postgres: count!("~"), lite: count!("GLOB");
}

/// Which accounts are wanted; the default is all, deleted ones too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Stands in the address or the name; case does not matter.
    pub text: Option<String>,
    /// In use or switched off.
    pub status: Option<UserStatus>,
    /// Deleted or not.
    pub deleted: Option<bool>,
    /// Mailbox proven or not.
    pub verified: Option<bool>,
    /// Holds the role of this name.
    pub role: Option<String>,
}

/// One account in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: Email,
    /// Display name, may be empty.
    pub name: String,
    /// True when the mailbox was proven.
    pub verified: bool,
    /// Whether it may be used.
    pub status: UserStatus,
    /// Names of its roles, mightiest first.
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Last sign-in with a password or a provider.
    pub last_login_at: Option<Timestamp>,
    /// Set when the account was deleted.
    pub deleted_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "Uuid")]
    id: UserId,
    #[sqlx(try_from = "String")]
    email: Email,
    name: String,
    verified: bool,
    #[sqlx(try_from = "String")]
    status: UserStatus,
    roles: Option<String>,
    created_at: Timestamp,
    last_login_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
}

impl From<Row> for Listed {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            verified: row.verified,
            status: row.status,
            // No role has a comma in its name.
            roles: row.roles.map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default(),
            created_at: row.created_at,
            last_login_at: row.last_login_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// Accounts that fit the filter, newest first, those made before `before`.
pub async fn list(tx: &mut Tx, filter: &Filter, before: Option<UserId>, limit: i64) -> Result<Vec<Listed>> {
    let pattern = filter.text.as_deref().map(|text| containing(tx, text));
    let rows: Vec<Row> = run!(
        tx,
        rows,
        LIST,
        before.map_or(Uuid::max(), |id| id.0),
        pattern.as_deref(),
        filter.status.map(UserStatus::as_str),
        filter.deleted,
        filter.verified,
        filter.role.as_deref(),
        limit
    )?;
    Ok(rows.into_iter().map(Listed::from).collect())
}

/// How many accounts fit the filter.
pub async fn count(tx: &mut Tx, filter: &Filter) -> Result<i64> {
    let pattern = filter.text.as_deref().map(|text| containing(tx, text));
    let count: Option<i64> = run!(
        tx,
        scalar,
        COUNT,
        pattern.as_deref(),
        filter.status.map(UserStatus::as_str),
        filter.deleted,
        filter.verified,
        filter.role.as_deref()
    )?;
    Ok(count.unwrap_or(0))
}
