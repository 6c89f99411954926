//! `/api/users/{id}/roles`: who holds which role, one file per endpoint.

mod grant;
mod list;
mod revoke;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(grant::grant)).routes(routes!(revoke::revoke))
}
