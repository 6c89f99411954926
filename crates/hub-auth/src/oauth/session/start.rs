//! `POST /api/auth/oauth/session`: a program begins to wait for its person.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use hub_domain::Hub;
use hub_domain::oauth::device::{self, NewDevice};
use hub_types::Timestamp;
use hub_web::{ApiError, Json, RequestOrigin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::errors;

/// What the program asks for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StartSessionBody {
    /// Name of the provider, such as `google` or `sora2`.
    provider: String,
    /// What to remember until the end.
    #[serde(default)]
    metadata: SessionMetadata,
}

/// What to remember. Address and user agent are taken from the connection, never from here.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SessionMetadata {
    /// Given back with the tokens; at most 2000 characters.
    #[serde(default)]
    #[schema(max_length = 2000)]
    original_request: String,
}

/// A session that waits.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartedSession {
    /// The program's secret: keep it, never show it.
    session_id: String,
    /// For the person: open it in a browser.
    sign_in_url: String,
    /// When the session ends, ten minutes from now.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Gives a secret for the program and an address for its person, who gets a code there.
#[utoipa::path(post, path = "/api/auth/oauth/session", operation_id = "start_oauth_session", tag = "auth", request_body = StartSessionBody, security(()),
    responses((status = 201, body = StartedSession)))]
pub(crate) async fn start(
    State(hub): State<Arc<Hub>>,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<StartSessionBody>,
) -> Result<(StatusCode, Json<StartedSession>), ApiError> {
    let new = NewDevice { provider: body.provider, original_request: body.metadata.original_request };
    let started = device::start(&hub, &origin, new).await.map_err(errors::device)?;
    let view = StartedSession {
        session_id: started.session_id,
        sign_in_url: started.sign_in_url,
        expires_at: started.expires_at,
    };
    Ok((StatusCode::CREATED, Json(view)))
}
