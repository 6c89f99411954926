//! `/api/keys`: the caller's API keys, one file per endpoint.

mod create;
mod list;
mod revoke;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::keys::KeyError;
use hub_types::ErrorCode;
use hub_web::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(create::create)).routes(routes!(revoke::revoke))
}

/// Refusals of the rules about keys.
fn refused(error: KeyError) -> ApiError {
    match error {
        KeyError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        KeyError::Invalid { field, message } => ApiError::validation(field, message),
        KeyError::TooMany => {
            ApiError::new(ErrorCode::Conflict).message("You have 50 API keys already; delete one first")
        }
        KeyError::NotFound => ApiError::not_found("API key"),
        KeyError::Store(error) => errors::credits(error.into()),
    }
}
