//! `DELETE /api/admin/providers/{name}/credentials/{label}`: a credential taken away.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, providers};
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Deletes a credential that was added here; needs `providers:update`. No call begins under it any more, within a few seconds in every
/// process; calls that run go on.
#[utoipa::path(delete, path = "/api/admin/providers/{name}/credentials/{label}", tag = "admin",
    operation_id = "delete_provider_credential", params(("name" = String, Path), ("label" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn delete_credential(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path((name, label)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    providers::delete_credential(&hub, &caller, &origin, (&name, &label)).await.map_err(errors::providers)?;
    Ok(StatusCode::NO_CONTENT)
}
