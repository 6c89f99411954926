//! `PATCH /api/users/{id}`: renames somebody, vouches for a mailbox, switches an account off or on.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::users::{self, Change};
use hub_types::UserId;
use hub_web::{ApiError, Authenticated, Json, Path, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{StatusView, UserView};
use crate::errors;

/// What is to be different; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UpdateUserBody {
    /// Display name; may be empty.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// `disabled` ends all sessions, and keys rest until the account is `active` again.
    status: Option<StatusView>,
    /// `true`: you vouch for the mailbox. It cannot be taken back.
    verified: Option<bool>,
}

/// Changes somebody's account; needs `users:update`. Nobody changes an account above or, unless administrator, beside their own; their own
/// is under `/api/users/me`. The owner is told by mail of being switched off and on.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "users", operation_id = "update_user", request_body = UpdateUserBody,
    params(("id" = UserId, Path, description = "The account.")), responses((status = 200, body = UserView)))]
pub(crate) async fn update(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Path(id): Path<UserId>,
    Json(body): Json<UpdateUserBody>,
) -> Result<Json<UserView>, ApiError> {
    if body.verified == Some(false) {
        return Err(ApiError::validation("verified", "can only be true"));
    }
    let change = Change { name: body.name, status: body.status.map(Into::into), vouched: body.verified.is_some() };
    let changed = users::change(&hub, &caller, &origin, id, change).await.map_err(errors::rights)?;
    Ok(Json(changed.into()))
}
