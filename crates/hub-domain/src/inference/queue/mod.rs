//! The queues before providers and models that may be asked only so much: bounded in length and time, fair, and one for all processes.
//!
//! Calls that wait until a provider's pause is over stand in a line as well: after it one finds out, and the others follow as it succeeds.
//!
//! A call joins after its credits are held, and renews its hold while it waits: who cannot pay takes nobody's place. Who hangs up leaves.
//! Where nothing is limited there is no queue and nothing is asked.

mod keeper;
mod line;
mod place;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use hub_types::{Caller, HoldId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::keeper::{Answer, Keeper, channel};
use self::line::{Asking, Flow, Rules, Standing, Step};
use super::Ceilings;
use super::breaker::Until;
use super::registry::Candidate;
use super::{measure, retry};
use crate::Hub;

pub(super) use keeper::Keepers;
pub(super) use place::Place;

/// How often a waiting call shows that it lives, and looks where it stands.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without a sign a waiting call is forgotten, in microseconds.
const FORGOTTEN: i64 = 15_000_000;
/// When it may be worth trying again after calls filled all places.
const RETRY: Duration = Duration::from_secs(5);

/// Where a waiting caller is told its position, from 1.
pub type Progress = watch::Sender<Option<usize>>;

/// A provider or model may not be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// `provider` or `model`.
    pub scope: &'static str,
    /// Its name.
    pub name: String,
    /// `max_concurrent`, `requests_per_minute` or `tokens_per_minute`; `rate_limit` for a pause, which is told as an attempt.
    pub ceiling: &'static str,
    /// The ceiling.
    pub limit: u32,
    /// `full`: too many wait; `share`: too many of this user wait; `time`: its turn did not come in time.
    pub reason: &'static str,
    /// How many wait.
    pub waiting: usize,
    /// When it may be worth trying again.
    pub retry_after: Duration,
}

/// A call at the door.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor<'a> {
    pub(super) caller: &'a Caller,
    pub(super) id: HoldId,
    /// The most tokens it may use.
    pub(super) tokens: u32,
    /// Whether it waits; else it only passes where nobody must wait.
    pub(super) waits: bool,
    pub(super) progress: Option<&'a Progress>,
}

/// Passes the lines of the model and of its provider, in this order, waiting as long as it may. Of the places it `had` it keeps those in
/// these lines. Places are given back when dropped.
pub(super) async fn enter(
    hub: &Arc<Hub>,
    visitor: Visitor<'_>,
    candidate: &Candidate,
    mut had: Vec<Place>,
) -> Result<Vec<Place>, Box<Busy>> {
    let model = hub.settings.limits.of_model(&candidate.price.model);
    let deadline = Instant::now() + Duration::from_secs(hub.settings.inference.queue_seconds);
    let lines =
        [("model", candidate.price.model.as_str(), model), ("provider", &candidate.pool.name, candidate.pool.ceilings)];
    let mut places = Vec::new();
    for (scope, name, ceilings) in lines {
        if !ceilings.is_none() {
            let keeper = hub.providers.queues.of(scope, name);
            let place = if let Some(index) = had.iter().position(|place| place.is_in(&keeper)) {
                had.swap_remove(index)
            } else {
                let gate = Gate { rules: rules(hub, ceilings), pause: None };
                pass(hub, &keeper, gate, visitor, deadline, &places).await?
            };
            places.push(place);
        }
    }
    Ok(places)
}

/// Waits in line until the pause of a provider that limited our rate is over, and until it is this call's turn to ask it again.
pub(super) async fn rest(
    hub: &Arc<Hub>,
    visitor: Visitor<'_>,
    candidate: &Candidate,
    deadline: Instant,
) -> Result<Place, Box<Busy>> {
    let keeper = hub.providers.queues.of("pause", &candidate.key());
    let rules = Rules { flow: Flow::Trickle, ..rules(hub, Ceilings::default()) };
    let gate = Gate { rules, pause: Some(Pause { candidate, seen: None, opens: Instant::now() }) };
    pass(hub, &keeper, gate, visitor, deadline, &[]).await
}

/// The provider limits our rate, and its pause has begun: its line moves anew, with one call after it.
pub(super) async fn limited(hub: &Hub, id: HoldId, candidate: &Candidate) {
    let rules = Rules { flow: Flow::Shut, ..rules(hub, Ceilings::default()) };
    // Should this fail, the provider says it once more.
    let _ = hub.providers.queues.of("pause", &candidate.key()).step(hub, Step::Limited(id), rules).await;
}

/// What a line obeys while a call stands in it.
struct Gate<'a> {
    rules: Rules,
    /// In the line of a provider that limited our rate.
    pause: Option<Pause<'a>>,
}

struct Pause<'a> {
    candidate: &'a Candidate,
    seen: Option<Until>,
    /// When it is over.
    opens: Instant,
}

impl Gate<'_> {
    /// The rules of this moment.
    async fn look(&mut self, hub: &Hub) -> Rules {
        let Some(pause) = &mut self.pause else { return self.rules };
        let now = Instant::now();
        if let Some(found) = retry::limited(hub, pause.candidate).await.filter(|found| pause.seen != Some(*found)) {
            pause.seen = Some(found);
            pause.opens = now + found.left(hub.clock.now()).unwrap_or_default();
        }
        Rules { flow: if now < pause.opens { Flow::Shut } else { Flow::Trickle }, ..self.rules }
    }

    /// When it is worth looking again.
    fn opens(&self, now: Instant) -> Instant {
        let look = now + LOOK;
        self.pause.as_ref().map_or(look, |pause| if pause.opens > now { pause.opens.min(look) } else { look })
    }
}

fn rules(hub: &Hub, ceilings: Ceilings) -> Rules {
    let settings = &hub.settings.inference;
    let lease = hub.settings.credits.lease().as_micros();
    Rules {
        ceilings,
        length: settings.queue_length,
        per_user: settings.queue_per_user,
        lease: i64::try_from(lease).unwrap_or(i64::MAX / 4),
        patience: FORGOTTEN,
        flow: Flow::Free,
    }
}

async fn pass(
    hub: &Arc<Hub>,
    keeper: &Arc<Keeper>,
    mut gate: Gate<'_>,
    visitor: Visitor<'_>,
    deadline: Instant,
    held: &[Place],
) -> Result<Place, Box<Busy>> {
    let asking = Asking {
        id: visitor.id,
        user: visitor.caller.user,
        rank: visitor.caller.tier as u8,
        tokens: visitor.tokens,
        waits: visitor.waits,
    };
    let place = Place::new(hub, keeper, visitor.id, gate.rules);
    let since = Instant::now();
    let mut told = None;
    loop {
        let rules = gate.look(hub).await;
        // Without any cache nothing can be counted; the call goes on, as with all limits.
        let Some(answer) = keeper.step(hub, Step::Ask(asking), rules).await else { return Ok(place) };
        let position = match answer.standing {
            Standing::Waits(position) => position,
            Standing::Passed | Standing::Ended => {
                measure::waited(keeper.scope, &keeper.name, since.elapsed());
                return Ok(place);
            }
            Standing::Full => return Err(Box::new(busy(keeper, &rules, answer, "full"))),
            Standing::Share => return Err(Box::new(busy(keeper, &rules, answer, "share"))),
            Standing::Occupied => return Err(Box::new(busy(keeper, &rules, answer, "time"))),
        };
        for place in held {
            place.renew().await;
        }
        if let Some(progress) = visitor.progress {
            progress.send_if_modified(|told| told.replace(position) != Some(position));
        }
        if Instant::now() >= deadline {
            return Err(Box::new(busy(keeper, &rules, answer, "time")));
        }
        // Heard of from now on, then looked at once more: a call in between is not missed.
        let Some(called) = &mut told else {
            told = Some(hub.cache.subscribe(&channel(visitor.id)).await.ok());
            continue;
        };
        let look = deadline.min(gate.opens(Instant::now()));
        let called = async {
            match called {
                Some(called) => called.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hub.tasks.stop().cancelled() => return Err(Box::new(busy(keeper, &rules, answer, "time"))),
            called = timeout_at(look, called) => {
                if matches!(called, Ok(None)) {
                    told = Some(None);
                }
            }
        }
    }
}

fn busy(keeper: &Keeper, rules: &Rules, answer: Answer, reason: &'static str) -> Busy {
    let (ceiling, frees) = answer.ceiling.unwrap_or(("max_concurrent", None));
    let limit = match ceiling {
        "requests_per_minute" => rules.ceilings.requests_per_minute,
        "tokens_per_minute" => rules.ceilings.tokens_per_minute,
        _ => rules.ceilings.max_concurrent,
    };
    let frees = frees.and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros);
    Busy {
        scope: keeper.scope,
        name: keeper.name.clone(),
        ceiling,
        limit,
        reason,
        waiting: answer.waiting,
        retry_after: frees.unwrap_or(RETRY).max(Duration::from_secs(1)),
    }
}
