//! Replaces a key by a new one of the same line. Both work until the overlap ends, so that nothing has to stop for it.

use chrono::Duration;
use hub_store::{keys as store, users};
use hub_types::{ApiKeyId, Caller, Permission, Timestamp};
use serde_json::json;

use super::create::store_new;
use super::{ApiKey, CreatedKey, KeyError};
use crate::access::{self, Door};
use crate::audit::{self, Event};
use crate::identity::notices;
use crate::{Hub, Origin, rbac};

/// How long the old key goes on when nobody says otherwise, in seconds: a day.
const OVERLAP: u32 = 24 * 3600;
/// The longest overlap, in seconds: 30 days.
const LONGEST: u32 = 30 * 24 * 3600;

/// A key that took another's place.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// The new key, shown once.
    pub made: CreatedKey,
    /// Until when the old one works.
    pub old_until: Timestamp,
}

/// Makes the next key of the line: same name, scopes, models, addresses, limits and end. The old key works for `overlap` seconds more (a
/// day by default, at most 30 days, 0: not at all), never beyond its own end. Needs `keys:update` and room for one more live key.
///
/// Of any number of attempts one succeeds; the others are told `Ended`.
pub async fn rotate(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: ApiKeyId,
    overlap: Option<u32>,
) -> Result<Rotated, KeyError> {
    rbac::require(caller, Permission::KeysUpdate)?;
    let overlap = overlap.unwrap_or(OVERLAP);
    if overlap > LONGEST {
        return Err(KeyError::Invalid { field: "overlapSeconds", message: format!("must be 0 to {LONGEST}") });
    }
    let now = hub.clock.now();
    let mut tx = hub.store.write().await?;
    // The lock makes this and parallel creations count each other's keys.
    if !users::lock(&mut tx, caller.user).await? {
        return Err(KeyError::NotFound);
    }
    let old = store::by_id(&mut tx, id).await?.filter(|key| key.user == caller.user && key.revoked_at.is_none());
    let old = old.ok_or(KeyError::NotFound)?;
    let until = now + Duration::seconds(i64::from(overlap));
    let successor = ApiKeyId::new(&hub.clock);
    let replaced = store::replace(&mut tx, id, caller.user, successor, until, now).await?;
    let hash = replaced.ok_or(KeyError::Ended)?;
    let next = ApiKey { id: successor, created_at: now, last_used_at: None, replaced_by: None, ..old.clone() };
    let made = store_new(&mut tx, next).await?;
    let old_until = old.expires_at.map_or(until, |end| end.min(until));
    let event = Event::new("key.rotated").by(caller).on("key", &id.to_string()).about(caller.user);
    let details = json!({ "successor": successor, "prefix": made.info.prefix, "oldUntil": old_until });
    audit::record(hub, &mut tx, origin, event.details(details)).await?;
    notices::key_rotated(hub, &mut tx, &caller.email, (&old.prefix, &made.info.prefix), old_until).await?;
    tx.commit().await?;
    access::forget(hub, vec![Door::KeyHash(hash), Door::Key(id)]).await;
    Ok(Rotated { made, old_until })
}
