//! `GET /api/auth/identities`: how the caller can sign in.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::{Hub, oauth};
use hub_types::{Email, Timestamp};
use hub_web::{ApiError, Authenticated, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::errors;

/// One way to sign in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityView {
    /// Name of the provider; `password` for the hub's own.
    provider: String,
    /// The address there, as of the last sign-in.
    email: Option<Email>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    linked_at: Timestamp,
}

/// All ways to sign in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentitiesView {
    /// Oldest first.
    identities: Vec<IdentityView>,
    /// Always false: there is one per provider.
    has_more: bool,
}

/// The caller's ways to sign in. Needs a signed-in session.
#[utoipa::path(get, path = "/api/auth/identities", operation_id = "list_identities", tag = "auth", responses((status = 200, body = IdentitiesView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<IdentitiesView>, ApiError> {
    let found = oauth::list_identities(&hub, &caller).await.map_err(errors::identity)?;
    let view = |oauth::LinkedIdentity { provider, email, linked_at }| IdentityView { provider, email, linked_at };
    Ok(Json(IdentitiesView { identities: found.into_iter().map(view).collect(), has_more: false }))
}
