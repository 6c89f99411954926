//! Writing a chat request for an upstream: only the fields that must change are re-written, everything else is copied
//! byte for byte, in the caller's order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ChatRequest;
use crate::wire::document::{Object, member};

/// Which of its two names an upstream uses for the limit of completion tokens. OpenAI's reasoning models refuse the older
/// one; most compatible servers know only that one (providers.md §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// `max_completion_tokens`, OpenAI's own.
    #[default]
    MaxCompletionTokens,
    /// `max_tokens`, the older name.
    MaxTokens,
}

impl MaxTokensField {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::MaxTokens => "max_tokens",
        }
    }
}

/// What the hub changes in a caller's request.
#[derive(Debug, Clone, Copy)]
pub struct Edits<'a> {
    /// The model's name at the upstream.
    pub model: &'a str,
    /// Most completion tokens per choice. The caller's own limit, if any, stays when it is smaller.
    pub max_output: Option<i64>,
    /// The name under which the limit is written.
    pub max_tokens_field: MaxTokensField,
    /// Ask for the usage chunk; only acts on streams.
    pub include_usage: bool,
}

impl ChatRequest {
    /// The body to send upstream. Without a real change it is the caller's own buffer.
    pub fn encode(&self, edits: Edits<'_>) -> Bytes {
        let model = serde_json::Value::from(edits.model).to_string();
        let limit = [edits.max_output, self.max_output()].into_iter().flatten().min().map(|limit| limit.to_string());
        let ask_usage = edits.include_usage && self.stream() && !self.include_usage;
        let options = ask_usage.then(|| with_usage(self.raw("stream_options")));
        if options.is_none() && self.raw("model") == Some(&model) && self.says_limit(limit.as_deref(), edits) {
            return self.document.body.clone();
        }

        let mut out = Vec::with_capacity(self.document.body.len() + 128);
        out.push(b'{');
        // Whichever name the caller used for the limit, its place is taken by the one the upstream knows, once.
        let mut limit = limit.as_deref();
        for field in &self.document.fields {
            let raw = &self.document.body[field.value.clone()];
            match &*field.name {
                "model" => member(&mut out, "model", model.as_bytes()),
                "max_tokens" | "max_completion_tokens" => {
                    if let Some(number) = limit.take() {
                        member(&mut out, edits.max_tokens_field.as_str(), number.as_bytes());
                    }
                }
                "stream_options" => member(&mut out, "stream_options", options.as_deref().unwrap_or(raw)),
                name => member(&mut out, name, raw),
            }
        }
        if let Some(number) = limit {
            member(&mut out, edits.max_tokens_field.as_str(), number.as_bytes());
        }
        if let (Some(options), None) = (&options, self.raw("stream_options")) {
            member(&mut out, "stream_options", options);
        }
        out.push(b'}');
        out.into()
    }

    /// True when the body already carries exactly this limit, under the right name only.
    fn says_limit(&self, limit: Option<&str>, edits: Edits<'_>) -> bool {
        let (right, wrong) = match edits.max_tokens_field {
            MaxTokensField::MaxCompletionTokens => ("max_completion_tokens", "max_tokens"),
            MaxTokensField::MaxTokens => ("max_tokens", "max_completion_tokens"),
        };
        self.raw(right) == limit && self.raw(wrong).is_none()
    }
}

/// `stream_options` with `include_usage: true`, its other fields kept as they stand.
pub(super) fn with_usage(options: Option<&str>) -> Vec<u8> {
    let fields = options.and_then(|raw| serde_json::from_str::<Object<'_>>(raw).ok()).unwrap_or_default();
    let mut out = vec![b'{'];
    for (name, value) in fields.0.iter().filter(|(name, _)| name != "include_usage") {
        member(&mut out, name, value.get().as_bytes());
    }
    member(&mut out, "include_usage", b"true");
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    const EDITS: Edits<'_> = Edits {
        model: "up",
        max_output: None,
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
        include_usage: true,
    };

    fn encoded(body: &str, edits: Edits<'_>) -> String {
        let request = ChatRequest::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        String::from_utf8(request.encode(edits).to_vec()).unwrap()
    }

    #[test]
    fn only_what_must_change_is_rewritten() {
        let body = r#"{ "x-odd": {"b" : 1.50, "a":"\u00e9"}, "model":"m","max_tokens" : 9,
            "messages":[ {"role":"user","content":"x"} ],"stream":true, "stream_options":{"include_obfuscation": false}}"#;
        assert_eq!(
            encoded(body, EDITS),
            r#"{"x-odd":{"b" : 1.50, "a":"\u00e9"},"model":"up","max_completion_tokens":9,"messages":[ {"role":"user","content":"x"} ],"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}"#
        );
    }

    #[test]
    fn a_limit_is_written_once_under_the_name_the_upstream_knows() {
        let body = r#"{"model":"up","messages":[{"role":"user"}],"max_tokens":9,"max_completion_tokens":7}"#;
        let both = Edits { max_tokens_field: MaxTokensField::MaxTokens, ..EDITS };
        assert_eq!(encoded(body, both), r#"{"model":"up","messages":[{"role":"user"}],"max_tokens":7}"#);
        let none = r#"{"model":"up","messages":[{"role":"user"}]}"#;
        let raised = Edits { max_output: Some(8), ..both };
        assert_eq!(encoded(body, raised), encoded(body, both));
        let clamped = Edits { max_output: Some(5), ..both };
        assert_eq!(encoded(none, clamped), r#"{"model":"up","messages":[{"role":"user"}],"max_tokens":5}"#);
    }

    #[test]
    fn a_request_that_needs_no_change_is_not_copied() {
        let body = Bytes::from_static(br#"{"model":"up" ,"messages":[{"role":"user"}],"max_completion_tokens":9}"#);
        let request = ChatRequest::parse(body.clone()).unwrap();
        assert_eq!(request.encode(EDITS).as_ptr(), body.as_ptr());
        assert_ne!(request.encode(Edits { max_output: Some(8), ..EDITS }).as_ptr(), body.as_ptr());
    }

    #[test]
    fn null_stream_options_are_replaced() {
        let body = r#"{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":null}"#;
        assert!(encoded(body, EDITS).ends_with(r#""stream_options":{"include_usage":true}}"#));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(".{0,5}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn unknown_fields_survive_in_value_and_order(
            unknown in prop::collection::vec(("x-.{0,6}", any_json()), 0..8),
            place in any::<prop::sample::Index>(),
            limit in prop::option::of(1_i64..1000),
            stream in any::<bool>(),
        ) {
            let mut names = std::collections::HashSet::new();
            let mut members: Vec<String> = unknown
                .iter()
                .filter(|(name, _)| names.insert(name.clone()))
                .map(|(name, value)| format!("{}: {value}", Value::from(name.as_str())))
                .collect();
            let known = format!(r#""model":"m","messages":[{{"role":"user"}}],"stream":{stream}"#);
            members.insert(place.index(members.len() + 1), known);
            let body = format!("{{{}}}", members.join(" , "));

            let sent = encoded(&body, Edits { max_output: limit, ..EDITS });
            let reread = ChatRequest::parse(sent.into()).unwrap();
            prop_assert_eq!((reread.model(), reread.max_output(), reread.wants_usage()), ("up", limit, stream));
            let first = ChatRequest::parse(body.into()).unwrap();
            let odd = |request: &ChatRequest| -> Vec<(String, String)> {
                let names = request.document.fields.iter().map(|field| field.name.to_string()).filter(|name| name.starts_with("x-"));
                names.map(|name| (name.clone(), request.raw(&name).unwrap().to_owned())).collect()
            };
            prop_assert_eq!(odd(&reread), odd(&first));
        }
    }
}
