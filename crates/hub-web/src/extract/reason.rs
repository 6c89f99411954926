//! Turns what serde says about a bad field into words for the person who sent it.
//!
//! Serde's own text names Rust types and repeats the value, which may be a secret typed into the wrong field. Neither
//! leaves the hub. Text of our own types (`Email`, `Cursor`, …) is passed on as it is.

use crate::ApiError;

/// The error for `text`, said by serde about the value at `path` (`.` for the whole body). `whole` names the place
/// where the path says nothing.
pub(super) fn bad_field(path: &str, text: &str, whole: &str) -> ApiError {
    let path = path.trim_end_matches(".?").trim_end_matches('?');
    let place = if path == "." || path.is_empty() { None } else { Some(path) };
    let (child, message) = explain(strip_position(text));
    let field = match (place, child) {
        // Serde reports some errors about a key at the key itself and some at the object around it.
        (Some(path), Some(child)) if path != child && !path.ends_with(&format!(".{child}")) => {
            format!("{path}.{child}")
        }
        (Some(path), _) => path.to_owned(),
        (None, Some(child)) => child.to_owned(),
        (None, None) => whole.to_owned(),
    };
    ApiError::validation(field, message)
}

/// The field named by the text itself, if any, and what is wrong with it.
fn explain(text: &str) -> (Option<&str>, String) {
    if let Some(rest) = text.strip_prefix("missing field ") {
        return (quoted(rest), "is required".into());
    }
    if let Some(rest) = text.strip_prefix("unknown field ") {
        return match quoted(rest) {
            Some(name) => (Some(name), format!("unknown field {name}")),
            None => (None, "unknown field".into()),
        };
    }
    if let Some(rest) = text.strip_prefix("duplicate field ") {
        return (quoted(rest), "stands more than once".into());
    }
    let guess =
        text.starts_with("invalid type") || text.starts_with("invalid value") || text.starts_with("invalid length");
    if let Some((_, expected)) = text.rsplit_once(", expected ").filter(|_| guess) {
        return (None, format!("must be {}", plain_type(expected)));
    }
    if text.starts_with("unknown variant ")
        && let Some((_, expected)) = text.rsplit_once(", expected ")
    {
        let names = expected.trim_start_matches("one of ").replace('`', "");
        return (None, format!("must be one of {names}"));
    }
    // What the parsers of numbers and booleans say when a query or path holds something else.
    let message = match text {
        "invalid digit found in string" | "cannot parse integer from empty string" => "must be a whole number",
        "number too large to fit in target type" | "number too small to fit in target type" => "is out of range",
        "invalid float literal" => "must be a number",
        "provided string was not `true` or `false`" => "must be true or false",
        text if text.starts_with("UUID parsing failed") => "must be an id (UUID)",
        text if text.contains("not match any variant of untagged enum") => "has none of the accepted forms",
        text => text,
    };
    (None, message.to_owned())
}

/// Rust's words for types in words of JSON.
fn plain_type(expected: &str) -> String {
    let word = expected.trim_matches('`');
    let plain = match word {
        "u8" | "u16" | "u32" | "u64" | "usize" | "a nonzero u32" | "a nonzero u64" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" | "bool" => "true or false",
        "a borrowed string" | "string" => "a string",
        "unit" | "null" => "null",
        "a UUID string" | "a formatted UUID string" => "an id (UUID)",
        "value" => "set",
        _ if word.starts_with("struct ") || word.starts_with("internally tagged enum ") => "an object",
        _ if word.starts_with("enum ") || word.contains(" enum ") || word.starts_with("variant identifier") => {
            "one of the accepted values"
        }
        _ if word.starts_with("tuple ") || word.starts_with("an array of length") => "a list of the right length",
        _ if word.contains("::") => "of another type",
        other => other,
    };
    plain.to_owned()
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('`')?.split_once('`').map(|(name, _)| name)
}

/// Cuts serde_json's ` at line 1 column 2`.
fn strip_position(text: &str) -> &str {
    text.rsplit_once(" at line ").map_or(text, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> (String, String) {
        let details = bad_field(path, text, "body").details.unwrap();
        let word = |name: &str| details[0][name].as_str().unwrap().to_owned();
        (word("field"), word("message"))
    }

    #[test]
    fn each_text_of_serde_has_plain_words() {
        for (path, text, field, message) in [
            (".", "missing field `email` at line 1 column 2", "email", "is required"),
            ("items[0]", "missing field `id`", "items[0].id", "is required"),
            ("isAdmin", "unknown field `isAdmin`, expected `email`", "isAdmin", "unknown field isAdmin"),
            (".", "invalid type: string \"hunter2\", expected struct Login", "body", "must be an object"),
            ("password", "invalid type: integer `12345`, expected a string", "password", "must be a string"),
            ("role", "unknown variant `x`, expected one of `a`, `b`", "role", "must be one of a, b"),
            ("role", "unknown variant `x`, expected `a` or `b`", "role", "must be one of a or b"),
            ("limit", "invalid digit found in string", "limit", "must be a whole number"),
            ("email", "is not an e-mail address at line 3 column 4", "email", "is not an e-mail address"),
        ] {
            assert_eq!(said(path, text), (field.to_owned(), message.to_owned()), "{text}");
        }
    }
}
