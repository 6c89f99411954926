//! Makes a key. The text of it leaves the hub once, in the answer to this.

use hub_store::users::User;
use hub_store::{Tx, keys as store, roles, users};
use hub_types::{ApiKeyId, Caller, Permission, UserId};
use serde_json::json;

use super::{ApiKey, KeyError, NewKey, SHOWN, hash_of, random_key};
use crate::audit::{self, Event};
use crate::identity::notices;
use crate::{Hub, Origin, rbac};

/// Live keys per user.
const CAP: i64 = 50;

/// A new key and its text, which cannot be shown again.
#[derive(Clone)]
pub struct CreatedKey {
    /// The key itself: `sk_` and 43 characters of base64url.
    pub key: String,
    /// What lists show of it.
    pub info: ApiKey,
}

impl std::fmt::Debug for CreatedKey {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Makes a key for the caller. Needs `keys:create`; scopes are permissions the caller has.
pub async fn create(hub: &Hub, caller: &Caller, origin: &Origin, input: NewKey) -> Result<CreatedKey, KeyError> {
    rbac::require(caller, Permission::KeysCreate)?;
    insert(hub, caller, origin, caller.user, input).await
}

/// Makes a key for a user on the word of the operator at the machine. Scopes are permissions that user has.
pub async fn create_for(hub: &Hub, operator: &Caller, user: UserId, input: NewKey) -> Result<CreatedKey, KeyError> {
    rbac::require(operator, Permission::UsersUpdate)?;
    insert(hub, operator, &Origin::default(), user, input).await
}

async fn insert(hub: &Hub, by: &Caller, origin: &Origin, owner: UserId, input: NewKey) -> Result<CreatedKey, KeyError> {
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    // The lock makes parallel creations count each other's keys.
    if !users::lock(&mut tx, owner).await? || !users::by_id(&mut tx, owner).await?.as_ref().is_some_and(User::is_usable)
    {
        return Err(KeyError::NotFound);
    }
    let held = roles::permissions_of(&mut tx, owner).await?;
    let input = input.checked(&held, now)?;
    let id = ApiKeyId::new(&hub.clock);
    let info = ApiKey {
        id,
        user: owner,
        name: input.name,
        prefix: String::new(),
        scopes: input.scopes,
        models: input.models,
        addresses: input.addresses,
        created_at: now,
        expires_at: input.expires_at,
        revoked_at: None,
        last_used_at: None,
        line: id,
        replaced_by: None,
        limits: input.limits,
    };
    let made = store_new(&mut tx, info).await?;
    let event = Event::new("key.created").by(by).on("key", &id.to_string()).about(owner);
    let details = json!({ "prefix": made.info.prefix, "scopes": made.info.scopes });
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    // The operator who makes a key for somebody hands it over in person.
    if by.user == owner {
        notices::key_created(hub, &mut tx, &by.email, &made.info.prefix).await?;
    }
    tx.commit().await?;
    Ok(made)
}

/// Stores a key with a new secret, if its owner has room for one more. Call `users::lock` before it in the same transaction.
pub(super) async fn store_new(tx: &mut Tx, mut info: ApiKey) -> Result<CreatedKey, KeyError> {
    let key = random_key();
    info.prefix = key.chars().take(SHOWN).collect();
    let hash = hash_of(&key).ok_or(KeyError::NotFound)?;
    let new = store::NewKey {
        id: info.id,
        user: info.user,
        name: &info.name,
        hash: &hash,
        prefix: &info.prefix,
        scopes: &info.scopes,
        models: &info.models,
        addresses: &info.addresses,
        at: info.created_at,
        expires_at: info.expires_at,
        line: info.line,
        limits: info.limits,
        cap: CAP,
    };
    if !store::insert(tx, &new).await? {
        return Err(KeyError::TooMany);
    }
    Ok(CreatedKey { key, info })
}
