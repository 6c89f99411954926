//! `GET /api/credits/receipts/{id}`: what a charge consisted of.

use hub_store::receipts::{self, Receipt};
use hub_types::{Caller, HoldId, Permission};

use super::CreditsError;
use crate::{Hub, rbac};

/// The receipt of a call. Somebody else's does not exist, unless the caller holds `credits:read_any`.
pub async fn receipt(hub: &Hub, caller: &Caller, id: HoldId) -> Result<Receipt, CreditsError> {
    rbac::require(caller, Permission::CreditsRead)?;
    let mut tx = hub.store.read().await?;
    let receipt = receipts::get(&mut tx, id).await?.ok_or(CreditsError::NotFound)?;
    if receipt.user != caller.user && !caller.may(Permission::CreditsReadAny) {
        return Err(CreditsError::NotFound);
    }
    Ok(receipt)
}
