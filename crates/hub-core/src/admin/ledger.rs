//! `GET /api/admin/ledger`: the same check as `hub ledger verify`, `?fast=true` that of `--fast`.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::credits::{self, Depth, Report};
use hub_domain::{Hub, rbac};
use hub_types::Permission;
use hub_web::{ApiError, Authenticated, Json, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::errors;

/// Which check.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Only the sums of accounts, holds and books
    #[serde(default)]
    fast: bool,
}

/// Checks every invariant of the money and names who breaks one; needs `ledger:verify`. Without `fast` it reads every row and receipt:
/// not for every minute.
#[utoipa::path(get, path = "/api/admin/ledger", tag = "admin", params(How), responses((status = 200, body = Object)))]
pub(crate) async fn verify(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(how): Query<How>,
) -> Result<Json<Report>, ApiError> {
    rbac::require(&caller, Permission::LedgerVerify).map_err(|denied| errors::credits(denied.into()))?;
    let depth = if how.fast { Depth::Fast } else { Depth::Full };
    let report = credits::verify(&hub.store, &hub.prices, &hub.clock, depth).await;
    let report = report.map_err(|error| errors::credits(error.into()))?;
    Ok(Json(report))
}
