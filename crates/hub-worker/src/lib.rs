//! The job loop and the schedules: runs what `hub-domain` says is due, until the process is asked to stop.
//!
//! No rule lives here. Any number of processes may run a worker: jobs and holds are taken under leases.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hub_domain::{Hub, credits, jobs, payments, pricing, providers, usage};
use tokio::time::MissedTickBehavior;

/// Pause between two looks for due jobs. A job enqueued just after a look waits this long.
const JOBS: Duration = Duration::from_millis(500);
/// Pause between two looks for holds whose process died.
const SWEEP: Duration = Duration::from_secs(5);
/// Pause between two looks for credits that have run out.
const EXPIRY: Duration = Duration::from_mins(1);
/// Pause between two readings of the price book: how long a new price may take to act on every process.
const PRICES: Duration = Duration::from_secs(30);
/// Pause between two readings of the gauges.
const GAUGES: Duration = Duration::from_secs(30);
/// Pause between two looks whether a round of healing payments is due.
const PAYMENTS: Duration = Duration::from_mins(1);
/// Pause between two rounds of adding usage up.
const USAGE: Duration = Duration::from_mins(1);
/// Pause between two rounds of housekeeping.
const UPKEEP: Duration = Duration::from_hours(1);

/// Works until `hub.tasks.stop()`. What is being done then is finished first.
pub async fn run(hub: Arc<Hub>) {
    let work = every(&hub, JOBS, "jobs", || jobs::run_all_due(&hub));
    let sweep = every(&hub, SWEEP, "sweep", || credits::sweep_all(&hub));
    let expiry = every(&hub, EXPIRY, "expiry", || credits::expire_due(&hub));
    let upkeep = every(&hub, UPKEEP, "upkeep", || jobs::upkeep(&hub));
    let gauges = every(&hub, GAUGES, "gauges", || credits::measure(&hub));
    let payments = every(&hub, PAYMENTS, "payments", || payments::schedule(&hub));
    let sums = every(&hub, USAGE, "usage", || usage::roll_up(&hub));
    tokio::join!(work, sweep, expiry, upkeep, gauges, payments, sums);
}

/// Keeps the price book of this process fresh. Needed wherever calls are priced, so it runs in every process, worker or not.
pub async fn refresh_prices(hub: Arc<Hub>) {
    every(&hub, PRICES, "prices", || pricing::load(&hub.store, &hub.prices)).await;
}

/// Keeps the providers of this process fresh: what administrators change acts here within about a second. Runs in every process.
pub async fn follow_providers(hub: Arc<Hub>) {
    providers::follow(&hub).await;
}

/// Does `work` now and then every `pause`, one round at a time. A failed round is logged; the next one tries again.
async fn every<F, Fut, E>(hub: &Hub, pause: Duration, name: &'static str, work: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: std::error::Error,
{
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = hub.tasks.stop().cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = work().await {
            tracing::warn!(name, %error, "a round of background work failed");
        }
    }
}
