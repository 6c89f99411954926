//! `POST /api/users/invitations/{id}/resend`: mails an open invitation once more.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::{Hub, users};
use hub_types::VerificationId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};

use crate::errors;
use crate::users::create::InvitedView;

/// Mails an open invitation once more, with another link and the full time; the earlier link stops working. The same needs as inviting.
#[utoipa::path(post, path = "/api/users/invitations/{id}/resend", tag = "users", operation_id = "resend_invitation",
    params(("id" = VerificationId, Path, description = "The invitation.")), responses((status = 202, body = InvitedView)))]
pub(crate) async fn resend(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<VerificationId>,
) -> Result<(StatusCode, Json<InvitedView>), ApiError> {
    let again = users::resend_invitation(&hub, &caller, &origin, id).await.map_err(errors::create_user)?;
    let again = again.ok_or_else(|| ApiError::not_found("Invitation"))?;
    Ok((StatusCode::ACCEPTED, Json(again.into())))
}
