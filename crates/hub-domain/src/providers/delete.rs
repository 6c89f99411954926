//! Deleting a provider that was added while the hub ran.

use hub_store::providers as store;
use hub_types::{Caller, Permission};

use super::{ProvidersError, load};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// Deletes a provider and its credentials; needs `providers:update`. Running calls end as they would have. One of the settings cannot be
/// deleted, only switched off.
pub async fn delete(hub: &Hub, caller: &Caller, origin: &Origin, name: &str) -> Result<(), ProvidersError> {
    rbac::require(caller, Permission::ProvidersUpdate)?;
    if hub.providers.configured().iter().any(|provider| provider.name == name) {
        return Err(ProvidersError::Settings);
    }
    let mut tx = hub.store.write().await?;
    store::begin_change(&mut tx).await?;
    if !store::delete(&mut tx, name).await? {
        return Err(ProvidersError::UnknownProvider);
    }
    audit::record(hub, &mut tx, origin, Event::new("provider.deleted").by(caller).on("provider", name)).await?;
    tx.commit().await?;
    Ok(load::changed(hub).await?)
}
