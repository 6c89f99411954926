//! How long a request of OpenAI's wires asks what it writes to the cache to be kept. The usage of an answer does not say it, and its price
//! differs (providers.md §1.1, §8), so what is sent is looked at.

use serde::de::{DeserializeSeed as _, Error as _, MapAccess};

use super::Text;
use crate::wire::walk::{Look, Walk};

/// Members, at any depth, whose `ttl` says it.
const NAMES: [&str; 2] = ["prompt_cache_breakpoint", "prompt_cache_options"];
/// What is kept for so long has the usual price of a write, as has what says nothing.
const USUAL: &str = "30m";

/// Whether anything in this body, a JSON document, is to be kept for longer than usual. Where times differ the usage of the call does not
/// tell their tokens apart, so the longest counts for all; so does what is too deep to be looked into.
pub(crate) fn keeps_long(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    if !NAMES.iter().any(|name| text.contains(name)) && !may_hide(text) {
        return false;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    Walk(Search { caching: false }).deserialize(&mut json).is_err()
}

/// Whether a letter of a name may be written as an escape.
fn may_hide(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.match_indices("\\u00").any(|(at, _)| matches!(bytes.get(at + 4), Some(b'4'..=b'7')))
}

/// Ends with an error where something is to be kept long.
#[derive(Clone, Copy)]
struct Search {
    /// The value is that of one of [`NAMES`].
    caching: bool,
}

impl<'de> Look<'de> for Search {
    fn member<A: MapAccess<'de>>(self, name: &str, members: &mut A) -> Result<(), A::Error> {
        if !self.caching || name != "ttl" {
            return members.next_value_seed(Walk(Self { caching: NAMES.contains(&name) }));
        }
        let ttl = members.next_value::<Text<'de>>()?;
        if ttl.get().is_some_and(|ttl| ttl != USUAL) { Err(A::Error::custom("kept long")) } else { Ok(()) }
    }

    fn in_list(self) -> Self {
        Self { caching: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_kept_long_is_found_wherever_it_stands() {
        let part = |ttl: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"x","prompt_cache_breakpoint":{{"mode":"explicit"{ttl}}}}}]}}]}}"#
            )
        };
        for (body, long) in [
            (part(""), false),
            (part(r#","ttl":null"#), false),
            (part(r#","ttl":"30m""#), false),
            (part(r#","ttl":"12h""#), true),
            (part(r#","ttl":"7d""#), true),
            (r#"{"input":"x","prompt_cache_options":{"mode":"implicit","ttl":"12h"}}"#.to_owned(), true),
            (r#"{"input":[{"type":"x","prompt_c\u0061che_breakpoint":{"t\u0074l":"12\u0068"}}]}"#.to_owned(), true),
            (
                r#"{"prompt_cache_breakpoint":{"ttl":"30m"},"x":[{"prompt_cache_breakpoint":{"ttl":"12h"}}]}"#
                    .to_owned(),
                true,
            ),
            // Words of the user, and fields of others that have the name.
            (r#"{"input":"\"prompt_cache_breakpoint\":{\"ttl\":\"12h\"}"}"#.to_owned(), false),
            (r#"{"x":{"ttl":"12h"},"prompt_cache_options":{},"n":[1,-1,1.5,true,null]}"#.to_owned(), false),
            (r#"{"input":"\u4e16\u00e9"}"#.to_owned(), false),
        ] {
            assert_eq!(keeps_long(body.as_bytes()), long, "{body}");
        }
        assert!(!keeps_long(b"\xff"));
    }

    #[test]
    fn what_is_too_deep_to_be_looked_into_counts_as_kept_long() {
        let deep = format!(r#"{{"x":{}{},"prompt_cache_options":{{}}}}"#, "[".repeat(300), "]".repeat(300));
        assert!(keeps_long(deep.as_bytes()));
    }
}
