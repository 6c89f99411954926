//! `DELETE /api/auth/sessions/{id}`: signs one of the caller's devices out.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, sessions};
use hub_types::SessionId;
use hub_web::{ApiError, Authenticated, Path, RequestOrigin};

use crate::errors;

/// Ends a session of the caller; its tokens stop working within two seconds. Somebody else's is not found.
#[utoipa::path(delete, path = "/api/auth/sessions/{id}", tag = "auth", operation_id = "revoke_session",
    params(("id" = SessionId, Path, description = "The session.")),
    responses((status = 204)))]
pub(crate) async fn revoke(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, ApiError> {
    sessions::revoke(&hub, &caller, &origin, id).await.map_err(errors::session)?;
    Ok(StatusCode::NO_CONTENT)
}
