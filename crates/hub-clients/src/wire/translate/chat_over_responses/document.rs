//! Responses and their events, read for what a chat caller is told. What is of a shape nobody knows is left out: parts are read one by one.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::opaque;
use crate::wire::openai::Text;

/// A whole response, or the one that an event carries.
#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(default)]
    created_at: Value,
    #[serde(borrow, default)]
    pub(super) service_tier: Text<'a>,
    #[serde(borrow, default)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Incomplete<'a> {
    #[serde(borrow, default)]
    reason: Text<'a>,
}

/// One event of a stream.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) delta: Text<'a>,
    #[serde(default)]
    pub(super) output_index: Option<u64>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotation: Option<&'a RawValue>,
}

/// An item of the output.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) call_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
    #[serde(borrow, default)]
    input: Text<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<&'a RawValue>,
    /// The item as it came.
    #[serde(skip)]
    raw: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    pub(super) fn item(&self) -> Option<Item<'a>> {
        Item::read(self.item?)
    }

    pub(super) fn response(&self) -> Option<Response<'a>> {
        serde_json::from_str(self.response?.get()).ok()
    }

    /// A source, as chat names it.
    pub(super) fn annotation(&self) -> Option<Value> {
        citation(&serde_json::from_str(self.annotation?.get()).ok()?)
    }
}

impl<'a> Response<'a> {
    /// When it began, in seconds since 1970.
    pub(super) fn created(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "a float saturates")]
        let whole = |seconds: f64| seconds as i64;
        self.created_at.as_i64().or_else(|| self.created_at.as_f64().map(whole)).unwrap_or(0)
    }

    /// Why it ended, in chat's words.
    pub(super) fn finish_reason(&self, called: bool) -> &'static str {
        let details = self.incomplete_details.and_then(|raw| serde_json::from_str::<Incomplete<'_>>(raw.get()).ok());
        match details.as_ref().map_or("", |details| details.reason.as_str()) {
            "max_output_tokens" => "length",
            "content_filter" => "content_filter",
            _ if called => "tool_calls",
            _ => "stop",
        }
    }

    /// All that it says.
    pub(super) fn said(&self) -> Said {
        let mut said = Said::default();
        let items = self.output.and_then(|raw| serde_json::from_str::<Vec<&'a RawValue>>(raw.get()).ok());
        for item in items.into_iter().flatten().filter_map(Item::read) {
            said.add(&item);
        }
        said
    }
}

impl<'a> Item<'a> {
    fn read(raw: &'a RawValue) -> Option<Self> {
        let item: Self = serde_json::from_str(raw.get()).ok()?;
        Some(Self { raw: Some(raw), ..item })
    }

    /// Whether the caller runs a tool for it; `None` when it is no call, else whether its input is free text.
    pub(super) fn is_custom_call(&self) -> Option<bool> {
        match self.kind.as_str() {
            "function_call" => Some(false),
            "custom_tool_call" => Some(true),
            _ => None,
        }
    }

    /// What it calls its tool with.
    pub(super) fn called_with(&self) -> &str {
        if self.kind.as_str() == "custom_tool_call" { self.input.as_str() } else { self.arguments.as_str() }
    }

    /// What was thought, in the words that are shown.
    fn thought(&self) -> String {
        let texts = [self.summary, self.content].into_iter().flatten();
        let parts = texts.flat_map(|raw| serde_json::from_str::<Vec<Part<'_>>>(raw.get()).unwrap_or_default());
        let texts: Vec<String> = parts.filter_map(|part| part.text.into_owned()).collect();
        texts.join("\n\n")
    }

    /// A reasoning item, as chat carries it.
    pub(super) fn thinking_block(&self) -> Option<Value> {
        opaque::block_of(self.raw?, &self.thought())
    }
}

/// What a response says, as the parts of a chat message.
#[derive(Default)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) refusal: String,
    pub(super) reasoning: String,
    pub(super) thinking_blocks: Vec<Value>,
    pub(super) annotations: Vec<Value>,
    pub(super) tool_calls: Vec<Value>,
}

impl Said {
    fn add(&mut self, item: &Item<'_>) {
        match item.kind.as_str() {
            "message" => {
                let parts = item.content.and_then(|raw| serde_json::from_str::<Vec<Part<'_>>>(raw.get()).ok());
                for part in parts.into_iter().flatten() {
                    self.text.push_str(part.text.as_str());
                    self.refusal.push_str(part.refusal.as_str());
                    let sources = part.annotations.and_then(|raw| serde_json::from_str::<Vec<Value>>(raw.get()).ok());
                    self.annotations.extend(sources.iter().flatten().filter_map(citation));
                }
            }
            "reasoning" => {
                if !self.reasoning.is_empty() {
                    self.reasoning.push_str("\n\n");
                }
                self.reasoning.push_str(&item.thought());
                self.thinking_blocks.extend(item.thinking_block());
            }
            _ => {
                let call = item.is_custom_call().map(|custom| tool_call(item, custom, item.called_with()));
                self.tool_calls.extend(call);
            }
        }
    }
}

/// A call of a tool, with as much of its input as is told.
pub(super) fn tool_call(item: &Item<'_>, custom: bool, input: &str) -> Value {
    let (id, name) = (item.call_id.as_str(), item.name.as_str());
    if custom {
        json!({"id": id, "type": "custom", "custom": {"name": name, "input": input}})
    } else {
        json!({"id": id, "type": "function", "function": {"name": name, "arguments": input}})
    }
}

/// A source on the web: flat in responses, nested in chat. Sources of other kinds are files that no caller can open.
fn citation(annotation: &Value) -> Option<Value> {
    const MEMBERS: [&str; 4] = ["start_index", "end_index", "url", "title"];
    if annotation["type"] != "url_citation" {
        return None;
    }
    let members = MEMBERS.iter().filter_map(|name| Some(((*name).to_owned(), annotation.get(*name)?.clone())));
    let inner: serde_json::Map<String, Value> = members.collect();
    Some(json!({"type": "url_citation", "url_citation": inner}))
}
