//! Chat chunks and completions, read for what the caller of another wire is told.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::openai::Text;

/// A chunk or a whole completion.
#[derive(Deserialize)]
pub(crate) struct Document<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) model: Text<'a>,
    #[serde(default)]
    pub(crate) created: Option<i64>,
    #[serde(borrow, default)]
    pub(crate) choices: Option<Vec<Choice<'a>>>,
}

impl Document<'_> {
    /// Whether an answer can be told from this chunk on: it has a name, or something to tell. Some servers begin with one that has neither.
    pub(crate) fn may_begin(&self) -> bool {
        !self.id.as_str().is_empty() || self.choices.as_ref().is_some_and(|choices| !choices.is_empty())
    }
}

#[derive(Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default)]
    pub(crate) index: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<Said<'a>>,
    #[serde(borrow, default)]
    message: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub(crate) finish_reason: Text<'a>,
}

impl<'a> Choice<'a> {
    /// What a chunk adds. Some servers send the whole message beside it.
    pub(crate) const fn added(&self) -> Option<&Said<'a>> {
        if self.delta.is_some() { self.delta.as_ref() } else { self.message.as_ref() }
    }

    /// What a whole answer says. Some servers send an empty delta beside it.
    pub(crate) const fn said(&self) -> Option<&Said<'a>> {
        if self.message.is_some() { self.message.as_ref() } else { self.delta.as_ref() }
    }
}

/// What the model says, or adds.
#[derive(Deserialize)]
pub(crate) struct Said<'a> {
    #[serde(borrow, default)]
    pub(crate) content: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) refusal: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow, default)]
    thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) tool_calls: Option<Vec<ToolCall<'a>>>,
}

#[derive(Deserialize)]
pub(crate) struct ToolCall<'a> {
    #[serde(default)]
    pub(crate) index: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) function: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Function<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) arguments: Text<'a>,
}

impl<'a> Said<'a> {
    /// What can be given back of the reasoning, as another wire's provider signed or encrypted it.
    pub(crate) fn thinking_blocks(&self) -> Vec<&'a RawValue> {
        self.thinking_blocks.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// Reasoning that is shown, under either of its two names.
    pub(crate) fn reasoning(&self) -> &str {
        self.reasoning_content.get().or(self.reasoning.get()).unwrap_or_default()
    }
}
