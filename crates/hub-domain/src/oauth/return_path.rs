//! Where a browser goes after sign-in: a path of this site, never an address (RFC 9700 §4.11).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SignInError;

/// Longest path, in bytes.
const LONGEST: usize = 512;
/// Where the web UI finishes a sign-in.
const USUAL: &str = "/oauth/callback";

/// A path of this site, with an optional query. Always put behind the configured public address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReturnPath {
    fn default() -> Self {
        Self(USUAL.to_owned())
    }
}

impl FromStr for ReturnPath {
    type Err = SignInError;

    /// Takes visible ASCII that begins with one slash; refuses what browsers read as another host (`//`, a backslash), control
    /// characters, and a fragment, whose place is ours.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
        let local = text.starts_with('/') && !text.starts_with("//");
        // Percent signs would let a later decoder see what was refused here.
        let lower = text.to_ascii_lowercase();
        let hidden = ["%0", "%1", "%5c", "%2f%2f", "/%2f"].iter().any(|part| lower.contains(part));
        if plain && local && !hidden && text.len() <= LONGEST {
            Ok(Self(text.to_owned()))
        } else {
            Err(SignInError::ReturnPath)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_pass() {
        for good in ["/", "/chat", "/oauth/callback?next=/keys%3Fa", "/a//b"] {
            assert!(good.parse::<ReturnPath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "chat",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https://app@evil.example",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x=y",
            "/%0d%0aSet-Cookie:x",
            "/%5cevil.example",
            "/%2fevil.example",
            "/a#token",
            "/ä",
            " /a",
            "/\t/evil.example",
        ] {
            assert!(bad.parse::<ReturnPath>().is_err(), "{bad}");
        }
        assert!(format!("/{}", "x".repeat(512)).parse::<ReturnPath>().is_err());
    }
}
