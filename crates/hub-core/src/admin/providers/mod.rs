//! `/api/admin/providers`: one file per endpoint. All need `providers:update`; no answer ever holds a secret.

mod add_credential;
mod delete;
mod delete_credential;
mod list;
mod put;
mod test;
mod update;
mod update_credential;

use std::sync::Arc;

use hub_domain::Hub;
use hub_domain::inference::{ProviderKind, Wire};
use hub_domain::providers::{CredentialInfo, ProviderInfo};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(put::put, update::update, delete::delete))
        .routes(routes!(test::test))
        .routes(routes!(add_credential::add_credential))
        .routes(routes!(update_credential::update_credential, delete_credential::delete_credential))
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderView {
    /// Its name: on receipts and metrics.
    name: String,
    /// The protocol it speaks.
    kind: ProviderKind,
    /// Everything before `/chat/completions` or `/v1/messages`; empty for the sandbox.
    base_url: String,
    /// The word under which its models have prices.
    service: String,
    /// `settings` or `database`.
    source: &'static str,
    /// Whether it is used.
    enabled: bool,
    /// `ready`, `disabled`, `no_credential` or `unusable`.
    state: &'static str,
    /// Lower ones are tried first.
    priority: i32,
    /// Calls at the same time, of all processes together; 0 for no ceiling.
    max_concurrent: u32,
    /// Calls in any 60 seconds; 0 for no ceiling.
    requests_per_minute: u32,
    /// Tokens in any 60 seconds; 0 for no ceiling.
    tokens_per_minute: u32,
    /// The wires of OpenAI's protocol that it is said to speak, for all its models; calls of the others are carried as chat, or as
    /// responses where chat is not among them. Absent where nobody said: what OpenAI speaks for `openai`, only chat for `compatible`.
    #[serde(skip_serializing_if = "Option::is_none")]
    wires: Option<Vec<Wire>>,
    /// Types of tools in `/v1/responses` that it may run itself.
    hosted_tools: Vec<String>,
    /// Its credentials; none for one that needs none.
    credentials: Vec<CredentialView>,
    /// The models that have a price for its service.
    models: Vec<String>,
}

/// A credential of a provider, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredentialView {
    /// Its name: on receipts.
    label: String,
    /// The last four characters of the secret; nothing of a short one.
    last4: String,
    /// Its part of the calls among the credentials of the same priority.
    weight: u32,
    /// Lower ones are tried first.
    priority: i32,
    /// Whether it is used.
    enabled: bool,
    /// `settings` or `database`.
    source: &'static str,
    /// `ready`, `disabled` or `unusable` (it was given for another address, or the hub's sealing secret was changed).
    state: &'static str,
}

const fn source(from_settings: bool) -> &'static str {
    if from_settings { "settings" } else { "database" }
}

impl From<ProviderInfo> for ProviderView {
    fn from(provider: ProviderInfo) -> Self {
        Self {
            name: provider.name,
            kind: provider.kind,
            base_url: provider.base_url,
            service: provider.service,
            source: source(provider.from_settings),
            enabled: provider.enabled,
            state: provider.state,
            priority: provider.priority,
            max_concurrent: provider.ceilings.max_concurrent,
            requests_per_minute: provider.ceilings.requests_per_minute,
            tokens_per_minute: provider.ceilings.tokens_per_minute,
            wires: provider.dialect.wires,
            hosted_tools: provider.dialect.hosted_tools,
            credentials: provider.credentials.into_iter().map(CredentialView::from).collect(),
            models: provider.models,
        }
    }
}

impl From<CredentialInfo> for CredentialView {
    fn from(credential: CredentialInfo) -> Self {
        Self {
            label: credential.label,
            last4: credential.hint,
            weight: credential.weight,
            priority: credential.priority,
            enabled: credential.enabled,
            source: source(credential.from_settings),
            state: credential.state,
        }
    }
}
