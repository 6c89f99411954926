//! `/api/credits`: one file per endpoint.

mod adjust;
mod alerts;
mod balance;
mod budgets;
mod deduct;
mod export;
mod grant;
mod grants;
mod quote;
mod receipt;
mod redeem;
mod refund;
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
        .routes(routes!(export::export))
        .routes(routes!(quote::quote))
        .routes(routes!(redeem::redeem))
        .routes(routes!(grant::grant))
        .routes(routes!(grants::grants))
        .routes(routes!(refund::refund))
        .routes(routes!(adjust::adjust))
        .routes(routes!(alerts::alerts, alerts::set_alerts))
        .routes(routes!(receipt::receipt))
}
