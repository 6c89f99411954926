//! On which terms a call is asked for, or was served: how fast, and where (providers.md §1.1, §3.1, §8). A provider prices the same tokens
//! by them, so a hub that looked only at tokens would lend out the difference.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The fields of a call that change its price as a whole, each with the values that do not.
const FIELDS: [(&str, &[&str]); 3] = [
    ("service_tier", &["auto", "default", "standard", "standard_only"]),
    ("speed", &["standard"]),
    ("inference_geo", &["global"]),
];
/// Longest value that is kept; no real one is longer.
const LONGEST: usize = 64;

/// What a call, or its answer, says in these fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms([Option<Box<str>>; FIELDS.len()]);

impl Terms {
    /// Reads the fields of a request. `raw` gives the JSON text of a field.
    pub(crate) fn asked<'a>(raw: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self(FIELDS.map(|(name, _)| cut(&serde_json::from_str::<Cow<'_, str>>(raw(name)?).ok()?)))
    }

    /// What a JSON object says in these fields.
    pub fn of(object: &Value) -> Self {
        Self(FIELDS.map(|(name, _)| cut(object.get(name)?.as_str()?)))
    }

    /// Whether this field of a call can change its price as a whole.
    pub fn prices(field: &str) -> bool {
        FIELDS.iter().any(|(name, _)| *name == field)
    }

    /// What an answer of OpenAI's says. Boxed, since most events have none.
    pub(crate) fn tier(tier: Option<&str>) -> Option<Box<Self>> {
        let tier = cut(tier?)?;
        Some(Box::new(Self([Some(tier), None, None])))
    }

    /// The same fields as an answer has them; those it does not name are as they were asked for.
    #[must_use]
    pub fn served(&self, told: &Self) -> Self {
        let mut fields = self.0.clone();
        for (field, told) in fields.iter_mut().zip(&told.0) {
            if told.is_some() {
                field.clone_from(told);
            }
        }
        Self(fields)
    }

    /// What is priced apart from the provider's usual terms: field and value.
    pub fn priced_apart(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = FIELDS.into_iter().zip(&self.0);
        fields.filter_map(|((name, usual), value)| {
            let value = value.as_deref()?;
            (!usual.contains(&value)).then_some((name, value))
        })
    }
}

/// A value that is too long is no value, and has no price.
fn cut(value: &str) -> Option<Box<str>> {
    let end = value.char_indices().nth(LONGEST).map_or(value.len(), |(end, _)| end);
    (!value.is_empty()).then(|| value[..end].into())
}

/// What the usage of a message says of its terms.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct WireTerms {
    #[serde(default, deserialize_with = "word")]
    service_tier: Option<Box<str>>,
    #[serde(default, deserialize_with = "word")]
    speed: Option<Box<str>>,
    #[serde(default, deserialize_with = "word")]
    inference_geo: Option<Box<str>>,
}

impl WireTerms {
    /// Takes over what a later report says.
    pub(crate) fn supersede(&mut self, later: Self) {
        self.service_tier = later.service_tier.or(self.service_tier.take());
        self.speed = later.speed.or(self.speed.take());
        self.inference_geo = later.inference_geo.or(self.inference_geo.take());
    }

    /// In one value; `None` when nothing was said.
    pub(crate) fn told(&self) -> Option<Box<Terms>> {
        let fields = [self.service_tier.clone(), self.speed.clone(), self.inference_geo.clone()];
        fields.iter().any(Option::is_some).then(|| Box::new(Terms(fields)))
    }
}

/// A surprise in a field that is only looked at must not end a stream.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().and_then(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(fields: &[(&str, &'static str)]) -> Terms {
        Terms::asked(|name| fields.iter().find(|(field, _)| *field == name).map(|(_, raw)| *raw))
    }

    #[test]
    fn usual_terms_are_not_priced_apart_and_others_are_named() {
        let usual = asked(&[("service_tier", "\"auto\""), ("speed", "null"), ("inference_geo", "7")]);
        assert_eq!(usual.priced_apart().next(), None);
        let fast = asked(&[("service_tier", "\"flex\""), ("speed", "\"fast\""), ("inference_geo", "\"us\"")]);
        let named: Vec<_> = fast.priced_apart().collect();
        assert_eq!(named, [("service_tier", "flex"), ("speed", "fast"), ("inference_geo", "us")]);
    }

    #[test]
    fn an_answer_wins_over_what_was_asked_where_it_says_something() {
        let asked = asked(&[("service_tier", "\"priority\""), ("inference_geo", "\"us\"")]);
        let told = Terms::tier(Some("default")).unwrap();
        let named: Vec<_> = asked.served(&told).priced_apart().map(|(name, _)| name).collect();
        assert_eq!(named, ["inference_geo"]);
        assert_eq!(Terms::tier(None), None);
    }

    #[test]
    fn a_message_tells_its_terms_in_its_usage_whatever_else_stands_there() {
        let mut usage: WireTerms = serde_json::from_str(r#"{"service_tier":"standard","speed":{"x":1}}"#).unwrap();
        usage.supersede(serde_json::from_str(r#"{"speed":"fast","inference_geo":3}"#).unwrap());
        let told = usage.told().unwrap();
        assert_eq!(told.priced_apart().collect::<Vec<_>>(), [("speed", "fast")]);
        assert_eq!(WireTerms::default().told(), None);
    }
}
