//! An e-mail address as the hub keeps it: trimmed, lower case, bounded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A well-formed address. Lower case throughout, so that one mailbox is one account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = Email)]
pub struct Email(String);

/// The text is not an address this hub accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a valid e-mail address of at most 254 characters")]
pub struct EmailError;

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = EmailError;

    /// Accepts `local@domain` by a deliberately plain rule: one `@`, a dotted or single-label domain of letters, digits
    /// and hyphens, no spaces or control characters, at most 254 characters (RFC 5321 §4.5.3.1). Whether the
    /// mailbox exists is proven by mail, not by grammar.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > 254 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(EmailError);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let local_fits =
            (1..=64).contains(&local.len()) && !local.contains(['@', '<', '>', '"', ',', ';', '\\', '(', ')']);
        let label_fits = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        if !local_fits || !domain.split('.').all(label_fits) {
            return Err(EmailError);
        }
        Ok(Self(text.to_lowercase()))
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_is_one_spelling() {
        assert_eq!(" Ada@Example.COM ".parse::<Email>().map(String::from), Ok("ada@example.com".to_owned()));
    }

    #[test]
    fn text_that_is_no_address_is_refused() {
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a b@c.de",
            "a@b@c.de",
            "a@-b.de",
            "a@b..de",
            "a\r\n@b.de",
            "<a@b.de>",
            "a@b.de\u{0}",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@b.de", "x".repeat(65)).parse::<Email>().is_err());
    }
}
