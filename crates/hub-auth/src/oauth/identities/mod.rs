//! `/api/auth/identities`: the caller's ways to sign in, one file per endpoint.

mod list;
mod unlink;

use std::sync::Arc;

use hub_domain::Hub;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(unlink::unlink))
}
