//! `POST /api/auth/oauth/session/confirm`: the program collects its tokens, once.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::oauth::device;
use hub_web::{ApiError, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::errors;
use crate::views::TokensBody;

/// The secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConfirmSessionBody {
    /// The program's secret.
    session_id: String,
    /// More, where it is needed. Others than these are not looked at.
    #[serde(default)]
    parameters: Parameters,
}

/// What a confirmation may need.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfirmSessionParameters)]
pub(crate) struct Parameters {
    /// The second factor, for accounts that have one: without it the answer is 401 with `totpRequired`, and the session lives on.
    totp: Option<String>,
}

/// The program is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfirmedSession {
    /// The tokens.
    #[serde(flatten)]
    tokens: TokensBody,
    /// What the program said at the start; empty when it said nothing.
    original_request: String,
}

/// Gives tokens for a session whose code was right. Works once.
#[utoipa::path(post, path = "/api/auth/oauth/session/confirm", operation_id = "confirm_oauth_session", tag = "auth", request_body = ConfirmSessionBody, security(()),
    responses((status = 200, body = ConfirmedSession)))]
pub(crate) async fn confirm(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ConfirmSessionBody>,
) -> Result<Json<ConfirmedSession>, ApiError> {
    let confirmed = device::confirm(&hub, &origin, &body.session_id, body.parameters.totp.as_deref())
        .await
        .map_err(errors::device)?;
    let tokens = TokensBody::new(confirmed.tokens, true);
    Ok(Json(ConfirmedSession { tokens, original_request: confirmed.original_request }))
}
