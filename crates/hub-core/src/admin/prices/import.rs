//! `POST /api/admin/prices`: new versions of prices, all or none.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::pricing::{self, ImportOptions, Imported, PriceEntry};
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::errors;

/// Prices to be taken over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImportBody {
    /// One entry per model and start; 1 to 5000.
    prices: Vec<PriceEntry>,
    /// Takes over what looks like a slip of the pen: free, above 1000 dollars a million (100 a call, 10 a second of video), a multiplier
    /// beyond ten or below a tenth, ten times more or less than now, or nothing where something was asked.
    #[serde(default)]
    allow_unusual: bool,
    /// Compares only; writes nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Adds versions to the price book, or with `dryRun` says what would change; needs `prices:update`. A running call keeps
/// the price it began with. What cannot be taken over is named in `details.changes`, and then nothing is written.
#[utoipa::path(post, path = "/api/admin/prices", tag = "admin", operation_id = "import_prices", request_body = ImportBody,
    responses((status = 200, body = Imported)))]
pub(crate) async fn import(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ImportBody>,
) -> Result<Json<Imported>, ApiError> {
    let options = ImportOptions { allow_unusual: body.allow_unusual, dry_run: body.dry_run };
    let done = pricing::import(&hub, &caller, &origin, &body.prices, options).await.map_err(errors::prices)?;
    Ok(Json(done))
}
