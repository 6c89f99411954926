//! The sign-in providers: Google, and any other service that speaks OAuth 2.0 or OpenID Connect.

use hub_clients::oauth::{ClaimMap, GOOGLE_ISSUER};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// One entry of `[[oauth]]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The operator's name for it, and part of the identity of everybody who signs in with it: never change it. Unique; a-z, 0-9, `-`,
    /// `_`, at most 40 characters.
    pub name: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there; none for a public client.
    pub client_secret: Option<SecretString>,
    /// How the secret is sent.
    #[serde(default)]
    pub client_auth: SecretPlace,
    /// Its issuer; endpoints that are not given are then asked for. For Google nothing more is needed, and for an entry named `google`
    /// not even this.
    pub issuer: Option<Url>,
    /// Where people sign in.
    pub authorization_endpoint: Option<Url>,
    /// Where a code is exchanged.
    pub token_endpoint: Option<Url>,
    /// Where to ask who somebody is.
    pub userinfo_endpoint: Option<Url>,
    /// The keys of its ID tokens.
    pub jwks_endpoint: Option<Url>,
    /// What we ask to know.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Under which name its answers hold the lasting id; a name that begins with `/` is a JSON pointer.
    #[serde(default = "subject_claim")]
    pub subject_claim: String,
    /// … the e-mail address.
    #[serde(default = "email_claim")]
    pub email_claim: String,
    /// … whether the address is verified; empty where it has no such claim and hands out verified addresses only.
    #[serde(default = "email_verified_claim")]
    pub email_verified_claim: String,
    /// … the display name.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// Whether its word that somebody owns an address is believed. Google's is, for its own addresses.
    #[serde(default)]
    pub email_trusted: bool,
    /// Whether it may be at a private address, and without TLS.
    #[serde(default)]
    pub allow_private_addresses: bool,
}

impl OAuth {
    /// True for Google itself: by its issuer, or by its name where no address is given.
    pub fn is_google(&self) -> bool {
        let endpoints =
            [&self.authorization_endpoint, &self.token_endpoint, &self.userinfo_endpoint, &self.jwks_endpoint];
        let bare = endpoints.iter().all(|endpoint| endpoint.is_none());
        match &self.issuer {
            Some(issuer) => bare && issuer.as_str().trim_end_matches('/') == GOOGLE_ISSUER,
            None => bare && self.name == "google",
        }
    }

    /// The names of its claims.
    pub fn claims(&self) -> ClaimMap {
        ClaimMap {
            subject: self.subject_claim.clone(),
            email: self.email_claim.clone(),
            email_verified: self.email_verified_claim.clone(),
            name: self.name_claim.clone(),
        }
    }
}

/// See `OAuth::client_auth`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretPlace {
    /// In an `Authorization` header.
    #[default]
    Basic,
    /// In the body.
    Post,
}

fn scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

fn subject_claim() -> String {
    ClaimMap::default().subject
}

fn email_claim() -> String {
    ClaimMap::default().email
}

fn email_verified_claim() -> String {
    ClaimMap::default().email_verified
}

fn name_claim() -> String {
    ClaimMap::default().name
}
