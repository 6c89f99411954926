//! The provider's own words about a failure, made safe to keep: bounded, printable, and free of our credential and of
//! names of our account at the provider.

use std::fmt;

/// Longest message kept, in characters.
const MESSAGE_LIMIT: usize = 2_000;
/// Longest `type`, `param` or `code` kept, in characters.
const WORD_LIMIT: usize = 200;
const REDACTED: &str = "[redacted]";
/// How secrets and account names begin at the providers we know; words that begin so are cut out.
const PRIVATE_PREFIXES: [&str; 7] = ["sk-", "sk_", "org-", "proj_", "proj-", "acct_", "AIza"];

/// What a provider said in its error body. Small on purpose: it travels in every error.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderFault(Box<Words>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Words {
    message: String,
    kind: Option<String>,
    param: Option<String>,
    code: Option<String>,
    should_retry: Option<bool>,
}

impl ProviderFault {
    /// A fault with a message and nothing else. The text is bounded and scrubbed.
    pub fn new(message: &str) -> Self {
        Self::with_words(message, None, None, None, None)
    }

    /// A fault from the four fields of OpenAI's error object. `secret` is our credential, cut out wherever it stands.
    pub fn with_words(
        message: &str,
        kind: Option<&str>,
        param: Option<&str>,
        code: Option<&str>,
        secret: Option<&str>,
    ) -> Self {
        let word = |text: &str| scrub(text, secret, WORD_LIMIT);
        Self(Box::new(Words {
            message: scrub(message, secret, MESSAGE_LIMIT),
            kind: kind.map(word),
            param: param.map(word),
            code: code.map(word),
            should_retry: None,
        }))
    }

    /// Adds the provider's `x-should-retry`.
    #[must_use]
    pub fn with_retry_advice(mut self, should_retry: Option<bool>) -> Self {
        self.0.should_retry = should_retry;
        self
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// OpenAI's `type`: `invalid_request_error`, `requests`, …
    pub fn kind(&self) -> Option<&str> {
        self.0.kind.as_deref()
    }

    /// The field of the request that is at fault.
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// OpenAI's `code`: `context_length_exceeded`, `insufficient_quota`, …
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The provider's advice whether to retry, when it gave one.
    pub fn should_retry(&self) -> Option<bool> {
        self.0.should_retry
    }

    /// OpenAI's error object (the value of `error`), always with all four keys.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "message": self.0.message,
            "type": self.0.kind,
            "param": self.0.param,
            "code": self.0.code,
        })
    }
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().or(self.kind()).unwrap_or("no code"))
    }
}

impl fmt::Debug for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Cuts `text` to `limit` characters, drops control characters, and cuts out whatever looks private.
fn scrub(text: &str, secret: Option<&str>, limit: usize) -> String {
    let without_secret = match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, REDACTED),
        _ => text.to_owned(),
    };
    let mut clean = String::with_capacity(without_secret.len().min(limit));
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
    let mut rest = without_secret.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if is_word(first) && is_private(run) {
            clean.push_str(REDACTED);
        } else {
            clean.extend(run.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        rest = after;
    }
    match clean.char_indices().nth(limit) {
        Some((cut, _)) => clean[..cut].to_owned(),
        None => clean,
    }
}

/// True for a word that begins like a key or an account name, or is a key the provider has masked itself.
fn is_private(word: &str) -> bool {
    word.contains("***")
        || PRIVATE_PREFIXES.iter().any(|prefix| word.len() > prefix.len() + 4 && word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_loses_keys_accounts_and_control_characters() {
        let said = "Incorrect key sk-proj-ab****yz (xyzzy-1) in organization org-AbCdEf12:\u{7}\nlimit 3";
        let fault = ProviderFault::with_words(said, None, None, None, Some("xyzzy-1"));
        assert_eq!(fault.message(), "Incorrect key [redacted] ([redacted]) in organization [redacted]:  limit 3");
    }

    #[test]
    fn ordinary_words_stay() {
        let said = "task-level risk-free max_tokens is too large: 3 ** 2, see sk-";
        assert_eq!(ProviderFault::new(said).message(), said);
    }

    #[test]
    fn a_long_message_is_cut_on_a_character() {
        let fault = ProviderFault::new(&"é".repeat(5_000));
        assert_eq!(fault.message().chars().count(), MESSAGE_LIMIT);
    }

    #[test]
    fn the_error_object_always_has_its_four_keys() {
        let fault = ProviderFault::with_words("no", Some("invalid_request_error"), None, Some("x"), None);
        let expected =
            serde_json::json!({"message": "no", "type": "invalid_request_error", "param": null, "code": "x"});
        assert_eq!(fault.to_json(), expected);
    }
}
