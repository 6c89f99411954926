//! Names of things that are kept at the provider. The hub's account there is shared by all members, so what one of them could reach by
//! such a name may be another's, or the operator's own: no request may hold one.

use std::cell::Cell;

use serde::de::{DeserializeSeed as _, Error as _, IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use super::BadRequest;
use super::walk::{Look, Walk};

/// Members of objects, at any depth, that name uploaded files, stores of them, machines, skills, and tunnels into the operator's network.
const NAMES: [&str; 8] = [
    "file_id",
    "file_ids",
    "vector_store_ids",
    "container",
    "container_id",
    "skill_id",
    "tunnel_id",
    "comparison_response_id",
];
/// What a model said about its sources; sent back, it opens nothing.
const SOURCES: &str = "annotations";
/// In Anthropic's blocks, what a model said to a tool: its members have the names that the tool's maker gave them.
const SAID_TO_A_TOOL: &str = "input";

/// The first name of something kept that stands in `raw`.
pub(crate) fn named(raw: &RawValue) -> Option<&'static str> {
    search(raw, &[SOURCES])
}

/// The refusal of `raw`, which stands at `at`, where it names something kept.
pub(crate) fn refuse(at: &str, raw: &RawValue) -> Result<(), BadRequest> {
    named(raw).map_or(Ok(()), |name| Err(refusal(at, name)))
}

/// The same for Anthropic's blocks, where the input of a tool may have members of any name.
pub(crate) fn refuse_in_blocks(at: &str, raw: &RawValue) -> Result<(), BadRequest> {
    search(raw, &[SOURCES, SAID_TO_A_TOOL]).map_or(Ok(()), |name| Err(refusal(at, name)))
}

/// The refusal of something kept at the provider.
pub(crate) fn refusal(at: &str, name: &str) -> BadRequest {
    BadRequest::at(at, &told(name))
}

/// What the caller is told about it.
pub(crate) fn told(name: &str) -> String {
    format!("`{name}` names something kept at the provider, which is not available: send the data itself")
}

fn search(raw: &RawValue, harmless: &'static [&'static str]) -> Option<&'static str> {
    let found = Cell::new(None);
    let mut json = serde_json::Deserializer::from_str(raw.get());
    // It has been read as JSON before: the only error is the one that ends the search.
    drop(Walk(Search { found: &found, harmless }).deserialize(&mut json));
    found.get()
}

#[derive(Clone, Copy)]
struct Search<'c> {
    found: &'c Cell<Option<&'static str>>,
    harmless: &'static [&'static str],
}

impl<'de> Look<'de> for Search<'_> {
    fn member<A: MapAccess<'de>>(self, name: &str, members: &mut A) -> Result<(), A::Error> {
        if self.harmless.contains(&name) {
            return members.next_value::<IgnoredAny>().map(drop);
        }
        let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
            return members.next_value_seed(Walk(self));
        };
        let value = members.next_value::<&'de RawValue>()?;
        let names = value.get().starts_with(['"', '[']) && value.get() != "[]";
        // An object of that name describes a thing of its own, as `container: {"type": "auto"}` does.
        let found = if names { Some(known) } else { search(value, self.harmless) };
        let Some(found) = found else { return Ok(()) };
        self.found.set(Some(found));
        Err(A::Error::custom(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&'static str> {
        named(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_name_is_found_at_any_depth_however_it_is_written() {
        for (text, name) in [
            (r#"{"content":[{"type":"input_image","file_id":"file-1"}]}"#, "file_id"),
            (r#"{"a":{"b":[[{"file\u005fid":"x"}]]}}"#, "file_id"),
            (r#"{"file_id":null,"file_id":"x"}"#, "file_id"),
            (r#"{"container":"cntr_1"}"#, "container"),
            (r#"{"container":{"type":"auto","file_ids":["f"]}}"#, "file_ids"),
            (r#"{"vector_store_ids":["vs_1"]}"#, "vector_store_ids"),
            (r#"{"server_label":"x","tunnel_id":"t"}"#, "tunnel_id"),
        ] {
            assert_eq!(found(text), Some(name), "{text}");
        }
    }

    #[test]
    fn words_that_only_look_alike_and_sources_are_let_through() {
        for text in [
            r#""file_id""#,
            r#"["file_id","container"]"#,
            r#"{"file_id":null,"n":1,"m":-1.5,"b":true}"#,
            r#"{"container":{"type":"auto"},"file_ids":[]}"#,
            r#"{"annotations":[{"type":"container_file_citation","file_id":"x"}]}"#,
            r#"{"properties":{"file_id":{"type":"string"}}}"#,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn the_input_of_a_tool_may_have_any_member_and_all_else_of_a_block_may_not() {
        let refused = |text: &str| refuse_in_blocks("messages[0]", serde_json::from_str(text).unwrap());
        assert!(refused(r#"[{"type":"tool_use","id":"t","name":"f","input":{"file_id":"mine"}}]"#).is_ok());
        let error = refused(r#"[{"type":"image","source":{"type":"file","file_id":"file_1"}}]"#).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("messages[0]"));
        assert!(error.message.contains("`file_id`"), "{error}");
    }
}
