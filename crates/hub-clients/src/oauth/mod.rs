//! Sign-in with accounts of other services: OAuth 2.0 with the authorization code flow and PKCE, and OpenID Connect on top of it.
//!
//! One adapter speaks to all of them; Google is a preset of it. An adapter builds the address where a person signs in and turns the
//! code that comes back into an [`Identity`]; it keeps no state of a sign-in, decides nothing about accounts, and hands out no token
//! of the provider. What a provider answers is a stranger's text: everything in it is bounded and checked.
//!
//! Sources: RFC 6749, RFC 7636 (PKCE), RFC 9207 (issuer in the answer), RFC 9700 (security practice), OpenID Connect Core 1.0.

mod adapter;
mod claims;
mod config;
mod error;
mod fetch;
mod id_token;
mod keys;
mod metadata;

use futures::future::BoxFuture;
use hub_types::Email;
use url::Url;

pub use adapter::OidcProvider;
pub use config::{ClaimMap, ClientAuth, GOOGLE_ISSUER, OAuthConfig, OAuthConfigError};
pub use error::OAuthError;

/// A service whose accounts people sign in with.
pub trait OAuthProvider: Send + Sync + 'static {
    /// The operator's name for it; part of the identity of everybody who signs in with it, so it must never change.
    fn name(&self) -> &str;

    /// The address where a person signs in. May ask the provider where that is, the first time.
    fn sign_in_url<'a>(&'a self, request: SignIn<'a>) -> BoxFuture<'a, Result<Url, OAuthError>>;

    /// Who the person is, from the code that came back. Works once per code.
    fn identify<'a>(&'a self, answer: Answer<'a>) -> BoxFuture<'a, Result<Identity, OAuthError>>;

    /// Asks the provider for a sign of life; signs nobody in.
    fn ping(&self) -> BoxFuture<'_, Result<(), OAuthError>>;
}

/// What goes into the address where a person signs in. Everything here is seen by the browser.
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    /// Where the provider sends the browser back to, exactly as registered there.
    pub redirect_uri: &'a str,
    /// Ties the answer to this sign-in.
    pub state: &'a str,
    /// Ties the ID token to this sign-in.
    pub nonce: &'a str,
    /// SHA-256 of the PKCE verifier, base64url without padding.
    pub code_challenge: &'a str,
}

/// What came back, and the secrets it is checked with.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The authorization code.
    pub code: &'a str,
    /// The issuer the answer names, where it names one (RFC 9207).
    pub issuer: Option<&'a str>,
    /// The same as at the start.
    pub redirect_uri: &'a str,
    /// The PKCE verifier.
    pub code_verifier: &'a str,
    /// The nonce of the start.
    pub nonce: &'a str,
}

/// Somebody at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider's lasting id of the account, 1 to 255 characters. Together with the provider's name it is the identity.
    pub subject: String,
    /// The address the provider knows, if it is one.
    pub email: Option<Email>,
    /// True when the provider says the person owns the address, and the operator trusts its word.
    pub email_verified: bool,
    /// Display name, may be empty; at most 100 characters, no control characters.
    pub name: String,
}
