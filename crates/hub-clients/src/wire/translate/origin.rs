//! What is known of a call beside its answer, for what a provider leaves out of that: names, and how much it consumed.

use bytes::Bytes;
use hub_types::TokenUsage;
use serde::Deserialize;
use serde_json::Value;

use crate::llm::count::Estimate;
use crate::llm::{CallRequest, ChatEvent};
use crate::wire::openai::Text;

/// A call that is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// The hub's id of the request.
    id: String,
    call: Option<CallRequest>,
}

#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
}

impl Origin {
    /// The call with this id of its request.
    pub(crate) fn of(call: &CallRequest, id: &str) -> Self {
        Self { id: id.to_owned(), call: Some(call.clone()) }
    }

    /// The id of an answer: the provider's, or one made of the request's.
    pub(super) fn id<'a>(&'a self, given: &'a str) -> &'a str {
        if given.is_empty() { &self.id } else { given }
    }

    /// The model of an answer: as the provider names it, or as it was asked for.
    pub(super) fn model<'a>(&'a self, given: &'a str) -> &'a str {
        if given.is_empty() { self.call.as_ref().map_or("", CallRequest::model) } else { given }
    }

    /// A whole answer with the names it lacks.
    pub(crate) fn named(&self, body: &Bytes) -> Bytes {
        let names: Option<Names<'_>> = serde_json::from_slice(body).ok();
        let Some(Names { id, model }) = names else { return body.clone() };
        if !id.as_str().is_empty() && !model.as_str().is_empty() {
            return body.clone();
        }
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else { return body.clone() };
        answer.insert("id".to_owned(), self.id(id.as_str()).into());
        answer.insert("model".to_owned(), self.model(model.as_str()).into());
        Value::Object(answer).to_string().into()
    }
}

/// What a stream has consumed so far, found as the meter finds it: what is told is what is billed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    reported: Option<TokenUsage>,
    prompt: Option<TokenUsage>,
    output: Estimate,
    reasoning: Estimate,
}

impl Tally {
    /// Takes note of an event.
    pub(super) fn see(&mut self, event: &ChatEvent) {
        self.reported = event.usage.or(self.reported);
        self.prompt = event.prompt.or(self.prompt);
        self.output.add(event.output);
        self.reasoning.add(event.reasoning);
    }

    /// As the provider reported it, else as counted here.
    pub(super) fn usage(&self, origin: &Origin) -> TokenUsage {
        if let Some(reported) = self.reported {
            return reported;
        }
        let (output, reasoning) = (self.output, self.reasoning);
        let counted = origin.call.as_ref().map(|call| call.estimate_usage(output, reasoning)).unwrap_or_default();
        let prompt = self.prompt.unwrap_or(counted);
        TokenUsage { output: output.tokens(), reasoning: reasoning.tokens(), ..prompt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::{ChatEventKind, ChatRequest};

    fn origin() -> Origin {
        let call = ChatRequest::from_messages("asked", &[("user", "12345678")], None, true).unwrap();
        Origin::of(&call.into(), "r-1")
    }

    #[test]
    fn an_answer_without_names_gets_those_of_its_call_and_others_stay_byte_for_byte() {
        let named = |body: &'static str| origin().named(&Bytes::from_static(body.as_bytes()));
        for whole in [r#"{ "id":"c","model":"m" }"#, "[1]", "{"] {
            assert_eq!(named(whole), whole);
        }
        for (body, id, model) in [
            (r#"{"choices":[]}"#, "r-1", "asked"),
            (r#"{"id":"","model":""}"#, "r-1", "asked"),
            (r#"{"id":"c","model":null}"#, "c", "asked"),
        ] {
            let told: Value = serde_json::from_slice(&named(body)).unwrap();
            assert_eq!((&told["id"], &told["model"]), (&id.into(), &model.into()), "{body}");
        }
    }

    #[test]
    fn what_nobody_reported_is_counted_as_the_meter_does() {
        let event = |text: &str| ChatEvent {
            output: Estimate::of(text),
            ..ChatEvent::bare(ChatEventKind::Chunk, Bytes::new())
        };
        let mut tally = Tally::default();
        tally.see(&event("1234"));
        tally.see(&ChatEvent { reasoning: Estimate::of("12345678"), ..event("12") });
        let counted = origin().call.unwrap().estimate_usage(Estimate::of("123412"), Estimate::of("12345678"));
        assert_eq!(tally.usage(&origin()), counted);
        assert_eq!((counted.input, counted.output, counted.reasoning), (6, 2, 2));
        let prompt = TokenUsage { input: 40, cache_read: 3, output: 1, ..TokenUsage::default() };
        tally.see(&ChatEvent { prompt: Some(prompt), ..event("") });
        assert_eq!(tally.usage(&origin()), TokenUsage { output: 2, reasoning: 2, ..prompt });
        let reported = TokenUsage { input: 9, output: 9, ..TokenUsage::default() };
        tally.see(&ChatEvent { usage: Some(reported), ..event("") });
        assert_eq!(tally.usage(&origin()), reported);
    }
}
