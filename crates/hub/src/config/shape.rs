//! What the settings look like, read off the types themselves: every key, and what kind of value it takes.
//!
//! The types deserialise; this module deserialises them from nothing and notes what they ask for. So a list of allowed keys in an
//! error message, the conversion of an environment variable and the test of the example file can never disagree with the code.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What one place in the settings takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Keys with a shape each.
    Table(BTreeMap<&'static str, Shape>),
    /// A list of things of one shape.
    List(Box<Shape>),
    /// A single value.
    Leaf(Kind),
}

/// What kind of value a leaf takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Whole,
    /// A number that may have a fraction; amounts of credits are such.
    Number,
    /// Any text; the type checks it further.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Whole => f.write_str("a whole number"),
            Self::Number => f.write_str("a number"),
            Self::Text => f.write_str("text"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl Shape {
    /// The shape of a type.
    pub fn of<T: for<'de> Deserialize<'de>>() -> Self {
        Self::at::<T>(&mut Vec::new())
    }

    fn at<T: for<'de> Deserialize<'de>>(path: &mut Vec<Step>) -> Self {
        let found = Cell::new(Found::Leaf(Kind::Number));
        // The probe always ends in an error; what it learned is in `found`.
        let _ = T::deserialize(Probe { path, found: &found });
        match found.get() {
            Found::Leaf(kind) => Self::Leaf(kind),
            Found::List => {
                path.push(Step::Item);
                let item = Self::at::<T>(path);
                path.pop();
                Self::List(Box::new(item))
            }
            Found::Table(names) => {
                let mut fields = BTreeMap::new();
                for name in names {
                    path.push(Step::Key(name));
                    fields.insert(*name, Self::at::<T>(path));
                    path.pop();
                }
                Self::Table(fields)
            }
        }
    }

    /// The shape at a dotted path such as `limits.guest_per_minute`.
    pub fn get(&self, path: &str) -> Option<&Self> {
        path.split('.').filter(|key| !key.is_empty()).try_fold(self, |shape, key| match shape {
            Self::Table(fields) => fields.get(key),
            Self::List(_) | Self::Leaf(_) => None,
        })
    }

    /// Every leaf and list as a dotted path, sorted; keys inside the tables of a list follow `[]`: `providers[].name`.
    pub fn paths(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.collect("", &mut all);
        all.sort();
        all
    }

    fn collect(&self, at: &str, all: &mut Vec<String>) {
        match self {
            Self::List(item) if matches!(**item, Self::Table(_)) => item.collect(&format!("{at}[]"), all),
            Self::Leaf(_) | Self::List(_) => all.push(at.to_owned()),
            Self::Table(fields) => {
                for (name, shape) in fields {
                    let path = if at.is_empty() { (*name).to_owned() } else { format!("{at}.{name}") };
                    shape.collect(&path, all);
                }
            }
        }
    }

    /// What may stand here, in words for an error message.
    pub fn words(&self) -> String {
        match self {
            Self::Leaf(kind) => kind.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(fields) => format!("a section with {}", fields.keys().copied().collect::<Vec<_>>().join(", ")),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(&'static str),
    Item,
}

#[derive(Debug, Clone, Copy)]
enum Found {
    Table(&'static [&'static str]),
    List,
    Leaf(Kind),
}

/// Walks down `path` through whatever the type asks for and notes what stands at its end.
#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [Step],
    found: &'a Cell<Found>,
}

impl Probe<'_> {
    fn note<T>(self, found: Found) -> Result<T, Ended> {
        self.found.set(found);
        Err(Ended)
    }
}

/// The only error of a probe: it has seen enough.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the probe ended")
    }
}

impl std::error::Error for Ended {}

impl de::Error for Ended {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! leaves {
    ($kind:expr => $($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Ended> {
            self.note(Found::Leaf($kind))
        }
    )+};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Ended;

    leaves!(Kind::Bool => deserialize_bool);
    leaves!(Kind::Whole => deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    // Only amounts of credits read themselves, and they are numbers.
    leaves!(Kind::Number => deserialize_f32 deserialize_f64 deserialize_any deserialize_ignored_any);
    leaves!(Kind::Text => deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
            deserialize_identifier deserialize_unit deserialize_map);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Ended> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Ended> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Ended> {
        self.note(Found::Leaf(Kind::Text))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Ended> {
        self.note(Found::Leaf(Kind::OneOf(words)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Ended> {
        match self.path.split_first() {
            Some((Step::Item, rest)) => visitor.visit_seq(Entry { key: "", value: Self { path: rest, ..self } }),
            _ => self.note(Found::List),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Ended> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Ended> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Ended> {
        match self.path.split_first() {
            Some((Step::Key(key), rest)) => visitor.visit_map(Entry { key, value: Self { path: rest, ..self } }),
            _ => self.note(Found::Table(fields)),
        }
    }
}

/// A table with one key, or a list with one item.
struct Entry<'a> {
    key: &'static str,
    value: Probe<'a>,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Ended;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Ended> {
        seed.deserialize(de::value::StrDeserializer::<Ended>::new(self.key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Ended> {
        seed.deserialize(self.value)
    }
}

impl<'de> SeqAccess<'de> for Entry<'_> {
    type Error = Ended;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Ended> {
        seed.deserialize(self.value).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    #[derive(Default)]
    struct Sample {
        count: Option<u32>,
        amount: hub_types::Credits,
        mode: Option<Mode>,
        names: Vec<String>,
        inner: Vec<Inner>,
        secret: Option<secrecy::SecretString>,
    }

    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only the shape matters")]
    struct Inner {
        on: bool,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Safe,
    }

    #[test]
    fn every_key_and_its_kind_are_found() {
        let shape = Shape::of::<Sample>();
        assert_eq!(shape.paths(), ["amount", "count", "inner[].on", "mode", "names", "secret"]);
        assert_eq!(shape.get("count"), Some(&Shape::Leaf(Kind::Whole)));
        assert_eq!(shape.get("amount"), Some(&Shape::Leaf(Kind::Number)));
        assert_eq!(shape.get("mode").map(Shape::words).as_deref(), Some("one of fast, safe"));
        assert_eq!(shape.get("names"), Some(&Shape::List(Box::new(Shape::Leaf(Kind::Text)))));
        assert_eq!(shape.get("secret"), Some(&Shape::Leaf(Kind::Text)));
        assert_eq!(shape.get("nothing"), None);
    }
}
