//! `GET /api/auth/oauth`: with whom people can sign in here, for the sign-in page.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::Hub;
use hub_web::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// One provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInProvider {
    /// Its name.
    name: String,
    /// Where a browser begins; add `?returnTo=/path`.
    start_url: String,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInProviders {
    /// In the order of the settings.
    providers: Vec<SignInProvider>,
}

/// The sign-in providers of this hub.
#[utoipa::path(get, path = "/api/auth/oauth", operation_id = "list_oauth_providers", tag = "auth", security(()), responses((status = 200, body = SignInProviders)))]
pub(crate) async fn providers(State(hub): State<Arc<Hub>>) -> Json<SignInProviders> {
    let one = |name: &str| SignInProvider { name: name.to_owned(), start_url: format!("/api/auth/oauth/{name}") };
    Json(SignInProviders { providers: hub.oauth.names().map(one).collect() })
}
