//! Orders as their buyer sees them.

use hub_store::orders::{self, Order};
use hub_types::{Caller, OrderId, Permission, UserId};

use super::PaymentsError;
use crate::{Hub, rbac};

/// Up to `limit` orders of `user`, by default the caller's own, newest first, those made before `before`. Somebody else's need
/// `credits:read_any`; without it, they do not exist.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    user: Option<UserId>,
    before: Option<OrderId>,
    limit: i64,
) -> Result<Vec<Order>, PaymentsError> {
    rbac::require(caller, Permission::CreditsRead)?;
    let user = user.unwrap_or(caller.user);
    if user != caller.user && !caller.may(Permission::CreditsReadAny) {
        return Err(PaymentsError::NotFound);
    }
    let mut tx = hub.store.read().await?;
    Ok(orders::list(&mut tx, user, before, limit).await?)
}

/// One order. Somebody else's does not exist, unless the caller holds `credits:read_any`.
pub async fn order(hub: &Hub, caller: &Caller, id: OrderId) -> Result<Order, PaymentsError> {
    rbac::require(caller, Permission::CreditsRead)?;
    let mut tx = hub.store.read().await?;
    let order = orders::get(&mut tx, id).await?.ok_or(PaymentsError::NotFound)?;
    let may = order.user == caller.user || caller.may(Permission::CreditsReadAny);
    if may { Ok(order) } else { Err(PaymentsError::NotFound) }
}
