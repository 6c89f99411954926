//! `/api/auth/sessions`: the caller's signed-in devices, one file per endpoint.

mod list;
mod revoke;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(revoke::revoke))
}
