//! What an operator says about a sign-in provider, and its check.

use secrecy::SecretString;
use url::{Host, Url};

use crate::llm::TransportError;
use crate::public::is_public;

/// The issuer of Google's ID tokens.
pub const GOOGLE_ISSUER: &str = "https://accounts.google.com";

/// One provider.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// The operator's name for it; part of every identity.
    pub name: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there; `None` for a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
    /// How the secret is sent.
    pub client_auth: ClientAuth,
    /// Its issuer. With it, endpoints that are not given are asked for at `/.well-known/openid-configuration`.
    pub issuer: Option<Url>,
    /// Where people sign in.
    pub authorization_endpoint: Option<Url>,
    /// Where a code is exchanged.
    pub token_endpoint: Option<Url>,
    /// Where to ask who somebody is.
    pub userinfo_endpoint: Option<Url>,
    /// The keys that sign its ID tokens. Without it, and without discovery, ID tokens are not looked at.
    pub jwks_endpoint: Option<Url>,
    /// What we ask to know.
    pub scopes: Vec<String>,
    /// Under which names its answers hold what.
    pub claims: ClaimMap,
    /// Whether its word that somebody owns an address is believed.
    pub email_trusted: bool,
    /// Whether it may be at a private address, and without TLS.
    pub allow_private_addresses: bool,
}

/// How a client shows its secret at the token endpoint (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// In an `Authorization: Basic` header; every server must take it.
    #[default]
    Basic,
    /// In the body.
    Post,
}

/// Names of claims. One that begins with `/` is a JSON pointer into nested answers, such as `/data/id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimMap {
    /// The lasting id.
    pub subject: String,
    /// The address.
    pub email: String,
    /// Whether the address was verified; empty where the provider has no such claim and hands out verified addresses only.
    pub email_verified: String,
    /// The display name.
    pub name: String,
}

impl Default for ClaimMap {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
            name: "name".to_owned(),
        }
    }
}

/// The configuration cannot be used. Shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum OAuthConfigError {
    /// Neither discovery nor endpoints.
    #[error("needs issuer, or authorization_endpoint and token_endpoint with userinfo_endpoint or jwks_endpoint")]
    Endpoints,
    /// An ID token without an issuer to check it against.
    #[error("jwks_endpoint needs issuer and the scope openid")]
    Issuer,
    /// An address.
    #[error("{field} {why}")]
    Address {
        /// Which setting.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The client could not be built; usually no root certificates are installed.
    #[error("the HTTP client cannot be built")]
    Client(#[source] TransportError),
}

impl OAuthConfig {
    /// Google, from the id and secret of its console. Endpoints are Google's documented ones, so the first sign-in needs no discovery.
    pub fn google(name: &str, client_id: &str, client_secret: Option<SecretString>) -> Self {
        let at = |text: &str| text.parse().ok();
        Self {
            client_auth: ClientAuth::Post,
            issuer: at(GOOGLE_ISSUER),
            authorization_endpoint: at("https://accounts.google.com/o/oauth2/v2/auth"),
            token_endpoint: at("https://oauth2.googleapis.com/token"),
            userinfo_endpoint: at("https://openidconnect.googleapis.com/v1/userinfo"),
            jwks_endpoint: at("https://www.googleapis.com/oauth2/v3/certs"),
            email_trusted: true,
            ..Self::new(name, client_id, client_secret)
        }
    }

    /// A provider of which nothing but our id is known yet.
    pub fn new(name: &str, client_id: &str, client_secret: Option<SecretString>) -> Self {
        Self {
            name: name.to_owned(),
            client_id: client_id.to_owned(),
            client_secret,
            client_auth: ClientAuth::default(),
            issuer: None,
            authorization_endpoint: None,
            token_endpoint: None,
            userinfo_endpoint: None,
            jwks_endpoint: None,
            scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
            claims: ClaimMap::default(),
            email_trusted: false,
            allow_private_addresses: false,
        }
    }

    /// True for Google, whose word about an address has rules of its own.
    pub(super) fn is_google(&self) -> bool {
        self.issuer.as_ref().is_some_and(|issuer| issuer_text(issuer) == GOOGLE_ISSUER)
    }

    /// True when endpoints have to be asked for.
    pub(super) fn needs_discovery(&self) -> bool {
        let can_identify = self.jwks_endpoint.is_some() || self.userinfo_endpoint.is_some();
        self.authorization_endpoint.is_none() || self.token_endpoint.is_none() || !can_identify
    }

    /// Refuses what could not work or would be unsafe.
    pub(super) fn check(&self) -> Result<(), OAuthConfigError> {
        if self.issuer.is_none() && self.needs_discovery() {
            return Err(OAuthConfigError::Endpoints);
        }
        let openid = self.scopes.iter().any(|scope| scope == "openid");
        if self.jwks_endpoint.is_some() && (self.issuer.is_none() || !openid) {
            return Err(OAuthConfigError::Issuer);
        }
        for (field, url) in [
            ("issuer", &self.issuer),
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
            ("jwks_endpoint", &self.jwks_endpoint),
        ] {
            let wrong = url.as_ref().and_then(|url| self.refusal(url));
            if let Some(why) = wrong {
                return Err(OAuthConfigError::Address { field, why });
            }
        }
        Ok(())
    }

    /// Why we would not go to this address, if we would not. Names are judged again when they are resolved.
    pub(super) fn refusal(&self, url: &Url) -> Option<&'static str> {
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Some("must not carry a user name, password or fragment");
        }
        let private = self.allow_private_addresses;
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => {}
            ("http", Some(_)) if private => {}
            _ => return Some("must be an https address (http only with allow_private_addresses)"),
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        let refused = !private && literal.is_some_and(|address| !is_public(address));
        refused.then_some("is a private address; set allow_private_addresses if that is meant")
    }
}

/// An issuer as ID tokens spell it. A bare host is written without the slash that a URL adds.
pub(super) fn issuer_text(issuer: &Url) -> &str {
    let text = issuer.as_str();
    if issuer.path() == "/" { text.trim_end_matches('/') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovering(issuer: &str) -> OAuthConfig {
        OAuthConfig { issuer: Some(issuer.parse().unwrap()), ..OAuthConfig::new("x", "id", Some("hush-hush".into())) }
    }

    #[test]
    fn addresses_that_lead_inside_are_refused_unless_allowed() {
        for inside in [
            "https://127.0.0.1/",
            "https://10.1.2.3",
            "https://169.254.169.254",
            "https://[::1]",
            "https://[::ffff:192.168.0.1]",
            "http://idp.example.com",
            "https://u:p@idp.example.com",
            "ftp://idp.example.com",
        ] {
            assert!(discovering(inside).check().is_err(), "{inside}");
        }
        assert!(discovering("https://idp.example.com").check().is_ok());
        let here = OAuthConfig { allow_private_addresses: true, ..discovering("http://127.0.0.1:9") };
        assert!(here.check().is_ok());
    }

    #[test]
    fn a_provider_needs_a_way_to_know_who_somebody_is() {
        let mut plain = OAuthConfig::new("x", "id", None);
        assert!(plain.check().is_err());
        plain.authorization_endpoint = "https://a.example/auth".parse().ok();
        plain.token_endpoint = "https://a.example/token".parse().ok();
        assert!(plain.check().is_err());
        plain.userinfo_endpoint = "https://a.example/me".parse().ok();
        assert!(plain.check().is_ok());
        plain.jwks_endpoint = "https://a.example/keys".parse().ok();
        assert!(plain.check().is_err(), "an ID token needs an issuer");
    }

    #[test]
    fn google_is_complete_without_discovery_and_shows_no_secret() {
        let google = OAuthConfig::google("google", "id", Some("hush-hush".into()));
        assert!(google.check().is_ok() && !google.needs_discovery() && google.is_google() && google.email_trusted);
        assert!(!format!("{google:?}").contains("hush"));
    }
}
