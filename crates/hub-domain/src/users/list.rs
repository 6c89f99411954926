//! Who has an account. Seeing it allows nothing: every change asks again.

use hub_store::user_list::{self as store, Filter};
use hub_store::users::{self, User, UserStatus};
use hub_store::{StoreError, Tx, roles};
use hub_types::{Caller, Permission, UserId};

use super::Account;
use crate::Hub;
use crate::rbac::{self, RightsError};

/// Longest text that is searched for, in characters.
const LONGEST: usize = 100;

/// How accounts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Those that are not deleted.
    #[default]
    Present,
    /// In use.
    Active,
    /// Switched off, not deleted.
    Disabled,
    /// Deleted.
    Deleted,
    /// All of them.
    All,
}

/// Which accounts are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Stands in the address or the name; 1 to 100 characters.
    pub text: Option<String>,
    /// Holds the role of this name.
    pub role: Option<String>,
    /// How they stand.
    pub standing: Standing,
    /// Mailbox proven or not.
    pub verified: Option<bool>,
}

/// Up to `limit` accounts made before `before`, newest first, and how many there are in all. Needs `users:read`.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    query: Query,
    before: Option<UserId>,
    limit: i64,
) -> Result<(Vec<Account>, i64), RightsError> {
    rbac::require(caller, Permission::UsersRead)?;
    let fits = |text: &String| (1..=LONGEST).contains(&text.chars().count());
    for (field, text) in [("q", &query.text), ("role", &query.role)] {
        if !text.as_ref().is_none_or(fits) {
            return Err(RightsError::Invalid { field, message: "must have 1 to 100 characters" });
        }
    }
    let (status, deleted) = match query.standing {
        Standing::Present => (None, Some(false)),
        Standing::Active => (Some(UserStatus::Active), Some(false)),
        Standing::Disabled => (Some(UserStatus::Disabled), Some(false)),
        Standing::Deleted => (None, Some(true)),
        Standing::All => (None, None),
    };
    let filter = Filter { text: query.text, status, deleted, verified: query.verified, role: query.role };
    let mut tx = hub.store.read().await?;
    let rows = store::list(&mut tx, &filter, before, limit).await?;
    Ok((rows, store::count(&mut tx, &filter).await?))
}

/// One account, deleted or not. Needs `users:read`.
pub async fn get(hub: &Hub, caller: &Caller, id: UserId) -> Result<Account, RightsError> {
    rbac::require(caller, Permission::UsersRead)?;
    let mut tx = hub.store.read().await?;
    account(&mut tx, id).await?.ok_or(RightsError::UnknownUser)
}

/// The account as it stands in this transaction.
pub(crate) async fn account(tx: &mut Tx, id: UserId) -> Result<Option<Account>, StoreError> {
    let Some(user) = users::by_id(tx, id).await? else { return Ok(None) };
    let roles = roles::names_of(tx, id).await?;
    let User { id, email, name, verified, status, created_at, last_login_at, deleted_at, .. } = user;
    Ok(Some(Account { id, email, name, verified, status, roles, created_at, last_login_at, deleted_at }))
}
