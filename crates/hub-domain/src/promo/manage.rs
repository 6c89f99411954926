//! Lists of promo codes and of their redemptions, for administrators.

use hub_store::StoreError;
use hub_store::promo::{self as store, Filter};
use hub_types::{Caller, Permission, PromoCodeId, TransactionId};
use serde_json::json;

use super::{PromoCode, PromoError, Redemption};
use crate::access::{self, AccessError};
use crate::audit::{self, Event};
use crate::rbac::{self, Denied};
use crate::{Hub, Origin};

/// Longest text that is searched for, in characters.
const LONGEST: usize = 100;
/// Codes of an export read at a time.
const EXPORT_PAGE: i64 = 500;

/// Which codes are wanted; the default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromoQuery {
    /// Switched on, or off.
    pub active: Option<bool>,
    /// Made in this batch.
    pub batch: Option<String>,
    /// Stands in the code.
    pub text: Option<String>,
}

/// A page of codes.
#[derive(Debug, Clone)]
pub struct PromoPage {
    /// The codes, newest first.
    pub codes: Vec<PromoCode>,
    /// How many fit in all.
    pub total: i64,
}

/// Up to `limit` codes, those made before `before`. Needs `promo:manage`.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    query: &PromoQuery,
    before: Option<PromoCodeId>,
    limit: i64,
) -> Result<PromoPage, PromoError> {
    let filter = checked(caller, query)?;
    let mut tx = hub.store.read().await?;
    let codes = store::list(&mut tx, &filter, before, limit).await?;
    Ok(PromoPage { codes, total: store::count(&mut tx, &filter).await? })
}

/// One code. Needs `promo:manage`.
pub async fn get(hub: &Hub, caller: &Caller, id: PromoCodeId) -> Result<PromoCode, PromoError> {
    rbac::require(caller, Permission::PromoManage)?;
    let mut tx = hub.store.read().await?;
    store::by_id(&mut tx, id).await?.ok_or(PromoError::NotFound)
}

/// Up to `limit` redemptions of a code, newest first, those before the ledger row `before`. Needs `promo:manage`.
pub async fn redemptions(
    hub: &Hub,
    caller: &Caller,
    id: PromoCodeId,
    before: Option<TransactionId>,
    limit: i64,
) -> Result<Vec<Redemption>, PromoError> {
    rbac::require(caller, Permission::PromoManage)?;
    let mut tx = hub.store.read().await?;
    store::by_id(&mut tx, id).await?.ok_or(PromoError::NotFound)?;
    Ok(store::redemptions(&mut tx, id, before, limit).await?)
}

/// Checks an export and leaves a row about it: codes are worth money. Needs `promo:manage`. The codes come from [`export_page`].
pub async fn begin_export(hub: &Hub, caller: &Caller, origin: &Origin, query: &PromoQuery) -> Result<(), PromoError> {
    checked(caller, query)?;
    let event = Event::new("promo.exported").by(caller).on("promo_batch", query.batch.as_deref().unwrap_or_default());
    let event = event.details(json!({ "active": query.active, "batch": query.batch, "q": query.text }));
    let mut tx = hub.store.write().await?;
    audit::record(hub, &mut tx, origin, event).await?;
    Ok(tx.commit().await?)
}

/// The next codes of an export, newest first; none at its end. An export may run long, so the caller's rights are asked each time.
pub async fn export_page(
    hub: &Hub,
    caller: &Caller,
    query: &PromoQuery,
    before: Option<PromoCodeId>,
) -> Result<Vec<PromoCode>, PromoError> {
    let caller = access::recheck(hub, caller).await.map_err(|error| match error {
        AccessError::Invalid => PromoError::Denied(Denied(Permission::PromoManage)),
        AccessError::Store(error) => error.into(),
    })?;
    let filter = checked(&caller, query)?;
    let mut tx = hub.store.read().await?;
    let codes: Result<_, StoreError> = store::list(&mut tx, &filter, before, EXPORT_PAGE).await;
    Ok(codes?)
}

fn checked(caller: &Caller, query: &PromoQuery) -> Result<Filter, PromoError> {
    rbac::require(caller, Permission::PromoManage)?;
    let fits = |text: &String| (1..=LONGEST).contains(&text.chars().count()) && !text.contains('\0');
    if !query.text.as_ref().is_none_or(fits) {
        return Err(PromoError::Invalid { field: "q", message: "must have 1 to 100 characters" });
    }
    if !query.batch.as_ref().is_none_or(fits) {
        return Err(PromoError::Invalid { field: "batch", message: "must have 1 to 100 characters" });
    }
    let batch = query.batch.as_deref().map(str::to_ascii_uppercase);
    Ok(Filter { active: query.active, batch, text: query.text.clone() })
}
