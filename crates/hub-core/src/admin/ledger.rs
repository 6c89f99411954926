//! `GET /api/admin/ledger`: the same check as `hub ledger verify`.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::credits::{self, Report};
use hub_domain::{Hub, rbac};
use hub_types::Permission;
use hub_web::{ApiError, Authenticated, Json};

use crate::errors;

/// Checks every invariant of the money and names who breaks one; needs `ledger:verify`. Reads everything: not for every minute.
#[utoipa::path(get, path = "/api/admin/ledger", tag = "admin", responses((status = 200, body = Object)))]
pub(crate) async fn verify(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<Report>, ApiError> {
    rbac::require(&caller, Permission::LedgerVerify).map_err(|denied| errors::credits(denied.into()))?;
    let report =
        credits::verify(&hub.store, &hub.prices, &hub.clock).await.map_err(|error| errors::credits(error.into()))?;
    Ok(Json(report))
}
