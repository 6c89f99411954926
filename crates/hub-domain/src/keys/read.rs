//! What an owner sees of the keys. Never a key itself.

use std::collections::HashMap;

use hub_store::keys as store;
use hub_types::{ApiKeyId, Caller, Permission};

use super::{ApiKey, KeyError};
use crate::credits::{BudgetState, budget};
use crate::{Hub, rbac};

/// The caller's keys that were not taken back, newest first: up to `limit`, those made before `before`. Needs `keys:read`.
pub async fn list(hub: &Hub, caller: &Caller, before: Option<ApiKeyId>, limit: i64) -> Result<Vec<ApiKey>, KeyError> {
    rbac::require(caller, Permission::KeysRead)?;
    let mut tx = hub.store.read().await?;
    Ok(store::list(&mut tx, caller.user, before, limit).await?)
}

/// How many keys of the caller were not taken back. Needs `keys:read`.
pub async fn count(hub: &Hub, caller: &Caller) -> Result<i64, KeyError> {
    rbac::require(caller, Permission::KeysRead)?;
    let mut tx = hub.store.read().await?;
    Ok(store::count(&mut tx, caller.user).await?)
}

/// One of the caller's keys that was not taken back. Needs `keys:read`.
pub async fn get(hub: &Hub, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, KeyError> {
    rbac::require(caller, Permission::KeysRead)?;
    let mut tx = hub.store.read().await?;
    let key = store::by_id(&mut tx, id).await?;
    key.filter(|key| key.user == caller.user && key.revoked_at.is_none()).ok_or(KeyError::NotFound)
}

/// How the budgets of these keys of the caller stand, by line; keys without one are missing. Needs `keys:read`.
pub async fn budgets(hub: &Hub, caller: &Caller, keys: &[ApiKey]) -> Result<HashMap<ApiKeyId, BudgetState>, KeyError> {
    rbac::require(caller, Permission::KeysRead)?;
    let own = keys.iter().filter(|key| key.user == caller.user);
    let lines: Vec<_> = own.filter_map(|key| Some((key.line, key.limits.budget?))).collect();
    if lines.is_empty() {
        return Ok(HashMap::new());
    }
    let mut tx = hub.store.read().await?;
    let states = budget::of_lines(&mut tx, &lines, hub.clock.now()).await?;
    Ok(lines.into_iter().map(|(line, _)| line).zip(states).collect())
}
