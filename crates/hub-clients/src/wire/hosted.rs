//! Tools that a provider would run itself, of any wire: each use has a fee that no price knows, and how much it makes a model read nobody
//! can bound. They are refused but for those the operator has named; a tool that the caller runs is none of them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::Object;
use super::openai::Text;
use super::{BadRequest, kept};

/// Longest name of a tool's type that is repeated to its caller, in bytes.
const NAME_LIMIT: usize = 64;
/// How a date at the end of a type is written, digits as noughts.
const DATES: [&str; 2] = ["_00000000", "_0000_00_00"];
/// Fields that switch such a tool on, by their own names.
const FIELDS: [&str; 4] = ["container", "mcp_servers", "web_search_options", "plugins"];
/// Types of tools in chat that the caller runs.
const CHAT_OWN: [&str; 2] = ["function", "custom"];
/// Types of tools in Anthropic's messages that the caller runs, without their dates. The last two only choose among the tools of the
/// request.
const MESSAGES_OWN: [&str; 7] =
    ["custom", "bash", "text_editor", "computer", "memory", "tool_search_tool_regex", "tool_search_tool_bm25"];

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    function: Option<&'a RawValue>,
}

/// Adds a tool's type to those found so far.
pub(crate) fn note(found: &mut Vec<String>, kind: &str) {
    let kind = kind.get(..NAME_LIMIT).unwrap_or(kind);
    if found.iter().all(|known| known != kind) {
        found.push(kind.to_owned());
    }
}

/// Refuses what was found, but for what the operator has named: by its whole type, or without the date at its end.
pub(crate) fn refuse(found: &[String], allowed: &[String]) -> Result<(), BadRequest> {
    let named = |kind: &str| allowed.iter().any(|name| name == kind || name == undated(kind));
    match found.iter().find(|kind| !named(kind)) {
        None => Ok(()),
        Some(field) if FIELDS.contains(&field.as_str()) => {
            Err(BadRequest::at(field, "is not available: the provider would run a tool of its own"))
        }
        Some(kind) => Err(BadRequest::at(
            "tools",
            &format!("tools of type {kind:?} are not available: the provider would run them"),
        )),
    }
}

/// The tools of a chat request that the provider would run. Errors where one reaches for something kept at the provider.
pub(crate) fn of_chat(top: &Object<'_>) -> Result<Vec<String>, BadRequest> {
    let own = |tool: &Tool<'_>| match tool.kind.get() {
        Some(kind) => CHAT_OWN.contains(&kind),
        // Some callers leave the type of a function out.
        None => tool.function.is_some(),
    };
    let mut found = of_tools(top, own)?;
    of_field(top, "web_search_options", &mut found)?;
    of_field(top, "plugins", &mut found)?;
    Ok(found)
}

/// The same of a messages request.
pub(crate) fn of_messages(top: &Object<'_>) -> Result<Vec<String>, BadRequest> {
    let own = |tool: &Tool<'_>| tool.kind.get().is_none_or(|kind| MESSAGES_OWN.contains(&undated(kind)));
    let mut found = of_tools(top, own)?;
    if let Some(raw) = top.get("container").filter(|raw| asks(raw)) {
        // A container that is named, however, has been made before: its files are somebody's.
        #[derive(Deserialize)]
        struct Container<'a> {
            #[serde(borrow, default)]
            id: Option<&'a RawValue>,
        }
        let fresh = serde_json::from_str::<Container<'_>>(raw.get()).is_ok_and(|container| container.id.is_none());
        if !fresh {
            return Err(kept::refusal("container", "container"));
        }
    }
    of_field(top, "container", &mut found)?;
    of_field(top, "mcp_servers", &mut found)?;
    Ok(found)
}

fn of_tools(top: &Object<'_>, own: impl Fn(&Tool<'_>) -> bool) -> Result<Vec<String>, BadRequest> {
    let tools: Vec<&RawValue> = top.read("tools", "an array of tools")?.unwrap_or_default();
    let mut found = Vec::new();
    for (index, raw) in tools.into_iter().enumerate() {
        let at = format!("tools[{index}]");
        let tool: Tool<'_> = serde_json::from_str(raw.get()).map_err(|_| BadRequest::at(&at, "must be a tool"))?;
        if !own(&tool) {
            kept::refuse(&at, raw)?;
            note(&mut found, tool.kind.as_str());
        }
    }
    Ok(found)
}

fn of_field(top: &Object<'_>, name: &str, found: &mut Vec<String>) -> Result<(), BadRequest> {
    if let Some(raw) = top.get(name).filter(|raw| asks(raw)) {
        kept::refuse(name, raw)?;
        note(found, name);
    }
    Ok(())
}

/// Whether a field's value asks for anything.
fn asks(raw: &RawValue) -> bool {
    !matches!(raw.get(), "null" | "[]")
}

/// A type without the date at its end: `web_search_20260209` and `web_search_2026_02_09` as `web_search`.
fn undated(kind: &str) -> &str {
    let dated = |shape: &str| {
        let (bare, date) = kind.split_at_checked(kind.len().checked_sub(shape.len())?)?;
        let fits = |(is, wanted): (u8, u8)| if wanted == b'0' { is.is_ascii_digit() } else { is == wanted };
        date.bytes().zip(shape.bytes()).all(fits).then_some(bare)
    };
    DATES.into_iter().find_map(dated).unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::document;

    fn of(find: fn(&Object<'_>) -> Result<Vec<String>, BadRequest>, body: &Value) -> Result<Vec<String>, BadRequest> {
        find(&document::top(&body.to_string()).unwrap())
    }

    #[test]
    fn what_the_caller_runs_is_told_from_what_the_provider_runs() {
        let own = json!({"tools": [
            {"name": "f", "input_schema": {"properties": {"file_id": {"const": "x"}}}}, {"type": "custom", "name": "g"},
            {"type": "bash_20250124", "name": "bash"}, {"type": "text_editor_20250728", "name": "e"},
            {"type": "computer_20251124", "name": "c"}, {"type": "memory_20250818", "name": "memory"},
            {"type": "tool_search_tool_bm25_20251119", "name": "s"}],
            "mcp_servers": [], "container": null});
        assert_eq!(of(of_messages, &own).unwrap(), [""; 0]);
        let theirs = json!({"tools": [
            {"type": "web_search_20260209", "name": "web_search"}, {"type": "code_execution_20250825", "name": "c"},
            {"type": "mcp_toolset"}, {"type": "bash_of_theirs"}], "container": {}, "mcp_servers": [{"url": "https://a.b"}]});
        let found = [
            "web_search_20260209",
            "code_execution_20250825",
            "mcp_toolset",
            "bash_of_theirs",
            "container",
            "mcp_servers",
        ];
        assert_eq!(of(of_messages, &theirs).unwrap(), found);

        let own = json!({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom"}, {"function": {}}],
            "web_search_options": null, "plugins": []});
        assert_eq!(of(of_chat, &own).unwrap(), [""; 0]);
        let theirs = json!({"tools": [{"type": "web_search"}, {"google_search": {}}], "web_search_options": {},
            "plugins": [{"id": "web"}]});
        assert_eq!(of(of_chat, &theirs).unwrap(), ["web_search", "", "web_search_options", "plugins"]);
    }

    #[test]
    fn what_is_kept_at_the_provider_is_not_reached_by_a_tool() {
        for (body, param) in [
            (json!({"container": "container_1"}), "container"),
            (json!({"container": {"id": "container_1"}}), "container"),
            (json!({"container": {"skills": [{"type": "custom", "skill_id": "s"}]}}), "container"),
            (json!({"tools": [{"type": "x"}, {"type": "y", "file_ids": ["f"]}]}), "tools[1]"),
        ] {
            assert_eq!(of(of_messages, &body).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
        let search = json!({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]});
        assert_eq!(of(of_chat, &search).unwrap_err().param.as_deref(), Some("tools[0]"));
    }

    #[test]
    fn the_operator_names_a_tool_with_or_without_its_date() {
        let found = |kind: &str| vec![kind.to_owned()];
        for name in ["web_search", "web_search_20260209"] {
            assert!(refuse(&found("web_search_20260209"), &found(name)).is_ok());
        }
        assert!(refuse(&found("web_search_preview_2025_03_11"), &found("web_search_preview")).is_ok());
        let error = refuse(&found("web_search_20260209"), &found("web_fetch")).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("tools"));
        assert_eq!(refuse(&found("plugins"), &[]).unwrap_err().param.as_deref(), Some("plugins"));
        assert!(refuse(&found("web_search_7"), &found("web_search")).is_err());
    }
}
