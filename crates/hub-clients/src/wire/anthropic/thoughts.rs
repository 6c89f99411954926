//! Thinking of earlier answers inside `messages`, and taking it out: Anthropic takes back only what the same account has signed
//! (providers.md §4.3). Everything else of the messages stays as it was written.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::document::{self, member};
use crate::wire::opaque;
use crate::wire::openai::Text;

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
}

/// Whether a signature may be one of Anthropic's: it is there, and holds nothing that another provider had encrypted.
pub(super) fn is_signature(signature: &str) -> bool {
    !signature.is_empty() && !opaque::is_item(signature)
}

fn is_unsigned(block: &Block<'_>) -> bool {
    block.kind.as_str() == "thinking" && !is_signature(block.signature.as_str())
}

fn is_thought(block: &Block<'_>) -> bool {
    matches!(block.kind.as_str(), "thinking" | "redacted_thinking")
}

/// The messages without thinking that has no signature; `None` when there is none of it, or nothing else.
pub(super) fn without_unsigned(messages: &str) -> Option<String> {
    without(messages, is_unsigned)
}

/// The messages without any thinking; `None` when there is none, or nothing else.
pub(super) fn without_any(messages: &str) -> Option<String> {
    without(messages, is_thought)
}

/// Whether a block of an earlier answer, on its own, is thinking that may be sent back.
pub(crate) fn is_signed(block: &RawValue) -> bool {
    let read = serde_json::from_str::<Block<'_>>(block.get());
    read.is_ok_and(|block| is_thought(&block) && !is_unsigned(&block))
}

fn without(messages: &str, unwanted: fn(&Block<'_>) -> bool) -> Option<String> {
    let turns: Vec<&RawValue> = serde_json::from_str(messages).ok()?;
    let count = turns.len();
    let (mut kept, mut changed) = (Vec::with_capacity(count), false);
    for turn in turns {
        match less(turn.get(), unwanted) {
            None => kept.push(turn.get().to_owned()),
            // Empty turns are refused there; the turns of one side that now follow each other are taken as one.
            Some(less) => {
                changed = true;
                kept.extend(less);
            }
        }
    }
    (changed && !kept.is_empty()).then(|| format!("[{}]", kept.join(",")))
}

/// A turn without its unwanted blocks, itself `None` when nothing is left of it; `None` when it has no such blocks.
#[expect(clippy::option_option, reason = "nothing to change, and nothing left, are two answers")]
fn less(turn: &str, unwanted: fn(&Block<'_>) -> bool) -> Option<Option<String>> {
    let fields = document::top(turn).ok()?;
    let blocks: Vec<&RawValue> = serde_json::from_str(fields.get("content")?.get()).ok()?;
    let wanted = |raw: &&&RawValue| serde_json::from_str::<Block<'_>>(raw.get()).is_ok_and(|block| !unwanted(&block));
    let left: Vec<&str> = blocks.iter().filter(wanted).map(|raw| raw.get()).collect();
    if left.len() == blocks.len() {
        return None;
    }
    if left.is_empty() {
        return Some(None);
    }
    let content = format!("[{}]", left.join(","));
    let mut out = vec![b'{'];
    for (name, value) in &fields.0 {
        member(&mut out, name, if name == "content" { content.as_bytes() } else { value.get().as_bytes() });
    }
    out.push(b'}');
    Some(String::from_utf8(out).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"[{"role":"user","content":"a"}, {"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":""},{"type":"thinking","thinking":"y","signature":"Eq"},{"type":"redacted_thinking","data":"z"},{"type":"text", "text":"b"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"x"}]},{"role":"user","content":[{"type":"text","text":"c"}]}]"#;

    #[test]
    fn only_unsigned_thinking_is_taken_out_and_the_rest_stays_as_it_was_written() {
        let expected = r#"[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"y","signature":"Eq"},{"type":"redacted_thinking","data":"z"},{"type":"text", "text":"b"}]},{"role":"user","content":[{"type":"text","text":"c"}]}]"#;
        assert_eq!(without_unsigned(MESSAGES).as_deref(), Some(expected));
        assert_eq!(without_unsigned(expected), None);
    }

    #[test]
    fn all_thinking_is_taken_out() {
        let expected = r#"[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text", "text":"b"}]},{"role":"user","content":[{"type":"text","text":"c"}]}]"#;
        assert_eq!(without_any(MESSAGES).as_deref(), Some(expected));
        assert_eq!(without_any(expected), None);
        assert_eq!(without_any(r#"[{"role":"assistant","content":[{"type":"thinking"}]}]"#), None);
    }

    #[test]
    fn a_block_on_its_own_is_sent_back_only_as_signed_thinking() {
        let signed = |text: &str| is_signed(serde_json::from_str(text).unwrap());
        assert!(
            signed(r#"{"type":"thinking","thinking":"x","signature":"Eq"}"#)
                && signed(r#"{"type":"redacted_thinking"}"#)
        );
        assert!(!signed(r#"{"type":"thinking","signature":"hub.item.e30="}"#), "another provider's");
        assert!(!signed(r#"{"type":"thinking","signature":""}"#) && !signed(r#"{"type":"document"}"#) && !signed("3"));
    }
}
