//! What a model does not take: fields that make its provider refuse a call are left out, or the call is refused before anything is held.
//!
//! Only top-level fields that do not change what kind of answer is asked for belong here.

use hub_clients::llm::{BadRequest, CallRequest};
use serde::Deserialize;

use super::Settings;

/// What one model, or all whose names begin alike, do not take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFlags {
    /// The model's name at its provider; with `*` at the end, all names that begin so.
    pub model: String,
    /// Fields that are left out and named in `x-hub-dropped`.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Fields for which a call is refused.
    #[serde(default)]
    pub refuse: Vec<String>,
}

/// Sampling, which models that reason refuse (providers.md §0, §1.1).
const SAMPLING: [&str; 7] =
    ["temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs"];
/// Sampling, which newer models of Anthropic refuse under any version of its interface (providers.md §3.1).
const CLAUDE_SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// What the hub knows: beginnings of names of models that take no sampling. The settings win.
const REASONING: [&str; 5] = ["gpt-5", "gpt-6", "o1", "o3", "o4-"];
/// The same for Anthropic's.
const CLAUDE: [&str; 6] =
    ["claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-5", "claude-fable-5", "claude-haiku-5"];

/// The fields to leave out for a model that the settings do not name.
fn known(model: &str, request: &CallRequest) -> &'static [&'static str] {
    let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    if begins(&REASONING) {
        &SAMPLING
    } else if begins(&CLAUDE) && request.messages().is_some() {
        // A call of another wire is translated, and there the provider's `untranslatable` decides.
        &CLAUDE_SAMPLING
    } else {
        &[]
    }
}

impl ModelFlags {
    fn is_for(&self, model: &str) -> bool {
        match self.model.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => self.model == model,
        }
    }
}

/// The call as this model takes it.
pub(in super::super) fn fit(settings: &Settings, model: &str, request: &CallRequest) -> CallRequest {
    let dropped = left_out(settings, model, request);
    if dropped.is_empty() { request.clone() } else { request.without(&dropped) }
}

/// The fields of the call that this model does not take.
pub(in super::super) fn left_out<'a>(settings: &'a Settings, model: &str, request: &CallRequest) -> Vec<&'a str> {
    match settings.models.iter().find(|flags| flags.is_for(model)) {
        Some(flags) => request.has(&flags.drop.iter().map(String::as_str).collect::<Vec<_>>()),
        None => request.has(known(model, request)),
    }
}

/// The field for which calls of this model are refused, if this one has any.
pub(in super::super) fn refused(settings: &Settings, model: &str, request: &CallRequest) -> Option<BadRequest> {
    let flags = settings.models.iter().find(|flags| flags.is_for(model))?;
    let refuse: Vec<&str> = flags.refuse.iter().map(String::as_str).collect();
    let field = request.has(&refuse).into_iter().next()?.to_owned();
    Some(BadRequest { param: Some(field), message: "is not taken by this model".to_owned() })
}

#[cfg(test)]
mod tests {
    use hub_clients::llm::{ApiVersion, ChatRequest, MessagesRequest};

    use super::*;

    fn call(body: &str) -> CallRequest {
        ChatRequest::parse(body.to_owned().into()).unwrap().into()
    }

    #[test]
    fn a_field_is_left_out_refused_or_kept_by_the_first_entry_for_the_model() {
        let flags = |model: &str, drop: &[&str], refuse: &[&str]| ModelFlags {
            model: model.to_owned(),
            drop: drop.iter().map(|name| (*name).to_owned()).collect(),
            refuse: refuse.iter().map(|name| (*name).to_owned()).collect(),
        };
        let settings = Settings {
            models: vec![flags("gpt-6-keeps", &[], &["seed"]), flags("own-*", &["top_p", "stop"], &[])],
            ..Settings::default()
        };
        let body =
            r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":1,"top_p":1,"seed":3,"odd":{}}"#;
        let dropped = |model: &str| left_out(&settings, model, &call(body));
        assert_eq!(dropped("gpt-6.2-sol"), ["temperature", "top_p"]);
        assert!(dropped("claude-sonnet-5-5").is_empty(), "the translation decides");
        let own =
            MessagesRequest::parse(body.replace("\"seed\"", "\"max_tokens\"").into(), ApiVersion::V20230601).unwrap();
        assert_eq!(left_out(&settings, "claude-sonnet-5-5", &own.into()), ["temperature", "top_p"]);
        assert_eq!(dropped("own-7"), ["top_p"]);
        assert!(dropped("gpt-6-keeps").is_empty() && dropped("gpt-4o-mini").is_empty());
        assert_eq!(
            refused(&settings, "gpt-6-keeps", &call(body)).and_then(|error| error.param).as_deref(),
            Some("seed")
        );
        assert!(refused(&settings, "own-7", &call(body)).is_none());
        let less = fit(&settings, "gpt-6.2-sol", &call(body));
        assert_eq!(less.has(&["temperature", "top_p", "seed", "odd"]), ["seed", "odd"]);
    }
}
