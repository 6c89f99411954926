//! `POST /api/admin/reconciliation`: the same comparison as `hub reconcile`.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use hub_domain::reconcile::{self, Asked, Format, Report};
use hub_domain::{Hub, rbac};
use hub_types::{ErrorCode, Permission, Timestamp};
use hub_web::{ApiError, Authenticated, Json, Query, RawBody};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::errors;

/// What is to be compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Name of the provider, as on its receipts
    #[param(min_length = 1, max_length = 100)]
    provider: String,
    /// Calls that began at or after this; the first day of the file when not given
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Calls that began before this; the end of the last day of the file when not given
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

/// Compares receipts with a provider's own file, `text/csv` or a JSON array of flat objects, up to 32 MiB; needs `ledger:verify`. Changes
/// nothing. Files with the provider's ids of calls are compared call by call, others by day and model.
#[utoipa::path(post, path = "/api/admin/reconciliation", tag = "admin", operation_id = "reconcile", params(Which),
    request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Report)))]
pub(crate) async fn reconcile(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(which): Query<Which>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Report>, ApiError> {
    rbac::require(&caller, Permission::LedgerVerify).map_err(|denied| errors::credits(denied.into()))?;
    if which.provider.is_empty() || which.provider.len() > 100 {
        return Err(ApiError::validation("provider", "must have 1 to 100 characters"));
    }
    let asked = Asked { provider: which.provider, from: which.from, to: which.to };
    let report = reconcile::reconcile(&hub.store, &body, format(&headers)?, &asked).await;
    Ok(Json(report.map_err(errors::reconcile)?))
}

fn format(headers: &HeaderMap) -> Result<Format, ApiError> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media.split(';').next().map(str::trim) {
        Some("text/csv") => Ok(Format::Csv),
        Some("application/json") => Ok(Format::Json),
        _ => Err(ApiError::new(ErrorCode::UnsupportedMediaType).message("Send text/csv or application/json")),
    }
}
