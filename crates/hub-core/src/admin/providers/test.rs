//! `POST /api/admin/providers/{name}/test`: is it there, and does it take our credentials?

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_domain::providers::{self, Tried};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors;

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestView {
    /// One for each credential, twenty at most.
    results: Vec<TriedView>,
}

/// What came of one credential.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TriedView {
    /// Its label; absent for a provider that needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    /// Whether the provider took it.
    ok: bool,
    /// How long it took.
    milliseconds: i64,
    /// Models the provider lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<usize>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<Tried> for TriedView {
    fn from(tried: Tried) -> Self {
        let Tried { credential, ok, milliseconds, models, error } = tried;
        Self { credential, ok, milliseconds, models, error }
    }
}

/// Asks the provider for its models under each credential, also where it is switched off; needs `providers:update`. Costs nothing, ends
/// within ten seconds.
#[utoipa::path(post, path = "/api/admin/providers/{name}/test", tag = "admin", operation_id = "test_provider",
    params(("name" = String, Path)), responses((status = 200, body = TestView)))]
pub(crate) async fn test(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Path(name): Path<String>,
) -> Result<Json<TestView>, ApiError> {
    let results = providers::try_out(&hub, &caller, &name).await.map_err(errors::providers)?;
    Ok(Json(TestView { results: results.into_iter().map(TriedView::from).collect() }))
}
