//! Usage over HTTP, one file per endpoint: sums, sums over time, sums by group, the calls, and the calls as CSV.

mod breakdown;
mod export;
mod logs;
mod query;
mod summary;
mod timeseries;
mod view;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::usage::UsageError;
use hub_types::ErrorCode;
use hub_web::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(summary::summary))
        .routes(routes!(timeseries::timeseries))
        .routes(routes!(breakdown::breakdown))
        .routes(routes!(logs::logs))
        .routes(routes!(export::export))
}

/// Refusals of the rules about usage.
fn refused(error: UsageError) -> ApiError {
    match error {
        UsageError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        UsageError::NotFound => ApiError::not_found("Usage"),
        UsageError::Unauthenticated => ApiError::unauthenticated(),
        UsageError::Invalid { field, message } => ApiError::validation(field, message),
        UsageError::Store(error) => errors::credits(error.into()),
    }
}
