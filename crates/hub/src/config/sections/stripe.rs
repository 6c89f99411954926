//! The payment provider.

use hub_clients::pay::STRIPE_URL;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// `[stripe]` in `hub.toml`. What is sold stands in `[payments]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stripe {
    /// `sk_…` or `rk_…`; with it, credits are sold through Stripe.
    pub secret_key: Option<SecretString>,
    /// The signing secret of the webhook endpoint, `whsec_…`. Without it events are not taken.
    pub webhook_secret: Option<SecretString>,
    /// Another secret whose signatures are accepted, while one is replaced.
    pub webhook_secret_previous: Option<SecretString>,
    /// The connected account that sells, `acct_…`; unset for the key's own.
    pub account: Option<String>,
    /// Where its interface is.
    pub base_url: String,
}

impl Default for Stripe {
    fn default() -> Self {
        Self {
            secret_key: None,
            webhook_secret: None,
            webhook_secret_previous: None,
            account: None,
            base_url: STRIPE_URL.to_owned(),
        }
    }
}

impl Stripe {
    /// The secrets that events may be signed with; an empty one is none.
    pub fn webhook_secrets(&self) -> Vec<SecretString> {
        let all = [&self.webhook_secret, &self.webhook_secret_previous].into_iter().flatten();
        all.filter(|secret| !secret.expose_secret().is_empty()).cloned().collect()
    }
}
