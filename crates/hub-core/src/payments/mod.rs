//! Top-up over HTTP: `/api/credits/{packages,checkout,orders}`, the sandbox's page, and `/api/webhooks/stripe`. One file per endpoint.
//!
//! Pages are for people who come from a payment: plain, without script. None of them gives credits.
#![expect(unused_qualifications, reason = "utoipa expands `params(T)` to a qualified path")]

mod checkout;
mod errors;
mod invoice;
mod order;
mod orders;
mod packages;
mod returned;
mod sandbox;
mod views;
mod webhook;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(packages::packages))
        .routes(routes!(checkout::checkout))
        .routes(routes!(returned::done))
        .routes(routes!(returned::cancelled))
        .routes(routes!(orders::orders))
        .routes(routes!(order::order))
        .routes(routes!(invoice::invoice))
        .routes(routes!(sandbox::show, sandbox::press))
        .routes(routes!(webhook::stripe))
}
