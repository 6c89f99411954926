//! Counting what a call consumes while it is relayed.

use hub_clients::llm::count::Estimate;
use hub_clients::llm::{ChatEvent, ChatRequest, LlmProvider, WholeAnswer};
use hub_types::{TokenUsage, UsageSource};

/// What was seen of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    reported: Option<TokenUsage>,
    output: Estimate,
    reasoning: Estimate,
}

impl Meter {
    /// Takes note of one event. Reported usage is cumulative: the last report wins.
    pub(super) fn see(&mut self, event: &ChatEvent) {
        self.reported = event.usage.or(self.reported);
        self.output.add(event.output);
        self.reasoning.add(event.reasoning);
    }

    /// Takes note of a whole answer.
    pub(super) fn see_whole(&mut self, answer: &WholeAnswer) {
        self.reported = answer.usage;
        self.output = answer.output;
        self.reasoning = answer.reasoning;
    }

    /// What was consumed: as the provider reported it, else as counted here. The prompt of a call that began is always in it, because
    /// the provider bills it.
    pub(super) fn usage(&self, provider: &dyn LlmProvider, request: &ChatRequest) -> (TokenUsage, UsageSource) {
        match self.reported {
            Some(reported) => (reported, UsageSource::Provider),
            None => (provider.counted(request, self.output, self.reasoning), UsageSource::Counted),
        }
    }
}
