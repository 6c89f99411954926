//! `usage` of a message. Anthropic's classes do not overlap, and a later report supersedes an earlier one field by field.

use hub_types::TokenUsage;
use serde::Deserialize;

use crate::llm::WireTerms;

/// More tokens than any call can have; a report above it is nonsense and counts as none.
const ABSURD: i64 = 1_000_000_000;

/// What a message, or one event of it, reports.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    input_tokens: Option<i64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<i64>,
    #[serde(default)]
    cache_creation: Option<CacheCreation>,
    #[serde(default)]
    cache_read_input_tokens: Option<i64>,
    #[serde(default)]
    output_tokens: Option<i64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
    #[serde(flatten)]
    pub(crate) terms: WireTerms,
}

/// How long what was written to the cache is kept.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_5m_input_tokens: Option<i64>,
    #[serde(default)]
    ephemeral_1h_input_tokens: Option<i64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<i64>,
}

impl WireUsage {
    /// Takes over what a later report says: reports are cumulative, so nothing is ever added up.
    pub(crate) fn supersede(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens = later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
        self.terms.supersede(later.terms);
    }

    /// The report in classes that do not overlap; `None` when there is none or its numbers cannot be true. `input_tokens` excludes
    /// cached tokens, `output_tokens` includes thinking (providers.md §3.3).
    pub(crate) fn tokens(&self) -> Option<TokenUsage> {
        let thinking = self.output_tokens_details.and_then(|details| details.thinking_tokens).unwrap_or(0);
        let output = self.output_tokens.unwrap_or(0);
        let created = self.cache_creation.unwrap_or_default();
        let (short, long) =
            (created.ephemeral_5m_input_tokens.unwrap_or(0), created.ephemeral_1h_input_tokens.unwrap_or(0));
        // Some servers tell the parts and leave the sum out.
        let written = self.cache_creation_input_tokens.unwrap_or_else(|| short.saturating_add(long));
        let long = long.min(written);
        let usage = TokenUsage {
            input: self.input_tokens?,
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            cache_write: written - long,
            cache_write_long: long,
            output: output - thinking.min(output),
            reasoning: thinking.min(output),
            ..TokenUsage::default()
        };
        let classes = [usage.input, usage.cache_read, usage.cache_write, long, usage.output, usage.reasoning];
        classes.iter().all(|count| (0..=ABSURD).contains(count)).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> WireUsage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_later_report_supersedes_field_by_field() {
        let mut usage = read(
            r#"{"input_tokens":10,"cache_creation_input_tokens":4,"cache_read_input_tokens":3,"output_tokens":1}"#,
        );
        usage.supersede(read(r#"{"output_tokens":25,"output_tokens_details":{"thinking_tokens":12}}"#));
        let expected =
            TokenUsage { input: 10, cache_read: 3, cache_write: 4, output: 13, reasoning: 12, ..TokenUsage::default() };
        assert_eq!(usage.tokens(), Some(expected));
        usage.supersede(read(r#"{"input_tokens":11,"cache_read_input_tokens":0}"#));
        assert_eq!(usage.tokens(), Some(TokenUsage { input: 11, cache_read: 0, ..expected }));
    }

    #[test]
    fn what_is_kept_for_an_hour_is_a_class_of_its_own() {
        let usage = read(
            r#"{"input_tokens":1,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":6}}"#,
        );
        let expected = TokenUsage { input: 1, cache_write: 3, cache_write_long: 6, ..TokenUsage::default() };
        assert_eq!(usage.tokens(), Some(expected));
    }

    #[test]
    fn what_is_told_in_parts_alone_is_added_up() {
        let usage = read(
            r#"{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":6}}"#,
        );
        let expected = TokenUsage { input: 1, cache_write: 3, cache_write_long: 6, ..TokenUsage::default() };
        assert_eq!(usage.tokens(), Some(expected));
        let negative = r#"{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":-3}}"#;
        assert_eq!(read(negative).tokens(), None);
    }

    #[test]
    fn nonsense_is_no_report() {
        for nonsense in ["{}", r#"{"input_tokens":-1}"#, r#"{"input_tokens":1,"output_tokens":2000000000}"#] {
            assert_eq!(read(nonsense).tokens(), None, "{nonsense}");
        }
    }
}
