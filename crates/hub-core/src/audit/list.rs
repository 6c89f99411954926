//! `GET /api/admin/audit`: the whole trail, newest first.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::audit;
use hub_types::{Timestamp, UserId};
use hub_web::{ApiError, Authenticated, Json, PageQuery, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{AuditPage, position, refused, view};

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Done by this user.
    actor: Option<UserId>,
    /// Concerning this user.
    user: Option<UserId>,
    /// Actions that begin so, such as `auth.` or `auth.login`.
    action: Option<String>,
    /// `ok` or `failed`.
    outcome: Option<String>,
    /// Not before, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Stands in the client's address, its `User-Agent` or the actor's e-mail address.
    q: Option<String>,
}

impl From<AuditQuery> for audit::Query {
    fn from(query: AuditQuery) -> Self {
        Self {
            actor: query.actor,
            user: query.user,
            action: query.action,
            outcome: query.outcome,
            from: query.from,
            to: query.to,
            text: query.q,
        }
    }
}

/// The audit trail of the whole hub; needs `audit:read`.
#[utoipa::path(get, path = "/api/admin/audit", tag = "admin", operation_id = "list_audit", params(PageQuery, AuditQuery),
    responses((status = 200, body = AuditPage)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let rows = audit::list(&hub, &caller, &query.into(), position(&page)?, i64::from(page.limit) + 1).await;
    view(rows.map_err(refused)?, page.limit)
}
