//! Whole messages and stream events, read for their text, their end and their usage. Unknown fields, blocks and events are skipped:
//! new ones may appear at any time (providers.md §3.4).

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::WireUsage;
use crate::llm::count::Estimate;
use crate::wire::openai::Text;

/// A whole message, or the one a stream begins with.
#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) model: Text<'a>,
    /// `None` when the field is missing: then it is no message.
    #[serde(borrow, default)]
    pub(crate) content: Option<Vec<Block<'a>>>,
    #[serde(borrow, default)]
    pub(crate) stop_reason: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) stop_details: Option<StopDetails<'a>>,
    #[serde(default, deserialize_with = "or_none")]
    pub(crate) usage: WireUsage,
    /// An error in place of a message.
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

/// One block of content.
#[derive(Deserialize)]
pub(crate) struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) signature: Text<'a>,
    /// Of `redacted_thinking`.
    #[serde(borrow, default)]
    pub(crate) data: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) input: Option<&'a RawValue>,
}

/// Why a model refused.
#[derive(Deserialize)]
pub(crate) struct StopDetails<'a> {
    #[serde(borrow, default)]
    pub(crate) explanation: Text<'a>,
}

/// One event of a stream.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) message: Option<Message<'a>>,
    #[serde(borrow, default)]
    pub(crate) content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
}

/// What an event adds.
#[derive(Deserialize)]
pub(crate) struct Delta<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) text: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) partial_json: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) thinking: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) signature: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) stop_reason: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) stop_details: Option<StopDetails<'a>>,
}

/// A report, where `null` is none: some servers have nothing to report.
fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WireUsage, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Message<'_> {
    /// The visible text of all text blocks.
    pub(crate) fn text(&self) -> String {
        self.content.iter().flatten().map(|block| block.text.as_str()).collect()
    }

    /// Visible text and tool calls, counted.
    pub(crate) fn output(&self) -> Estimate {
        let mut sum = Estimate::default();
        for block in self.content.iter().flatten() {
            for text in [block.text.as_str(), block.name.as_str(), block.input.map_or("", RawValue::get)] {
                sum.add(Estimate::of(text));
            }
        }
        sum
    }

    /// Hidden reasoning, counted.
    pub(crate) fn reasoning(&self) -> Estimate {
        let mut sum = Estimate::default();
        for block in self.content.iter().flatten() {
            sum.add(Estimate::of(block.thinking.as_str()));
        }
        sum
    }
}
