//! Signatures of events: `t=SECONDS,v1=HEX`, HMAC-SHA-256 over `SECONDS.BODY` with the endpoint's whole secret (providers.md §7.3).
//!
//! The body is the raw one: a byte that changed on the way, or in our own parser, breaks the signature.

use hmac::{Hmac, KeyInit, Mac};
use hub_types::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::EventError;

/// How far the time in a signature may be from the hub's, in seconds, either way.
pub const TOLERANCE: i64 = 300;
/// Longest header that is looked at, in bytes.
const LONGEST: usize = 4096;
/// Most signatures in one header: there are two while a secret is replaced.
const MOST: usize = 16;

/// Checks a header over the raw body with each of the secrets, in constant time.
pub fn verify(secrets: &[SecretString], header: &str, body: &[u8], now: Timestamp) -> Result<(), EventError> {
    let (at, signatures) = parse(header)?;
    let tags = secrets.iter().filter_map(|secret| mac(secret, at, body));
    // Every pair is compared, so that the time taken does not tell which one fitted.
    let fits = tags.fold(false, |fits, tag| {
        signatures.iter().fold(fits, |fits, signature| fits | tag.clone().verify_slice(signature).is_ok())
    });
    if !fits {
        return Err(EventError::Forged);
    }
    if (now.timestamp() - at).abs() > TOLERANCE { Err(EventError::Stale) } else { Ok(()) }
}

/// The header for a body signed at `at`: what the sandbox sends, and tests.
pub fn sign(secret: &SecretString, at: Timestamp, body: &[u8]) -> String {
    let at = at.timestamp();
    let tag = mac(secret, at, body).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default();
    format!("t={at},v1={tag}")
}

/// `None` only for a secret that is empty: with it, everybody could sign.
fn mac(secret: &SecretString, at: i64, body: &[u8]) -> Option<Hmac<Sha256>> {
    let secret = secret.expose_secret();
    if secret.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    Some(mac)
}

/// Time and signatures of scheme `v1`; other schemes are passed over.
fn parse(header: &str) -> Result<(i64, Vec<Vec<u8>>), EventError> {
    if header.len() > LONGEST {
        return Err(EventError::Malformed);
    }
    let (mut at, mut signatures) = (None, Vec::new());
    for (key, value) in header.split(',').filter_map(|part| part.split_once('=')) {
        match key.trim() {
            "t" if at.is_none() => at = value.trim().parse::<i64>().ok().filter(|at| *at > 0),
            "v1" if signatures.len() < MOST => signatures.extend(hex::decode(value.trim())),
            _ => {}
        }
    }
    match at {
        Some(at) if !signatures.is_empty() => Ok((at, signatures)),
        _ => Err(EventError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn now() -> Timestamp {
        Clock::fixed_at("2026-11-23T10:00:00Z").now()
    }

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    #[test]
    fn a_signature_agrees_with_the_providers_own_library() {
        // stripe.WebhookSignature._compute_signature("1795428000.{\"id\":\"evt_1\"}", "whsec_test") of the official Python package.
        let header = sign(&"whsec_test".into(), now(), BODY);
        assert_eq!(now().timestamp(), 1_795_428_000);
        assert_eq!(header, EXPECTED);
        assert_eq!(verify(&secrets(&["whsec_test"]), &header, BODY, now()), Ok(()));
    }

    const EXPECTED: &str = "t=1795428000,v1=91e9a57652a8933c9d26161390259cdf2c524134da91bd0b8f9cb4aa54953b15";

    #[test]
    fn any_of_our_secrets_and_any_of_their_signatures_will_do() {
        let good = sign(&"whsec_new".into(), now(), BODY);
        let two = format!("{},v1={},v0=00", good.replace("v1=", "v0=aa,v1="), "00".repeat(32));
        for header in [good, two] {
            assert_eq!(verify(&secrets(&["whsec_old", "whsec_new"]), &header, BODY, now()), Ok(()), "{header}");
            assert_eq!(verify(&secrets(&["whsec_old"]), &header, BODY, now()), Err(EventError::Forged));
            assert_eq!(verify(&[], &header, BODY, now()), Err(EventError::Forged));
        }
    }

    #[test]
    fn another_body_another_time_and_an_empty_secret_are_refused() {
        let header = sign(&"whsec_new".into(), now(), BODY);
        let ours = secrets(&["whsec_new"]);
        assert_eq!(verify(&ours, &header, b"{\"id\": \"evt_1\"}", now()), Err(EventError::Forged));
        assert_eq!(verify(&ours, &header.replace("t=1795", "t=1796"), BODY, now()), Err(EventError::Forged));
        for seconds in [TOLERANCE + 1, -TOLERANCE - 1] {
            let later = now() + chrono::Duration::seconds(seconds);
            assert_eq!(verify(&ours, &header, BODY, later), Err(EventError::Stale));
        }
        assert_eq!(verify(&ours, &header, BODY, now() + chrono::Duration::seconds(TOLERANCE)), Ok(()));
        let empty = sign(&"".into(), now(), BODY);
        assert!(verify(&secrets(&[""]), &empty, BODY, now()).is_err());
        let forged = format!("t={},v1={}", now().timestamp(), "ab".repeat(32));
        assert_eq!(verify(&secrets(&[""]), &forged, BODY, now()), Err(EventError::Forged));
    }

    #[test]
    fn nonsense_is_malformed() {
        for header in ["", "t=1", "v1=aa", "t=x,v1=aa", "t=-5,v1=aa", "t=5,v1=zz", &"a=b,".repeat(2000)] {
            assert_eq!(verify(&secrets(&["x"]), header, BODY, now()), Err(EventError::Malformed), "{header}");
        }
    }
}
