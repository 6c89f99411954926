//! From the settings to the model providers, best first; the sandbox comes last.

use std::sync::Arc;
use std::time::Duration;

use hub_clients::llm::anthropic::{AnthropicConfig, AnthropicProvider};
use hub_clients::llm::openai::{ConfigError, OpenAiConfig, OpenAiProvider, Timeouts};
use hub_clients::llm::sandbox::{SandboxProvider, SandboxSettings};
use hub_clients::llm::{ApiVersion, LlmProvider, MaxTokensField, OnHangup};
use hub_domain::inference::{Ceilings, Configured, Dialect, Make, Member};
use hub_types::Clock;
use secrecy::SecretString;

use crate::config::Settings;
use crate::config::sections::{
    AnthropicVersion, Credential, Provider, ProviderKind, TokensField, Untranslatable, WhenHungUp,
};

/// The usual service word of Anthropic's models, as the spec has it.
const CLAUDE: &str = "claude";
/// The name of the credential that `api_key` is.
const DEFAULT: &str = "default";
/// The sandbox's priority: after everything else.
const LAST: i32 = 1_001;

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
pub fn providers(settings: &Settings, clock: &Clock) -> Result<Vec<Configured>, ProviderError> {
    let mut list = Vec::new();
    for provider in &settings.providers {
        list.push(configured(provider, clock)?);
    }
    if settings.offers_sandbox() {
        let sandbox = SandboxSettings { word_delay: Duration::from_millis(settings.sandbox.delay_ms) };
        let sandbox: Arc<dyn LlmProvider> = Arc::new(SandboxProvider::new(sandbox, clock.clone()));
        list.push(Configured { priority: LAST, ..Configured::from(sandbox) });
    }
    Ok(list)
}

/// A provider under each of its credentials, or without one where it has none.
fn configured(provider: &Provider, clock: &Clock) -> Result<Configured, ProviderError> {
    let make: Make = {
        let (provider, clock) = (provider.clone(), clock.clone());
        Arc::new(move |key, dialect| match provider.kind {
            ProviderKind::Openai => openai(&provider, key, dialect, &clock),
            ProviderKind::Anthropic => anthropic(&provider, key, dialect, &clock),
        })
    };
    let dialect = provider.dialect();
    let client = |key: Option<&SecretString>| {
        make(key.cloned(), &dialect).map_err(|source| ProviderError { name: provider.name.clone(), source })
    };
    let mut members = Vec::new();
    if let Some(key) = &provider.api_key {
        members.push(Member::named(DEFAULT, key.clone(), client(Some(key))?));
    }
    for Credential { label, api_key, weight, priority } in &provider.credentials {
        let mut member = Member::named(label, api_key.clone(), client(Some(api_key))?);
        (member.weight, member.priority) = (*weight, *priority);
        members.push(member);
    }
    if members.is_empty() {
        members.push(Member::unnamed(client(None)?));
    }
    Ok(Configured {
        name: provider.name.clone(),
        service: service(provider).to_owned(),
        kind: provider.known_kind(),
        base_url: provider.base_url.to_string(),
        priority: provider.priority,
        ceilings: Ceilings {
            max_concurrent: provider.max_concurrent,
            requests_per_minute: provider.requests_per_minute,
            tokens_per_minute: provider.tokens_per_minute,
        },
        dialect,
        members,
        make: Some(make),
    })
}

/// The word under which its models have prices.
fn service(provider: &Provider) -> &str {
    let usual = match provider.kind {
        ProviderKind::Openai => &provider.name,
        ProviderKind::Anthropic => CLAUDE,
    };
    provider.service.as_deref().unwrap_or(usual)
}

fn openai(
    provider: &Provider,
    api_key: Option<SecretString>,
    dialect: &Dialect,
    clock: &Clock,
) -> Result<Arc<dyn LlmProvider>, ConfigError> {
    let base = OpenAiConfig::new(&provider.name, service(provider), provider.base_url.clone());
    let max_tokens_field = match provider.max_tokens_field {
        TokensField::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
        TokensField::MaxTokens => MaxTokensField::MaxTokens,
    };
    let config = OpenAiConfig {
        api_key,
        max_tokens_field,
        timeouts: timeouts(provider),
        on_hangup: on_hangup(provider),
        refuse_dropped: provider.untranslatable == Untranslatable::Refuse,
        wires: dialect.spoken(max_tokens_field),
        hosted_tools: dialect.hosted_tools.clone(),
        ..base
    };
    Ok(Arc::new(OpenAiProvider::new(config, clock.clone())?))
}

fn anthropic(
    provider: &Provider,
    api_key: Option<SecretString>,
    dialect: &Dialect,
    clock: &Clock,
) -> Result<Arc<dyn LlmProvider>, ConfigError> {
    let config = AnthropicConfig {
        api_key,
        version: match provider.version {
            AnthropicVersion::V20230601 => ApiVersion::V20230601,
            AnthropicVersion::V20261021 => ApiVersion::V20261021,
        },
        hosted_tools: dialect.hosted_tools.clone(),
        timeouts: timeouts(provider),
        on_hangup: on_hangup(provider),
        refuse_dropped: provider.untranslatable == Untranslatable::Refuse,
        ..AnthropicConfig::new(&provider.name, service(provider), provider.base_url.clone())
    };
    Ok(Arc::new(AnthropicProvider::new(config, clock.clone())?))
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
