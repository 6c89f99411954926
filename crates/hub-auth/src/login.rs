//! `POST /api/auth/login`: opens a session with a password.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::identity::{self, Login};
use hub_types::Email;
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::views::TokensBody;
use crate::{cookie, csrf, errors};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LoginBody {
    /// The address.
    email: Email,
    /// The password.
    #[schema(max_length = 128, format = Password)]
    password: String,
    /// A code of the authenticator app or a recovery code; not looked at for accounts without a second factor.
    #[serde(default)]
    #[schema(max_length = 64)]
    totp: Option<String>,
    /// Where the refresh token goes: `body` (default) or `cookie`.
    #[serde(default)]
    session: Place,
}

/// Where the refresh token goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// Into the answer: for programs.
    #[default]
    Body,
    /// Into a cookie that script cannot read: for browsers.
    Cookie,
}

/// Gives an access token for 15 minutes and a refresh token. Where the account has a second factor and the code is missing or wrong,
/// the answer is 401 with `details: {"totpRequired": true}`.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = LoginBody, security(()),
    responses((status = 200, body = TokensBody)))]
pub(crate) async fn login(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<LoginBody>,
) -> Result<(HeaderMap, Json<TokensBody>), ApiError> {
    if body.session == Place::Cookie {
        csrf::same_site_only(&headers, &hub.settings.identity.public_url)?;
    }
    let input = Login { email: body.email, password: body.password, totp: body.totp };
    let tokens = identity::login(&hub, &origin, input).await.map_err(errors::login)?;
    let mut answer = HeaderMap::new();
    if body.session == Place::Cookie {
        cookie::write(&hub.settings.identity.public_url, &mut answer, &tokens)?;
    }
    Ok((answer, Json(TokensBody::new(tokens, body.session == Place::Body))))
}
