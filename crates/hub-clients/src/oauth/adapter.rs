//! The one adapter: authorization code with PKCE, then an ID token, the userinfo endpoint, or both.

use std::time::Duration;

use futures::future::BoxFuture;
use hub_types::Clock;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;
use url::Url;

use super::config::{OAuthConfig, OAuthConfigError, issuer_text};
use super::fetch::{Fetched, Fetcher, word};
use super::id_token::{self, Expected};
use super::keys::Keys;
use super::metadata::{Endpoints, Metadata};
use super::{Answer, Identity, OAuthError, OAuthProvider, SignIn, claims};

/// All requests that one step of a sign-in needs, together.
const STEP: Duration = Duration::from_secs(12);
/// Google signs with either spelling.
const GOOGLE_ISSUERS: [&str; 2] = [super::GOOGLE_ISSUER, "accounts.google.com"];

/// A provider that speaks OAuth 2.0 or OpenID Connect.
pub struct OidcProvider {
    config: OAuthConfig,
    fetcher: Fetcher,
    metadata: Metadata,
    keys: Keys,
    clock: Clock,
}

/// An answer of the token endpoint. Its refresh token is not even read.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    id_token: Option<String>,
}

impl OidcProvider {
    /// Checks the configuration and builds the client; asks the provider nothing yet.
    pub fn new(config: OAuthConfig, clock: Clock) -> Result<Self, OAuthConfigError> {
        config.check()?;
        let fetcher = Fetcher::new(&config)?;
        Ok(Self { config, fetcher, metadata: Metadata::default(), keys: Keys::default(), clock })
    }

    async fn endpoints(&self) -> Result<Endpoints, OAuthError> {
        self.metadata.endpoints(&self.config, &self.fetcher, &self.clock).await
    }

    async fn build_url(&self, request: SignIn<'_>) -> Result<Url, OAuthError> {
        let mut url = self.endpoints().await?.authorization;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", request.redirect_uri)
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", request.state)
            .append_pair("nonce", request.nonce)
            .append_pair("code_challenge", request.code_challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    async fn find_out(&self, answer: Answer<'_>) -> Result<Identity, OAuthError> {
        let issuers = self.issuers();
        if let (Some(named), false) = (answer.issuer, issuers.is_empty())
            && !issuers.contains(&named)
        {
            return Err(OAuthError::Forged("the answer is another issuer's"));
        }
        let endpoints = self.endpoints().await?;
        let tokens = self.exchange(&endpoints, answer).await?;
        let Some(jwks) = &endpoints.jwks else {
            // Plain OAuth 2.0: an ID token that cannot be checked is no word about anybody.
            return claims::identity(&self.config, &self.userinfo(&endpoints, &tokens).await?);
        };
        let token = tokens.id_token.as_deref().ok_or(OAuthError::Protocol("no ID token"))?;
        let header = id_token::header(token)?;
        let key = self.keys.find(header.kid.as_deref(), jwks, &self.fetcher, &self.clock).await?;
        let expected = Expected {
            issuers: &issuers,
            client_id: &self.config.client_id,
            nonce: answer.nonce,
            now: self.clock.now(),
        };
        let mut known = id_token::verify(token, &key, &expected)?;
        let lacking = claims::identity(&self.config, &known).map_or(true, |seen| seen.email.is_none());
        if lacking && endpoints.userinfo.is_some() {
            let more = self.userinfo(&endpoints, &tokens).await?;
            // OpenID Connect Core §5.3.2: without this check the answer could be about somebody else.
            if known.get("sub").is_none() || more.get("sub") != known.get("sub") {
                return Err(OAuthError::Forged("the userinfo is about somebody else"));
            }
            for (name, value) in more {
                known.entry(name).or_insert(value);
            }
        }
        claims::identity(&self.config, &known)
    }

    async fn exchange(&self, endpoints: &Endpoints, answer: Answer<'_>) -> Result<TokenAnswer, OAuthError> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", answer.code),
            ("redirect_uri", answer.redirect_uri),
            ("code_verifier", answer.code_verifier),
        ];
        let fetched = self.fetcher.post_form(&endpoints.token, &self.config, &fields).await?;
        if fetched.status == 400 && word(&fetched) == "invalid_grant" {
            return Err(OAuthError::Code);
        }
        fetched.good("no token answer")
    }

    async fn userinfo(&self, endpoints: &Endpoints, tokens: &TokenAnswer) -> Result<Map<String, Value>, OAuthError> {
        let url = endpoints.userinfo.as_ref().ok_or(OAuthError::Protocol("no userinfo endpoint"))?;
        let token = tokens.access_token.as_deref().ok_or(OAuthError::Protocol("no access token"))?;
        let fetched: Fetched = self.fetcher.get(url, Some(token)).await?;
        fetched.good("no userinfo")
    }

    fn issuers(&self) -> Vec<&str> {
        if self.config.is_google() {
            return GOOGLE_ISSUERS.to_vec();
        }
        let Some(issuer) = &self.config.issuer else { return Vec::new() };
        // A bare host may be written with or without the slash; a URL no longer knows which.
        let mut spellings = vec![issuer_text(issuer), issuer.as_str()];
        spellings.dedup();
        spellings
    }
}

impl OAuthProvider for OidcProvider {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn sign_in_url<'a>(&'a self, request: SignIn<'a>) -> BoxFuture<'a, Result<Url, OAuthError>> {
        Box::pin(in_time(self.build_url(request)))
    }

    fn identify<'a>(&'a self, answer: Answer<'a>) -> BoxFuture<'a, Result<Identity, OAuthError>> {
        Box::pin(in_time(self.find_out(answer)))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), OAuthError>> {
        Box::pin(in_time(async {
            let endpoints = self.endpoints().await?;
            let Some(jwks) = &endpoints.jwks else { return Ok(()) };
            match self.keys.find(None, jwks, &self.fetcher, &self.clock).await {
                // Several keys and no name: they are there, which is all that was asked.
                Ok(_) | Err(OAuthError::Forged(_)) => Ok(()),
                Err(error) => Err(error),
            }
        }))
    }
}

async fn in_time<T>(step: impl Future<Output = Result<T, OAuthError>>) -> Result<T, OAuthError> {
    timeout(STEP, step).await.unwrap_or(Err(OAuthError::Timeout))
}
