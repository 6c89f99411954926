//! `GET /api/users/me/audit`: what happened to the caller's own account, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::audit;
use hub_web::{ApiError, Authenticated, Json, PageQuery};

use super::{AuditPage, position, refused, view};

/// What concerns the caller's account. Rows by somebody else do not say from where. Needs a session: an API key cannot see this.
#[utoipa::path(get, path = "/api/users/me/audit", tag = "users", operation_id = "my_audit", params(PageQuery),
    responses((status = 200, body = AuditPage)))]
pub(crate) async fn mine(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
) -> Result<Json<AuditPage>, ApiError> {
    let rows = audit::list_own(&hub, &caller, position(&page)?, i64::from(page.limit) + 1).await;
    view(rows.map_err(refused)?, page.limit)
}
