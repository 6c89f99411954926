//! `POST /api/users`: makes an account with a password, or invites somebody without one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::users::{self, Invite, Invited, NewAccount};
use hub_types::{Email, SystemRole, Timestamp, VerificationId};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserView;
use crate::errors;

/// Who gets an account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateUserBody {
    /// The address.
    email: Email,
    /// Display name.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: String,
    /// The role; `user` without this.
    role: Option<String>,
    /// The first password. Without it an invitation is mailed, and its owner chooses one.
    #[schema(min_length = 8, max_length = 128, format = Password)]
    password: Option<String>,
    /// With a password: whether you vouch for the mailbox (default). Without that nobody can sign in with the password.
    verified: Option<bool>,
}

/// An invitation under way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitedView {
    /// Its id under `/api/users/invitations`; another one each time it is mailed.
    id: VerificationId,
    /// Where it was mailed.
    email: Email,
    /// The role the account will have.
    role: String,
    /// The link works until then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Invited> for InvitedView {
    fn from(invited: Invited) -> Self {
        let Invited { id, email, role, expires_at } = invited;
        Self { id, email, role, expires_at }
    }
}

/// Makes an account (201), or mails an invitation (202) that replaces an earlier one to the same address. Needs `users:create`, and for
/// another role than `user` also `roles:update` and all that the role permits.
#[utoipa::path(post, path = "/api/users", tag = "users", operation_id = "create_user", request_body = CreateUserBody,
    responses((status = 201, body = UserView), (status = 202, body = InvitedView)))]
pub(crate) async fn create(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<CreateUserBody>,
) -> Result<Response, ApiError> {
    let CreateUserBody { email, name, role, password, verified } = body;
    let role = role.unwrap_or_else(|| SystemRole::User.name().to_owned());
    if let Some(password) = password {
        let new = NewAccount { email, password, name, role, verified: verified.unwrap_or(true) };
        let made = users::create(&hub, &caller, &origin, new).await.map_err(errors::create_user)?;
        return Ok((StatusCode::CREATED, Json(UserView::from(made))).into_response());
    }
    if verified.is_some() {
        return Err(ApiError::validation("verified", "goes with a password; an invitation proves the mailbox"));
    }
    let invited = users::invite(&hub, &caller, &origin, Invite { email, name, role }).await;
    let invited = invited.map_err(errors::create_user)?;
    Ok((StatusCode::ACCEPTED, Json(InvitedView::from(invited))).into_response())
}
