//! The check of an ID token (OpenID Connect Core §3.1.3.7). Time is the hub's clock's; the JWT library would ask the machine's.

use std::collections::HashSet;

use hub_types::Timestamp;
use jsonwebtoken::{Header, Validation};
use serde_json::{Map, Value};

use super::error::OAuthError;
use super::keys::Key;

/// Seconds by which two machines may disagree about the time (providers' advice).
const LEEWAY: i64 = 60;
/// An ID token of this flow was made a moment ago; an older one was kept by somebody.
const OLDEST: i64 = 600;
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;

/// What the token must say.
pub(super) struct Expected<'a> {
    /// One of these.
    pub(super) issuers: &'a [&'a str],
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// The header of a token that may be looked at further.
pub(super) fn header(token: &str) -> Result<Header, OAuthError> {
    if token.len() > LONGEST {
        return Err(OAuthError::Forged("an ID token that is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| OAuthError::Forged("an ID token that is none"))?;
    // Extensions we would have to understand (RFC 7515 §4.1.11).
    if header.crit.is_some() {
        return Err(OAuthError::Forged("an ID token with critical extensions"));
    }
    Ok(header)
}

/// The claims of a token that passes every check.
pub(super) fn verify(token: &str, key: &Key, expected: &Expected<'_>) -> Result<Map<String, Value>, OAuthError> {
    let mut rules = Validation::new(key.algorithm);
    // All claims are checked below, in one place.
    rules.required_spec_claims = HashSet::new();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &rules);
    let claims = decoded.map_err(|_| OAuthError::Forged("an ID token with a wrong signature"))?.claims;
    check(&claims, expected).map_or(Ok(claims), |why| Err(OAuthError::Forged(why)))
}

/// What is wrong, if anything is.
fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Option<&'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    if !text("iss").is_some_and(|issuer| expected.issuers.contains(&issuer)) {
        return Some("an ID token of another issuer");
    }
    let client = Value::from(expected.client_id);
    let (fits, several) = match claims.get("aud") {
        Some(Value::Array(list)) => (list.contains(&client), list.len() > 1),
        Some(one) => (*one == client, false),
        None => (false, false),
    };
    if !fits {
        return Some("an ID token for another client");
    }
    let party = claims.get("azp");
    if party.is_some_and(|party| *party != client) || (several && party.is_none()) {
        return Some("an ID token for another party");
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let (now, leeway, oldest) = (expected.now.timestamp() as f64, LEEWAY as f64, OLDEST as f64);
    if !number("exp").is_some_and(|exp| now < exp + leeway) {
        return Some("an expired ID token");
    }
    if !number("iat").is_some_and(|iat| iat <= now + leeway && iat >= now - oldest - leeway) {
        return Some("an ID token of another time");
    }
    if claims.contains_key("nbf") && !number("nbf").is_some_and(|nbf| nbf <= now + leeway) {
        return Some("an ID token of the future");
    }
    if text("nonce") != Some(expected.nonce) {
        return Some("an ID token of another sign-in");
    }
    None
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;
    use serde_json::json;

    use super::*;

    fn refusal(change: impl FnOnce(&mut Map<String, Value>)) -> Option<&'static str> {
        let now = Clock::fixed_at("2026-11-23T10:00:00Z").now();
        let at = now.timestamp();
        let Value::Object(mut claims) =
            json!({ "iss": "https://idp", "aud": "me", "exp": at + 300, "iat": at, "nonce": "n", "sub": "1" })
        else {
            unreachable!()
        };
        change(&mut claims);
        check(&claims, &Expected { issuers: &["https://idp"], client_id: "me", nonce: "n", now })
    }

    fn with(name: &str, value: Value) -> Option<&'static str> {
        refusal(|claims| drop(claims.insert(name.to_owned(), value)))
    }

    #[test]
    fn a_token_that_fits_passes() {
        assert_eq!(refusal(|_| ()), None);
        assert_eq!(with("aud", json!(["me"])), None);
        assert_eq!(with("azp", json!("me")), None);
    }

    #[test]
    fn every_claim_is_needed_and_must_fit() {
        let at = Clock::fixed_at("2026-11-23T10:00:00Z").now().timestamp();
        for name in ["iss", "aud", "exp", "iat", "nonce"] {
            assert!(refusal(|claims| drop(claims.remove(name))).is_some(), "{name}");
            for odd in [json!(null), json!("x"), json!(true), json!([]), json!({})] {
                assert!(with(name, odd.clone()).is_some(), "{name} {odd}");
            }
        }
        for (name, value) in [
            ("iss", json!("https://idp/")),
            ("aud", json!(["you"])),
            ("aud", json!(["me", "you"])),
            ("azp", json!("you")),
            ("exp", json!(at - 61)),
            ("exp", json!((at + 300).to_string())),
            ("iat", json!(at + 61)),
            ("iat", json!(at - 700)),
            ("nbf", json!(at + 61)),
            ("nbf", json!("soon")),
            ("nonce", json!("m")),
        ] {
            assert!(with(name, value.clone()).is_some(), "{name} {value}");
        }
    }
}
