//! `POST /api/auth/accept-invite`: makes the account of an invitation with the mailed link.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::identity::{self, AcceptInvite};
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;

/// The link's token and the password wanted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AcceptInviteBody {
    /// From the link.
    token: String,
    /// The password; the rules of registration.
    #[schema(min_length = 8, max_length = 128, format = Password)]
    password: String,
    /// Another display name than the one in the invitation.
    #[schema(max_length = 100)]
    name: Option<String>,
}

/// Makes the account; sign in afterwards. A link works once; a password that is too weak leaves it usable.
#[utoipa::path(post, path = "/api/auth/accept-invite", tag = "auth", request_body = AcceptInviteBody, security(()),
    responses((status = 204)))]
pub(crate) async fn accept_invite(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<AcceptInviteBody>,
) -> Result<StatusCode, ApiError> {
    let AcceptInviteBody { token, password, name } = body;
    let done = identity::accept_invite(&hub, &origin, AcceptInvite { token, password, name }).await;
    done.map_err(errors::accept_invite)?;
    Ok(StatusCode::NO_CONTENT)
}
