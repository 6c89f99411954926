//! From the settings to the sign-in providers.

use std::sync::Arc;

use hub_clients::oauth::{ClientAuth, OAuthConfig, OAuthConfigError, OAuthProvider, OidcProvider};
use hub_types::Clock;

use crate::config::Settings;
use crate::config::sections::{OAuth, SecretPlace};

/// A sign-in provider of the settings cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("oauth: {name}: {source}")]
pub struct SignInProviderError {
    /// The operator's name for it.
    pub name: String,
    /// Why.
    pub source: OAuthConfigError,
}

/// All sign-in providers of these settings, in their order.
pub fn sign_in_providers(
    settings: &Settings,
    clock: &Clock,
) -> Result<Vec<Arc<dyn OAuthProvider>>, SignInProviderError> {
    let mut list: Vec<Arc<dyn OAuthProvider>> = Vec::new();
    for provider in &settings.oauth {
        let made = OidcProvider::new(config(provider), clock.clone());
        let made = made.map_err(|source| SignInProviderError { name: provider.name.clone(), source })?;
        list.push(Arc::new(made));
    }
    Ok(list)
}

fn config(provider: &OAuth) -> OAuthConfig {
    let OAuth { name, client_id, client_secret, .. } = provider;
    if provider.is_google() {
        let google = OAuthConfig::google(name, client_id, client_secret.clone());
        return OAuthConfig { scopes: provider.scopes.clone(), ..google };
    }
    OAuthConfig {
        client_auth: match provider.client_auth {
            SecretPlace::Basic => ClientAuth::Basic,
            SecretPlace::Post => ClientAuth::Post,
        },
        issuer: provider.issuer.clone(),
        authorization_endpoint: provider.authorization_endpoint.clone(),
        token_endpoint: provider.token_endpoint.clone(),
        userinfo_endpoint: provider.userinfo_endpoint.clone(),
        jwks_endpoint: provider.jwks_endpoint.clone(),
        scopes: provider.scopes.clone(),
        claims: provider.claims(),
        email_trusted: provider.email_trusted,
        allow_private_addresses: provider.allow_private_addresses,
        ..OAuthConfig::new(name, client_id, client_secret.clone())
    }
}
