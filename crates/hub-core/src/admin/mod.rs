//! `/api/admin`: one file per endpoint.

mod denials;
mod jobs;
mod ledger;
mod prices;
mod providers;
mod reconciliation;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(ledger::verify))
        .routes(routes!(reconciliation::reconcile))
        .routes(routes!(jobs::list))
        .routes(routes!(denials::get))
        .merge(prices::router())
        .merge(providers::router())
}
