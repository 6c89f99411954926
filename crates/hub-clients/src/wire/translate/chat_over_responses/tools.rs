//! Tools and the choice among them: nested in chat, flat in responses.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::BadRequest;

/// A tool of a chat request.
#[derive(Deserialize)]
pub(super) struct Tool {
    function: Option<Function>,
    custom: Option<Custom>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

#[derive(Deserialize)]
struct Custom {
    name: String,
    description: Option<String>,
    format: Option<Value>,
}

/// A tool of a responses request.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutTool {
    Function {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        parameters: Box<RawValue>,
        /// Always written: where nothing is said chat is not strict and responses are.
        strict: bool,
    },
    Custom {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<Value>,
    },
}

/// The tools. Those that the provider would run were refused before.
pub(super) fn tools(asked: Vec<Tool>) -> Result<Vec<OutTool>, BadRequest> {
    let tool = |(index, tool): (usize, Tool)| {
        let wrong = |message: &str| BadRequest::at(&format!("tools[{index}]"), message);
        match (tool.function, tool.custom) {
            (Some(function), _) => {
                let schema = function.parameters.filter(|raw| raw.get() != "null");
                let none = || RawValue::from_string(r#"{"type":"object","properties":{}}"#.to_owned()).ok();
                Ok(OutTool::Function {
                    name: function.name,
                    description: function.description,
                    parameters: schema.or_else(none).ok_or_else(|| wrong("has no parameters"))?,
                    strict: function.strict.unwrap_or(false),
                })
            }
            (None, Some(custom)) => Ok(OutTool::Custom {
                name: custom.name,
                description: custom.description,
                format: custom.format.filter(|format| !format.is_null()).map(grammar),
            }),
            (None, None) => Err(wrong("needs `function` or `custom`")),
        }
    };
    asked.into_iter().enumerate().map(tool).collect()
}

/// A format of text; a grammar stands in it nested in chat.
fn grammar(mut format: Value) -> Value {
    match format.get_mut("grammar").map(Value::take) {
        Some(Value::Object(mut inner)) => {
            inner.insert("type".to_owned(), "grammar".into());
            inner.into()
        }
        _ => format,
    }
}

/// The choice among the tools.
pub(super) fn choice(asked: &Value) -> Result<Value, BadRequest> {
    let wrong = || BadRequest::at("tool_choice", "is not one this model's provider knows");
    match (asked.as_str(), asked["type"].as_str()) {
        (Some("none" | "auto" | "required"), _) => Ok(asked.clone()),
        (_, Some("function" | "custom")) => named(asked).ok_or_else(wrong),
        (_, Some("allowed_tools")) => {
            let among = &asked["allowed_tools"];
            let tools: Option<Vec<Value>> = among["tools"].as_array().ok_or_else(wrong)?.iter().map(named).collect();
            Ok(json!({"type": "allowed_tools", "mode": among["mode"], "tools": tools.ok_or_else(wrong)?}))
        }
        _ => Err(wrong()),
    }
}

/// A tool by its kind and name.
fn named(tool: &Value) -> Option<Value> {
    let kind = tool["type"].as_str().filter(|kind| matches!(*kind, "function" | "custom"))?;
    let name = tool[kind]["name"].as_str()?;
    Some(json!({"type": kind, "name": name}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_finds_its_flat_form() {
        let function = json!({"type": "function", "function": {"name": "f"}});
        for (asked, expected) in [
            (json!("auto"), json!("auto")),
            (json!("none"), json!("none")),
            (json!("required"), json!("required")),
            (function.clone(), json!({"type": "function", "name": "f"})),
            (json!({"type": "custom", "custom": {"name": "c"}}), json!({"type": "custom", "name": "c"})),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function]}}),
                json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}),
            ),
        ] {
            assert_eq!(choice(&asked).unwrap(), expected);
        }
        for asked in [
            json!("some"),
            json!({}),
            json!({"type": "function"}),
            json!({"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "mcp"}]}}),
        ] {
            assert_eq!(choice(&asked).unwrap_err().param.as_deref(), Some("tool_choice"), "{asked}");
        }
    }
}
