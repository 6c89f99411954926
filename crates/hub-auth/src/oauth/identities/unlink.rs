//! `DELETE /api/auth/identities/{provider}`: removes a way to sign in.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, oauth};
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use super::super::errors;

/// Unties the account from a provider. The last way to sign in stays (409); sessions stay as well.
#[utoipa::path(delete, path = "/api/auth/identities/{provider}", operation_id = "unlink_identity", tag = "auth",
    params(("provider" = String, Path, description = "Name of the provider.")), responses((status = 204)))]
pub(crate) async fn unlink(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(provider): Path<String>,
) -> Result<StatusCode, ApiError> {
    oauth::unlink(&hub, &caller, &origin, &provider).await.map_err(errors::identity)?;
    Ok(StatusCode::NO_CONTENT)
}
