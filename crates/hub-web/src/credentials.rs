//! Which credential a request shows. Nothing is verified here and nothing is ever printed.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::ErrorShape;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Longest credential that is passed on, in bytes. Our tokens are below 2 KiB.
const MAX_LENGTH: usize = 8 * 1024;
/// How every API key of the hub begins.
const KEY_PREFIX: &str = "sk_";

/// What the caller showed.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented {
    /// No credential at all.
    Nothing,
    /// `Authorization: Bearer` with something that is no API key.
    AccessToken(String),
    /// `Authorization: Bearer sk_…` or `x-api-key`.
    ApiKey(String),
    /// Another scheme, an empty or over-long value, or two different credentials at once.
    Malformed,
}

impl Presented {
    /// Reads the headers of a request. In Anthropic's wire `x-api-key` wins over `Authorization` (providers.md §3.1): its SDKs send both, where
    /// an environment names a key and a token. Everywhere else two different credentials are a mistake.
    pub fn of(path: &str, headers: &HeaderMap) -> Self {
        let keys = headers.get_all(X_API_KEY).iter().map(|value| value.to_str().ok());
        let key_wins = ErrorShape::of(path, headers) == ErrorShape::Anthropic && headers.contains_key(X_API_KEY);
        let others = if key_wins { None } else { Some(headers.get_all(AUTHORIZATION).iter()) };
        let bearers = others.into_iter().flatten().map(|value| value.to_str().ok().and_then(bearer));
        let mut found: Option<(&str, bool)> = None;
        for (text, is_key) in keys.map(|text| (text, true)).chain(bearers.map(|text| (text, false))) {
            let Some(text) = text.map(str::trim).filter(|text| !text.is_empty() && text.len() <= MAX_LENGTH) else {
                return Self::Malformed;
            };
            match found {
                Some((first, _)) if first != text => return Self::Malformed,
                Some(_) => {}
                None => found = Some((text, is_key)),
            }
        }
        match found {
            None => Self::Nothing,
            Some((text, is_key)) if is_key || text.starts_with(KEY_PREFIX) => Self::ApiKey(text.to_owned()),
            Some((text, _)) => Self::AccessToken(text.to_owned()),
        }
    }
}

/// The part after `Bearer`; the scheme's name knows no case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// A credential is a secret: only its kind is shown.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::AccessToken(_) => "AccessToken(…)",
            Self::ApiKey(_) => "ApiKey(…)",
            Self::Malformed => "Malformed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn shown(pairs: &[(&'static str, &'static str)]) -> Presented {
        shown_at("/v1/chat/completions", pairs)
    }

    fn shown_at(path: &str, pairs: &[(&'static str, &'static str)]) -> Presented {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Presented::of(path, &headers)
    }

    #[test]
    fn each_credential_is_recognised() {
        assert_eq!(shown(&[]), Presented::Nothing);
        assert_eq!(shown(&[("authorization", "Bearer a.b.c")]), Presented::AccessToken("a.b.c".into()));
        assert_eq!(shown(&[("authorization", "bearer sk_x")]), Presented::ApiKey("sk_x".into()));
        assert_eq!(shown(&[("x-api-key", "sk_x")]), Presented::ApiKey("sk_x".into()));
        assert_eq!(shown(&[("x-api-key", "sk_x"), ("authorization", "Bearer sk_x")]), Presented::ApiKey("sk_x".into()));
    }

    #[test]
    fn anything_doubtful_is_malformed() {
        for pairs in [
            &[("authorization", "Basic dTpw")][..],
            &[("authorization", "Bearer ")],
            &[("authorization", "Bearer")],
            &[("x-api-key", "")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("x-api-key", "sk_x"), ("authorization", "Bearer a.b.c")],
        ] {
            assert_eq!(shown(pairs), Presented::Malformed, "{pairs:?}");
        }
    }

    #[test]
    fn the_key_wins_in_anthropics_wire_only() {
        let both = [("x-api-key", "sk_x"), ("authorization", "Bearer a.b.c")];
        let versioned = [both[0], both[1], ("anthropic-version", "2026-10-21")];
        let key = Presented::ApiKey("sk_x".into());
        assert_eq!(shown_at("/v1/messages", &both), key);
        assert_eq!(shown_at("/v1/messages/count_tokens", &both), key);
        assert_eq!(shown_at("/v1/models", &versioned), key);
        assert_eq!(shown_at("/v1/models", &both), Presented::Malformed);
        assert_eq!(shown_at("/api/credits/balance", &versioned), Presented::Malformed);
        let keys = [("x-api-key", "sk_x"), ("x-api-key", "sk_y")];
        assert_eq!(shown_at("/v1/messages", &keys), Presented::Malformed);
        assert_eq!(shown_at("/v1/messages", &both[1..]), Presented::AccessToken("a.b.c".into()));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", shown(&[("x-api-key", "sk_hidden")])).contains("hidden"));
    }
}
