//! `/api/auth/totp`: the second factor of the caller, one file per endpoint. An API key can do none of this.

mod confirm;
mod remove;
mod start;
mod status;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(status::status, start::start, remove::remove)).routes(routes!(confirm::confirm))
}
