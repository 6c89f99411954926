//! An embeddings request as its caller wrote it (providers.md §1.6), with what the hub needs read out of it.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::wire::document::{self, BadRequest, Document};

/// Most inputs of one request (OpenAI's limit).
const INPUT_LIMIT: usize = 2_048;
/// Most numbers in a vector that anybody offers.
const DIMENSIONS_LIMIT: i64 = 16_384;

/// A well-formed embeddings request. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddingsRequest {
    document: Document,
    model: String,
    inputs: usize,
    text_bytes: usize,
    tokens: usize,
    base64: bool,
    dimensions: Option<i64>,
}

/// `input`: one text or one list of tokens, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

/// One input as the sandbox sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// A text.
    Text(String),
    /// A text in a tokenizer's numbers.
    Tokens(Vec<u32>),
}

impl EmbeddingsRequest {
    /// Reads a request body. Checked: `model`; `input` 1 to 2048 texts or lists of token numbers, none empty; `dimensions` positive;
    /// `encoding_format` `float` or `base64`.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let text = document::text(&body)?;
        let top = document::top(text)?;
        let model = top.model()?;
        let input: Input = top
            .read("input", "a string, an array of strings, or arrays of token numbers")?
            .ok_or_else(|| BadRequest::at("input", "is required"))?;
        let (inputs, text_bytes, tokens, empty) = match &input {
            Input::Text(text) => (1, text.len(), 0, text.is_empty()),
            Input::Texts(texts) => {
                (texts.len(), texts.iter().map(String::len).sum(), 0, texts.iter().any(String::is_empty))
            }
            Input::Tokens(tokens) => (1, 0, tokens.len(), tokens.is_empty()),
            Input::TokenLists(lists) => {
                (lists.len(), 0, lists.iter().map(Vec::len).sum(), lists.iter().any(Vec::is_empty))
            }
        };
        if empty || inputs == 0 {
            return Err(BadRequest::at("input", "must not be empty"));
        }
        if inputs > INPUT_LIMIT {
            return Err(BadRequest::at("input", &format!("must have at most {INPUT_LIMIT} items")));
        }
        let dimensions = top.limit("dimensions")?;
        if dimensions.is_some_and(|count| count > DIMENSIONS_LIMIT) {
            return Err(BadRequest::at("dimensions", &format!("must be 1 to {DIMENSIONS_LIMIT}")));
        }
        let format: Option<String> = top.read::<Option<String>>("encoding_format", "a string")?.flatten();
        let base64 = match format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => return Err(BadRequest::at("encoding_format", "must be float or base64")),
        };
        let fields = top.fields(text);
        Ok(Self { model, inputs, text_bytes, tokens, base64, dimensions, document: Document { body, fields } })
    }

    /// A request for these texts, for the spec's own protocol.
    pub fn from_texts(model: &str, texts: &[&str]) -> Result<Self, BadRequest> {
        Self::parse(serde_json::json!({"model": model, "input": texts}).to_string().into())
    }

    /// The model the caller asked for.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// UTF-8 bytes of all texts, and token numbers given: no tokenizer makes more tokens of them.
    pub fn size(&self) -> usize {
        self.text_bytes.saturating_add(self.tokens)
    }

    /// Whether vectors are wanted as base64 of little-endian 32-bit floats.
    pub fn wants_base64(&self) -> bool {
        self.base64
    }

    /// How many numbers a vector should have.
    pub fn dimensions(&self) -> Option<i64> {
        self.dimensions
    }

    /// The inputs. Reads them again; not for hot paths.
    pub fn read_inputs(&self) -> Vec<EmbeddingInput> {
        match self.document.raw("input").and_then(|raw| serde_json::from_str(raw).ok()) {
            None => Vec::new(),
            Some(Input::Text(text)) => vec![EmbeddingInput::Text(text)],
            Some(Input::Texts(texts)) => texts.into_iter().map(EmbeddingInput::Text).collect(),
            Some(Input::Tokens(tokens)) => vec![EmbeddingInput::Tokens(tokens)],
            Some(Input::TokenLists(lists)) => lists.into_iter().map(EmbeddingInput::Tokens).collect(),
        }
    }

    /// The body to send upstream: with the model's name there.
    pub fn encode(&self, model: &str) -> Bytes {
        self.document.with(&[("model", Some(&Value::from(model).to_string()))])
    }
}

/// Shows the shape and no input.
impl fmt::Debug for EmbeddingsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddingsRequest")
            .field("model", &self.model)
            .field("inputs", &self.inputs)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<EmbeddingsRequest, BadRequest> {
        EmbeddingsRequest::parse(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn every_form_of_input_is_counted() {
        let cases = [(r#""hé""#, 1, 3), (r#"["a","bc"]"#, 2, 3), ("[1,2,3]", 1, 3), ("[[1,2],[3]]", 2, 3)];
        for (input, inputs, size) in cases {
            let request = parse(&format!(r#"{{"model":"m","input":{input}}}"#)).unwrap();
            assert_eq!((request.inputs(), request.size()), (inputs, size), "{input}");
            assert_eq!(request.read_inputs().len(), inputs);
        }
        let request =
            parse(r#"{"model":"m","input":"a","encoding_format":"base64","dimensions":8,"user":"u"}"#).unwrap();
        assert_eq!((request.wants_base64(), request.dimensions()), (true, Some(8)));
        assert_eq!(
            &request.encode("up")[..],
            br#"{"model":"up","input":"a","encoding_format":"base64","dimensions":8,"user":"u"}"#
        );
    }

    #[test]
    fn a_bad_request_names_the_field_at_fault() {
        for (body, param) in [
            (r#"{"input":"a"}"#, "model"),
            (r#"{"model":"m"}"#, "input"),
            (r#"{"model":"m","input":""}"#, "input"),
            (r#"{"model":"m","input":[]}"#, "input"),
            (r#"{"model":"m","input":["a",""]}"#, "input"),
            (r#"{"model":"m","input":[[]]}"#, "input"),
            (r#"{"model":"m","input":{"a":1}}"#, "input"),
            (r#"{"model":"m","input":"a","dimensions":0}"#, "dimensions"),
            (r#"{"model":"m","input":"a","encoding_format":"hex"}"#, "encoding_format"),
        ] {
            assert_eq!(parse(body).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
        let many = format!(r#"{{"model":"m","input":[{}"a"]}}"#, r#""a","#.repeat(2_048));
        assert_eq!(parse(&many).unwrap_err().param.as_deref(), Some("input"));
    }
}
