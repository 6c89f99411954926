//! Who is at the door: turns a credential into a verified caller, or refuses.
//!
//! Every request is decided by the session or key row, the user row and the roles as the database has them. A picture of them is
//! kept in the cache for a moment and thrown away at every change; a cache that fails is passed by, never trusted for absence.
//! Nothing here trusts what a token says about rights.

mod principal;
mod ticket;

use std::net::IpAddr;
use std::sync::Arc;

use futures::stream::BoxStream;
pub use hub_store::StoreError;
use hub_types::{Caller, Credential, Email, Permission, RateTier, UserId, UserLimits};

pub(crate) use principal::{Door, doors_of, doors_of_role, forget};
pub use ticket::{TicketError, issue_ticket, redeem_ticket};

use crate::{Hub, keys};
use principal::Principal;

/// A credential as it was sent, unverified.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The JWT of a signed-in session.
    AccessToken(&'a str),
    /// `sk_…`.
    ApiKey(&'a str),
}

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The credential does not count. Deliberately one case for forged, expired, revoked, disabled and out of place.
    #[error("the credential is not valid")]
    Invalid,
    /// Nobody can tell: the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Verifies a credential. `address` is where it was used from, as far as trusted proxies tell.
pub async fn authenticate(hub: &Hub, proof: Proof<'_>, address: Option<IpAddr>) -> Result<Caller, AccessError> {
    match proof {
        Proof::AccessToken(token) => {
            let claims = hub.tokens.verify(token, hub.clock.now()).map_err(|_| AccessError::Invalid)?;
            let door = Door::Session(claims.sid);
            let mut found = principal::find(hub, &door).await?;
            if found.as_ref().is_some_and(|principal| principal.auth_version < claims.av) {
                // The token is newer than the picture: it was issued after a change the cache has not seen.
                found = principal::load(hub, &door).await?;
            }
            let fits = |found: &Principal| found.user == claims.sub && found.auth_version == claims.av;
            admit(hub, found.filter(fits), address)
        }
        Proof::ApiKey(key) => {
            let hash = keys::hash_of(key).ok_or(AccessError::Invalid)?;
            let found = principal::find(hub, &Door::KeyHash(hash.to_vec())).await?;
            admit(hub, found, address)
        }
    }
}

/// Asks again whether a caller still counts, with the rights as they are now: for connections that outlive a request.
pub async fn recheck(hub: &Hub, caller: &Caller) -> Result<Caller, AccessError> {
    match door_of(caller) {
        Some(door) => admit(hub, principal::find(hub, &door).await?, caller.address),
        None => Ok(caller.clone()),
    }
}

/// What a caller came in by; the command line came in by nothing.
const fn door_of(caller: &Caller) -> Option<Door> {
    match caller.credential {
        Credential::Session(id) | Credential::Impersonation(id) => Some(Door::Session(id)),
        Credential::ApiKey(id) => Some(Door::Key(id)),
        Credential::Operator => None,
    }
}

/// A word for each change that may touch this caller's rights, from now on, whatever process makes it: [`recheck`] then. `None` without a
/// cache. Words can be lost, so a connection also asks by itself now and then.
pub async fn changes(hub: &Hub, caller: &Caller) -> Option<BoxStream<'static, Vec<u8>>> {
    hub.cache.subscribe(&door_of(caller)?.cache_key()).await.ok()
}

/// True when the text is an access token of this hub that has not run out. No I/O: for the front door, which only turns away
/// what is surely worthless.
pub fn token_is_plausible(hub: &Hub, token: &str) -> bool {
    hub.tokens.verify(token, hub.clock.now()).is_ok()
}

/// The caller that stands for the command line: may do everything, belongs to no account. `email` names it in the audit trail.
pub fn operator(email: Email) -> Caller {
    Caller {
        user: UserId(uuid::Uuid::nil()),
        email,
        name: "operator".to_owned(),
        roles: ["admin".to_owned()].into(),
        permissions: Permission::ALL.iter().map(|permission| permission.name().to_owned()).collect(),
        verified: true,
        credential: Credential::Operator,
        acting: None,
        models: Arc::default(),
        line: None,
        budgets: Arc::default(),
        limits: UserLimits::default(),
        tier: RateTier::Admin,
        address: None,
    }
}

fn admit(hub: &Hub, found: Option<Principal>, address: Option<IpAddr>) -> Result<Caller, AccessError> {
    let principal = found.ok_or(AccessError::Invalid)?;
    let in_time = principal.until.is_none_or(|until| hub.clock.now() < until);
    if !principal.usable || !in_time || !principal.admits_from(address) {
        return Err(AccessError::Invalid);
    }
    Ok(principal.into_caller(address))
}
