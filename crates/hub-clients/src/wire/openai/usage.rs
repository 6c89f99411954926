//! `usage` of an OpenAI-shaped answer, turned into classes that do not overlap, and back.

use hub_types::TokenUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// More tokens than any call can have; a report above it is nonsense and counts as none.
const ABSURD: i64 = 1_000_000_000;

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// How one vendor names its cached tokens.
    prompt_cache_hit_tokens: Option<i64>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
struct PromptDetails {
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    audio_tokens: Option<i64>,
    image_tokens: Option<i64>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
struct CompletionDetails {
    reasoning_tokens: Option<i64>,
    audio_tokens: Option<i64>,
    /// Of pictures, where a model draws in chat.
    image_tokens: Option<i64>,
}

/// The same of responses, under other names (providers.md §1.5).
#[derive(Deserialize)]
struct ResponsesUsage {
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    total_tokens: Option<i64>,
    input_tokens_details: Option<PromptDetails>,
    output_tokens_details: Option<CompletionDetails>,
}

impl From<ResponsesUsage> for WireUsage {
    fn from(usage: ResponsesUsage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.total_tokens,
            prompt_tokens_details: usage.input_tokens_details,
            completion_tokens_details: usage.output_tokens_details,
            prompt_cache_hit_tokens: None,
        }
    }
}

/// Reads a `usage` object. `None` for null, for a shape we do not know, and for numbers that cannot be true.
///
/// `prompt_tokens` includes cached and cache-written tokens and `completion_tokens` includes reasoning (providers.md §1.2).
/// A server whose `total_tokens` shows that it counts reasoning beside the completion is believed.
pub(crate) fn read(raw: Option<&RawValue>) -> Option<TokenUsage> {
    classes(&serde_json::from_str::<Option<WireUsage>>(raw?.get()).ok()??)
}

/// Reads the `usage` of a response in the same way.
pub(crate) fn read_responses(raw: Option<&RawValue>) -> Option<TokenUsage> {
    classes(&serde_json::from_str::<Option<ResponsesUsage>>(raw?.get()).ok()??.into())
}

fn classes(usage: &WireUsage) -> Option<TokenUsage> {
    let (prompt, completion) = match (usage.prompt_tokens, usage.completion_tokens) {
        (None, None) => return None,
        (prompt, completion) => (prompt.unwrap_or(0), completion.unwrap_or(0)),
    };
    let details = usage.prompt_tokens_details.as_ref();
    let cached = details.and_then(|d| d.cached_tokens).or(usage.prompt_cache_hit_tokens).unwrap_or(0);
    let written = details.and_then(|d| d.cache_write_tokens).unwrap_or(0);
    let (heard, seen) = details.map_or((0, 0), |d| (d.audio_tokens.unwrap_or(0), d.image_tokens.unwrap_or(0)));
    let made = usage.completion_tokens_details.as_ref();
    let reasoning = made.and_then(|d| d.reasoning_tokens).unwrap_or(0);
    let spoken = made.and_then(|d| d.audio_tokens).unwrap_or(0);
    let drawn = made.and_then(|d| d.image_tokens).unwrap_or(0);
    let all = [prompt, completion, cached, written, heard, seen, reasoning, spoken, drawn];
    if all.iter().any(|n| !(0..=ABSURD).contains(n)) {
        return None;
    }
    let cache_read = cached.min(prompt);
    let cache_write = written.min(prompt - cache_read);
    let beside = reasoning > completion || usage.total_tokens == Some(prompt + completion + reasoning);
    // Sound and pictures may have come from the cache as well: only what is fresh can have their price.
    let fresh = prompt - cache_read - cache_write;
    let input_audio = heard.min(fresh);
    let input_image = seen.min(fresh - input_audio);
    let visible = if beside { completion } else { completion - reasoning };
    let output_audio = spoken.min(visible);
    let output_image = drawn.min(visible - output_audio);
    Some(TokenUsage {
        input: fresh - input_audio - input_image,
        cache_read,
        cache_write,
        input_audio,
        input_image,
        output: visible - output_audio - output_image,
        reasoning,
        output_audio,
        output_image,
        ..TokenUsage::default()
    })
}

/// The same tokens where what was written to the cache is kept for long, which no usage says; see [`super::keeps_long`].
pub(crate) fn kept_long(usage: TokenUsage) -> TokenUsage {
    let written = usage.cache_write.saturating_add(usage.cache_write_long);
    TokenUsage { cache_write: 0, cache_write_long: written, ..usage }
}

/// OpenAI's totals of classes that do not overlap.
pub(crate) fn write(usage: &TokenUsage) -> Value {
    let mut prompt = json!({
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write + usage.cache_write_long,
    });
    let mut completion = json!({ "reasoning_tokens": usage.reasoning });
    // Calls without sound and pictures are told without them.
    let details = [
        (&mut prompt, usage.input_audio, usage.input_image),
        (&mut completion, usage.output_audio, usage.output_image),
    ];
    for (object, sound, pictures) in details {
        for (name, tokens) in [("audio_tokens", sound), ("image_tokens", pictures)] {
            if tokens > 0 {
                object[name] = tokens.into();
            }
        }
    }
    json!({
        "prompt_tokens": usage.prompt(),
        "completion_tokens": usage.completion(),
        "total_tokens": usage.total(),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Option<TokenUsage> {
        read(Some(serde_json::from_str(text).unwrap()))
    }

    #[test]
    fn totals_become_classes_that_do_not_overlap() {
        let usage = read_text(
            r#"{"prompt_tokens":20,"completion_tokens":12,"total_tokens":32,
                "prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":4,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":8,"text_tokens":4}}"#,
        );
        let expected =
            TokenUsage { input: 11, cache_read: 5, cache_write: 4, output: 4, reasoning: 8, ..TokenUsage::default() };
        assert_eq!(usage, Some(expected));
        assert_eq!((expected.prompt(), expected.completion(), expected.total()), (20, 12, 32));
    }

    #[test]
    fn a_response_names_its_totals_otherwise() {
        let read = |text: &str| read_responses(Some(serde_json::from_str(text).unwrap()));
        let usage = read(
            r#"{"input_tokens":20,"input_tokens_details":{"cached_tokens":5,"cache_write_tokens":4},
                "output_tokens":12,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":32}"#,
        );
        let expected =
            TokenUsage { input: 11, cache_read: 5, cache_write: 4, output: 4, reasoning: 8, ..TokenUsage::default() };
        assert_eq!(usage, Some(expected));
        assert_eq!((read("null"), read("{}"), read(r#"{"input_tokens":-1}"#)), (None, None, None));
    }

    #[test]
    fn sound_and_pictures_are_taken_out_of_the_totals_and_put_back() {
        let usage = read_text(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":30,"audio_tokens":40,"image_tokens":50},
                "completion_tokens_details":{"reasoning_tokens":10,"audio_tokens":25,"image_tokens":9}}"#,
        )
        .unwrap();
        let expected = TokenUsage {
            cache_read: 30,
            input_audio: 40,
            input_image: 30,
            output: 6,
            reasoning: 10,
            output_audio: 25,
            output_image: 9,
            ..TokenUsage::default()
        };
        assert_eq!((usage, usage.prompt(), usage.completion()), (expected, 100, 50));
        assert_eq!(read_text(&write(&usage).to_string()), Some(usage));
    }

    #[test]
    fn what_is_kept_long_is_a_class_of_its_own_and_is_told_as_a_write() {
        let usage = read_text(
            r#"{"prompt_tokens":20,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":9}}"#,
        );
        let usage = kept_long(usage.unwrap());
        let expected = TokenUsage { input: 6, cache_read: 5, cache_write_long: 9, output: 1, ..TokenUsage::default() };
        assert_eq!(usage, expected);
        assert_eq!(write(&usage)["prompt_tokens_details"]["cache_write_tokens"], 9);
    }

    #[test]
    fn reasoning_counted_beside_the_completion_is_added_once() {
        let usage = read_text(
            r#"{"prompt_tokens":10,"completion_tokens":3,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":40}}"#,
        );
        assert_eq!(usage.map(|u| (u.output, u.reasoning, u.total())), Some((3, 40, 53)));
    }

    #[test]
    fn details_are_optional_and_nonsense_is_no_report() {
        assert_eq!(
            read_text(r#"{"prompt_tokens":7,"prompt_tokens_details":null,"prompt_cache_hit_tokens":9}"#),
            Some(TokenUsage { cache_read: 7, ..TokenUsage::default() })
        );
        for nonsense in [
            "null",
            "{}",
            "[]",
            "\"3\"",
            r#"{"prompt_tokens":-1}"#,
            r#"{"prompt_tokens":1.5}"#,
            r#"{"completion_tokens":9000000000000000000}"#,
        ] {
            assert_eq!(read_text(nonsense), None, "{nonsense}");
        }
    }
}
