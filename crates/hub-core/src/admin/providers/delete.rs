//! `DELETE /api/admin/providers/{name}`: a provider and its credentials deleted.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, providers};
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Deletes a provider that was added here, with its credentials; needs `providers:update`. Running calls go on. One of the settings can
/// only be switched off (409).
#[utoipa::path(delete, path = "/api/admin/providers/{name}", tag = "admin", operation_id = "delete_provider",
    params(("name" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    providers::delete(&hub, &caller, &origin, &name).await.map_err(errors::providers)?;
    Ok(StatusCode::NO_CONTENT)
}
