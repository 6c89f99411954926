//! `GET /api/ws`: the spec's protocol over one socket, many requests at once.

mod connect;
mod running;
mod session;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(connect::connect))
}
