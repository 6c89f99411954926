//! The keys that sign a provider's ID tokens (RFC 7517), cached. An unknown key is asked for again, at most once a minute, so that
//! nobody can make us ask for every forged token.

use chrono::Duration;
use hub_types::{Clock, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::error::OAuthError;
use super::fetch::Fetcher;

/// Most keys of one provider.
pub(super) const MOST_KEYS: usize = 100;
/// How long keys are used; a key taken back by the provider counts no longer than this.
const LIFE: Duration = Duration::hours(1);
/// Between two requests because of an unknown key.
const PAUSE: Duration = Duration::minutes(1);

/// A key and the one algorithm it is for. The algorithm comes from the key, never from the token (RFC 8725 §3.1).
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<WireKey>,
}

/// A key as published. Kinds that are not known are passed over.
#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl WireKey {
    fn usable(self) -> Option<Key> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (algorithm, name, key) = match self.kty.as_str() {
            "RSA" => (Algorithm::RS256, "RS256", DecodingKey::from_rsa_components(&self.n?, &self.e?)),
            "EC" if self.crv.as_deref() == Some("P-256") => {
                (Algorithm::ES256, "ES256", DecodingKey::from_ec_components(&self.x?, &self.y?))
            }
            _ => return None,
        };
        if self.alg.as_deref().is_some_and(|alg| alg != name) {
            return None;
        }
        Some(Key { id: self.kid, algorithm, decoding: key.ok()? })
    }
}

/// The keys of one provider.
#[derive(Default)]
pub(super) struct Keys(Mutex<Option<(Timestamp, Vec<Key>)>>);

impl Keys {
    /// The key of this id; without an id the only key there is.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        url: &Url,
        fetcher: &Fetcher,
        clock: &Clock,
    ) -> Result<Key, OAuthError> {
        let mut known = self.0.lock().await;
        let now = clock.now();
        if let Some((at, keys)) = known.as_ref() {
            let age = now - *at;
            if age < LIFE
                && let Some(key) = pick(keys, id)
            {
                return Ok(key);
            }
            if age < PAUSE {
                return Err(OAuthError::Forged("an ID token of an unknown key"));
            }
        }
        let keys = fetch(url, fetcher).await?;
        let found = pick(&keys, id).ok_or(OAuthError::Forged("an ID token of an unknown key"));
        *known = Some((now, keys));
        found
    }
}

fn pick(keys: &[Key], id: Option<&str>) -> Option<Key> {
    match id {
        Some(_) => keys.iter().find(|key| key.id.as_deref() == id).cloned(),
        None if keys.len() == 1 => keys.first().cloned(),
        None => None,
    }
}

async fn fetch(url: &Url, fetcher: &Fetcher) -> Result<Vec<Key>, OAuthError> {
    let set: KeySet = fetcher.get(url, None).await?.good("no key set")?;
    if set.keys.len() > MOST_KEYS {
        return Err(OAuthError::Protocol("too many keys"));
    }
    Ok(set.keys.into_iter().filter_map(WireKey::usable).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(json: &str) -> Option<Algorithm> {
        serde_json::from_str::<WireKey>(json).ok()?.usable().map(|key| key.algorithm)
    }

    #[test]
    fn only_signing_keys_of_the_two_algorithms_are_taken() {
        assert_eq!(usable(r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"a"}"#), Some(Algorithm::RS256));
        assert_eq!(usable(r#"{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB","alg":"ES256"}"#), Some(Algorithm::ES256));
        for other in [
            r#"{"kty":"oct","k":"AQAB"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","use":"enc"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"HS256"}"#,
            r#"{"kty":"RSA","n":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-384","x":"AQAB","y":"AQAB"}"#,
        ] {
            assert_eq!(usable(other), None, "{other}");
        }
    }
}
