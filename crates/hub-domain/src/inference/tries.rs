//! Trying candidates until one answers: which is next, what waits, what is passed over. Ends with an answer that has begun, or with the
//! reason why there is none; what that costs is the caller's to settle.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use hub_clients::llm::{LlmError, OnHangup};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::breaker::{self, Entry, Verdict};
use super::call::{Begun, Call, HeadSender, Lease, millis};
use super::queue::{self, Place, Visitor};
use super::registry::Candidate;
use super::retry;
use super::route::{Switched, switch};
use super::{Attempt, InferenceError, measure, trace};

/// Why nobody answered.
pub(super) enum Stop {
    /// Everybody failed, or the request is at fault.
    Failed(InferenceError),
    /// The caller hung up while no provider was working on the call.
    HungUp,
    /// The caller hung up, and this provider worked on the call until nobody waited any longer.
    Unread(Candidate),
    /// The sweeper took the hold.
    LeaseLost,
}

/// A candidate that may still be tried.
struct Slot {
    candidate: Candidate,
    tries: u32,
    /// Others were let go first, because it was paused.
    deferred: bool,
}

/// How one candidate's turn ended without an answer.
enum Turn {
    /// It is not asked again.
    Over,
    /// It has another turn, at once or after the others.
    Again { last: bool },
}

/// How a call gets past the pause of a provider that limited our rate.
enum Rest {
    /// There is none.
    None,
    /// It is over, and this call is one of those that find out whether it is asked again.
    Passed(Place),
    /// Not now.
    Not(Turn),
}

/// The tries of one call.
pub(super) struct Tries {
    queue: VecDeque<Slot>,
    deadline: Instant,
    /// Until when the call waits for pauses to be over, from the first one on.
    patience: Option<Instant>,
    last: Option<LlmError>,
    retry_after: Option<Duration>,
}

impl Tries {
    /// The candidates, best first.
    pub(super) fn new(candidates: Vec<Candidate>, started: Instant, limit: Duration) -> Self {
        let slot = |candidate| Slot { candidate, tries: 0, deferred: false };
        Self {
            queue: candidates.into_iter().map(slot).collect(),
            deadline: started + limit,
            patience: None,
            last: None,
            retry_after: None,
        }
    }

    /// Goes on until one answers.
    pub(super) async fn run(
        mut self,
        call: &mut Call,
        lease: &mut Lease,
        head: &mut HeadSender,
    ) -> Result<(Candidate, Begun), Stop> {
        while let Some(mut slot) = self.queue.pop_front() {
            match self.turn(call, lease, head, &mut slot).await? {
                Ok(begun) => return Ok((slot.candidate, begun)),
                Err(Turn::Over) => {}
                Err(Turn::Again { last: false }) => self.queue.push_front(slot),
                Err(Turn::Again { last: true }) => self.queue.push_back(slot),
            }
        }
        Err(Stop::Failed(InferenceError::AllFailed {
            attempts: call.attempts.clone(),
            retry_after: self.retry_after,
            last: self.last,
        }))
    }

    async fn turn(
        &mut self,
        call: &mut Call,
        lease: &mut Lease,
        head: &mut HeadSender,
        slot: &mut Slot,
    ) -> Result<Result<Begun, Turn>, Stop> {
        let candidate = slot.candidate.clone();
        let rested = match self.rest(call, lease, head, slot).await? {
            Rest::None => None,
            Rest::Passed(place) => Some(place),
            Rest::Not(turn) => return Ok(Err(turn)),
        };
        let guarded = candidate.provider.has_health();
        let entry = if guarded { breaker::enter(&call.hub, &candidate.key()).await } else { Entry::Free };
        if let Entry::Open(left) = entry {
            self.later(left);
            call.pass_over(&candidate, "breaker_open");
            return Ok(Err(Turn::Over));
        }
        let probe = entry == Entry::Probe;
        if let Err(turn) = Self::pay(call, lease, &candidate).await {
            release(call, &candidate, probe).await;
            return turn.map(Err);
        }
        match self.stand(call, lease, head, &candidate).await {
            Ok(true) => {}
            Ok(false) => {
                release(call, &candidate, probe).await;
                call.pass_over(&candidate, "busy");
                return Ok(Err(Turn::Over));
            }
            Err(stop) => {
                release(call, &candidate, probe).await;
                return Err(stop);
            }
        }
        call.in_use = Some(measure::in_use(&candidate));
        slot.tries += 1;
        let span = trace::Try::begin(&candidate, slot.tries);
        let start = Instant::now();
        let tried = watched(call, lease, head, &candidate).await;
        let took = millis(start.elapsed());
        let error = match tried {
            Ok(Ok(begun)) => {
                call.attempts.push(Attempt::new(&candidate, "ok", took));
                span.end(call.attempts.last());
                measure::attempt("ok", &candidate);
                if guarded {
                    breaker::note(&call.hub, &candidate.key(), Verdict::Well, probe).await;
                }
                if let Some(place) = rested
                    && place.taken().await == Some(0)
                {
                    retry::recovered(&call.hub, &candidate).await;
                }
                return Ok(Ok(begun));
            }
            Ok(Err(error)) => error,
            Err(stop) => {
                call.attempts.push(Attempt::new(&candidate, stop.outcome(), took));
                span.end(call.attempts.last());
                release(call, &candidate, probe).await;
                return Err(stop);
            }
        };
        call.failed(&candidate, &error, took);
        span.end(call.attempts.last());
        if guarded {
            breaker::note(&call.hub, &candidate.key(), retry::verdict(&error), probe).await;
        }
        // What is no limit of our rate says nothing about it: the next one finds out.
        let limited = matches!(error, LlmError::RateLimited { .. });
        let rested = rested.filter(|_| limited);
        let turn = self.after(call, lease, head, slot, error).await;
        if guarded && limited {
            queue::limited(&call.hub, lease.admitted.hold, &candidate).await;
        }
        drop(rested);
        turn.map(Err)
    }

    /// Waits out the pause of a provider that limits our rate, in line with all others; other providers go first.
    async fn rest(
        &mut self,
        call: &mut Call,
        lease: &mut Lease,
        head: &mut HeadSender,
        slot: &mut Slot,
    ) -> Result<Rest, Stop> {
        let Some(pause) = retry::limited(&call.hub, &slot.candidate).await else { return Ok(Rest::None) };
        let left = pause.left(call.hub.clock.now()).unwrap_or_default();
        let others = !slot.deferred && !self.queue.is_empty();
        if others && !left.is_zero() {
            slot.deferred = true;
            return Ok(Rest::Not(Turn::Again { last: true }));
        }
        let (now, longest) = (Instant::now(), Duration::from_secs(call.hub.settings.inference.queue_seconds));
        let patience = self.deadline.min(*self.patience.get_or_insert(now + longest));
        let mut retry_after = left;
        if left.is_zero() || now + left <= patience {
            let visitor = Visitor {
                caller: &call.caller,
                id: lease.admitted.hold,
                tokens: 0,
                waits: !others,
                progress: call.progress.as_ref(),
            };
            let resting = queue::rest(&call.hub, visitor, &slot.candidate, patience);
            match meanwhile(call, lease, head, resting).await? {
                Ok(place) => return Ok(Rest::Passed(place)),
                Err(_) if others => {
                    slot.deferred = true;
                    return Ok(Rest::Not(Turn::Again { last: true }));
                }
                Err(busy) => retry_after = left.max(busy.retry_after),
            }
        }
        self.later(retry_after);
        call.pass_over(&slot.candidate, "paused");
        Ok(Rest::Not(Turn::Over))
    }

    /// Makes the hold this candidate's.
    async fn pay(call: &mut Call, lease: &mut Lease, candidate: &Candidate) -> Result<(), Result<Turn, Stop>> {
        let pinned = |holder: &Candidate| {
            holder.price.id == candidate.price.id && holder.provider.name() == candidate.provider.name()
        };
        if call.holder.as_ref().is_some_and(pinned) {
            return Ok(());
        }
        match switch(&call.hub, &call.input, &mut lease.admitted, candidate).await {
            Ok(Switched::Yes) => {
                call.holder = Some(candidate.clone());
                Ok(())
            }
            Ok(Switched::No(why)) => {
                call.pass_over(candidate, why);
                Err(Ok(Turn::Over))
            }
            Ok(Switched::Lost) => Err(Err(Stop::LeaseLost)),
            Err(error) => Err(Err(Stop::Failed(error.into()))),
        }
    }

    /// Waits for the call's turn at this candidate. `false`: not now, and others may have room at once.
    async fn stand(
        &self,
        call: &Call,
        lease: &mut Lease,
        head: &mut HeadSender,
        candidate: &Candidate,
    ) -> Result<bool, Stop> {
        let waits = self.queue.iter().all(|later| later.candidate.pool.name == candidate.pool.name);
        let quota = &lease.admitted.quota;
        let visitor = Visitor {
            caller: &call.caller,
            id: lease.admitted.hold,
            tokens: quota.reserved(),
            waits,
            progress: call.progress.as_ref(),
        };
        let entering = queue::enter(&call.hub, visitor, candidate, quota.stood());
        let entered = meanwhile(call, lease, head, entering).await?;
        match entered {
            Ok(places) => {
                lease.admitted.quota.stand(places);
                Ok(true)
            }
            Err(_) if !waits => Ok(false),
            Err(busy) => Err(Stop::Failed(InferenceError::Busy(busy))),
        }
    }

    /// What follows from a failure.
    async fn after(
        &mut self,
        call: &Call,
        lease: &mut Lease,
        head: &mut HeadSender,
        slot: &mut Slot,
        error: LlmError,
    ) -> Result<Turn, Stop> {
        let candidate = &slot.candidate;
        let guarded = candidate.provider.has_health();
        if head.is_closed() || call.cancel.is_cancelled() {
            return Err(Stop::HungUp);
        }
        if let LlmError::Refused { status, error } = error {
            // Another provider may allow what this one forbids. Its words are the answer only where nobody else had any say.
            let alone = self.queue.is_empty() && call.attempts.len() == 1;
            if status != 403 || alone {
                return Err(Stop::Failed(InferenceError::Refused { status, fault: error }));
            }
            self.last = Some(LlmError::Refused { status, error });
            return Ok(Turn::Over);
        }
        if guarded && let LlmError::RateLimited { retry_after, .. } = &error {
            retry::pause_for_all(&call.hub, candidate, *retry_after).await;
        }
        let settings = &call.hub.settings.routing;
        self.retry_after = error.retry_after();
        if guarded && matches!(error, LlmError::RateLimited { .. }) {
            // Nobody is let through before its pause is over.
            self.retry_after = self.retry_after.or(Some(settings.rate_limit_pause()));
        }
        let (may, moves_on) = (guarded && slot.tries < settings.tries && retry::again(&error), error.fall_over());
        let limited = matches!(error, LlmError::RateLimited { .. });
        let pause = retry::pause(settings, slot.tries, &error, &call.hub.routing.dice);
        self.last = Some(error);
        if !moves_on {
            self.queue.clear();
        }
        if !may {
            return Ok(Turn::Over);
        }
        if limited {
            // Its pause is waited out when its turn comes again.
            slot.deferred = true;
            return Ok(Turn::Again { last: true });
        }
        if Instant::now() + pause > self.deadline {
            return Ok(Turn::Over);
        }
        wait(call, lease, head, pause).await?;
        Ok(Turn::Again { last: false })
    }

    /// The caller may try again when the first of those that were passed over can be asked.
    fn later(&mut self, left: Duration) {
        self.retry_after = Some(self.retry_after.map_or(left, |other| other.min(left)));
    }
}

impl Stop {
    const fn outcome(&self) -> &'static str {
        match self {
            Self::LeaseLost => "lease_lost",
            Self::Failed(_) | Self::HungUp | Self::Unread(_) => "hung_up",
        }
    }
}

/// A probe that found nothing out leaves the place to another.
async fn release(call: &Call, candidate: &Candidate, probe: bool) {
    if probe {
        breaker::note(&call.hub, &candidate.key(), Verdict::Unknown, true).await;
    }
}

/// Makes an answer begin, renewing the lease meanwhile. A caller who hangs up ends it, at once where the provider stops as well; else when
/// what it generates, and bills, cannot be learned in reasonable time.
async fn watched(
    call: &Call,
    lease: &mut Lease,
    head: &mut HeadSender,
    candidate: &Candidate,
) -> Result<Result<Begun, LlmError>, Stop> {
    let work = call.begin(candidate, &lease.admitted);
    tokio::pin!(work);
    let stop = call.hub.tasks.stop();
    let (mut listening, mut deadline) = (true, None);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = hung_up(head, &call.cancel), if listening => {
                listening = false;
                match candidate.provider.on_hangup() {
                    OnHangup::Cancel => return Err(Stop::HungUp),
                    // The usage of an answer that is no stream comes with its last byte: that is worth waiting for.
                    OnHangup::Drain { limit } => deadline = call.input.request.stream().then(|| Instant::now() + limit),
                }
            }
            () = super::relay::wait_until(deadline) => return Err(Stop::Unread(candidate.clone())),
            () = stop.cancelled(), if !listening => return Err(Stop::Unread(candidate.clone())),
            () = lease.due() => {
                if !lease.renew().await {
                    return Err(Stop::LeaseLost);
                }
            }
        }
    }
}

/// Waits until the caller is gone, or has cancelled the call.
async fn hung_up(head: &mut HeadSender, cancel: &CancellationToken) {
    tokio::select! {
        () = head.closed() => {}
        () = cancel.cancelled() => {}
    }
}

/// Waits, renewing the lease, for a caller who is still there.
async fn wait(call: &Call, lease: &mut Lease, head: &mut HeadSender, pause: Duration) -> Result<(), Stop> {
    meanwhile(call, lease, head, tokio::time::sleep(pause)).await
}

/// Waits for something, renewing the lease, for a caller who is still there.
async fn meanwhile<T>(
    call: &Call,
    lease: &mut Lease,
    head: &mut HeadSender,
    work: impl Future<Output = T> + Send,
) -> Result<T, Stop> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = hung_up(head, &call.cancel) => return Err(Stop::HungUp),
            () = lease.due() => {
                if !lease.renew().await {
                    return Err(Stop::LeaseLost);
                }
            }
        }
    }
}
