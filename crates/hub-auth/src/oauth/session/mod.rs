//! `/api/auth/oauth/session`: sign-in for programs without a browser, one file per endpoint.

mod confirm;
mod start;
mod verify;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(start::start)).routes(routes!(verify::verify)).routes(routes!(confirm::confirm))
}
