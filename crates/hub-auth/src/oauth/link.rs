//! `POST /api/auth/oauth/{provider}/link`: begins to tie a further way of signing in to the caller's account.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use hub_domain::Hub;
use hub_domain::oauth::{self, ReturnPath};
use hub_web::{ApiError, Authenticated, Json, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{browser, errors};

/// Where to go then.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// A path of this site; `#linked=provider` is added. Without it `/oauth/callback`.
    return_to: Option<String>,
}

/// Where to go now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkView {
    /// The provider's sign-in page; send this same browser there.
    url: String,
}

/// Gives the address where the person proves the other account. Needs a signed-in session.
#[utoipa::path(post, path = "/api/auth/oauth/{provider}/link", operation_id = "link_identity", tag = "auth", request_body = LinkBody,
    params(("provider" = String, Path, description = "Name of the provider.")), responses((status = 200, body = LinkView)))]
pub(crate) async fn link(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    Authenticated(caller): Authenticated,
    Path(provider): Path<String>,
    Json(body): Json<LinkBody>,
) -> Result<(HeaderMap, Json<LinkView>), ApiError> {
    let public_url = &hub.settings.identity.public_url;
    let path = body.return_to.as_deref().map_or(Ok(ReturnPath::default()), str::parse).map_err(errors::sign_in)?;
    let browser = browser::known_or_new(public_url, &headers);
    let url = oauth::begin_link(&hub, &caller, &provider, &browser, path).await.map_err(errors::sign_in)?;
    let mut answer = HeaderMap::new();
    browser::write(public_url, &mut answer, &browser)?;
    Ok((answer, Json(LinkView { url })))
}
