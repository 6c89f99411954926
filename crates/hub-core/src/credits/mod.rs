//! `/api/credits`: one file per endpoint.

mod balance;
mod budgets;
mod deduct;
mod grant;
mod receipt;
mod transactions;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(balance::balance))
        .routes(routes!(budgets::get, budgets::set))
        .routes(routes!(deduct::deduct))
        .routes(routes!(transactions::transactions))
        .routes(routes!(grant::grant))
        .routes(routes!(receipt::receipt))
}
