//! A look through JSON of any shape, which keeps nothing of it. Who looks says what members mean; lists and plain values mean nothing.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What is looked for.
pub(crate) trait Look<'de>: Copy {
    /// Reads the value of the member of this name: with [`Walk`] to look into it. An error ends the walk.
    fn member<A: MapAccess<'de>>(self, name: &str, members: &mut A) -> Result<(), A::Error>;

    /// What is looked for in the items of a list.
    fn in_list(self) -> Self {
        self
    }
}

/// The walk with that look.
#[derive(Clone, Copy)]
pub(crate) struct Walk<L>(pub(crate) L);

impl<'de, L: Look<'de>> DeserializeSeed<'de> for Walk<L> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, L: Look<'de>> Visitor<'de> for Walk<L> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<super::openai::Text<'de>>()? {
            self.0.member(name.as_str(), &mut members)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self(self.0.in_list()))?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
