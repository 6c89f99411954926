//! Time-based one-time codes (RFC 6238): HMAC-SHA-1, 6 digits, steps of 30 seconds, one step of tolerance to each side. That is what
//! every authenticator app does; other settings are ignored by some of them.
//!
//! Only arithmetic here. That a code works once is the store's matter.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use hub_types::Timestamp;
use subtle::ConstantTimeEq;

/// Seconds per step.
const PERIOD: i64 = 30;
/// Digits of a code.
const DIGITS: usize = 6;
/// Steps by which the clocks of the hub and of the phone may differ.
const TOLERANCE: i64 = 1;
/// Bytes of a secret (RFC 4226 §4: 160 bits).
pub(super) const SECRET: usize = 20;

/// The code of one step.
fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    // RFC 4226 §5.3: the low four bits of the last byte say where the 31 bits of the code begin.
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0x0f);
    let word = bytes.iter().skip(offset).take(4).fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    format!("{:0width$}", (word & 0x7fff_ffff) % 1_000_000, width = DIGITS)
}

/// The step whose code this is, if it is that of this moment or of a neighbour. Takes the same time wherever it differs.
pub(super) fn matching_step(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let step = now.timestamp().div_euclid(PERIOD);
    let mut found = None;
    for candidate in step - TOLERANCE..=step + TOLERANCE {
        if bool::from(code_at(secret, candidate).as_bytes().ct_eq(code.as_bytes())) {
            found = Some(candidate);
        }
    }
    found
}

/// The digits of a code as a person typed it: apps show `123 456`. `None` for anything that is no code.
pub(super) fn digits(text: &str) -> Option<String> {
    let code: String = text.chars().filter(|c| !c.is_whitespace()).take(DIGITS + 1).collect();
    (code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

/// The secret as people type it and apps read it.
pub(super) fn base32(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// What an authenticator app reads from a picture (the key URI format). Both names are escaped whole, so neither can add a parameter.
pub(super) fn otpauth_url(product: &str, email: &str, secret: &[u8]) -> String {
    let (product, email) = (escape(product), escape(email));
    format!(
        "otpauth://totp/{product}:{email}?secret={}&issuer={product}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}",
        base32(secret)
    )
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push_str(&hex::encode_upper([byte]));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    /// RFC 6238, appendix B: the secret of the SHA-1 rows.
    const RFC: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        // The standard prints eight digits; six are their end.
        for (seconds, code) in [
            (59_i64, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(RFC, seconds / PERIOD), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_counts_in_its_step_and_the_two_beside_it() {
        let clock = Clock::fixed_at("2026-11-23T10:00:10Z");
        let step = clock.now().timestamp() / 30;
        for offset in -3..=3 {
            let expected = (-1..=1).contains(&offset).then_some(step + offset);
            assert_eq!(matching_step(RFC, &code_at(RFC, step + offset), clock.now()), expected, "{offset}");
        }
        assert_eq!(matching_step(RFC, "", clock.now()), None);
        assert_eq!(matching_step(b"another secret", &code_at(RFC, step), clock.now()), None);
    }

    #[test]
    fn typed_codes_are_six_digits_and_names_cannot_add_parameters() {
        assert_eq!(digits(" 123 456 ").as_deref(), Some("123456"));
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "abcd-efgh-ijkl-mnop"] {
            assert_eq!(digits(bad), None, "{bad}");
        }
        let url = otpauth_url("Hub & Co", "a&secret=x@b.de", RFC);
        assert!(
            url.starts_with("otpauth://totp/Hub%20%26%20Co:a%26secret%3Dx%40b.de?secret=GEZDGNBVGY3TQOJQ"),
            "{url}"
        );
        assert_eq!(url.matches("secret=").count(), 1);
    }
}
