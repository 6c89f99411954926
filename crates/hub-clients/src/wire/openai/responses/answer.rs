//! What a response, or one event of it, tells the meter. Everything is optional, and a surprise in a field that is only counted must not end
//! a stream: parts are read one by one, and what cannot be read counts nothing.

use hub_types::TokenUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::llm::Terms;
use crate::llm::count::Estimate;
use crate::wire::openai::{Text, usage};

/// One event of a stream.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(crate) kind: Text<'a>,
    /// What it adds; an object in some events.
    #[serde(borrow, default)]
    pub(crate) delta: Text<'a>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// The response it carries.
    pub(crate) fn response(&self) -> Option<Response<'a>> {
        serde_json::from_str(self.response?.get()).ok()
    }

    /// The name of a tool that a new item calls, which is generated as well.
    pub(crate) fn item_name(&self) -> Estimate {
        let item = self.item.and_then(|raw| serde_json::from_str::<Item<'_>>(raw.get()).ok());
        item.map(|item| Estimate::of(item.name.as_str())).unwrap_or_default()
    }
}

/// A response.
#[derive(Deserialize)]
pub(crate) struct Response<'a> {
    #[serde(borrow, default)]
    pub(crate) status: Text<'a>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
}

/// What a response says, added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Visible text of all its messages.
    pub(crate) text: String,
    pub(crate) output: Estimate,
    pub(crate) reasoning: Estimate,
}

impl<'a> Response<'a> {
    /// The usage it reports.
    pub(crate) fn usage(&self) -> Option<TokenUsage> {
        usage::read_responses(self.usage)
    }

    /// The terms it reports.
    pub(crate) fn terms(&self) -> Option<Box<Terms>> {
        Terms::tier(self.service_tier.get())
    }

    /// The error it carries.
    pub(crate) fn error(&self) -> Option<&'a RawValue> {
        self.error.filter(|error| error.get() != "null")
    }

    /// True when it has an output, empty or not.
    pub(crate) fn is_response(&self) -> bool {
        self.output.is_some()
    }

    /// Why it ended: `completed`, or the reason why it is incomplete.
    pub(crate) fn finish(&self) -> Option<String> {
        let details = self.incomplete_details.and_then(|raw| serde_json::from_str::<Incomplete<'_>>(raw.get()).ok());
        let reason = details.and_then(|details| details.reason.into_owned());
        reason.or_else(|| self.status.get().map(str::to_owned))
    }

    /// What it says, counted.
    pub(crate) fn said(&self) -> Said {
        let mut said = Said::default();
        let items = self.output.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
        for item in items.unwrap_or_default() {
            if let Ok(item) = serde_json::from_str::<Item<'_>>(item.get()) {
                item.add_to(&mut said);
            }
        }
        said
    }
}

#[derive(Deserialize)]
struct Incomplete<'a> {
    #[serde(borrow, default)]
    reason: Text<'a>,
}

/// An item of the output: a message, a call of a tool, what the model thought.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
    #[serde(borrow, default)]
    input: Text<'a>,
    #[serde(borrow, default)]
    code: Text<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
}

impl Item<'_> {
    fn add_to(&self, said: &mut Said) {
        let thinks = self.kind.as_str() == "reasoning";
        for list in [self.content, self.summary].into_iter().flatten() {
            let parts: Vec<Part<'_>> = serde_json::from_str(list.get()).unwrap_or_default();
            for part in parts {
                for text in [part.text.as_str(), part.refusal.as_str()] {
                    if thinks {
                        said.reasoning.add(Estimate::of(text));
                    } else {
                        said.text.push_str(text);
                        said.output.add(Estimate::of(text));
                    }
                }
            }
        }
        for text in [&self.name, &self.arguments, &self.input, &self.code] {
            said.output.add(Estimate::of(text.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_gives_its_text_calls_reasoning_usage_and_end() {
        let response: Response<'_> = serde_json::from_str(
            r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"error":null,
              "output":[
                {"type":"reasoning","summary":[{"type":"summary_text","text":"12345678"}]},
                {"type":"message","content":[{"type":"output_text","text":"Héllo "},{"type":"refusal","refusal":"no"}]},
                {"type":"function_call","name":"abcd","arguments":"{\"a\":1}x"},
                {"type":"x_new","content":7}, 3],
              "usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":5,"cache_write_tokens":4},
                "output_tokens":12,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":32}}"#,
        )
        .unwrap();
        let said = response.said();
        assert_eq!((said.text.as_str(), said.reasoning.tokens()), ("Héllo no", 2));
        assert_eq!(said.output.tokens(), 6);
        let usage =
            TokenUsage { input: 11, cache_read: 5, cache_write: 4, output: 4, reasoning: 8, ..TokenUsage::default() };
        assert_eq!((response.usage(), response.finish().as_deref()), (Some(usage), Some("max_output_tokens")));
        assert!(response.error().is_none() && response.is_response());
    }

    #[test]
    fn surprises_are_survived() {
        let event: Event<'_> =
            serde_json::from_str(r#"{"type":"x","delta":{"a":1},"item":"y","response":"z"}"#).unwrap();
        assert!(event.response().is_none() && event.delta.as_str().is_empty());
        assert_eq!(event.item_name(), Estimate::default());
        let response: Response<'_> = serde_json::from_str(r#"{"status":3,"output":{},"usage":"none"}"#).unwrap();
        assert_eq!((response.usage(), response.said()), (None, Said::default()));
    }
}
