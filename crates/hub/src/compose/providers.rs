//! From the settings to the model providers, best first; the sandbox comes last.

use std::sync::Arc;
use std::time::Duration;

use hub_clients::llm::anthropic::{AnthropicConfig, AnthropicProvider};
use hub_clients::llm::openai::{ConfigError, OpenAiConfig, OpenAiProvider, Timeouts};
use hub_clients::llm::sandbox::{SandboxProvider, SandboxSettings};
use hub_clients::llm::{ApiVersion, LlmProvider, MaxTokensField, OnHangup};
use hub_types::Clock;

use crate::config::Settings;
use crate::config::sections::{AnthropicVersion, Provider, ProviderKind, TokensField, Untranslatable, WhenHungUp};

/// A provider of the settings cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("providers: {name}: {source}")]
pub struct ProviderError {
    /// The operator's name for it.
    pub name: String,
    /// Why.
    pub source: ConfigError,
}

/// All providers of these settings.
pub fn providers(settings: &Settings, clock: &Clock) -> Result<Vec<Arc<dyn LlmProvider>>, ProviderError> {
    let mut list: Vec<Arc<dyn LlmProvider>> = Vec::new();
    for provider in &settings.providers {
        list.push(match provider.kind {
            ProviderKind::Openai => openai(provider, clock)?,
            ProviderKind::Anthropic => anthropic(provider, clock)?,
        });
    }
    if settings.offers_sandbox() {
        let sandbox = SandboxSettings { word_delay: Duration::from_millis(settings.sandbox.delay_ms) };
        list.push(Arc::new(SandboxProvider::new(sandbox, clock.clone())));
    }
    Ok(list)
}

fn openai(provider: &Provider, clock: &Clock) -> Result<Arc<dyn LlmProvider>, ProviderError> {
    let service = provider.service.as_deref().unwrap_or(&provider.name);
    let base = OpenAiConfig::new(&provider.name, service, provider.base_url.clone());
    let config = OpenAiConfig {
        api_key: provider.api_key.clone(),
        max_tokens_field: match provider.max_tokens_field {
            TokensField::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
            TokensField::MaxTokens => MaxTokensField::MaxTokens,
        },
        timeouts: timeouts(provider),
        on_hangup: on_hangup(provider),
        refuse_dropped: provider.untranslatable == Untranslatable::Refuse,
        ..base
    };
    let made = OpenAiProvider::new(config, clock.clone());
    let made = made.map_err(|source| ProviderError { name: provider.name.clone(), source })?;
    Ok(Arc::new(made))
}

/// The usual service word of Anthropic's models, as the spec has it.
const CLAUDE: &str = "claude";

fn anthropic(provider: &Provider, clock: &Clock) -> Result<Arc<dyn LlmProvider>, ProviderError> {
    let service = provider.service.as_deref().unwrap_or(CLAUDE);
    let config = AnthropicConfig {
        api_key: provider.api_key.clone(),
        version: match provider.version {
            AnthropicVersion::V20230601 => ApiVersion::V20230601,
            AnthropicVersion::V20261021 => ApiVersion::V20261021,
        },
        timeouts: timeouts(provider),
        on_hangup: on_hangup(provider),
        refuse_dropped: provider.untranslatable == Untranslatable::Refuse,
        ..AnthropicConfig::new(&provider.name, service, provider.base_url.clone())
    };
    let made = AnthropicProvider::new(config, clock.clone());
    let made = made.map_err(|source| ProviderError { name: provider.name.clone(), source })?;
    Ok(Arc::new(made))
}

fn timeouts(provider: &Provider) -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(provider.connect_seconds),
        first_byte: Duration::from_secs(provider.first_byte_seconds),
        idle: Duration::from_secs(provider.idle_seconds),
        whole: Duration::from_secs(provider.whole_seconds),
        total: Duration::from_secs(provider.stream_seconds),
        ..Timeouts::default()
    }
}

fn on_hangup(provider: &Provider) -> OnHangup {
    match provider.on_hangup {
        WhenHungUp::Drain => OnHangup::Drain { limit: Duration::from_secs(provider.hangup_seconds) },
        WhenHungUp::Cancel => OnHangup::Cancel,
    }
}
