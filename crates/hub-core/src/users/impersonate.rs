//! `POST /api/users/{id}/impersonate`: an administrator looks at the hub as somebody else.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, sessions};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors;

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImpersonateBody {
    /// Stands in the audit trail, where the owner reads it too.
    #[schema(min_length = 1, max_length = 300)]
    reason: String,
}

/// A look at the hub as somebody else.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImpersonationView {
    /// For `Authorization: Bearer`. It reads only, and there is no refresh token.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds the access token lives.
    expires_in: i64,
    /// As whom.
    user_id: UserId,
}

/// Gives a token that sees what both may read and changes nothing; `POST /api/auth/logout` with it ends it early. Administrators only, with
/// `users:impersonate` and a sign-in of the last ten minutes (`POST /api/auth/reauthenticate`); never as an equal. The owner gets a mail.
#[utoipa::path(post, path = "/api/users/{id}/impersonate", tag = "users", operation_id = "impersonate_user",
    request_body = ImpersonateBody, params(("id" = UserId, Path, description = "The account.")),
    responses((status = 200, body = ImpersonationView)))]
pub(crate) async fn impersonate(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
    Json(body): Json<ImpersonateBody>,
) -> Result<Json<ImpersonationView>, ApiError> {
    let made = sessions::impersonate(&hub, &caller, &origin, id, &body.reason).await.map_err(errors::impersonate)?;
    let (access_token, expires_in) = (made.access_token, made.expires_in);
    Ok(Json(ImpersonationView { access_token, token_type: "Bearer", expires_in, user_id: made.user }))
}
