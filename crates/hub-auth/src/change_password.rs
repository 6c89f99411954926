//! `POST /api/auth/change-password`: a signed-in person chooses another password.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::identity::{self, ChangePassword};
use hub_domain::sessions::RefreshToken;
use hub_web::{ApiError, Authenticated, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::views::TokensBody;
use crate::{cookie, errors};

/// The password in force and the one wanted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangePasswordBody {
    /// Required where the account has a password; an account without one needs a sign-in of the last ten minutes.
    #[serde(default)]
    #[schema(max_length = 128, format = Password)]
    current_password: Option<String>,
    /// The new password; the rules of registration.
    #[schema(min_length = 8, max_length = 128, format = Password)]
    new_password: String,
}

/// Sets the password and signs out all other devices. This one goes on with the tokens of the answer; a browser's cookie is renewed.
#[utoipa::path(post, path = "/api/auth/change-password", tag = "auth", request_body = ChangePasswordBody,
    responses((status = 200, body = TokensBody)))]
pub(crate) async fn change_password(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    headers: HeaderMap,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<ChangePasswordBody>,
) -> Result<(HeaderMap, Json<TokensBody>), ApiError> {
    let public_url = &hub.settings.identity.public_url;
    let cookie = cookie::read(public_url, &headers).and_then(|token| RefreshToken::parse(&token));
    // The cookie of another session stays as it is.
    let in_cookie = cookie.is_some_and(|token| caller.session() == Some(token.session));
    let input = ChangePassword { current: body.current_password, new: body.new_password };
    let tokens = identity::change_password(&hub, &caller, &origin, input).await.map_err(errors::change_password)?;
    let mut answer = HeaderMap::new();
    if in_cookie {
        cookie::write(public_url, &mut answer, &tokens)?;
    }
    Ok((answer, Json(TokensBody::new(tokens, !in_cookie))))
}
