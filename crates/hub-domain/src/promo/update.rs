//! `PATCH /api/promo-codes/{id}`: a code switched on or off, its dates, more uses. What it gives and to whom never changes.

use hub_store::promo as store;
use hub_types::{Caller, Permission, PromoCodeId, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::create::check_dates;
use super::{PromoCode, PromoError};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// What becomes of a value that may be absent. As JSON: `null` and values are `To`; a field that is left out is `Keep`, by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<T>")]
pub enum Change<T> {
    /// Stays as it is.
    #[default]
    Keep,
    /// This from now on; `None` lifts it.
    To(Option<T>),
}

impl<T> From<Option<T>> for Change<T> {
    fn from(value: Option<T>) -> Self {
        Self::To(value)
    }
}

impl<T> Change<T> {
    fn apply(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::To(new) => new,
        }
    }
}

/// What is to be changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct PromoUpdate {
    /// On or off; `None` stays as it is.
    pub active: Option<bool>,
    /// Not before.
    pub starts_at: Change<Timestamp>,
    /// Before, exclusive.
    pub expires_at: Change<Timestamp>,
    /// Redemptions in all, never fewer than before.
    pub max_uses: Change<i32>,
}

/// Changes a code. Needs `promo:manage`; leaves an audit row.
pub async fn update(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    id: PromoCodeId,
    change: PromoUpdate,
) -> Result<PromoCode, PromoError> {
    rbac::require(caller, Permission::PromoManage)?;
    let mut tx = hub.store.write().await?;
    let old = store::lock(&mut tx, id).await?.ok_or(PromoError::NotFound)?;
    let new = PromoCode {
        active: change.active.unwrap_or(old.active),
        starts_at: change.starts_at.apply(old.starts_at),
        expires_at: change.expires_at.apply(old.expires_at),
        max_uses: change.max_uses.apply(old.max_uses),
        ..old.clone()
    };
    check_dates(new.starts_at, new.expires_at)?;
    let most = |uses: Option<i32>| uses.unwrap_or(i32::MAX);
    if most(new.max_uses) < most(old.max_uses) {
        return Err(PromoError::Invalid { field: "maxUses", message: "can only be raised" });
    }
    store::update(&mut tx, &new).await?;
    let event = Event::new("promo.updated").by(caller).on("promo", &id.to_string());
    let event = event.details(json!({
        "code": new.code, "active": new.active, "startsAt": new.starts_at, "expiresAt": new.expires_at, "maxUses": new.max_uses,
    }));
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(new)
}
