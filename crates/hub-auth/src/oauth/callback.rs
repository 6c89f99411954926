//! `GET /api/auth/oauth/{provider}/callback`: the browser comes back from the provider.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::oauth::{self, Asker, CallbackAnswer, Finished};
use hub_web::html::Page;
use hub_web::{ApiError, Path, Query, RequestOrigin};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{browser, errors, redirect};

/// What the provider put into the address. Other parameters are its own matter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    /// Our state.
    state: Option<String>,
    /// The authorization code.
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The issuer (RFC 9207).
    iss: Option<String>,
}

/// Finishes a sign-in: on to the page that began it, or a page with the code for a device.
#[utoipa::path(get, path = "/api/auth/oauth/{provider}/callback", operation_id = "oauth_callback", tag = "auth", security(()),
    params(("provider" = String, Path, description = "Name of the provider."), CallbackQuery),
    responses((status = 200, description = "A page with the code for a device.", content_type = "text/html"),
        (status = 302, description = "Back to the site, with a one-time code in the fragment.")))]
pub(crate) async fn callback(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RequestOrigin(origin): RequestOrigin,
    Path(provider): Path<String>,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, ApiError> {
    let public_url = &hub.settings.identity.public_url;
    let browser = browser::read(public_url, &headers);
    let answer = CallbackAnswer {
        state: query.state.as_deref(),
        code: query.code.as_deref(),
        error: query.error.as_deref(),
        issuer: query.iss.as_deref(),
    };
    match oauth::finish(&hub, &origin, &provider, browser.as_ref(), answer).await {
        Err(error) => Ok(errors::page(error)),
        Ok(Finished::Return { path, exchange: Some(code) }) => redirect(format!("{public_url}{path}#exchange={code}")),
        Ok(Finished::Return { path, exchange: None }) => redirect(format!("{public_url}{path}#linked={provider}")),
        Ok(Finished::ShowCode { code, asker }) => Ok(code_page(&hub.settings.identity.product, &code, &asker)),
    }
}

/// The person must be able to tell their own device from a stranger's (RFC 8628 §5.4).
fn code_page(product: &str, code: &str, Asker { address, user_agent }: &Asker) -> Response {
    Page::new("Your sign-in code")
        .text(&format!("Type this code into the program that you are signing in to {product}, within 10 minutes:"))
        .code(code)
        .text(&format!("The program that asked calls itself “{user_agent}” and is at the address {address}."))
        .text(
            "Go on only if you started it yourself, just now. Whoever gets this code from you gets into your account: do not tell it to \
             anybody who wrote or called you. We have mailed it to you as well.",
        )
        .into_response()
}
