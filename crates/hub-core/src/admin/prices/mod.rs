//! `/api/admin/prices`: the price book. Versions are added, never changed.

mod import;
mod list;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list, import::import))
}
