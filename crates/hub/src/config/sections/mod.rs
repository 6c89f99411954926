//! The sections of `hub.toml` that belong to the process. The sections of the rules live in `hub-domain`, with the rules.
//!
//! Each section is one struct; every key has a default, and `hub.example.toml` documents it. Values are checked in `check`.

mod mail;
mod oauth;
mod providers;
mod security;
mod server;
mod shared;
mod stripe;
mod surroundings;
mod telemetry;

pub use mail::{Mail, MailTransport};
pub use oauth::{OAuth, SecretPlace};
pub use providers::{
    AnthropicVersion, Credential, Provider, ProviderKind, Sandbox, TokensField, Untranslatable, WhenHungUp,
};
pub use security::Security;
pub use server::{Ops, Server, Upstreams};
pub use shared::{Cache, Database};
pub use stripe::Stripe;
pub use surroundings::{Log, LogFormat};
pub use telemetry::{Adopt, Telemetry};
