//! What the database says about one credential: a picture that lives in the cache for a moment.

use std::net::IpAddr;
use std::time::Duration;

use hub_store::users::User;
use hub_store::{StoreError, Tx, keys, roles, sessions, user_budgets, user_limits, users};
use hub_types::{
    Acting, ApiKeyId, Budget, Caller, Credential, Email, KeyLine, KeyUse, RateTier, RoleId, SessionId, Timestamp,
    UserId, UserLimits,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Hub;
use crate::rbac::{Authority, rank_of};

/// How long a picture may be used. With the time to look it up again, a change acts within two seconds at the latest.
const LIFE: Duration = Duration::from_millis(1500);
/// The use of a key is noted at most once in this time.
const TOUCH_EVERY: chrono::Duration = chrono::Duration::minutes(1);
/// Sessions whose pictures are thrown away when a user changes; as many as a user can have.
const MOST_SESSIONS: i64 = 1000;
/// Sessions, and keys, whose pictures are thrown away when a role changes.
const MOST_OF_ROLE: i64 = 500;

/// What a credential points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    /// A session.
    Session(SessionId),
    /// A key, by the hash of what was sent.
    KeyHash(Vec<u8>),
    /// A key, by its id.
    Key(ApiKeyId),
}

impl Door {
    /// Under which its picture is kept, and the channel on which a change is told.
    pub(super) fn cache_key(&self) -> String {
        match self {
            Self::Session(id) => format!("principal:session:{id}"),
            Self::KeyHash(hash) => format!("principal:key:{}", hex::encode(hash)),
            Self::Key(id) => format!("principal:key-id:{id}"),
        }
    }
}

/// The picture.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Principal {
    pub(super) user: UserId,
    email: Email,
    name: String,
    roles: Vec<String>,
    permissions: Vec<String>,
    verified: bool,
    pub(super) auth_version: i64,
    pub(super) usable: bool,
    pub(super) until: Option<Timestamp>,
    credential: Held,
    models: Vec<String>,
    networks: Vec<IpNet>,
    line: Option<KeyLine>,
    budgets: Vec<Budget>,
    #[serde(default)]
    limits: UserLimits,
    /// The administrator who acts as this user.
    #[serde(default)]
    acting: Option<(UserId, Email)>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Held {
    Session(SessionId),
    Key(ApiKeyId),
}

impl Principal {
    /// True where the key's address list allows this one. An unknown address fits no list.
    pub(super) fn admits_from(&self, address: Option<IpAddr>) -> bool {
        let listed = |address: IpAddr| self.networks.iter().any(|network| network.contains(&address.to_canonical()));
        self.networks.is_empty() || address.is_some_and(listed)
    }

    pub(super) fn into_caller(self, address: Option<IpAddr>) -> Caller {
        Caller {
            user: self.user,
            email: self.email,
            name: self.name,
            tier: RateTier::of(self.roles.iter().map(String::as_str)),
            roles: self.roles.into(),
            permissions: self.permissions.into(),
            verified: self.verified,
            credential: match self.credential {
                Held::Session(id) if self.acting.is_some() => Credential::Impersonation(id),
                Held::Session(id) => Credential::Session(id),
                Held::Key(id) => Credential::ApiKey(id),
            },
            models: self.models.into(),
            line: self.line,
            budgets: self.budgets.into(),
            limits: self.limits,
            acting: self.acting.map(|(user, email)| Acting { user, email }),
            address,
        }
    }
}

/// The picture from the cache, else from the database. `None`: there is no such live credential.
pub(super) async fn find(hub: &Hub, door: &Door) -> Result<Option<Principal>, StoreError> {
    match hub.cache.get_json(&door.cache_key()).await {
        Ok(Some(principal)) => return Ok(Some(principal)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the cache is gone, credentials are checked in the database"),
    }
    load(hub, door).await
}

/// The picture from the database, put into the cache.
pub(super) async fn load(hub: &Hub, door: &Door) -> Result<Option<Principal>, StoreError> {
    let mut tx = hub.store.read().await?;
    let found = match door {
        Door::Session(id) => from_session(&mut tx, *id).await?,
        Door::KeyHash(hash) => {
            let key = keys::by_hash(&mut tx, hash).await?;
            from_key(hub, &mut tx, key).await?
        }
        Door::Key(id) => {
            let key = keys::by_id(&mut tx, *id).await?;
            from_key(hub, &mut tx, key).await?
        }
    };
    if let Some(principal) = &found {
        // Best effort: without a cache the next request reads the database again.
        let _ = hub.cache.put_json(&door.cache_key(), principal, LIFE).await;
    }
    Ok(found)
}

/// Everything a user can come in by, for `forget`.
pub(crate) async fn doors_of(hub: &Hub, tx: &mut Tx, user: UserId) -> Result<Vec<Door>, StoreError> {
    let live = sessions::live_of(tx, user, hub.clock.now(), MOST_SESSIONS).await?;
    let (hashes, ids) = (keys::live_hashes(tx, user).await?, keys::live_ids(tx, user).await?);
    let keys = hashes.into_iter().map(Door::KeyHash).chain(ids.into_iter().map(Door::Key));
    Ok(live.into_iter().map(|session| Door::Session(session.id)).chain(keys).collect())
}

/// What the holders of a role came in by most recently, for `forget`. Whatever else there is was not used for long, so there is hardly a
/// picture of it, and that one runs out by itself.
pub(crate) async fn doors_of_role(hub: &Hub, tx: &mut Tx, role: RoleId) -> Result<Vec<Door>, StoreError> {
    let live = sessions::live_of_role(tx, role, hub.clock.now(), MOST_OF_ROLE).await?;
    let keys = keys::live_of_role(tx, role, MOST_OF_ROLE).await?;
    let keys = keys.into_iter().flat_map(|(id, hash)| [Door::KeyHash(hash), Door::Key(id)]);
    Ok(live.into_iter().map(Door::Session).chain(keys).collect())
}

/// Throws pictures away and tells whoever holds a connection open, after the change was committed. What fails here runs out by itself.
pub(crate) async fn forget(hub: &Hub, doors: Vec<Door>) {
    for door in doors {
        if let Err(error) = hub.cache.delete(&door.cache_key()).await {
            tracing::warn!(%error, "a cached credential could not be thrown away; it runs out by itself");
            return;
        }
        // Who misses the message asks again by itself, a little later.
        let _ = hub.cache.publish(&door.cache_key(), b"").await;
    }
}

async fn from_session(tx: &mut Tx, id: SessionId) -> Result<Option<Principal>, StoreError> {
    let Some(session) = sessions::by_id(tx, id).await?.filter(|session| session.revoked_at.is_none()) else {
        return Ok(None);
    };
    let Some(user) = users::by_id(tx, session.user_id).await? else { return Ok(None) };
    let mut principal = of_user(tx, user, Held::Session(id)).await?;
    principal.until = Some(session.idle_expires_at.min(session.expires_at));
    match session.actor() {
        Some(actor) => narrow_to_actor(tx, principal, actor).await,
        None => Ok(Some(principal)),
    }
}

/// What an administrator sees who looks at the hub as somebody else: what both may read, and nothing else. `None` once they may not do so
/// any more. Asked each time, so that it ends with their rights.
async fn narrow_to_actor(
    tx: &mut Tx,
    mut principal: Principal,
    actor: UserId,
) -> Result<Option<Principal>, StoreError> {
    let Some(found) = users::by_id(tx, actor).await?.filter(User::is_usable) else { return Ok(None) };
    let Some(authority) = Authority::of(tx, actor).await? else { return Ok(None) };
    if !authority.may_impersonate(rank_of(tx, principal.user).await?) {
        return Ok(None);
    }
    principal.permissions.retain(|permission| is_reading(permission) && authority.holds(permission));
    principal.acting = Some((actor, found.email));
    Ok(Some(principal))
}

/// True for `…:read` and `…:read_any`.
fn is_reading(permission: &str) -> bool {
    permission.split_once(':').is_some_and(|(_, action)| action == "read" || action == "read_any")
}

async fn from_key(hub: &Hub, tx: &mut Tx, key: Option<keys::ApiKey>) -> Result<Option<Principal>, StoreError> {
    let Some(key) = key.filter(|key| key.revoked_at.is_none()) else { return Ok(None) };
    let Some(user) = users::by_id(tx, key.user).await? else { return Ok(None) };
    let mut principal = of_user(tx, user, Held::Key(key.id)).await?;
    principal.permissions.retain(|permission| key_may(permission, &key.scopes));
    principal.until = key.expires_at;
    principal.models = key.models;
    principal.line = Some(KeyLine { id: key.line, limits: key.limits });
    let networks: Result<Vec<IpNet>, _> = key.addresses.iter().map(|network| network.parse()).collect();
    principal.networks = networks.map_err(|_| StoreError::Corrupt("the address list of a key"))?;
    note_use(hub, key.id, key.last_used_at);
    Ok(Some(principal))
}

async fn of_user(tx: &mut Tx, user: User, credential: Held) -> Result<Principal, StoreError> {
    Ok(Principal {
        user: user.id,
        roles: roles::names_of(tx, user.id).await?,
        permissions: roles::permissions_of(tx, user.id).await?,
        verified: user.verified,
        auth_version: user.auth_version,
        usable: user.is_usable(),
        until: None,
        credential,
        models: Vec::new(),
        networks: Vec::new(),
        line: None,
        budgets: user_budgets::of(tx, user.id).await?,
        limits: user_limits::of(tx, user.id).await?,
        acting: None,
        email: user.email,
        name: user.name,
    })
}

/// A key holds what its owner holds now, narrowed to its scopes; some things only when its scopes name them, some never.
fn key_may(permission: &str, scopes: &[String]) -> bool {
    let named = scopes.iter().any(|scope| scope == permission);
    match KeyUse::of(permission) {
        KeyUse::Any => scopes.is_empty() || named,
        KeyUse::Named => named,
        KeyUse::Never => false,
    }
}

/// Runs beside the request, so that a use never waits for a write.
fn note_use(hub: &Hub, key: ApiKeyId, last: Option<Timestamp>) {
    let now = hub.clock.now();
    let not_since = now - TOUCH_EVERY;
    if last.is_some_and(|last| last >= not_since) {
        return;
    }
    let store = hub.store.clone();
    hub.tasks.spawn(async move {
        let noted = async {
            let mut tx = store.write().await?;
            keys::touch(&mut tx, key, now, not_since).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the use of a key could not be noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{is_reading, key_may};

    #[test]
    fn a_key_holds_what_may_be_held_and_what_its_scopes_name() {
        let scopes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for permission in ["inference:create", "credits:grant", "ledger:verify", "reports:see"] {
            assert!(key_may(permission, &[]) && key_may(permission, &scopes(&[permission])), "{permission}");
            assert!(!key_may(permission, &scopes(&["models:read"])), "{permission}");
        }
        for permission in ["users:read", "users:delete", "roles:update", "roles:read", "promo:manage"] {
            assert!(!key_may(permission, &[]) && key_may(permission, &scopes(&[permission])), "{permission}");
        }
        for permission in ["keys:create", "keys:read", "users:impersonate", "providers:update"] {
            assert!(!key_may(permission, &[]) && !key_may(permission, &scopes(&[permission])), "{permission}");
        }
    }

    #[test]
    fn looking_is_not_touching() {
        for permission in ["credits:read", "usage:read_any"] {
            assert!(is_reading(permission));
        }
        for permission in
            ["inference:create", "users:impersonate", "keys:update", "read", "ledger:verify", "reports:reader"]
        {
            assert!(!is_reading(permission), "{permission}");
        }
    }
}
