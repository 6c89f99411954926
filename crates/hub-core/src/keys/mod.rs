//! `/api/keys`: the caller's API keys, one file per endpoint.

mod create;
mod get;
mod list;
mod revoke;
mod rotate;
mod update;
mod view;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::keys::{self, ApiKey, KeyError};
use hub_types::{Caller, ErrorCode};
use hub_web::ApiError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors;
use view::KeyView;
pub(crate) use view::BudgetView;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(create::create))
        .routes(routes!(get::get))
        .routes(routes!(update::update))
        .routes(routes!(rotate::rotate))
        .routes(routes!(revoke::revoke))
}

/// A key with the state of its budget.
async fn shown(hub: &Hub, caller: &Caller, key: ApiKey) -> Result<KeyView, ApiError> {
    let budgets = keys::budgets(hub, caller, std::slice::from_ref(&key)).await.map_err(refused)?;
    Ok(KeyView::of(key, &budgets))
}

/// Refusals of the rules about keys.
fn refused(error: KeyError) -> ApiError {
    match error {
        KeyError::Denied(denied) => ApiError::new(ErrorCode::Forbidden).source(denied),
        KeyError::Invalid { field, message } => ApiError::validation(field, message),
        KeyError::TooMany => {
            ApiError::new(ErrorCode::Conflict).message("You have 50 API keys already; delete one first")
        }
        KeyError::Ended => ApiError::new(ErrorCode::Conflict).message("This key was replaced or has ended"),
        KeyError::NotFound => ApiError::not_found("API key"),
        KeyError::Store(error) => errors::credits(error.into()),
    }
}
