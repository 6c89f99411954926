//! `GET /.well-known/jwks.json`: the public keys of the access tokens, for services that check them by themselves (RFC 7517).

use std::sync::Arc;

use axum::extract::State;
use http::HeaderName;
use http::header::CACHE_CONTROL;
use hub_domain::Hub;
use hub_domain::sessions::PublicKey;
use hub_web::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Short, so that the keys of a rotation are seen soon.
const CACHED: &str = "public, max-age=300";

/// The keys; none while tokens are signed with a shared secret (HS256).
#[derive(Serialize, ToSchema)]
pub(crate) struct JwksBody {
    /// The key of new tokens first.
    keys: Vec<JwkBody>,
}

/// One Ed25519 public key (RFC 8037).
#[derive(Serialize, ToSchema)]
#[schema(as = Jwk)]
pub(crate) struct JwkBody {
    /// Always `OKP`.
    kty: &'static str,
    /// Always `Ed25519`.
    crv: &'static str,
    /// Always `EdDSA`.
    alg: &'static str,
    /// Always `sig`.
    #[serde(rename = "use")]
    purpose: &'static str,
    /// Its name in the header of a token.
    kid: String,
    /// The key, base64url.
    x: String,
}

impl From<PublicKey> for JwkBody {
    fn from(PublicKey { kid, x }: PublicKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", alg: "EdDSA", purpose: "sig", kid, x }
    }
}

/// The public keys of access tokens.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "auth", security(()), responses((status = 200, body = JwksBody)))]
pub(crate) async fn jwks(State(hub): State<Arc<Hub>>) -> ([(HeaderName, &'static str); 1], Json<JwksBody>) {
    let keys = hub.tokens.public_keys().into_iter().map(JwkBody::from).collect();
    ([(CACHE_CONTROL, CACHED)], Json(JwksBody { keys }))
}
