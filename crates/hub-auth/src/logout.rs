//! `POST /api/auth/logout`: ends this session, the others, or all.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use hub_domain::Hub;
use hub_domain::sessions::{self, LogoutScope};
use hub_web::{ApiError, Json, MaybeCaller, RequestOrigin};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{cookie, csrf, errors};

/// What is to end.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogoutBody {
    /// Proves the session where the access token has run out.
    #[serde(default)]
    refresh_token: Option<String>,
    /// `this` (default), `others` or `all`.
    #[serde(default)]
    scope: Scope,
}

/// Which sessions end.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LogoutScope)]
pub(crate) enum Scope {
    /// The one in use.
    #[default]
    This,
    /// All but the one in use.
    Others,
    /// All.
    All,
}

impl From<Scope> for LogoutScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::This => Self::This,
            Scope::Others => Self::Others,
            Scope::All => Self::All,
        }
    }
}

/// Signs out, by access token, refresh token or cookie. Tokens of an ended session stop working within two seconds.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", request_body = LogoutBody, security((), ("bearer" = [])),
    responses((status = 204)))]
pub(crate) async fn logout(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    MaybeCaller(caller): MaybeCaller,
    RequestOrigin(origin): RequestOrigin,
    Json(body): Json<LogoutBody>,
) -> Result<(StatusCode, HeaderMap), ApiError> {
    let in_cookie = cookie::read(&hub.settings.identity.public_url, &headers);
    if in_cookie.is_some() {
        csrf::same_site_only(&headers, &hub.settings.identity.public_url)?;
    }
    let token = body.refresh_token.as_deref().or(in_cookie.as_deref());
    let done = sessions::logout(&hub, caller.as_ref(), &origin, token, body.scope.into()).await;
    done.map_err(errors::session)?;
    let mut answer = HeaderMap::new();
    if in_cookie.is_some() && !matches!(body.scope, Scope::Others) {
        cookie::clear(&hub.settings.identity.public_url, &mut answer)?;
    }
    Ok((StatusCode::NO_CONTENT, answer))
}
