//! The `input` of a responses request: checked for names of things kept at the provider, and measured. It is never re-written.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::tools;
use crate::wire::openai::{PromptSize, Text};
use crate::wire::{BadRequest, kept};

/// Most items in one request.
const ITEM_LIMIT: usize = 10_000;

/// One item. A field that stands twice is an error: two readers could disagree about which one counts.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    role: Text<'a>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Text<'a>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    detail: Text<'a>,
}

/// Checks `input` and adds its size to `size`, and the types of tools it brings along to `hosted`.
pub(super) fn measure(raw: &RawValue, size: &mut PromptSize, hosted: &mut Vec<String>) -> Result<(), BadRequest> {
    if raw.get().starts_with('"') {
        size.messages += 1;
        size.text_bytes += text(raw).as_str().len();
        return Ok(());
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|_| BadRequest::at("input", "must be a string or an array of items"))?;
    if items.len() > ITEM_LIMIT {
        return Err(BadRequest::at("input", &format!("must have at most {ITEM_LIMIT} items")));
    }
    for (index, raw) in items.into_iter().enumerate() {
        let at = format!("input[{index}]");
        let item: Item<'_> = serde_json::from_str(raw.get()).map_err(|error| {
            let said = error.to_string();
            BadRequest::at(&at, said.split(" at line ").next().unwrap_or("is not valid"))
        })?;
        kept::refuse(&at, raw)?;
        item.measure(raw, &at, size, hosted)?;
    }
    Ok(())
}

impl Item<'_> {
    fn measure(
        &self,
        raw: &RawValue,
        at: &str,
        size: &mut PromptSize,
        hosted: &mut Vec<String>,
    ) -> Result<(), BadRequest> {
        let is_message = self.kind.get().is_none_or(|kind| kind == "message");
        let whole = raw.get().len();
        size.messages += 1;
        match self.kind.as_str() {
            _ if is_message => match (self.role.get(), self.content) {
                (Some(_), Some(content)) => return spread(Some(content), whole, at, size),
                // With an id and little else, an item is the name of an earlier one.
                _ => return Err(kept::refusal(at, "id")),
            },
            "item_reference" => return Err(kept::refusal(at, "item_reference")),
            // A picture the provider made is sent back whole, or named.
            "image_generation_call" if self.result.as_str().is_empty() => return Err(kept::refusal(at, "id")),
            "image_generation_call" | "computer_call_output" => size.images += 1,
            "function_call_output" | "custom_tool_call_output" => return spread(self.output, whole, at, size),
            "additional_tools" | "tool_search_output" => {
                if let Some(tools) = self.tools {
                    tools::read(tools, &format!("{at}.tools"), hosted)?;
                }
                size.other_bytes += whole;
            }
            // How much text its encrypted content stands for is not known.
            "compaction" => size.unsizable += 1,
            _ => size.other_bytes += whole,
        }
        Ok(())
    }
}

/// Counts an item whose text and pictures stand in one of its fields.
fn spread(field: Option<&RawValue>, whole: usize, at: &str, size: &mut PromptSize) -> Result<(), BadRequest> {
    let Some(field) = field else {
        size.other_bytes += whole;
        return Ok(());
    };
    size.other_bytes += whole - field.get().len();
    if !field.get().starts_with('[') {
        size.text_bytes += text(field).as_str().len();
        return Ok(());
    }
    let wrong = |_| BadRequest::at(at, "content has a part that is not valid");
    let parts: Vec<&RawValue> = serde_json::from_str(field.get()).map_err(wrong)?;
    for raw in parts {
        let part: Part<'_> = serde_json::from_str(raw.get()).map_err(wrong)?;
        match part.kind.as_str() {
            "input_text" | "output_text" => size.text_bytes += part.text.as_str().len(),
            "refusal" => size.text_bytes += part.refusal.as_str().len(),
            "input_image" if part.detail.as_str() == "low" => size.low_images += 1,
            "input_image" => size.images += 1,
            "input_audio" => size.audio_bytes += raw.get().len(),
            _ => {
                size.other_bytes += raw.get().len();
                size.unsizable += 1;
            }
        }
    }
    Ok(())
}

fn text(raw: &RawValue) -> Text<'_> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}
