//! A JSON object that is passed on as its caller wrote it: one buffer, and an index of its top level in the caller's order.
//!
//! Shared by every request format. Values are not looked into here, and nothing is re-written but the fields an encoder names.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::openai::Text;

/// Longest model name, in bytes.
const MODEL_LIMIT: usize = 256;
/// Most top-level fields; OpenAI defines about forty.
const FIELD_LIMIT: usize = 200;

/// The buffer and its index. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) body: Bytes,
    pub(crate) fields: Vec<Field>,
}

impl Document {
    /// The JSON text of a top-level field.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        std::str::from_utf8(&self.body[field.value.clone()]).ok()
    }

    /// The names at the top level, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }

    /// Writes the object with other values for some of its fields, each `None` left out; a field that did not stand there is added
    /// at the end. Without a real change it is the caller's own buffer.
    pub(crate) fn with(&self, changes: &[(&str, Option<&str>)]) -> Bytes {
        if changes.iter().all(|(name, value)| self.raw(name) == *value) {
            return self.body.clone();
        }
        let mut out = Vec::with_capacity(self.body.len() + 64);
        out.push(b'{');
        for field in &self.fields {
            match changes.iter().find(|(name, _)| *name == &*field.name) {
                Some((_, None)) => {}
                Some((name, Some(value))) => member(&mut out, name, value.as_bytes()),
                None => member(&mut out, &field.name, &self.body[field.value.clone()]),
            }
        }
        for (name, value) in changes {
            if let (Some(value), None) = (value, self.raw(name)) {
                member(&mut out, name, value.as_bytes());
            }
        }
        out.push(b'}');
        out.into()
    }
}

/// A body as text. Errors when it is not UTF-8.
pub(crate) fn text(body: &Bytes) -> Result<&str, BadRequest> {
    std::str::from_utf8(body).map_err(|_| BadRequest::body("the body is not valid UTF-8"))
}

/// The top level of a body. Errors when it is no JSON object, or a name stands twice in it.
pub(crate) fn top(text: &str) -> Result<Object<'_>, BadRequest> {
    let top: Object<'_> = serde_json::from_str(text)
        .map_err(|error| BadRequest::body(&format!("the body is not a valid JSON object: {error}")))?;
    top.check_names()?;
    Ok(top)
}

/// One top-level field: its name and where its value stands in the body.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) value: Range<usize>,
}

/// The request cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", param.as_ref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct BadRequest {
    /// The field at fault, as `messages[3]`; `None` when the body as a whole is.
    pub param: Option<String>,
    /// What is wrong with it, for the caller.
    pub message: String,
}

impl BadRequest {
    pub(crate) fn at(param: &str, message: &str) -> Self {
        Self { param: Some(param.to_owned()), message: message.to_owned() }
    }

    pub(crate) fn body(message: &str) -> Self {
        Self { param: None, message: message.to_owned() }
    }
}

/// Appends `"name":value` to an object that has been opened.
pub(crate) fn member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

/// The top level, in order; names have their escapes undone, values are as they stand.
#[derive(Default)]
pub(crate) struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Where each value stands in the text it was read from.
    pub(crate) fn fields(&self, text: &str) -> Vec<Field> {
        let start = text.as_ptr() as usize;
        let place = |(name, value): &(Cow<'a, str>, &'a RawValue)| {
            let at = value.get().as_ptr() as usize - start;
            Field { name: (&**name).into(), value: at..at + value.get().len() }
        };
        self.0.iter().map(place).collect()
    }

    /// The model asked for.
    pub(crate) fn model(&self) -> Result<String, BadRequest> {
        let model: String = self.read("model", "a string")?.ok_or_else(|| BadRequest::at("model", "is required"))?;
        if model.is_empty() || model.len() > MODEL_LIMIT {
            return Err(BadRequest::at("model", &format!("must have 1 to {MODEL_LIMIT} bytes")));
        }
        Ok(model)
    }

    fn check_names(&self) -> Result<(), BadRequest> {
        if self.0.len() > FIELD_LIMIT {
            return Err(BadRequest::body(&format!("the body has more than {FIELD_LIMIT} fields")));
        }
        for (index, (name, _)) in self.0.iter().enumerate() {
            if self.0[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(BadRequest::at(name, "stands twice"));
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
    }

    pub(crate) fn read<T: Deserialize<'a>>(&self, name: &str, shape: &str) -> Result<Option<T>, BadRequest> {
        let Some(raw) = self.get(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|_| BadRequest::at(name, &format!("must be {shape}")))
    }

    pub(crate) fn limit(&self, name: &str) -> Result<Option<i64>, BadRequest> {
        match self.read::<i64>(name, "a positive integer")? {
            Some(limit) if limit < 1 => Err(BadRequest::at(name, "must be a positive integer")),
            limit => Ok(limit),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some(name) = entries.next_key::<Text<'de>>()? {
                    fields.push((name.into_cow().unwrap_or_default(), entries.next_value()?));
                    // One past the limit is enough to refuse; the rest is only skipped.
                    if fields.len() > FIELD_LIMIT {
                        while entries.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                    }
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}
