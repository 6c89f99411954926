//! `GET /api/credits/balance`: what an account has.

use hub_store::accounts;
use hub_types::{Caller, Credits, Permission, Timestamp, UserId};

use super::CreditsError;
use super::grants::{ExpiringSoon, expiring_soon};
use crate::{Hub, rbac};

/// What an account has.
#[derive(Debug, Clone)]
pub struct Balance {
    /// Whose.
    pub user: UserId,
    /// Sum of the ledger.
    pub balance: Credits,
    /// Promised to running calls.
    pub held: Credits,
    /// What could be spent now.
    pub available: Credits,
    /// What of it runs out within seven days, if nothing is spent.
    pub expiring_soon: ExpiringSoon,
    /// Last movement.
    pub last_updated: Timestamp,
}

/// The balance of `user`, by default the caller's own. Somebody else's needs `credits:read_any`; without it, another's
/// account does not exist.
pub async fn balance(hub: &Hub, caller: &Caller, user: Option<UserId>) -> Result<Balance, CreditsError> {
    let user = subject(caller, user)?;
    let mut tx = hub.store.read().await?;
    let account = accounts::get(&mut tx, user).await?.ok_or(CreditsError::NotFound)?;
    drop(tx);
    Ok(Balance {
        user,
        balance: account.balance,
        held: account.held,
        available: account.spendable(),
        expiring_soon: expiring_soon(hub, user).await?,
        last_updated: account.updated_at,
    })
}

/// Whose credits are asked about.
pub(super) fn subject(caller: &Caller, user: Option<UserId>) -> Result<UserId, CreditsError> {
    rbac::require(caller, Permission::CreditsRead)?;
    let user = user.unwrap_or(caller.user);
    if user != caller.user && !caller.may(Permission::CreditsReadAny) {
        return Err(CreditsError::NotFound);
    }
    Ok(user)
}
