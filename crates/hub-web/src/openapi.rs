//! What every OpenAPI document of the hub shares, and the one document made of all parts.

mod clashes;
mod errors;

use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Info, License, OpenApi, Paths};
use utoipa::{PartialSchema, ToSchema};

pub use clashes::clashes;

/// The name of the access-token scheme in `security(...)`.
pub const BEARER: &str = "bearer";
/// The name of the API-key scheme in `security(...)`.
pub const API_KEY: &str = "apiKey";

/// The form of every error outside `/v1`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorEnvelope {
    /// What went wrong.
    pub error: ErrorObject,
}

/// What went wrong: the same object stands in SSE and WebSocket error frames.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorObject {
    /// A code to rely on, like `VALIDATION_ERROR`.
    #[schema(example = "VALIDATION_ERROR")]
    pub code: String,
    /// One sentence for the person who reads it.
    #[schema(example = "The request is not valid")]
    pub message: String,
    /// For a validation error a list of `{field, message}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// When it happened, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-23T10:00:00.000Z")]
    pub timestamp: String,
    /// Quote it when asking for help; the log holds the same id.
    pub request_id: String,
}

/// One document of all parts: title, version, licence, security schemes and the errors of each operation added. Where two parts
/// say different things under one name, the first wins: see [`clashes`]; `hub` has a test that none do.
pub fn document(parts: Vec<OpenApi>) -> OpenApi {
    let mut info = Info::new("Smart AI Hub", env!("CARGO_PKG_VERSION"));
    info.description = Some("Accounts, credits and API keys in front of AI providers.".into());
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".into());
    info.license = Some(license);
    let mut base = OpenApi::new(info, Paths::new());
    base.components = Some(shared_components());
    base.security = Some(security());
    let mut document = merge(base, parts);
    errors::describe(&mut document);
    document
}

/// Merges documents into `base`: paths, components and tags are joined, the head of `base` stays. See [`clashes`].
pub fn merge(base: OpenApi, parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    parts.into_iter().fold(base, OpenApi::merge_from)
}

/// Either credential opens a route.
pub fn security() -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    vec![SecurityRequirement::new(BEARER, none), SecurityRequirement::new(API_KEY, none)]
}

fn shared_components() -> Components {
    let mut components = Components::new();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An access token, or an API key (`sk_…`).".into());
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let key = ApiKeyValue::with_description("x-api-key", "An API key (`sk_…`).");
    components.add_security_scheme(API_KEY, SecurityScheme::ApiKey(ApiKey::Header(key)));
    components.schemas.insert("ErrorEnvelope".into(), ErrorEnvelope::schema());
    components.schemas.insert("ErrorObject".into(), ErrorObject::schema());
    components.responses.extend(errors::components());
    components
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_the_document() {
        insta::assert_json_snapshot!(document(Vec::new()), { ".info.version" => "[version]" });
    }
}
