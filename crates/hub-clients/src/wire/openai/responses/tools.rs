//! The tools of a responses request: those the caller runs itself, and those the provider would run for it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::openai::Text;
use crate::wire::{BadRequest, hosted, kept};

/// Tools whose calls come back to the caller, who runs them. `tool_search` only chooses among the tools of the request.
const CALLERS_OWN: [&str; 7] =
    ["function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview", "tool_search"];

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    /// Of a shell: where it runs.
    #[serde(borrow, default)]
    environment: Option<&'a RawValue>,
    /// Of a namespace: what is in it.
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Environment<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
}

/// Adds to `hosted` the type of every tool in this list that the provider would run. Errors when the list is none, or a tool reaches for
/// something kept at the provider.
pub(super) fn read(raw: &RawValue, at: &str, hosted: &mut Vec<String>) -> Result<(), BadRequest> {
    inside(raw, at, false, hosted)
}

fn inside(raw: &RawValue, at: &str, namespace: bool, found: &mut Vec<String>) -> Result<(), BadRequest> {
    if raw.get() == "null" {
        return Ok(());
    }
    let tools: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| BadRequest::at(at, "must be an array of tools"))?;
    for (index, raw) in tools.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let tool: Tool<'_> =
            serde_json::from_str(raw.get()).map_err(|_| BadRequest::at(&at, "must be a tool with a `type`"))?;
        let kind = tool.kind.as_str();
        let local = || {
            let environment = tool.environment.and_then(|raw| serde_json::from_str::<Environment<'_>>(raw.get()).ok());
            environment.is_some_and(|environment| environment.kind.as_str() == "local")
        };
        match (kind, tool.tools) {
            ("namespace", Some(tools)) if !namespace => inside(tools, &format!("{at}.tools"), true, found)?,
            ("shell", _) if local() => {}
            _ if CALLERS_OWN.contains(&kind) => {}
            _ => {
                kept::refuse(&at, raw)?;
                hosted::note(found, kind);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn hosted(tools: &Value) -> Result<Vec<String>, BadRequest> {
        let mut hosted = Vec::new();
        read(serde_json::from_str(&tools.to_string()).unwrap(), "tools", &mut hosted)?;
        Ok(hosted)
    }

    #[test]
    fn what_the_caller_runs_is_told_from_what_the_provider_runs() {
        let own = json!([
            {"type": "function", "name": "f", "parameters": {"properties": {"file_id": {"type": "string"}}}},
            {"type": "custom", "name": "c"},
            {"type": "shell", "environment": {"type": "local"}},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]},
        ]);
        assert_eq!(hosted(&own).unwrap(), [""; 0]);
        let theirs = json!([
            {"type": "web_search"}, {"type": "web_search", "filters": {}}, {"type": "shell"},
            {"type": "shell", "environment": {"type": "container_auto"}}, {"type": "mcp", "server_url": "https://a.b"},
            {"type": "namespace", "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, {"name": "x"},
        ]);
        assert_eq!(hosted(&theirs).unwrap(), ["web_search", "shell", "mcp", "code_interpreter", ""]);
    }

    #[test]
    fn what_is_kept_at_the_provider_is_not_reached_by_a_tool() {
        for tool in [
            json!({"type": "file_search", "vector_store_ids": ["vs_1"]}),
            json!({"type": "code_interpreter", "container": "cntr_1"}),
            json!({"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}}),
            json!({"type": "mcp", "tunnel_id": "t"}),
            json!({"type": "image_generation", "input_image_mask": {"file_id": "f"}}),
        ] {
            let error = hosted(&json!([{"type": "custom"}, tool])).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("tools[1]"), "{tool}");
        }
        assert!(
            hosted(&json!({})).is_err() && hosted(&json!([3])).is_err() && hosted(&Value::Null).unwrap().is_empty()
        );
    }
}
