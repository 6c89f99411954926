//! `GET /api/users/invitations`: who is invited and has not accepted yet, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::users::{self, Invitation};
use hub_types::{Email, Timestamp, UserId, VerificationId};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// An open invitation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationView {
    /// Its id; another one each time it is mailed.
    id: VerificationId,
    /// Who is invited.
    email: Email,
    /// Display name, unless the invited person chooses another.
    name: String,
    /// The role the account will have.
    role: String,
    /// Who invited; missing for the operator at the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_by: Option<UserId>,
    /// When it was mailed.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The link works until then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, email, name, role, by, created_at, expires_at } = invitation;
        Self { id, email, name, role, invited_by: by, created_at, expires_at }
    }
}

/// A page of open invitations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvitationsView {
    /// The invitations, newest first.
    invitations: Vec<InvitationView>,
    /// Open invitations in all.
    total: i64,
    /// True when older ones follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// Open invitations; needs `users:read`. The links stand in the mails only.
#[utoipa::path(get, path = "/api/users/invitations", tag = "users", operation_id = "list_invitations", params(PageQuery),
    responses((status = 200, body = InvitationsView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
) -> Result<Json<InvitationsView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let (before, limit) = (page.after::<VerificationId>()?, i64::from(page.limit) + 1);
    let (rows, total) = users::invitations(&hub, &caller, before, limit).await.map_err(errors::rights)?;
    let cut = Page::cut(rows, page.limit, |invitation| invitation.id)?;
    let invitations = cut.items.into_iter().map(InvitationView::from).collect();
    Ok(Json(InvitationsView { invitations, total, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
