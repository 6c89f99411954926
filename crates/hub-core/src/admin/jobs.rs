//! `GET /api/admin/jobs`: background work, such as mail that could not be sent.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::jobs::{self, JobStatus, JobsError, Listed};
use hub_types::{ErrorCode, JobId, Timestamp};
use hub_web::{ApiError, Authenticated, Cursor, Json, Page, PageQuery, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::errors;

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsQuery {
    /// `failed` (also without this), `queued`, `running` or `done`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    status: JobStatus,
}

/// One job; never what it carries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobView {
    /// Its id.
    id: JobId,
    /// What is to be done, such as `mail.send`.
    kind: String,
    /// Where it stands.
    status: String,
    /// Attempts so far.
    attempts: i32,
    /// Attempts at most.
    max_attempts: i32,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// When it is or was due.
    #[schema(value_type = String, format = DateTime)]
    run_at: Timestamp,
    /// When it was enqueued.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was done or failed for good.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<Listed> for JobView {
    fn from(job: Listed) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            status: job.status,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            last_error: job.last_error,
            run_at: job.run_at,
            created_at: job.created_at,
            finished_at: job.finished_at,
        }
    }
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobsView {
    /// The jobs, newest first.
    jobs: Vec<JobView>,
    /// True when older ones follow.
    has_more: bool,
    /// Where they follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Cursor>,
}

/// Background work by status; needs `system:read`.
#[utoipa::path(get, path = "/api/admin/jobs", tag = "admin", operation_id = "list_jobs", params(PageQuery, JobsQuery),
    responses((status = 200, body = JobsView)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    page: PageQuery,
    Query(query): Query<JobsQuery>,
) -> Result<Json<JobsView>, ApiError> {
    if page.offset.is_some() {
        return Err(ApiError::validation("offset", "is not supported here; use cursor"));
    }
    let rows = jobs::list(&hub, &caller, query.status, page.after::<JobId>()?, i64::from(page.limit) + 1).await;
    let rows = rows.map_err(|error| match error {
        JobsError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        JobsError::Store(error) => errors::credits(error.into()),
    })?;
    let cut = Page::cut(rows, page.limit, |job| job.id)?;
    let jobs = cut.items.into_iter().map(JobView::from).collect();
    Ok(Json(JobsView { jobs, has_more: cut.has_more, next_cursor: cut.next_cursor }))
}
