//! `/api/users/invitations`: invitations that nobody accepted yet, one file per endpoint. They are made by `POST /api/users`.

mod list;
mod resend;
mod withdraw;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(withdraw::withdraw)).routes(routes!(resend::resend))
}
