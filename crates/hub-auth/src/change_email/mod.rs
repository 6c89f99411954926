//! `/api/auth/change-email`: another address for an account, one file per endpoint.

mod confirm;
mod request;
mod revert;

use std::sync::Arc;

use hub_domain::Hub;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(request::request))
        .routes(routes!(confirm::confirm))
        .routes(routes!(revert::revert))
}

/// What a mailed link carries.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EmailTokenBody {
    /// From the link.
    #[schema(max_length = 200)]
    token: String,
}
