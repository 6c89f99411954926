//! Counting what a call consumes while it is relayed.

use hub_clients::llm::count::Estimate;
use hub_clients::llm::{CallRequest, ChatEvent, LastWords, LlmProvider, Terms, WholeAnswer};
use hub_types::{TokenUsage, UsageSource};

/// What was seen of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    reported: Option<TokenUsage>,
    /// The prompt as the provider reported it at the start.
    prompt: Option<TokenUsage>,
    output: Estimate,
    reasoning: Estimate,
    /// On which terms the provider served the call, in its words.
    terms: Option<Box<Terms>>,
    /// Why the answer ended, in the provider's word.
    finish: Option<String>,
    /// No provider took the prompt.
    unbilled: bool,
}

impl Meter {
    /// Of a call that no provider worked on.
    pub(super) fn unbilled() -> Self {
        Self { unbilled: true, ..Self::default() }
    }

    /// See [`Meter::unbilled`].
    pub(super) const fn is_unbilled(&self) -> bool {
        self.unbilled
    }

    /// Whether the provider said what it bills.
    pub(super) const fn was_reported(&self) -> bool {
        self.reported.is_some() || self.prompt.is_some()
    }

    /// On which terms the provider says it served the call.
    pub(super) fn terms(&self) -> Option<&Terms> {
        self.terms.as_deref()
    }

    /// Why the answer ended, in the provider's word.
    pub(super) fn finish(&self) -> Option<&str> {
        self.finish.as_deref()
    }

    /// Takes note of one event. Reported usage is cumulative: the last report wins.
    pub(super) fn see(&mut self, event: &ChatEvent) {
        self.reported = event.usage.or(self.reported);
        self.prompt = event.prompt.or(self.prompt);
        self.output.add(event.output);
        self.reasoning.add(event.reasoning);
        if event.terms.is_some() {
            self.terms.clone_from(&event.terms);
        }
        if self.finish.is_none() {
            self.finish.clone_from(&event.finish);
        }
    }

    /// Takes note of what a provider said when its answer failed.
    pub(super) fn see_last(&mut self, words: &LastWords) {
        self.reported = words.usage.or(self.reported);
        if words.terms.is_some() {
            self.terms.clone_from(&words.terms);
        }
    }

    /// Takes note of a whole answer.
    pub(super) fn see_whole(&mut self, answer: &WholeAnswer) {
        self.reported = answer.usage;
        self.output = answer.output;
        self.reasoning = answer.reasoning;
        self.terms.clone_from(&answer.terms);
        self.finish.clone_from(&answer.finish);
    }

    /// What was consumed: as the provider reported it, else as counted here. The prompt of a call that began is always in it, because
    /// the provider bills it.
    pub(super) fn usage(&self, provider: &dyn LlmProvider, request: &CallRequest) -> (TokenUsage, UsageSource) {
        if let Some(reported) = self.reported {
            return (reported, UsageSource::Provider);
        }
        let counted = provider.counted(request, self.output, self.reasoning);
        let prompt = self.prompt.unwrap_or(counted);
        (TokenUsage { output: counted.output, reasoning: counted.reasoning, ..prompt }, UsageSource::Counted)
    }
}
