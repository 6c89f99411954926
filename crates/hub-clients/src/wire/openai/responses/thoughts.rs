//! Reasoning of earlier answers inside `input`, and taking it out: it is taken back only where it was encrypted (providers.md §1.5). Everything else
//! of the input stays as it was written.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::opaque;
use crate::wire::openai::Text;

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    encrypted_content: Text<'a>,
}

/// The input without any reasoning; `None` when there is none.
pub(super) fn without_any(input: &str) -> Option<String> {
    without(input, |_| true)
}

/// The input without reasoning that another provider has signed; `None` when there is none.
pub(super) fn without_foreign(input: &str) -> Option<String> {
    without(input, |item| opaque::is_block(item.encrypted_content.as_str()))
}

fn without(input: &str, unwanted: fn(&Item<'_>) -> bool) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(input).ok()?;
    let wanted = |raw: &&&RawValue| {
        let item = serde_json::from_str::<Item<'_>>(raw.get());
        !item.is_ok_and(|item| item.kind.as_str() == "reasoning" && unwanted(&item))
    };
    let left: Vec<&str> = items.iter().filter(wanted).map(|raw| raw.get()).collect();
    (left.len() < items.len()).then(|| format!("[{}]", left.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = r#"[{"role":"user","content":"a"}, {"type":"reasoning","encrypted_content":"gAAA","summary":[]},{"type":"reasoning","encrypted_content":"hub.block.e30=","summary":[]},{"type":"reasoning","id":"rs_1"},{"role":"assistant", "content":"b"}]"#;

    #[test]
    fn reasoning_is_taken_out_and_the_rest_stays_as_it_was_written() {
        let expected = r#"[{"role":"user","content":"a"},{"role":"assistant", "content":"b"}]"#;
        assert_eq!(without_any(INPUT).as_deref(), Some(expected));
        assert_eq!((without_any(expected), without_any("\"text\"")), (None, None));
    }

    #[test]
    fn only_what_another_provider_has_signed_is_foreign() {
        let expected = r#"[{"role":"user","content":"a"},{"type":"reasoning","encrypted_content":"gAAA","summary":[]},{"type":"reasoning","id":"rs_1"},{"role":"assistant", "content":"b"}]"#;
        assert_eq!(without_foreign(INPUT).as_deref(), Some(expected));
        assert_eq!(without_foreign(expected), None);
    }
}
