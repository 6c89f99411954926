//! A password as a value: bounded, in one Unicode form, and never printed.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

/// Longest password, in Unicode code points.
const MOST_CHARACTERS: usize = 128;
/// Longest password, in bytes, before anything is computed on it.
const MOST_BYTES: usize = 512;

/// Text that can be a password. Whether it is a good one is asked of the policy, at registration and change only.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

/// Text that cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// More than 128 characters or 512 bytes.
    #[error("must have at most 128 characters")]
    TooLong,
    /// A character that no keyboard sends.
    #[error("must not contain control characters")]
    ControlCharacter,
}

impl Password {
    /// Brings the text into NFC, so that the same password typed on two systems is the same bytes. Bounds come first.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        if text.len() > MOST_BYTES {
            return Err(PasswordError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PasswordError::ControlCharacter);
        }
        let normal: String = text.nfc().collect();
        if normal.chars().count() > MOST_CHARACTERS {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(normal.into()))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_letter_are_one_password() {
        let composed = Password::parse("Z\u{fc}rich 1!").unwrap();
        let decomposed = Password::parse("Zu\u{308}rich 1!").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn bounds_are_characters_and_bytes() {
        assert!(Password::parse(&"a".repeat(128)).is_ok());
        assert_eq!(Password::parse(&"a".repeat(129)).err(), Some(PasswordError::TooLong));
        assert!(Password::parse(&"\u{1f600}".repeat(128)).is_ok());
        assert_eq!(Password::parse(&"a".repeat(1_000_000)).err(), Some(PasswordError::TooLong));
        assert_eq!(Password::parse("a\u{0}b").err(), Some(PasswordError::ControlCharacter));
        assert!(!format!("{:?}", Password::parse("hunter2").unwrap()).contains("hunter2"));
    }
}
