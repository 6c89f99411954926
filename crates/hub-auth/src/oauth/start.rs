//! `GET /api/auth/oauth/{provider}`: sends a browser to the provider.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::oauth::{self, ReturnPath, SignInError};
use hub_web::{ApiError, Path, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{browser, errors, redirect};

/// What the sign-in is for.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct StartQuery {
    /// A path of this site to return to, with a one-time code in the fragment: `#exchange=…`. Without it `/oauth/callback`.
    return_to: Option<String>,
    /// From a device's `signInUrl`.
    session: Option<String>,
}

/// Begins a sign-in and sends the browser to the provider.
#[utoipa::path(get, path = "/api/auth/oauth/{provider}", operation_id = "start_oauth", tag = "auth", security(()),
    params(("provider" = String, Path, description = "Name of the provider, such as `google`."), StartQuery),
    responses((status = 302, description = "To the provider.")))]
pub(crate) async fn start(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Query(query): Query<StartQuery>,
) -> Result<Response, ApiError> {
    let public_url = &hub.settings.identity.public_url;
    let browser = browser::known_or_new(public_url, &headers);
    let begun = match (&query.session, query.return_to.as_deref()) {
        (Some(_), Some(_)) => Err(SignInError::ReturnPath),
        (Some(session), None) => oauth::begin_device(&hub, &provider, &browser, session).await,
        (None, path) => match path.map_or(Ok(ReturnPath::default()), str::parse) {
            Ok(path) => oauth::begin_sign_in(&hub, &provider, &browser, path).await,
            Err(error) => Err(error),
        },
    };
    match begun {
        Err(error) => Ok(errors::page(error)),
        Ok(address) => {
            let mut response = redirect(address)?;
            browser::write(public_url, response.headers_mut(), &browser)?;
            Ok(response)
        }
    }
}
