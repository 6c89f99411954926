//! What a model thought, on its way through a wire that is not its own.
//!
//! A block of thinking is taken back only by the account that signed it, a reasoning item only where it was encrypted. Each is carried whole
//! in the field of the other wire that callers send back unread, and taken out again when a call reaches a provider of its own wire. This is no
//! seal against forgery: whatever a caller could write there, it could send to that provider itself.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::openai::Text;

/// How the signature of a block begins that holds a reasoning item.
const ITEM: &str = "hub.item.";
/// How the encrypted content of a reasoning item begins that holds a block.
const BLOCK: &str = "hub.block.";

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    data: Text<'a>,
}

/// A reasoning item. Its other members are of no use to the model that is given it back.
#[derive(Deserialize)]
struct Item {
    id: Option<String>,
    summary: Option<Value>,
    encrypted_content: Option<String>,
}

impl Item {
    /// As a request has it; `None` when nothing is encrypted in it, because then it only names something kept at the provider.
    fn sent(self) -> Option<Value> {
        let mut item = json!({
            "type": "reasoning",
            "summary": self.summary.filter(Value::is_array).unwrap_or_else(|| json!([])),
            "encrypted_content": self.encrypted_content.filter(|content| !content.is_empty() && !is_block(content))?,
        });
        if let Some(id) = self.id {
            item["id"] = id.into();
        }
        Some(item)
    }
}

/// A reasoning item as a block of thinking that says `text`; `None` when there is nothing in it that could be given back.
pub(crate) fn block_of(item: &RawValue, text: &str) -> Option<Value> {
    let item = serde_json::from_str::<Item>(item.get()).ok()?.sent()?;
    let signature = format!("{ITEM}{}", BASE64_STANDARD.encode(item.to_string()));
    Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
}

/// The reasoning item that was carried as this block.
pub(crate) fn item_in(block: &RawValue) -> Option<Value> {
    let block: Block<'_> = serde_json::from_str(block.get()).ok()?;
    let packed = block.signature.as_str().strip_prefix(ITEM)?;
    serde_json::from_slice::<Item>(&BASE64_STANDARD.decode(packed).ok()?).ok()?.sent()
}

/// Whether a signature is none of Anthropic's, but holds a reasoning item.
pub(crate) fn is_item(signature: &str) -> bool {
    signature.starts_with(ITEM)
}

/// A block of thinking as the encrypted content of a reasoning item; `None` when nobody has signed it. A block that holds an item gives that
/// item's own content back.
pub(crate) fn content_of(block: &RawValue) -> Option<String> {
    if let Some(item) = item_in(block) {
        return item["encrypted_content"].as_str().map(str::to_owned);
    }
    let block = kept(block.get())?;
    Some(format!("{BLOCK}{}", BASE64_STANDARD.encode(block.to_string())))
}

/// The block of thinking that was carried as this encrypted content.
pub(crate) fn block_in(content: &str) -> Option<Value> {
    let packed = BASE64_STANDARD.decode(content.strip_prefix(BLOCK)?).ok()?;
    kept(std::str::from_utf8(&packed).ok()?)
}

/// Whether encrypted content is none of OpenAI's, but holds a block.
pub(crate) fn is_block(content: &str) -> bool {
    content.starts_with(BLOCK)
}

/// Whether such content may stand in this JSON: a quick look before it is read.
pub(crate) fn mentions_block(json: &str) -> bool {
    json.contains(BLOCK)
}

/// A signed block with the members that its signature covers.
fn kept(block: &str) -> Option<Value> {
    let block: Block<'_> = serde_json::from_str(block).ok()?;
    match (block.kind.as_str(), block.signature.as_str(), block.data.as_str()) {
        ("thinking", signature, _) if signature.is_empty() || is_item(signature) => None,
        ("thinking", signature, _) => {
            Some(json!({"type": "thinking", "thinking": block.thinking.as_str(), "signature": signature}))
        }
        ("redacted_thinking", _, data) if !data.is_empty() => Some(json!({"type": "redacted_thinking", "data": data})),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    #[test]
    fn an_item_comes_out_of_its_block_as_it_went_in() {
        let summary = json!([{"type": "summary_text", "text": "Let me see"}]);
        let item = json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"});
        let block = block_of(&raw(&item), "Let me see").unwrap();
        assert_eq!((&block["type"], &block["thinking"]), (&json!("thinking"), &json!("Let me see")));
        assert!(is_item(block["signature"].as_str().unwrap()));
        assert_eq!(item_in(&raw(&block)), Some(item));
        assert_eq!(content_of(&raw(&block)).as_deref(), Some("gAAA"), "an item goes home under its own content");
    }

    #[test]
    fn a_block_comes_out_of_its_item_as_it_went_in() {
        for block in [
            json!({"type": "thinking", "thinking": "hm \"x\"", "signature": "Eq"}),
            json!({"type": "redacted_thinking", "data": "opaque"}),
        ] {
            let content = content_of(&raw(&block)).unwrap();
            assert!(is_block(&content));
            assert_eq!(block_in(&content), Some(block));
        }
    }

    #[test]
    fn what_nobody_signed_is_not_carried_and_what_is_not_ours_is_not_opened() {
        for block in [
            json!({"type": "thinking", "thinking": "hm", "signature": ""}),
            json!({"type": "thinking", "thinking": "hm"}),
            json!({"type": "thinking", "thinking": "hm", "signature": "hub.item.nonsense"}),
            json!({"type": "redacted_thinking"}),
            json!({"type": "text", "text": "x", "signature": "Eq"}),
        ] {
            assert_eq!(content_of(&raw(&block)), None, "{block}");
            assert_eq!(item_in(&raw(&block)), None, "{block}");
        }
        for item in [json!({"id": "rs_1", "summary": []}), json!({"encrypted_content": "hub.block.eA=="}), json!(3)] {
            assert_eq!(block_of(&raw(&item), ""), None, "{item}");
        }
        let text = BASE64_STANDARD.encode(json!({"type": "text", "signature": "Eq"}).to_string());
        for content in ["gAAA", "hub.block.%", "hub.block.", &format!("hub.block.{text}")] {
            assert_eq!(block_in(content), None, "{content}");
        }
    }
}
