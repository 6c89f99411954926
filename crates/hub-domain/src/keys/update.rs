//! Changes a key. Name and end are the key's own; everything else belongs to its line.

use hub_store::{keys as store, roles, users};
use hub_types::{ApiKeyId, Budget, Caller, KeyLimits, Permission, Timestamp};
use serde_json::json;

use super::{ApiKey, KeyError, NewKey};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// What to change; `None` leaves it, `Some(None)` takes it away.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    /// What the owner calls it.
    pub name: Option<String>,
    /// When it ends.
    pub expires_at: Option<Option<Timestamp>>,
    /// Permissions the line is narrowed to.
    pub scopes: Option<Vec<String>>,
    /// Models the line may use.
    pub models: Option<Vec<String>>,
    /// Networks the line may be used from.
    pub addresses: Option<Vec<String>>,
    /// What the line may spend. What was spent in the current period still counts.
    pub budget: Option<Option<Budget>>,
    /// Requests of the line in any 60 seconds.
    pub requests_per_minute: Option<Option<u32>>,
    /// Tokens of the line in any 60 seconds.
    pub tokens_per_minute: Option<Option<u32>>,
    /// Model calls of the line at the same time.
    pub concurrent_calls: Option<Option<u32>>,
}

/// Changes one of the caller's keys; acts within two seconds everywhere. Needs `keys:update`. New scopes are permissions the caller has
/// now. A key that was replaced or has ended cannot be changed.
pub async fn update(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: ApiKeyId,
    change: KeyChange,
) -> Result<ApiKey, KeyError> {
    rbac::require(caller, Permission::KeysUpdate)?;
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    // The lock puts changes of one owner's keys in a row, so that what is read here is what is changed.
    if !users::lock(&mut tx, caller.user).await? {
        return Err(KeyError::NotFound);
    }
    let held = roles::permissions_of(&mut tx, caller.user).await?;
    let key = store::by_id(&mut tx, id).await?.filter(|key| key.user == caller.user && key.revoked_at.is_none());
    let key = key.ok_or(KeyError::NotFound)?;
    if key.replaced_by.is_some() || key.expires_at.is_some_and(|end| end <= now) {
        return Err(KeyError::Ended);
    }
    let key = merged(key, change, &held, now)?;
    let written = store::Change {
        name: &key.name,
        expires_at: key.expires_at,
        scopes: &key.scopes,
        models: &key.models,
        addresses: &key.addresses,
        limits: key.limits,
    };
    let (ids, hashes) = store::change(&mut tx, id, caller.user, &written).await?.ok_or(KeyError::Ended)?;
    let event = Event::new("key.updated").by(caller).on("key", &id.to_string()).about(caller.user);
    let details =
        json!({ "prefix": key.prefix, "scopes": key.scopes, "expiresAt": key.expires_at, "budget": key.limits.budget });
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    tx.commit().await?;
    let doors = hashes.into_iter().map(Door::KeyHash).chain(ids.into_iter().map(Door::Key));
    access::forget(hub, doors.collect()).await;
    Ok(key)
}

/// The key as it shall be. Only what was given is checked: what stands may rest on rights the owner has lost since.
fn merged(key: ApiKey, change: KeyChange, held: &[String], now: Timestamp) -> Result<ApiKey, KeyError> {
    let limits = KeyLimits {
        budget: change.budget.unwrap_or(key.limits.budget),
        requests_per_minute: change.requests_per_minute.unwrap_or(key.limits.requests_per_minute),
        tokens_per_minute: change.tokens_per_minute.unwrap_or(key.limits.tokens_per_minute),
        concurrent_calls: change.concurrent_calls.unwrap_or(key.limits.concurrent_calls),
    };
    let (scopes, models, addresses) = (change.scopes.is_some(), change.models.is_some(), change.addresses.is_some());
    let end = change.expires_at.is_some();
    let given = NewKey {
        name: change.name.unwrap_or(key.name),
        scopes: change.scopes.unwrap_or_default(),
        expires_at: change.expires_at.flatten(),
        models: change.models.unwrap_or_default(),
        addresses: change.addresses.unwrap_or_default(),
        limits,
    };
    let given = given.checked(held, now)?;
    Ok(ApiKey {
        name: given.name,
        scopes: if scopes { given.scopes } else { key.scopes },
        expires_at: if end { given.expires_at } else { key.expires_at },
        models: if models { given.models } else { key.models },
        addresses: if addresses { given.addresses } else { key.addresses },
        limits: given.limits,
        ..key
    })
}
