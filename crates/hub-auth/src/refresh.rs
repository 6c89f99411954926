//! `POST /api/auth/refresh`: trades a refresh token, from the body or the cookie, for new tokens. The cookie is rotated too.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::{Hub, sessions};
use hub_web::{ApiError, Json, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::views::TokensBody;
use crate::{cookie, csrf, errors};

/// The refresh token, unless it is in the cookie.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefreshBody {
    /// From the last sign-in or refresh.
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Gives new tokens; the refresh token that was sent stops working.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = RefreshBody, security(()),
    responses((status = 200, body = TokensBody)))]
pub(crate) async fn refresh(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<RefreshBody>,
) -> Result<(HeaderMap, Json<TokensBody>), ApiError> {
    let in_body = body.refresh_token.is_some();
    let token = if let Some(token) = body.refresh_token {
        token
    } else {
        csrf::same_site_only(&headers, &hub.settings.identity.public_url)?;
        cookie::read(&hub.settings.identity.public_url, &headers).ok_or_else(ApiError::unauthenticated)?
    };
    let tokens = sessions::refresh(&hub, &origin, &token).await.map_err(errors::refresh)?;
    let mut answer = HeaderMap::new();
    if !in_body {
        cookie::write(&hub.settings.identity.public_url, &mut answer, &tokens)?;
    }
    Ok((answer, Json(TokensBody::new(tokens, in_body))))
}
