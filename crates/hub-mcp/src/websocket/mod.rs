//! `GET /api/ws`: the spec's protocol over one socket, many requests at once.

mod calls;
mod connect;
mod keyed;
mod open;
mod out;
mod running;
mod session;
mod told;

use std::sync::Arc;

use axum::Extension;
use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(connect::connect)).layer(Extension(open::Open::default()))
}
