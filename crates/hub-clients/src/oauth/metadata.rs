//! Where a provider's endpoints are: as configured, and what is missing from its discovery document (OpenID Connect Discovery 1.0).

use chrono::Duration;
use hub_types::{Clock, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::config::{OAuthConfig, issuer_text};
use super::error::OAuthError;
use super::fetch::Fetcher;

/// How long a discovery document is used.
const LIFE: Duration = Duration::hours(1);

/// Endpoints to use.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    pub(super) jwks: Option<Url>,
}

/// The parts of the document that matter.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<Url>,
    token_endpoint: Option<Url>,
    userinfo_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
}

/// What was learned, and when.
#[derive(Default)]
pub(super) struct Metadata(Mutex<Option<(Timestamp, Endpoints)>>);

impl Metadata {
    /// The endpoints. One request at a time asks the provider; the others wait for its answer.
    pub(super) async fn endpoints(
        &self,
        config: &OAuthConfig,
        fetcher: &Fetcher,
        clock: &Clock,
    ) -> Result<Endpoints, OAuthError> {
        if !config.needs_discovery() {
            return merged(config, None);
        }
        let mut known = self.0.lock().await;
        let now = clock.now();
        if let Some((at, endpoints)) = known.as_ref()
            && now - *at < LIFE
        {
            return Ok(endpoints.clone());
        }
        let endpoints = merged(config, Some(discover(config, fetcher).await?))?;
        *known = Some((now, endpoints.clone()));
        Ok(endpoints)
    }
}

async fn discover(config: &OAuthConfig, fetcher: &Fetcher) -> Result<Document, OAuthError> {
    let issuer = config.issuer.as_ref().ok_or(OAuthError::Protocol("no issuer"))?;
    let mut url = issuer.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend([".well-known", "openid-configuration"]);
    }
    let document: Document = fetcher.get(&url, None).await?.good("no discovery document")?;
    // Discovery §4.3: the issuer must be the one that was asked, or anybody's document would do.
    if document.issuer.trim_end_matches('/') != issuer_text(issuer).trim_end_matches('/') {
        return Err(OAuthError::Forged("the discovery document is another issuer's"));
    }
    for url in
        [&document.authorization_endpoint, &document.token_endpoint, &document.userinfo_endpoint, &document.jwks_uri]
    {
        if let Some(why) = url.as_ref().and_then(|url| config.refusal(url)) {
            return Err(OAuthError::Address(why));
        }
    }
    Ok(document)
}

fn merged(config: &OAuthConfig, document: Option<Document>) -> Result<Endpoints, OAuthError> {
    let (authorization, token, userinfo, jwks) = document.map_or((None, None, None, None), |document| {
        (document.authorization_endpoint, document.token_endpoint, document.userinfo_endpoint, document.jwks_uri)
    });
    Ok(Endpoints {
        authorization: config
            .authorization_endpoint
            .clone()
            .or(authorization)
            .ok_or(OAuthError::Protocol("no authorization endpoint"))?,
        token: config.token_endpoint.clone().or(token).ok_or(OAuthError::Protocol("no token endpoint"))?,
        userinfo: config.userinfo_endpoint.clone().or(userinfo),
        jwks: config.jwks_endpoint.clone().or(jwks),
    })
}
