//! JSON bodies in and out.
//!
//! In: the content type must be JSON (415), the bytes must be UTF-8 and JSON without NUL (400), the value must fit (400
//! with the path of each bad field). Nesting is limited by serde_json to 128. Out: the value as JSON.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use hub_types::ErrorCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::reason::bad_field;
use crate::envelope::is_json_type;
use crate::{ApiError, read_body};

/// A JSON body: of a request when extracted, of a response when returned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json_type) {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType).message("Send application/json"));
        }
        let bytes = read_body(request.into_body()).await?;
        Self::from_bytes(&bytes)
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// Reads a value from bytes, with the same errors as the extractor.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(bytes).map_err(|error| not_json("is not valid UTF-8").source(error))?;
        if holds_nul(text) {
            return Err(not_json("holds a NUL character"));
        }
        // Serde would fill a struct from a list by position: no operation of the hub means that.
        if text.trim_start().starts_with('[') {
            return Err(not_json("must be an object"));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            match inner.classify() {
                Category::Data => bad_field(&path, &inner.to_string(), "body"),
                _ => syntax(&inner),
            }
        })?;
        deserializer.end().map_err(|error| syntax(&error))?;
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn not_json(what: &'static str) -> ApiError {
    ApiError::validation("body", what)
}

/// Where, but not in serde's words.
fn syntax(error: &serde_json::Error) -> ApiError {
    let place = format!("is not valid JSON (line {}, column {})", error.line(), error.column());
    ApiError::validation("body", if error.line() == 1 && error.column() == 0 { "is empty".to_owned() } else { place })
}

/// True for a raw NUL or an escaped one. PostgreSQL cannot store it, and no text of a person holds it.
fn holds_nul(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.contains(&0)
        || text.match_indices("\\u0000").any(|(at, _)| {
            // An even number of backslashes before it means that this one begins the escape.
            bytes.iter().take(at).rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Order {
        name: String,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Item {
        count: u32,
    }

    fn refused(body: &[u8]) -> serde_json::Value {
        let error = Json::<Order>::from_bytes(body).map(|json| json.0).unwrap_err();
        assert_eq!(error.code, ErrorCode::Validation);
        error.details.unwrap()
    }

    #[test]
    fn the_path_of_a_bad_field_is_named() {
        let details = refused(br#"{"name":"a","items":[{"count":1},{"count":"two"}]}"#);
        assert_eq!(details, json!([{"field": "items[1].count", "message": "must be a whole number, 0 or more"}]));
        assert_eq!(refused(b"{}"), json!([{"field": "name", "message": "is required"}]));
        assert_eq!(
            refused(br#"{"name":"a","items":[{}]}"#),
            json!([{"field": "items[0].count", "message": "is required"}])
        );
        for list in [&b"[]"[..], b" [\"by position\"]"] {
            assert_eq!(refused(list), json!([{"field": "body", "message": "must be an object"}]));
        }
    }

    #[test]
    fn an_unknown_field_is_named_at_every_depth() {
        let top = refused(br#"{"name":"a","isAdmin":true}"#);
        assert_eq!(top, json!([{"field": "isAdmin", "message": "unknown field isAdmin"}]));
        let deep = refused(br#"{"name":"a","items":[{"count":1,"price":0}]}"#);
        assert_eq!(deep, json!([{"field": "items[0].price", "message": "unknown field price"}]));
    }

    #[test]
    fn broken_text_is_refused_without_serdes_words() {
        for body in [
            &b"{\"name\":"[..],
            b"",
            b"{\"name\":\"a\"} x",
            b"{\"name\":\"\xff\"}",
            b"{\"name\":\"\\ud800\"}",
            b"{\"name\":\"a\",\"name\":\"b\"}",
            b"{\"name\":\"\\u0000\"}",
            b"{\"name\":\"\0\"}",
            "[".repeat(100_000).as_bytes(),
        ] {
            let text = refused(body).to_string();
            for leak in ["expected", "EOF", "recursion", "surrogate", "struct"] {
                assert!(!text.contains(leak), "{text}");
            }
        }
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_no_nul() {
        let json = Json::<Order>::from_bytes(br#"{"name":"\\u0000"}"#).unwrap();
        assert_eq!(json.0.name, "\\u0000");
        assert!(holds_nul(r#""\\\u0000""#));
    }
}
