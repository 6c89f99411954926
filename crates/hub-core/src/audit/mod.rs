//! The audit trail over HTTP, one file per endpoint. `docs/audit.md` lists the actions.

mod export;
mod list;
mod mine;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::audit::{AuditError, Entry, Position};
use hub_types::{AuditId, ErrorCode, Timestamp, UserId};
use hub_web::{ApiError, Cursor, Json, Page, PageQuery};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(export::export)).routes(routes!(mine::mine))
}

/// One row of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// Its id.
    id: AuditId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What, such as `auth.login`.
    action: String,
    /// `ok` or `failed`.
    outcome: String,
    /// Who, where known.
    actor_id: Option<UserId>,
    /// Their address at that time, or the one that was tried.
    actor_email: String,
    /// Kind of thing it was done to: `user`, `session`, `key`, …
    target_kind: String,
    /// Which one.
    target_id: String,
    /// Whose account it concerns.
    user_id: Option<UserId>,
    /// Client address.
    address: String,
    /// `User-Agent`.
    user_agent: String,
    /// The request; the log holds the same id.
    request_id: String,
    /// More facts.
    #[schema(value_type = Object)]
    details: Value,
}

impl From<Entry> for AuditEntry {
    fn from(row: Entry) -> Self {
        Self {
            id: row.id,
            created_at: row.at,
            action: row.action,
            outcome: row.outcome,
            actor_id: row.actor,
            actor_email: row.actor_email,
            target_kind: row.target_kind,
            target_id: row.target_id,
            user_id: row.user,
            address: row.address,
            user_agent: row.user_agent,
            request_id: row.request_id,
            details: row.details,
        }
    }
}

/// A page of the trail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditPage {
    /// The rows, newest first.
    entries: Vec<AuditEntry>,
    /// True when older rows follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// Where the page begins. The trail is too long to count or to skip through.
fn position(page: &PageQuery) -> Result<Option<Position>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    page.after::<Position>()
}

/// A page of rows that were fetched with one too many.
fn view(rows: Vec<Entry>, limit: u32) -> Result<Json<AuditPage>, ApiError> {
    let cut = Page::cut(rows, limit, |row| (row.at, row.id))?;
    let entries = cut.items.into_iter().map(AuditEntry::from).collect();
    Ok(Json(AuditPage { entries, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}

/// Refusals of the rules about the trail.
fn refused(error: AuditError) -> ApiError {
    match error {
        AuditError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        AuditError::NeedsSession => {
            ApiError::new(ErrorCode::Forbidden).message("Sign in to see this; an API key cannot")
        }
        AuditError::Unauthenticated => ApiError::unauthenticated(),
        AuditError::Invalid { field, message } => ApiError::validation(field, message),
        AuditError::Store(error) => errors::credits(error.into()),
    }
}
