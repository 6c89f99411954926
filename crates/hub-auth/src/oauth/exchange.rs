//! `POST /api/auth/oauth/exchange`: the one-time code from the fragment becomes a session.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::{Hub, oauth};
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{browser, errors};
use crate::login::Place;
use crate::views::TokensBody;
use crate::{cookie, csrf};

/// The code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExchangeBody {
    /// From the fragment `#exchange=…`.
    code: String,
    /// The second factor, for accounts that have one: without it the answer is 401 with `totpRequired`, and the code lives on.
    totp: Option<String>,
    /// Where the refresh token goes: `body` (default) or `cookie`.
    #[serde(default)]
    session: Place,
}

/// Gives tokens for the code, once, within five minutes, to the browser that signed in.
#[utoipa::path(post, path = "/api/auth/oauth/exchange", operation_id = "exchange_oauth_code", tag = "auth", request_body = ExchangeBody, security(()),
    responses((status = 200, body = TokensBody)))]
pub(crate) async fn exchange(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ExchangeBody>,
) -> Result<(HeaderMap, Json<TokensBody>), ApiError> {
    let public_url = &hub.settings.identity.public_url;
    csrf::same_site_only(&headers, public_url)?;
    let browser = browser::read(public_url, &headers);
    let exchanged = oauth::exchange(&hub, &origin, browser.as_ref(), &body.code, body.totp.as_deref()).await;
    let tokens = exchanged.map_err(errors::sign_in)?;
    let mut answer = HeaderMap::new();
    if body.session == Place::Cookie {
        cookie::write(public_url, &mut answer, &tokens)?;
    }
    Ok((answer, Json(TokensBody::new(tokens, body.session == Place::Body))))
}
