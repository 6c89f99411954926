//! What names, numbers and addresses of providers may look like, and how a client is made of them.

use std::sync::Arc;

use hub_clients::llm::anthropic::{AnthropicConfig, AnthropicProvider};
use hub_clients::llm::openai::{ConfigError, OpenAiConfig, OpenAiProvider, check_address};
use hub_clients::llm::{LlmProvider, MaxTokensField};
use hub_types::Clock;
use secrecy::SecretString;

use super::ProvidersError;
use crate::inference::{Ceilings, Dialect, Misfit, ProviderKind};

/// Providers there may be in the database.
pub(super) const MOST_PROVIDERS: usize = 100;
/// Credentials one provider may have in the database.
pub(super) const MOST_CREDENTIALS: usize = 100;
/// Largest ceiling of calls; each that counts is remembered.
const MOST_CALLS: u32 = 10_000;
/// Largest ceiling of tokens per minute.
const MOST_TOKENS: u32 = 1_000_000_000;

/// 1 to 40 of a-z, 0-9, hyphen and underscore: it stands in paths, labels and rows.
pub(super) fn word(field: &'static str, text: &str) -> Result<(), ProvidersError> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if (1..=40).contains(&text.len()) && text.bytes().all(letter) {
        return Ok(());
    }
    Err(ProvidersError::Invalid { field, message: "must have 1 to 40 characters of a-z, 0-9, - and _" })
}

pub(super) fn priority(priority: i32) -> Result<(), ProvidersError> {
    let message = "must be 0 to 1000";
    if (0..=1000).contains(&priority) { Ok(()) } else { Err(ProvidersError::Invalid { field: "priority", message }) }
}

pub(super) fn weight(weight: u32) -> Result<(), ProvidersError> {
    let message = "must be 1 to 1000";
    if (1..=1000).contains(&weight) { Ok(()) } else { Err(ProvidersError::Invalid { field: "weight", message }) }
}

pub(super) fn ceilings(ceilings: Ceilings) -> Result<(), ProvidersError> {
    let wrong = |field, message| Err(ProvidersError::Invalid { field, message });
    if ceilings.max_concurrent > MOST_CALLS {
        return wrong("maxConcurrent", "must be at most 10000; 0 lifts it");
    }
    if ceilings.requests_per_minute > MOST_CALLS {
        return wrong("requestsPerMinute", "must be at most 10000; 0 lifts it");
    }
    if ceilings.tokens_per_minute > MOST_TOKENS {
        return wrong("tokensPerMinute", "must be at most 1000000000; 0 lifts it");
    }
    Ok(())
}

/// As the settings are checked.
pub(super) fn dialect(dialect: &Dialect, kind: ProviderKind) -> Result<(), ProvidersError> {
    match dialect.misfits(kind).first() {
        Some(Misfit { field, message, .. }) => Err(ProvidersError::Invalid { field, message }),
        None => Ok(()),
    }
}

/// 8 to 512 visible characters.
pub(super) fn secret(secret: &str) -> Result<(), ProvidersError> {
    if (8..=512).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(ProvidersError::Invalid { field: "secret", message: "must have 8 to 512 visible characters without spaces" })
}

/// The address as it is stored, if calls may go there.
pub(super) fn address(text: &str, private: bool) -> Result<String, ProvidersError> {
    let invalid = |message| ProvidersError::Invalid { field: "baseUrl", message };
    match check_address(text, private) {
        Ok(url) => Ok(url.into()),
        Err(ConfigError::BaseUrl(message)) => Err(invalid(message)),
        Err(ConfigError::Key | ConfigError::Client(_)) => Err(invalid("cannot be used")),
    }
}

/// Where providers of this kind usually are; `None`: anywhere.
pub(super) const fn usual_address(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::Openai => Some("https://api.openai.com/v1"),
        ProviderKind::Anthropic => Some("https://api.anthropic.com"),
        ProviderKind::Compatible | ProviderKind::Sandbox => None,
    }
}

/// The client of a provider that is in the database.
pub(super) fn make(
    (name, service, kind): (&str, &str, ProviderKind),
    base_url: &str,
    private: bool,
    key: Option<SecretString>,
    dialect: &Dialect,
    clock: &Clock,
) -> Result<Arc<dyn LlmProvider>, ConfigError> {
    // Checked again: the setting may have changed since the address was taken.
    let base_url = check_address(base_url, private)?;
    let outside_only = !private;
    if kind == ProviderKind::Anthropic {
        let config = AnthropicConfig {
            api_key: key,
            outside_only,
            hosted_tools: dialect.hosted_tools.clone(),
            ..AnthropicConfig::new(name, service, base_url)
        };
        return Ok(Arc::new(AnthropicProvider::new(config, clock.clone())?));
    }
    let max_tokens_field = match kind {
        ProviderKind::Compatible => MaxTokensField::MaxTokens,
        _ => MaxTokensField::MaxCompletionTokens,
    };
    let config = OpenAiConfig {
        api_key: key,
        outside_only,
        max_tokens_field,
        wires: dialect.spoken(max_tokens_field),
        hosted_tools: dialect.hosted_tools.clone(),
        ..OpenAiConfig::new(name, service, base_url)
    };
    Ok(Arc::new(OpenAiProvider::new(config, clock.clone())?))
}
