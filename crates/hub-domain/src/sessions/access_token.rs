//! The access token: a JWT (HS256 or EdDSA) that points at a session. Roles and permissions in it are for display only.
//!
//! Time is checked here against the hub's clock; the JWT library would ask the machine's. Checks follow RFC 8725 and RFC 9068.

use hub_types::{SessionId, Timestamp, UserId};
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};

use super::TokenKeys;

const ISSUER: &str = "smart-ai-hub";
const AUDIENCE: &str = "smart-ai-hub-api";
const TYPE: &str = "at+jwt";
/// Seconds by which two machines may disagree about the time.
const LEEWAY: i64 = 5;
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The account.
    pub sub: UserId,
    /// Its address, for display.
    pub email: String,
    /// Its roles, for display.
    pub roles: Vec<String>,
    /// Its permissions, for display.
    pub permissions: Vec<String>,
    /// Made at, seconds since 1970.
    pub iat: i64,
    /// Not valid before, seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Ends at, seconds since 1970.
    pub exp: i64,
    /// Unique name of this token.
    pub jti: String,
    /// Who made it.
    pub iss: String,
    /// For whom it is.
    pub aud: String,
    /// The session it belongs to.
    pub sid: SessionId,
    /// The account's authorisation version when it was made.
    pub av: i64,
    /// Who truly acts (RFC 8693 §4.1), for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
}

/// The party that acts in the place of the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Their account.
    pub sub: UserId,
}

impl Claims {
    /// Claims with this hub's issuer and audience.
    pub(crate) fn new(sub: UserId, sid: SessionId, av: i64, iat: Timestamp, exp: Timestamp, jti: String) -> Self {
        Self {
            sub,
            email: String::new(),
            roles: Vec::new(),
            permissions: Vec::new(),
            iat: iat.timestamp(),
            nbf: None,
            exp: exp.timestamp(),
            jti,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sid,
            av,
            act: None,
        }
    }
}

/// A token that does not count, or one that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not ours, altered, of another kind, or out of its time. Deliberately one case: callers must not learn which.
    #[error("the access token is not valid")]
    Invalid,
    /// The token could not be signed: a defect.
    #[error("the access token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl TokenKeys {
    /// Signs an access token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        let key = self.signing_key();
        let mut header = Header::new(key.algorithm);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, claims, &key.signing).map_err(TokenError::Sign)
    }

    /// Checks signature, kind, issuer, audience and time. What it points at is not looked up.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = header.kid.as_deref().and_then(|kid| self.access_key(kid)).ok_or(TokenError::Invalid)?;
        let kind_fits = header.alg == key.algorithm
            && header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE))
            && header.crit.is_none();
        if !kind_fits {
            return Err(TokenError::Invalid);
        }
        let mut rules = Validation::new(key.algorithm);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key.verifying, &rules).map_err(|_| TokenError::Invalid)?.claims;
        let now = now.timestamp();
        // At `exp` itself the token is over (RFC 7519 §4.1.4).
        let in_time = now < claims.exp.saturating_add(LEEWAY)
            && claims.nbf.is_none_or(|nbf| nbf <= now.saturating_add(LEEWAY))
            && claims.iat <= now.saturating_add(LEEWAY);
        if in_time { Ok(claims) } else { Err(TokenError::Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use chrono::Duration;
    use hub_types::Clock;
    use jsonwebtoken::Algorithm;
    use serde_json::json;

    use super::*;
    use crate::sessions::TokenAlgorithm;

    const SECRET: &[u8] = b"7Gd2xk0qLw9vPzR4tYb8NcJm5HsEuAfQ";

    fn claims(clock: &Clock) -> Claims {
        let now = clock.now();
        Claims::new(UserId::new(clock), SessionId::new(clock), 1, now, now + Duration::minutes(15), "jti".to_owned())
    }

    fn signed_with(header: &Header, claims: &impl Serialize, keys: &TokenKeys) -> String {
        jsonwebtoken::encode(header, claims, &keys.signing_key().signing).unwrap()
    }

    #[test]
    fn a_token_reads_back_until_its_end_and_the_leeway() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let keys = TokenKeys::new(SECRET).unwrap();
        let claims = claims(&clock);
        let token = keys.sign(&claims).unwrap();
        assert_eq!(keys.verify(&token, clock.now()).unwrap(), claims);
        assert!(keys.verify(&token, clock.now() + Duration::seconds(904)).is_ok());
        assert!(keys.verify(&token, clock.now() + Duration::seconds(905)).is_err());
        assert!(keys.verify(&token, clock.now() - Duration::seconds(6)).is_err());
    }

    #[test]
    fn altered_and_foreign_tokens_are_refused() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let keys = TokenKeys::new(SECRET).unwrap();
        let token = keys.sign(&claims(&clock)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let none =
            URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "at+jwt", "kid": keys.signing_key().kid}).to_string());
        let mixed = URL_SAFE_NO_PAD.encode(json!({"alg": "nOnE", "typ": "at+jwt"}).to_string());
        for bad in [
            String::new(),
            "a.b.c".to_owned(),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}.x"),
            format!("{none}.{}.", parts[1]),
            format!("{mixed}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{}"), parts[2]),
            token[..token.len() - 4].to_owned(),
            "a".repeat(20_000),
        ] {
            assert!(keys.verify(&bad, clock.now()).is_err(), "{bad}");
        }
        let stranger = TokenKeys::new(b"another secret of enough length 42").unwrap();
        assert!(stranger.verify(&token, clock.now()).is_err());
        assert!(stranger.accepting(SECRET).unwrap().verify(&token, clock.now()).is_ok());
    }

    #[test]
    fn both_algorithms_are_accepted_and_each_is_pinned_to_its_key() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let shared = TokenKeys::new(SECRET).unwrap();
        let signed = TokenKeys::new(SECRET).unwrap().signing_with(TokenAlgorithm::EdDSA);
        let claims = claims(&clock);
        let token = signed.sign(&claims).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().alg, Algorithm::EdDSA);
        assert_eq!(shared.verify(&token, clock.now()).unwrap(), claims);
        assert!(signed.verify(&shared.sign(&claims).unwrap(), clock.now()).is_ok());
        assert_eq!((shared.public_keys().len(), signed.public_keys().len()), (0, 1));

        // The public key as an HMAC secret, under the name of the key pair: the classic confusion.
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(signed.signing_key().kid.clone());
        let public = jsonwebtoken::EncodingKey::from_secret(&signed.current.ed25519_public);
        let confused = jsonwebtoken::encode(&header, &claims, &public).unwrap();
        assert!(signed.verify(&confused, clock.now()).is_err());
        let mut crossed = Header::new(Algorithm::EdDSA);
        crossed.typ = Some(TYPE.to_owned());
        crossed.kid = Some(shared.signing_key().kid.clone());
        assert!(shared.verify(&signed_with(&crossed, &claims, &signed), clock.now()).is_err());
    }

    #[test]
    fn another_kind_issuer_audience_algorithm_or_critical_header_is_refused() {
        let clock = Clock::fixed_at("2026-11-23T10:00:00Z");
        let keys = TokenKeys::new(SECRET).unwrap();
        let good = claims(&clock);
        let header = |alg: Algorithm, typ: Option<&str>| {
            let mut header = Header::new(alg);
            header.kid = Some(keys.signing_key().kid.clone());
            header.typ = typ.map(str::to_owned);
            header
        };
        let right = header(Algorithm::HS256, Some(TYPE));
        assert!(keys.verify(&signed_with(&right, &good, &keys), clock.now()).is_ok());
        for wrong in [
            header(Algorithm::HS256, Some("JWT")),
            header(Algorithm::HS256, None),
            header(Algorithm::HS384, Some(TYPE)),
        ] {
            assert!(keys.verify(&signed_with(&wrong, &good, &keys), clock.now()).is_err(), "{wrong:?}");
        }
        let mut critical = right.clone();
        critical.crit = Some(vec!["b64".to_owned()]);
        assert!(keys.verify(&signed_with(&critical, &good, &keys), clock.now()).is_err());
        for (field, value) in [
            ("iss", json!("evil")),
            ("aud", json!("evil")),
            ("exp", json!("tomorrow")),
            ("exp", json!(null)),
            ("nbf", json!(4_000_000_000_i64)),
        ] {
            let mut body = serde_json::to_value(&good).unwrap();
            body[field] = value;
            assert!(keys.verify(&signed_with(&right, &body, &keys), clock.now()).is_err(), "{field}");
        }
    }
}
