//! From a provider's claims to an [`Identity`]: by the operator's map, and bounded.

use hub_types::Email;
use serde_json::{Map, Value};

use super::Identity;
use super::config::OAuthConfig;
use super::error::OAuthError;

/// Longest subject, in characters (OpenID Connect Core §2).
const LONGEST_SUBJECT: usize = 255;
/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

/// Who these claims are about.
pub(super) fn identity(config: &OAuthConfig, claims: &Map<String, Value>) -> Result<Identity, OAuthError> {
    let map = &config.claims;
    let subject = subject(claims, &map.subject).ok_or(OAuthError::Protocol("no usable subject"))?;
    let email: Option<Email> = text(claims, &map.email).and_then(|text| text.parse().ok());
    let says_verified = map.email_verified.is_empty() || is_true(find(claims, &map.email_verified));
    let email_verified = config.email_trusted
        && says_verified
        && email.as_ref().is_some_and(|email| !config.is_google() || google_is_sure(email, claims));
    let name: String = text(claims, &map.name).unwrap_or_default().trim().chars().take(LONGEST_NAME).collect();
    let name = if name.chars().any(char::is_control) { String::new() } else { name };
    Ok(Identity { subject, email, email_verified, name })
}

/// The subject of claims, as text. Some services count their accounts, so a number is fine.
pub(super) fn subject(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let subject = match find(claims, name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    let fits = (1..=LONGEST_SUBJECT).contains(&subject.chars().count()) && !subject.chars().any(char::is_control);
    fits.then_some(subject)
}

/// Google hands out accounts with addresses of other houses too; for those its check may be years old. It knows its own, and those of
/// the domains it hosts (claim `hd`).
fn google_is_sure(email: &Email, claims: &Map<String, Value>) -> bool {
    let hosted = claims.get("hd").and_then(Value::as_str);
    let domain = email.as_str().rsplit('@').next().unwrap_or_default();
    matches!(domain, "gmail.com" | "googlemail.com") || hosted.is_some_and(|hosted| !hosted.is_empty())
}

fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    match name.strip_prefix('/') {
        None => claims.get(name),
        Some(rest) => {
            let (first, deeper) = rest.split_once('/').map_or((rest, ""), |(first, deeper)| (first, deeper));
            let inner = claims.get(first)?;
            if deeper.is_empty() { Some(inner) } else { inner.pointer(&format!("/{deeper}")) }
        }
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    find(claims, name).and_then(Value::as_str)
}

/// Some services write booleans as text.
fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(config: &OAuthConfig, claims: Value) -> Result<Identity, OAuthError> {
        let Value::Object(claims) = claims else { unreachable!() };
        identity(config, &claims)
    }

    #[test]
    fn an_address_is_verified_only_when_the_provider_says_so_and_is_trusted() {
        let mut config = OAuthConfig::new("x", "id", None);
        let claims = json!({ "sub": "1", "email": "Ada@Example.com", "email_verified": true, "name": " Ada " });
        let seen = read(&config, claims.clone()).unwrap();
        assert_eq!((seen.email.unwrap().as_str(), seen.email_verified, &*seen.name), ("ada@example.com", false, "Ada"));
        config.email_trusted = true;
        assert!(read(&config, claims).unwrap().email_verified);
        for unsure in [json!(false), json!("false"), json!(1), Value::Null] {
            let claims = json!({ "sub": "1", "email": "ada@example.com", "email_verified": unsure });
            assert!(!read(&config, claims).unwrap().email_verified);
        }
        assert!(!read(&config, json!({ "sub": "1", "email": "ada@example.com" })).unwrap().email_verified);
        config.claims.email_verified = String::new();
        assert!(read(&config, json!({ "sub": "1", "email": "ada@example.com" })).unwrap().email_verified);
        assert!(!read(&config, json!({ "sub": "1", "email": "nonsense" })).unwrap().email_verified);
    }

    #[test]
    fn google_is_believed_about_its_own_addresses_only() {
        let google = OAuthConfig::google("google", "id", None);
        let verified = |claims: Value| read(&google, claims).unwrap().email_verified;
        assert!(verified(json!({ "sub": "1", "email": "ada@gmail.com", "email_verified": true })));
        assert!(!verified(json!({ "sub": "1", "email": "ada@gmail.com", "email_verified": false })));
        assert!(!verified(json!({ "sub": "1", "email": "ada@yahoo.com", "email_verified": true })));
        assert!(verified(json!({ "sub": "1", "email": "ada@firm.com", "email_verified": true, "hd": "firm.com" })));
    }

    #[test]
    fn claims_are_found_by_the_operators_map() {
        let mut config = OAuthConfig::new("x", "id", None);
        config.claims.subject = "/data/id".to_owned();
        config.claims.name = "login".to_owned();
        let seen = read(&config, json!({ "data": { "id": 17 }, "login": "ada\u{1b}[31m" })).unwrap();
        assert_eq!((&*seen.subject, &*seen.name), ("17", ""));
    }

    #[test]
    fn a_subject_must_be_a_short_plain_text() {
        let config = OAuthConfig::new("x", "id", None);
        for bad in [json!(""), json!("a\nb"), json!("x".repeat(256)), json!(1.5), json!(null), json!(["1"])] {
            assert!(read(&config, json!({ "sub": bad })).is_err(), "{bad}");
        }
    }
}
