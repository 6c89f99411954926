//! What parts of a document say against each other. Merging keeps the first of two and is silent about it; this is where it is said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::openapi::OpenApi;

/// Keys of a path item that are operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// One line for each name under which two parts have different components, each operation that two parts describe, and each operation id
/// that stands twice.
pub fn clashes(parts: &[OpenApi]) -> Vec<String> {
    let mut found = Vec::new();
    let mut components = BTreeMap::new();
    let mut operations = BTreeSet::new();
    let mut ids = BTreeMap::new();
    // What cannot be written as JSON is no document, and then `merge` has nothing to lose.
    for part in parts.iter().filter_map(|part| serde_json::to_value(part).ok()) {
        for (kind, named) in entries(&part["components"]) {
            for (name, shape) in entries(named) {
                let known = components.entry((kind.clone(), name.clone())).or_insert_with(|| shape.clone());
                if known != shape {
                    found.push(format!("components.{kind}.{name} is two different things"));
                }
            }
        }
        for (path, item) in entries(&part["paths"]) {
            for (method, operation) in entries(item).filter(|(method, _)| METHODS.contains(&method.as_str())) {
                let here = format!("{method} {path}");
                if !operations.insert(here.clone()) {
                    found.push(format!("{here} is described twice"));
                }
                let Some(id) = operation["operationId"].as_str() else { continue };
                if let Some(there) = ids.insert(id.to_owned(), here.clone()) {
                    found.push(format!("the operation id {id} is that of {there} and of {here}"));
                }
            }
        }
    }
    found
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(path: &str, id: &str, schema: &Value) -> OpenApi {
        let document = json!({
            "openapi": "3.1.0", "info": { "title": "t", "version": "1" },
            "paths": { path: { "get": { "operationId": id, "responses": {} } } },
            "components": { "schemas": { "Thing": schema } },
        });
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn what_merging_would_swallow_is_named() {
        let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
        let first = part("/a", "a", &text);
        assert!(clashes(&[first.clone(), part("/b", "b", &text)]).is_empty());
        let said = |second| clashes(&[first.clone(), second]).join("; ");
        assert_eq!(said(part("/b", "b", &number)), "components.schemas.Thing is two different things");
        assert_eq!(said(part("/b", "a", &text)), "the operation id a is that of get /a and of get /b");
        assert_eq!(said(part("/a", "b", &text)), "get /a is described twice");
    }
}
