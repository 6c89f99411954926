//! One call from hold to settle, in a tracked task of its own.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use hub_clients::llm::{
    ChatAnswer, ChatCall, ChatEvent, ChatEventKind, ChatStream, LlmError, LlmProvider, WholeAnswer,
};
use hub_store::StoreError;
use hub_types::{Caller, Credits, TokenUsage, UsageSource};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::admit::{self, Admitted};
use super::measure;
use super::meter::Meter;
use super::registry::Candidate;
use super::relay;
use super::{Attempt, Bill, ChatInput, ChatReply, Head, InferenceError, Whole};
use crate::Hub;
use crate::credits::{self, Charge, Outcome, Settled};

/// Checkpoints at least this often; what a dying process loses is at most this much of a stream.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// Pauses between tries to settle while the database is away. Afterwards the lease runs out and the sweeper settles.
const SETTLE_PAUSES: [u64; 6] = [100, 500, 1_000, 2_000, 4_000, 8_000];

pub(super) type HeadSender = oneshot::Sender<Result<ChatReply, InferenceError>>;

/// A call and what it needs.
pub(super) struct Call {
    pub(super) hub: Arc<Hub>,
    pub(super) input: ChatInput,
    pub(super) started: Instant,
    pub(super) caller: Caller,
    candidates: Vec<Candidate>,
    attempts: Vec<Attempt>,
}

/// A provider's answer that has begun.
enum Begun {
    Whole(WholeAnswer),
    Stream(ChatStream, Box<ChatEvent>),
}

impl Call {
    pub(super) fn new(hub: Arc<Hub>, caller: &Caller, input: ChatInput, candidates: Vec<Candidate>) -> Self {
        Self { hub, input, started: Instant::now(), caller: caller.clone(), candidates, attempts: Vec::new() }
    }

    /// Runs the call to its end. The answer, or the reason why there is none, goes out through `head`; whether anybody still
    /// listens does not matter to the money.
    pub(super) async fn run(mut self, head: HeadSender) {
        let Some(first) = self.candidates.first().cloned() else { return };
        let admitted = match admit::admit(&self.hub, &self.caller, &self.input, &first).await {
            Ok(admitted) => admitted,
            Err(error) => {
                measure::request("refused", &first);
                drop(head.send(Err(error)));
                return;
            }
        };
        // Only candidates at the same price can take over: the hold pins it.
        let candidates: Vec<Candidate> =
            self.candidates.iter().filter(|c| c.price.id == first.price.id).cloned().collect();
        let mut lease = Lease::new(Arc::clone(&self.hub), admitted);
        for (index, candidate) in candidates.iter().enumerate() {
            let start = Instant::now();
            let answer = self.begin(candidate, &lease.admitted);
            match lease.keep(answer).await {
                Err(lost) => {
                    self.attempt(candidate, "lease_lost", start);
                    drop(head.send(Err(lost)));
                    return;
                }
                Ok(Ok(begun)) => {
                    self.attempt(candidate, "ok", start);
                    self.answer(candidate, begun, lease, head).await;
                    return;
                }
                Ok(Err(error)) => {
                    self.attempt(candidate, error.kind(), start);
                    tracing::warn!(provider = candidate.provider.name(), %error, "a provider failed");
                    if error.fall_over() && index + 1 < candidates.len() {
                        continue;
                    }
                    self.give_back(candidate, &lease.admitted).await;
                    drop(head.send(Err(self.failure(error))));
                    return;
                }
            }
        }
    }

    /// Makes the provider's answer begin: for a stream, its first event must have come, so that a failure can still be
    /// answered by another provider or with a proper status.
    fn begin(
        &self,
        candidate: &Candidate,
        admitted: &Admitted,
    ) -> impl Future<Output = Result<Begun, LlmError>> + Send + use<> {
        let provider: Arc<dyn LlmProvider> = Arc::clone(&candidate.provider);
        let call = ChatCall {
            request: self.input.request.clone(),
            upstream_model: candidate.price.model.clone(),
            max_output: admitted.max_output,
            request_id: self.input.request_id.clone(),
        };
        async move {
            let mut stream = match provider.chat(call).await? {
                ChatAnswer::Whole(whole) => return Ok(Begun::Whole(whole)),
                ChatAnswer::Stream(stream) => stream,
            };
            loop {
                match stream.events.next().await {
                    Some(Ok(event)) if event.kind == ChatEventKind::Comment => {}
                    Some(Ok(event)) => return Ok(Begun::Stream(stream, Box::new(event))),
                    Some(Err(error)) => return Err(error),
                    None => return Err(LlmError::Truncated(None)),
                }
            }
        }
    }

    async fn answer(self, candidate: &Candidate, begun: Begun, lease: Lease, head: HeadSender) {
        let dropped = match &begun {
            Begun::Whole(answer) => answer.dropped.clone(),
            Begun::Stream(stream, _) => stream.dropped.clone(),
        };
        let about = Head {
            receipt: lease.admitted.hold,
            provider: candidate.provider.name().to_owned(),
            dropped,
            clamped_to: lease.admitted.clamped_to,
        };
        match begun {
            Begun::Whole(answer) => {
                let mut meter = Meter::default();
                meter.see_whole(&answer);
                let bill =
                    self.settle(candidate, &lease.admitted, &meter, Outcome::Completed, answer.upstream_id, None).await;
                let reply = bill.map_err(InferenceError::Store).map(|bill| {
                    ChatReply::Whole(Box::new(Whole { head: about, body: answer.body, text: answer.text, bill }))
                });
                drop(head.send(reply));
            }
            Begun::Stream(stream, first) => {
                let (frames, receiver) = mpsc::channel(self.hub.settings.inference.stream_buffer.clamp(1, 4096));
                // A failed send means the caller is gone already; the relay notices by the closed channel.
                drop(head.send(Ok(ChatReply::Stream(about, receiver))));
                relay::relay(self, candidate, stream, *first, lease, frames).await;
            }
        }
    }

    /// Charges what the meter saw, or gives the hold back when a call failed before it produced anything. Who hangs up pays for the
    /// prompt, because the provider took it (credits.md §2.6).
    pub(super) async fn settle(
        &self,
        candidate: &Candidate,
        admitted: &Admitted,
        meter: &Meter,
        outcome: Outcome,
        upstream_id: Option<String>,
        first_token_ms: Option<i64>,
    ) -> Result<Bill, StoreError> {
        let (usage, source) = meter.usage(&*candidate.provider, &self.input.request);
        let latency_ms = millis(self.started.elapsed());
        let charge = Charge {
            hold: admitted.hold,
            user: self.caller.user,
            route: self.input.route.to_owned(),
            upstream_model: candidate.price.model.clone(),
            upstream_id,
            units: candidate.price.units.clone(),
            usage,
            source,
            outcome,
            attempts: serde_json::to_value(&self.attempts).unwrap_or_default(),
            attempt_count: i32::try_from(self.attempts.len()).unwrap_or(i32::MAX),
            latency_ms,
            first_token_ms,
        };
        let free = outcome == Outcome::Failed && usage.completion() == 0;
        let settled = self.settle_patiently(&charge, free).await;
        admitted.quota.end(&self.hub, if free { 0 } else { usage.total() }).await;
        let settled = settled?;
        measure::request(outcome.as_str(), candidate);
        let bill = Bill {
            receipt: settled.receipt,
            usage: if free { TokenUsage::default() } else { usage },
            source: if free { UsageSource::None } else { source },
            credits: settled.amount,
            balance: settled.balance,
            provider: candidate.provider.name().to_owned(),
            model: self.input.request.model().to_owned(),
            latency_ms,
        };
        measure::bill(&bill, first_token_ms);
        Ok(bill)
    }

    async fn settle_patiently(&self, charge: &Charge, free: bool) -> Result<Settled, StoreError> {
        let mut pauses = SETTLE_PAUSES.into_iter();
        loop {
            let result = if free {
                let nothing = Settled { receipt: charge.hold, amount: Credits::ZERO, balance: None };
                credits::void(&self.hub, charge).await.map(|()| nothing)
            } else {
                credits::settle(&self.hub, charge).await
            };
            match (result, pauses.next()) {
                (Err(error), Some(pause)) if error.is_unavailable() => {
                    tracing::warn!(hold = %charge.hold, %error, "the settle waits for the database");
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                (result, _) => return result,
            }
        }
    }

    /// The call cost nothing: no provider answered.
    async fn give_back(&self, candidate: &Candidate, admitted: &Admitted) {
        let nothing = Meter::default();
        if let Err(error) = self.settle(candidate, admitted, &nothing, Outcome::Failed, None, None).await {
            tracing::error!(hold = %admitted.hold, %error, "a hold could not be given back; its lease will run out");
        }
    }

    fn failure(&self, error: LlmError) -> InferenceError {
        match error {
            LlmError::Refused { status, error } => InferenceError::Refused { status, fault: error },
            last => {
                InferenceError::AllFailed { attempts: self.attempts.clone(), retry_after: last.retry_after(), last }
            }
        }
    }

    fn attempt(&mut self, candidate: &Candidate, outcome: &'static str, start: Instant) {
        let provider = candidate.provider.name().to_owned();
        self.attempts.push(Attempt { provider, outcome, milliseconds: millis(start.elapsed()) });
    }
}

/// The hold's lease, renewed while somebody waits.
pub(super) struct Lease {
    pub(super) admitted: Admitted,
    hub: Arc<Hub>,
    ticks: tokio::time::Interval,
}

impl Lease {
    fn new(hub: Arc<Hub>, admitted: Admitted) -> Self {
        let every = CHECKPOINT.min(hub.settings.credits.lease() / 3).max(Duration::from_millis(100));
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { admitted, hub, ticks }
    }

    /// Waits for the next moment to renew.
    pub(super) async fn due(&mut self) {
        self.ticks.tick().await;
    }

    /// Renews and notes what was consumed. `false`: the hold is lost.
    pub(super) async fn renew(&mut self) -> bool {
        match credits::checkpoint(&self.hub, self.admitted.hold, &self.admitted.checkpoint).await {
            Ok(ours) => {
                self.admitted.quota.renew(&self.hub).await;
                ours
            }
            Err(error) => {
                // The lease is three times as long as this interval: the next renewal may still be in time.
                tracing::warn!(hold = %self.admitted.hold, %error, "a checkpoint failed");
                true
            }
        }
    }

    /// Waits for `work`, renewing meanwhile.
    async fn keep<T>(&mut self, work: impl Future<Output = T>) -> Result<T, InferenceError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = self.due() => {
                    if !self.renew().await {
                        return Err(InferenceError::LeaseLost);
                    }
                }
            }
        }
    }
}

/// Whole milliseconds, for rows and metrics.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
