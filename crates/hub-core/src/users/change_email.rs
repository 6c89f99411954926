//! `POST /api/users/{id}/change-email`: gives somebody another address.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, users};
use hub_types::{Email, UserId};
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::UserView;
use crate::errors;

/// The other address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SetEmailBody)]
pub(crate) struct SetEmailBody {
    /// In force at once; you vouch for the mailbox.
    new_email: Email,
}

/// Gives an account another address at once. Both addresses are told, and the old one can take it back for a week. Needs `users:update` and a
/// sign-in of the last ten minutes: API keys cannot. The same hierarchy as every change of an account; owners change their own under
/// `/api/auth/change-email`.
#[utoipa::path(post, path = "/api/users/{id}/change-email", tag = "users", operation_id = "set_email", request_body = SetEmailBody,
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = UserView)))]
pub(crate) async fn change_email(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
    Json(body): Json<SetEmailBody>,
) -> Result<Json<UserView>, ApiError> {
    let changed = users::change_email(&hub, &caller, &origin, id, &body.new_email).await;
    Ok(Json(changed.map_err(errors::credentials)?.into()))
}
