//! Answers and stream chunks, read for their text, their end and their usage.
//!
//! Runs once per chunk, so nothing is built that is not needed: choices are folded while they are read, text is borrowed
//! until it is added up, and unknown fields are skipped. Lenient by design: only broken JSON is an error.

use std::fmt;

use hub_types::TokenUsage;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Text, usage};
use crate::llm::Terms;
use crate::llm::count::Estimate;

/// One chunk of a stream.
#[derive(Deserialize)]
pub(crate) struct Chunk<'a> {
    /// The choices, added up; `None` when the field is missing.
    #[serde(default)]
    pub(crate) choices: Option<Choices>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
    /// An error in the middle of a stream.
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

impl Chunk<'_> {
    /// The usage this chunk reports.
    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        usage::read(self.usage)
    }

    /// The terms this chunk reports.
    pub(crate) fn terms(&self) -> Option<Box<Terms>> {
        Terms::tier(self.service_tier.get())
    }
}

/// A whole answer.
#[derive(Deserialize)]
pub(crate) struct Completion<'a> {
    #[serde(default, deserialize_with = "whole")]
    pub(crate) choices: Option<Choices>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

impl Completion<'_> {
    /// The usage the answer reports.
    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        usage::read(self.usage)
    }

    /// The terms the answer reports.
    pub(crate) fn terms(&self) -> Option<Box<Terms>> {
        Terms::tier(self.service_tier.get())
    }
}

/// Vectors.
#[derive(Deserialize)]
pub(crate) struct Embeddings<'a> {
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

impl Embeddings<'_> {
    /// The usage the answer reports.
    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        usage::read(self.usage)
    }
}

/// All choices of a chunk or an answer, added up.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    pub(crate) count: usize,
    /// Visible text of all choices, one after the other.
    pub(crate) text: String,
    /// Visible text of the choice that stands first.
    pub(crate) first_text_len: usize,
    pub(crate) output: Estimate,
    pub(crate) reasoning: Estimate,
    /// The first end given.
    pub(crate) finish: Option<String>,
    /// How many choices have ended.
    pub(crate) finished: usize,
}

#[derive(Deserialize)]
struct Choice<'a> {
    /// What a chunk adds.
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    /// What an answer says; the same fields. Some servers send both, in either.
    #[serde(borrow, default)]
    message: Option<Delta<'a>>,
    /// What stands there instead in the old completions.
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    /// Two names that compatible servers use for reasoning they show; some send both, with the same text.
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow, default)]
    function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default, alias = "custom")]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default, alias = "input")]
    arguments: Text<'a>,
}

impl Function<'_> {
    fn estimate(&self) -> Estimate {
        let mut sum = Estimate::of(self.name.as_str());
        sum.add(Estimate::of(self.arguments.as_str()));
        sum
    }
}

impl Choices {
    fn add(&mut self, choice: Choice<'_>, whole: bool) {
        let said = if whole { choice.message.or(choice.delta) } else { choice.delta.or(choice.message) };
        if let Some(delta) = said {
            for text in [&delta.content, &delta.refusal] {
                self.text.push_str(text.as_str());
                self.output.add(Estimate::of(text.as_str()));
            }
            let reasoning = delta.reasoning_content.get().or(delta.reasoning.get()).unwrap_or_default();
            self.reasoning.add(Estimate::of(reasoning));
            let tools = delta.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
            for function in tools.chain(&delta.function_call) {
                self.output.add(function.estimate());
            }
        } else {
            self.text.push_str(choice.text.as_str());
            self.output.add(Estimate::of(choice.text.as_str()));
        }
        if self.count == 0 {
            self.first_text_len = self.text.len();
        }
        self.count += 1;
        // Some servers send an empty reason until there is one.
        if let Some(reason) = choice.finish_reason.into_owned().filter(|reason| !reason.is_empty()) {
            self.finished += 1;
            self.finish.get_or_insert(reason);
        }
    }
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ChoicesVisitor { whole: false })
    }
}

/// The choices of a whole answer, where the message counts; those of a chunk are read for their deltas.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Choices>, D::Error> {
    struct Whole(Choices);

    impl<'de> Deserialize<'de> for Whole {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(ChoicesVisitor { whole: true }).map(Self)
        }
    }

    Option::<Whole>::deserialize(deserializer).map(|choices| choices.map(|Whole(choices)| choices))
}

struct ChoicesVisitor {
    whole: bool,
}

impl<'de> Visitor<'de> for ChoicesVisitor {
    type Value = Choices;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of choices")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut choices = Choices::default();
        while let Some(choice) = items.next_element::<Choice<'de>>()? {
            choices.add(choice, self.whole);
        }
        Ok(choices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_gives_its_text_tools_reasoning_and_end() {
        let chunk: Chunk<'_> = serde_json::from_str(
            r#"{"id":"c","choices":[
                {"index":0,"delta":{"role":"assistant","content":"a\u00e9","reasoning_content":"1234","reasoning":"1234"},"finish_reason":null},
                {"index":1,"delta":{"content":null,"tool_calls":[{"index":0,"function":{"name":"abcd","arguments":"{\"a\":1}"}},
                  {"index":1,"type":"custom","custom":{"name":"x","input":"yyy"}}]},"finish_reason":"tool_calls"}],
              "usage":null,"obfuscation":"x9"}"#,
        )
        .unwrap();
        assert_eq!(chunk.usage(), None);
        let choices = chunk.choices.unwrap();
        assert_eq!((choices.count, choices.text.as_str(), choices.finish.as_deref()), (2, "aé", Some("tool_calls")));
        assert_eq!((choices.output.tokens(), choices.reasoning.tokens()), ((1 + 2 + 4 + 7 + 4_i64 + 3) / 4, 1));
    }

    #[test]
    fn a_server_that_sends_delta_and_message_is_read_for_the_one_that_counts() {
        let both = r#"{"choices":[{"delta":{"content":"ab"},"message":{"content":"all of it"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        let chunk: Chunk<'_> = serde_json::from_str(both).unwrap();
        assert_eq!(chunk.usage().map(|usage| usage.total()), Some(5));
        let choices = chunk.choices.unwrap();
        assert_eq!((choices.text.as_str(), choices.finished), ("ab", 1));
        let answer: Completion<'_> = serde_json::from_str(both).unwrap();
        assert_eq!(answer.choices.unwrap().text, "all of it");
        let last = r#"{"choices":[{"delta":null,"message":{"content":"x"}}]}"#;
        let chunk: Chunk<'_> = serde_json::from_str(last).unwrap();
        assert_eq!(chunk.choices.unwrap().text, "x");
    }

    #[test]
    fn an_old_completion_gives_its_text() {
        let answer: Completion<'_> = serde_json::from_str(
            r#"{"choices":[{"index":0,"text":"four","logprobs":null,"finish_reason":"length"},{"index":1,"text":"more","finish_reason":"stop"}]}"#,
        )
        .unwrap();
        let choices = answer.choices.unwrap();
        assert_eq!(
            (&choices.text[..choices.first_text_len], choices.output.tokens(), choices.finished),
            ("four", 2, 2)
        );
    }

    #[test]
    fn surprises_in_fields_we_only_count_are_survived() {
        let chunk: Chunk<'_> = serde_json::from_str(
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]}],"reasoning":{"x":[1,2]},"refusal":false},
                "finish_reason":3}],"usage":"none"}"#,
        )
        .unwrap();
        assert_eq!(chunk.usage(), None);
        assert_eq!(chunk.choices.unwrap().text, "");
    }

    #[test]
    fn a_whole_answer_gives_the_text_of_its_first_choice() {
        let answer: Completion<'_> = serde_json::from_str(
            r#"{"choices":[{"message":{"content":"one"},"finish_reason":"stop"},{"message":{"content":"two"},"finish_reason":"length"}],
                "usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
        )
        .unwrap();
        assert_eq!(answer.usage().map(|usage| usage.total()), Some(5));
        let choices = answer.choices.unwrap();
        assert_eq!((&choices.text[..choices.first_text_len], choices.finish.as_deref()), ("one", Some("stop")));
    }
}
