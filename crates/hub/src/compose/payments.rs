//! From the settings to who takes payments.

use std::sync::Arc;

use anyhow::{Context, Result};
use hub_clients::pay::{SandboxPayments, StripeConfig, StripeProvider};
use hub_domain::payments::Registry;
use hub_types::Clock;

use crate::config::Settings;

/// Stripe where its key is set, else the sandbox where it may play, else nobody. Nothing is asked yet.
pub fn payments(settings: &Settings, clock: &Clock) -> Result<Registry> {
    let stripe = &settings.stripe;
    let Some(secret_key) = &stripe.secret_key else {
        let public_url = &settings.identity.public_url;
        let sandbox = || Registry::sandbox(Arc::new(SandboxPayments::new(public_url, clock.clone())));
        return Ok(if settings.plays_payments() { sandbox() } else { Registry::default() });
    };
    let config = StripeConfig {
        secret_key: secret_key.clone(),
        webhook_secrets: stripe.webhook_secrets(),
        account: stripe.account.clone(),
        base_url: stripe.base_url.parse().context("stripe.base_url")?,
    };
    Ok(Registry::new(Arc::new(StripeProvider::new(config, clock.clone()).context("stripe.secret_key")?)))
}
