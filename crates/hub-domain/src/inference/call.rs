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
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::admit::{self, Admitted};
use super::meter::Meter;
use super::registry::Candidate;
use super::route::{fit, left_out, refused};
use super::tries::{Stop, Tries};
use super::{Attempt, Bill, ChatInput, ChatReply, Head, InferenceError, Later, Progress, Unsettled, Whole};
use super::{breaker, measure, relay, retry, trace};
use crate::Hub;
use crate::credits::{self, Charge, Outcome, Settled};
use crate::pricing::UnitPrices;

/// Checkpoints at least this often; what a dying process loses is at most this much of a stream.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// Pauses between tries to settle while the database is away and somebody may be waiting for the end of the answer; together no longer than
/// a third of a hold's lease.
const SETTLE_PAUSES: [u64; 6] = [100, 500, 1_000, 2_000, 4_000, 8_000];
/// Afterwards it is tried again this often, or three times in a lease where that is shorter, for about a day.
const LATER: Duration = Duration::from_secs(20);
const LATER_TRIES: u32 = 4_000;

pub(super) type HeadSender = oneshot::Sender<Result<ChatReply, InferenceError>>;

/// A call and what it needs.
pub(super) struct Call {
    pub(super) hub: Arc<Hub>,
    pub(super) input: ChatInput,
    pub(super) started: Instant,
    pub(super) attempts: Vec<Attempt>,
    /// Whose price the hold pins.
    pub(super) holder: Option<Candidate>,
    pub(super) caller: Caller,
    /// Where the caller is told its position while it waits for its turn.
    pub(super) progress: Option<Progress>,
    /// Cancelled when the caller, who is still there, wants no more of it.
    pub(super) cancel: CancellationToken,
    /// Counts the call under the credential it runs under.
    pub(super) in_use: Option<measure::InUse>,
    candidates: Vec<Candidate>,
}

/// A settle that could not be made, and the word that comes when a task makes it.
pub(super) struct Unpaid {
    pub(super) error: StoreError,
    pub(super) later: Later,
}

/// A provider's answer that has begun.
pub(super) enum Begun {
    Whole(WholeAnswer),
    Stream(ChatStream, Box<ChatEvent>),
}

impl Call {
    pub(super) fn new(
        hub: Arc<Hub>,
        caller: &Caller,
        input: ChatInput,
        candidates: Vec<Candidate>,
        progress: Option<Progress>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            hub,
            input,
            started: Instant::now(),
            caller: caller.clone(),
            candidates,
            holder: None,
            attempts: Vec::new(),
            progress,
            cancel,
            in_use: None,
        }
    }

    /// Runs the call to its end. The answer, or the reason why there is none, goes out through `head`; whether anybody still
    /// listens does not matter to the money.
    pub(super) async fn run(mut self, mut head: HeadSender) {
        trace::asked(&self.input);
        let (candidates, admitted) = match self.admit().await {
            Ok(admitted) => admitted,
            Err(error) => {
                trace::failed(&error);
                drop(head.send(Err(error)));
                return;
            }
        };
        let mut lease = Lease::new(Arc::clone(&self.hub), admitted);
        let tries = Tries::new(candidates, self.started, self.hub.settings.routing.deadline());
        match tries.run(&mut self, &mut lease, &mut head).await {
            Ok((candidate, begun)) => self.answer(&candidate, begun, lease, head).await,
            Err(Stop::Failed(error)) => {
                if let Some(Err(unpaid)) = self.give_back(&lease.admitted, Outcome::Failed).await {
                    let error = unpaid.error;
                    tracing::error!(hold = %lease.admitted.hold, %error, "a hold could not be given back; its lease will run out");
                }
                trace::failed(&error);
                drop(head.send(Err(error)));
            }
            Err(Stop::HungUp) => {
                let settled = self.give_back(&lease.admitted, Outcome::Cancelled).await;
                self.stopped(&lease.admitted, settled, head);
            }
            Err(Stop::Unread(candidate)) => {
                // The provider took the prompt, and bills it.
                let meter = Meter::default();
                let settled = self.settle(&candidate, &lease.admitted, &meter, Outcome::Cancelled, None, None).await;
                self.stopped(&lease.admitted, Some(settled), head);
            }
            Err(Stop::LeaseLost) => drop(head.send(Err(InferenceError::LeaseLost))),
        }
    }

    /// Holds the worst case at the first candidate that can be sent the call. Those that are left alone now are not asked for a price;
    /// those that limit our rate come last.
    async fn admit(&mut self) -> Result<(Vec<Candidate>, Admitted), InferenceError> {
        let (mut ready, mut paused, mut retry_after) = (Vec::new(), Vec::new(), None);
        let mut unpriced = None;
        for candidate in std::mem::take(&mut self.candidates) {
            let candidate = match candidate.on_terms(&self.hub.settings.routing, &self.input.request) {
                Ok(candidate) => candidate,
                Err(error) => {
                    unpriced = Some(error);
                    continue;
                }
            };
            let guarded = candidate.provider.has_health();
            if guarded && let Some(left) = breaker::closed_for(&self.hub, &candidate.key()).await {
                retry_after = Some(retry_after.map_or(left, |other: Duration| other.min(left)));
                self.pass_over(&candidate, "breaker_open");
            } else if guarded && retry::paused(&self.hub, &candidate).await.is_some() {
                paused.push(candidate);
            } else {
                ready.push(candidate);
            }
        }
        ready.append(&mut paused);
        let mut last = match unpriced {
            Some(error) if ready.is_empty() && self.attempts.is_empty() => InferenceError::Unsendable(error),
            _ => InferenceError::AllFailed { attempts: self.attempts.clone(), retry_after, last: None },
        };
        for (index, candidate) in ready.iter().enumerate() {
            if let Some(error) = refused(&self.hub.settings.routing, &candidate.price.model, &self.input.request) {
                last = InferenceError::Unsendable(error);
                continue;
            }
            match admit::admit(&self.hub, &self.caller, &self.input, candidate).await {
                Ok(admitted) => {
                    self.holder = Some(candidate.clone());
                    return Ok((ready.split_off(index), admitted));
                }
                Err(error) => {
                    measure::request("refused", candidate);
                    let elsewhere = matches!(error, InferenceError::Unsendable(_));
                    last = error;
                    if !elsewhere {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    /// Makes the provider's answer begin: for a stream, its first event must have come, so that a failure can still be
    /// answered by another provider or with a proper status.
    pub(super) fn begin(
        &self,
        candidate: &Candidate,
        admitted: &Admitted,
    ) -> impl Future<Output = Result<Begun, LlmError>> + Send + use<> {
        let provider: Arc<dyn LlmProvider> = Arc::clone(&candidate.provider);
        let request = fit(&self.hub.settings.routing, &candidate.price.model, &self.input.request);
        let stands_in = self.attempts.first().is_some_and(|first| !first.was_at(candidate));
        let call = ChatCall {
            // Another account refuses what the first one has signed.
            request: if stands_in { request.without_thoughts() } else { request },
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
        let dropped = left_out(&self.hub.settings.routing, &candidate.price.model, &self.input.request);
        let mut dropped: Vec<String> = dropped.into_iter().map(str::to_owned).collect();
        dropped.extend(match &begun {
            Begun::Whole(answer) => answer.dropped.clone(),
            Begun::Stream(stream, _) => stream.dropped.clone(),
        });
        trace::begun(match &begun {
            Begun::Whole(answer) => &answer.body,
            Begun::Stream(_, first) => &first.raw,
        });
        let about = Head {
            receipt: lease.admitted.hold,
            provider: candidate.provider.name().to_owned(),
            model: self.input.request.model().to_owned(),
            dropped,
            clamped_to: lease.admitted.clamped_to,
        };
        match begun {
            Begun::Whole(answer) => {
                let mut meter = Meter::default();
                meter.see_whole(&answer);
                let bill =
                    self.settle(candidate, &lease.admitted, &meter, Outcome::Completed, answer.upstream_id, None).await;
                let (body, text) = (answer.body, answer.text);
                let reply = match bill {
                    Ok(bill) => ChatReply::Whole(Box::new(Whole { head: about, body, text, bill })),
                    Err(unpaid) => {
                        let Unpaid { error, later } = *unpaid;
                        let error = InferenceError::Unsettled { receipt: about.receipt, error };
                        trace::failed(&error);
                        ChatReply::Unsettled(Box::new(error), Box::new(Unsettled { head: about, body, text, later }))
                    }
                };
                drop(head.send(Ok(reply)));
            }
            Begun::Stream(stream, first) => {
                let (frames, receiver) = mpsc::channel(self.hub.settings.inference.stream_buffer.clamp(1, 4096));
                // A failed send means the caller is gone already; the relay notices by the closed channel.
                drop(head.send(Ok(ChatReply::Stream(about, receiver))));
                // A task of its own: this one was made large enough for everything that may come before an answer, and a stream may
                // last for half an hour.
                let tasks = self.hub.tasks.clone();
                let relay = relay::relay(self, candidate.clone(), stream, first, lease, frames);
                tasks.spawn(relay.in_current_span());
            }
        }
    }

    /// Charges what the meter saw, or gives the hold back when a call failed before it produced anything. Who hangs up pays for the
    /// prompt, unless no provider took it.
    pub(super) async fn settle(
        &self,
        candidate: &Candidate,
        admitted: &Admitted,
        meter: &Meter,
        outcome: Outcome,
        upstream_id: Option<String>,
        first_token_ms: Option<i64>,
    ) -> Result<Bill, Box<Unpaid>> {
        let (usage, source) = meter.usage(&*candidate.provider, &self.input.request);
        let latency_ms = millis(self.started.elapsed());
        let free = meter.is_unbilled() || (outcome == Outcome::Failed && usage.completion() == 0);
        let units = self.units(candidate, meter);
        let mut attempts = self.attempts.clone();
        if let Some(last) = attempts.last_mut().filter(|_| !free || meter.was_reported()) {
            last.billed(&units, usage);
            match outcome {
                Outcome::Completed | Outcome::Expired => {}
                Outcome::Cancelled => last.outcome = "hung_up",
                Outcome::Failed => last.outcome = "broken_off",
            }
        }
        let charge = Charge {
            hold: admitted.hold,
            user: self.caller.user,
            route: self.input.route.to_owned(),
            upstream_model: candidate.price.model.clone(),
            upstream_id,
            units,
            usage,
            source,
            outcome,
            attempt_count: i32::try_from(attempts.len()).unwrap_or(i32::MAX),
            attempts: serde_json::to_value(attempts).unwrap_or_default(),
            latency_ms,
            first_token_ms,
        };
        let settled = self.settle_patiently(&charge, free).await;
        admitted.quota.end(&self.hub, if free { 0 } else { usage.total() }).await;
        let bill = Bill {
            receipt: admitted.hold,
            usage: if free { TokenUsage::default() } else { usage },
            source: if free { UsageSource::None } else { source },
            credits: Credits::ZERO,
            balance: None,
            provider: candidate.provider.name().to_owned(),
            model: self.input.request.model().to_owned(),
            latency_ms,
        };
        let settled = match settled {
            Ok(settled) => settled,
            Err((error, settled)) => return Err(Box::new(Unpaid { error, later: Later { bill, settled } })),
        };
        let bill = Bill { credits: settled.amount, balance: settled.balance, ..bill };
        measure::request(outcome.as_str(), candidate);
        measure::bill(&bill, candidate, first_token_ms);
        measure::end_span(&bill, outcome);
        trace::settled(&bill, candidate, meter, outcome, first_token_ms);
        Ok(bill)
    }

    /// The unit prices, on the terms the provider says it served.
    fn units(&self, candidate: &Candidate, meter: &Meter) -> UnitPrices {
        let units = &candidate.price.units;
        let asked = || candidate.terms(&self.hub.settings.routing, &self.input.request).unwrap_or_default();
        meter.terms().map_or_else(|| units.clone(), |told| units.served(&asked(), told))
    }

    /// Settles, and waits for a database that is away as long as a caller may be kept waiting for it. What is left then is a task's, which
    /// sends word when it is done.
    async fn settle_patiently(
        &self,
        charge: &Charge,
        free: bool,
    ) -> Result<Settled, (StoreError, oneshot::Receiver<Settled>)> {
        let mut left = self.hub.settings.credits.lease() / 3;
        let mut pauses = SETTLE_PAUSES.into_iter().map(Duration::from_millis);
        loop {
            let error = match settle_once(&self.hub, charge, free).await {
                Ok(settled) => return Ok(settled),
                Err(error) => error,
            };
            let (tell, settled) = oneshot::channel();
            if !error.is_unavailable() {
                return Err((error, settled));
            }
            let Some(pause) = pauses.next().filter(|pause| *pause <= left) else {
                let later = settle_later(Arc::clone(&self.hub), charge.clone(), free, tell);
                self.hub.tasks.spawn(later.in_current_span());
                return Err((error, settled));
            };
            tracing::warn!(hold = %charge.hold, %error, "the settle waits for the database");
            left -= pause;
            tokio::time::sleep(pause).await;
        }
    }

    /// The call cost nothing: no provider answered, or none was asked. `None` where nothing is held.
    async fn give_back(&self, admitted: &Admitted, outcome: Outcome) -> Option<Result<Bill, Box<Unpaid>>> {
        let candidate = self.holder.as_ref()?;
        Some(self.settle(candidate, admitted, &Meter::unbilled(), outcome, None, None).await)
    }

    /// The call ended because the caller wanted no more of it. One who is still there is told what it cost.
    fn stopped(&self, admitted: &Admitted, settled: Option<Result<Bill, Box<Unpaid>>>, head: HeadSender) {
        let error = match settled {
            Some(Ok(bill)) => InferenceError::Cancelled(Box::new(bill)),
            Some(Err(unpaid)) => {
                let error = unpaid.error;
                tracing::error!(hold = %admitted.hold, %error, "a settle failed; the lease may run out");
                InferenceError::Unsettled { receipt: admitted.hold, error }
            }
            None => return,
        };
        if self.cancel.is_cancelled() {
            drop(head.send(Err(error)));
        }
    }

    /// Notes a candidate that was not asked.
    pub(super) fn pass_over(&mut self, candidate: &Candidate, why: &'static str) {
        measure::attempt(why, candidate);
        self.attempts.push(Attempt::new(candidate, why, 0));
    }

    /// Notes a try that failed.
    pub(super) fn failed(&mut self, candidate: &Candidate, error: &LlmError, milliseconds: i64) {
        let provider = candidate.key();
        measure::attempt(error.kind(), candidate);
        self.attempts.push(Attempt::failed(candidate, error, milliseconds));
        match error {
            // Nobody but the operator can mend this, and no call will succeed before.
            LlmError::Credential { .. } | LlmError::Quota { .. } if candidate.provider.has_health() => {
                measure::useless(error.kind(), candidate);
                tracing::error!(provider, %error, "a provider does not take our credential");
            }
            _ => tracing::warn!(provider, %error, "a provider failed"),
        }
    }
}

async fn settle_once(hub: &Hub, charge: &Charge, free: bool) -> Result<Settled, StoreError> {
    if free {
        let nothing =
            Settled { receipt: charge.hold, amount: Credits::ZERO, uncollected: Credits::ZERO, balance: None };
        return credits::void(hub, charge).await.map(|()| nothing);
    }
    credits::settle(hub, charge).await
}

/// Settles when the database is back: what a call consumed is known as long as this process lives. The sweeper may have resolved the hold
/// meanwhile; the settle is a late one then.
async fn settle_later(hub: Arc<Hub>, charge: Charge, free: bool, tell: oneshot::Sender<Settled>) {
    let pause = LATER.min(hub.settings.credits.lease() / 3);
    for _ in 0..LATER_TRIES {
        tokio::select! {
            () = hub.tasks.stop().cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
        match settle_once(&hub, &charge, free).await {
            Ok(settled) => {
                tracing::info!(hold = %charge.hold, amount = %settled.amount, "a settle that waited for the database is made");
                // Mostly nobody waits for it: only a call under a key does.
                let _ = tell.send(settled);
                return;
            }
            Err(error) if error.is_unavailable() => {}
            Err(error) => {
                tracing::error!(hold = %charge.hold, %error, "a settle that waited for the database failed");
                return;
            }
        }
    }
    tracing::error!(hold = %charge.hold, "a settle is given up: the database was away for too long, or the process ends");
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
}

/// Whole milliseconds, for rows and metrics.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
