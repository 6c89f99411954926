//! `GET /api/auth/sessions`: where the caller is signed in.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::sessions::{self, Device};
use hub_types::{SessionId, Timestamp};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// One signed-in device.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    /// The session.
    id: SessionId,
    /// What the client called itself.
    user_agent: String,
    /// Where it was last used.
    address: String,
    /// When the person signed in.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Last refresh.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// When it ends unless it is used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// True for the session that asks.
    current: bool,
}

impl From<Device> for SessionView {
    fn from(device: Device) -> Self {
        let Device { id, user_agent, address, created_at, last_used_at, expires_at, current } = device;
        Self { id, user_agent, address, created_at, last_used_at, expires_at, current }
    }
}

/// All signed-in devices of one account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionsView {
    /// Last used first; at most 100.
    sessions: Vec<SessionView>,
    /// Always false: there are never more than one page.
    has_more: bool,
}

/// The caller's live sessions. Needs a signed-in session; an API key cannot see them.
#[utoipa::path(get, path = "/api/auth/sessions", tag = "auth", operation_id = "list_sessions",
    responses((status = 200, body = SessionsView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<SessionsView>, ApiError> {
    let devices = sessions::list(&hub, &caller).await.map_err(errors::session)?;
    Ok(Json(SessionsView { sessions: devices.into_iter().map(SessionView::from).collect(), has_more: false }))
}
