//! `hub serve`: opens the parts, starts the roles, waits for a signal, drains.
//!
//! Order of the end: listeners stop accepting, requests in flight and tracked tasks get their time, spans are sent, then the
//! database closes.

use std::io::{ErrorKind, IsTerminal, stdout};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use hub_domain::{Hub, identity};
use hub_gateway::operations_router;
use hub_web::ServeOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::{self, Context};
use crate::compose::{self, AppOptions, Need};
use crate::config::Loaded;
use crate::first_start;
use crate::logging;
use crate::roles::{Role, Roles};
use crate::screen::Started;
use crate::telemetry::Telemetry;

/// How often the clock is set by the database's, where several processes share one.
const FOLLOW: Duration = Duration::from_mins(1);
/// What closing the database may take after the drain.
const CLOSING: Duration = Duration::from_secs(1);

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn serve(context: &Context, roles: Roles, listen: Option<&str>) -> Result<()> {
    let mut loaded = context.load(listen)?;
    if !loaded.is_set("server.listen") {
        loaded.settings.server.listen.set_port(roles.usual_port());
    }
    let telemetry = Telemetry::start(&loaded.settings.telemetry)?;
    logging::start(&loaded.settings.log, context.json, telemetry.as_ref())?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    check_processes(&loaded, roles)?;
    // Before anything is made: a first administrator whose password is never shown would help nobody.
    let mut signals = Signals::new()?;
    let listen = roles.listens().then_some(loaded.settings.server.listen);
    let listener = bind(listen, "server.listen", "--listen ADDRESS or HUB__SERVER__LISTEN").await?;
    let ops_listener = bind(loaded.settings.ops.listen, "ops.listen", "HUB__OPS__LISTEN").await?;

    let stop = CancellationToken::new();
    let opened = compose::open(&loaded.settings, &context.directory, Need::Serve, stop.clone()).await?;
    let hub = compose::build(opened.parts).await?;
    let first = if loaded.settings.is_embedded() { first_start::first_admin(&hub).await? } else { None };
    if first.is_none() && !identity::has_admin(&hub).await? {
        tracing::warn!("nobody can administer this hub: `hub admin create-user --email you@example.com --role admin`");
    }

    let connections = TaskTracker::new();
    let metrics = logging::metrics()?;
    let options = AppOptions {
        settings: &loaded.settings,
        roles,
        started: hub.clock.now(),
        metrics: Some(metrics.clone()),
        trace_join: telemetry.as_ref().map(Telemetry::join),
        connections: connections.clone(),
    };
    let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let mut running = Vec::new();
    if let Some(listener) = listener {
        let app = compose::app(&hub, &options)?;
        let serving = hub_web::serve(listener, app, options.serving(), stop.clone(), connections.clone());
        running.push(hub.tasks.spawn(serving));
    }
    if let Some(listener) = ops_listener {
        let app = operations_router(options.operations(&hub));
        let limits = ServeOptions { max_connections: 64, ..options.serving() };
        running.push(hub.tasks.spawn(hub_web::serve(listener, app, limits, stop.clone(), connections.clone())));
    }
    let upkeep = stop.clone();
    hub.tasks.spawn(async move { upkeep.run_until_cancelled(logging::upkeep(metrics)).await });
    running.extend(background(&hub, roles));

    greet(context, &loaded, roles, address, &hub, first.as_ref());
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        () = any_ends(&mut running) => Err(anyhow!("a part of the hub ended by itself; see the log")),
    };
    stop.cancel();
    let drain = Duration::from_secs(loaded.settings.server.drain_seconds);
    tokio::select! {
        () = wait_for_all(&hub, &connections, Instant::now() + drain) => {}
        name = signals.next() => tracing::warn!(signal = name, "asked again, not waiting any longer"),
    }
    if let Some(telemetry) = telemetry {
        telemetry.stop().await;
    }
    let closing = timeout_at(Instant::now() + CLOSING, hub.store.close()).await;
    tracing::info!(closed = closing.is_ok(), "stopped");
    drop(opened.lock);
    ended
}

/// More than one process needs a database and a cache that they share.
fn check_processes(loaded: &Loaded, roles: Roles) -> Result<()> {
    let settings = &loaded.settings;
    let missing: Vec<&str> = [
        (settings.database.url.is_none(), "PostgreSQL (database.url, DATABASE_URL)"),
        (settings.cache.redis_url.is_none(), "Redis (cache.redis_url, REDIS_URL)"),
    ]
    .into_iter()
    .filter_map(|(missing, name)| missing.then_some(name))
    .collect();
    if roles != Roles::ALL && !missing.is_empty() {
        bail!(
            "--roles {roles} is one process of several, and those share their data: set {}. Without them, start one process with \
             all roles",
            missing.join(" and ")
        );
    }
    if !settings.is_embedded() && settings.cache.redis_url.is_none() {
        tracing::warn!(
            "PostgreSQL without Redis: this must be the only process of this hub; set REDIS_URL before starting another"
        );
    }
    Ok(())
}

async fn bind(address: Option<SocketAddr>, setting: &str, how: &str) -> Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("{setting}: {address} is in use by another program; stop it, or choose another with {how}")
        }
        ErrorKind::PermissionDenied => {
            anyhow!("{setting}: {address} may not be used by this user; choose a port above 1023 with {how}")
        }
        ErrorKind::AddrNotAvailable => {
            anyhow!("{setting}: {address} is no address of this machine; choose another with {how}")
        }
        _ => anyhow!("{setting}: cannot listen on {address}: {error}"),
    })
}

/// What every process does beside serving, and the worker's loop where this process has that role.
fn background(hub: &Arc<Hub>, roles: Roles) -> Vec<JoinHandle<()>> {
    let mut running = vec![
        hub.tasks.spawn(hub_worker::refresh_prices(Arc::clone(hub))),
        hub.tasks.spawn(hub_worker::follow_providers(Arc::clone(hub))),
    ];
    if roles.has(Role::Worker) {
        running.push(hub.tasks.spawn(hub_worker::run(Arc::clone(hub))));
    }
    // The embedded database has the machine's clock anyway.
    if hub.store.is_shared() {
        running.push(hub.tasks.spawn(follow(Arc::clone(hub))));
    }
    running
}

async fn follow(hub: Arc<Hub>) {
    let following = async {
        loop {
            tokio::time::sleep(FOLLOW).await;
            match hub.store.now().await {
                Ok(now) => hub.clock.follow(now),
                Err(error) => tracing::warn!(%error, "the database's clock cannot be read"),
            }
        }
    };
    hub.tasks.stop().run_until_cancelled(following).await;
}

/// Returns when one of these tasks has ended, by a panic or otherwise: none should before `stop`.
async fn any_ends(running: &mut Vec<JoinHandle<()>>) {
    if running.is_empty() {
        return std::future::pending().await;
    }
    let (ended, _, rest) = futures::future::select_all(std::mem::take(running)).await;
    *running = rest;
    if let Err(error) = ended {
        tracing::error!(%error, "a task failed");
    }
}

async fn wait_for_all(hub: &Hub, connections: &TaskTracker, deadline: Instant) {
    connections.close();
    let all = async { tokio::join!(hub.tasks.drain(), connections.wait()) };
    if timeout_at(deadline + CLOSING, all).await.is_err() {
        tracing::warn!(tasks = hub.tasks.running(), connections = connections.len(), "the time to drain is over");
    }
}

/// The screen, for people; with `--json` one line at the first start only, because its secrets are shown nowhere else.
fn greet(
    context: &Context,
    loaded: &Loaded,
    roles: Roles,
    address: Option<SocketAddr>,
    hub: &Hub,
    first: Option<&first_start::FirstAdmin>,
) {
    let address = address.map(|address| format!("http://{address}"));
    tracing::info!(address = address.as_deref(), %roles, database = hub.store.kind(), cache = hub.cache.kind(), "started");
    let data_dir = context.directory.path().display().to_string();
    let providers = hub.providers.names();
    let started = Started {
        settings: &loaded.settings,
        roles,
        address: address.as_deref(),
        data_dir: &data_dir,
        providers: providers.iter().map(String::as_str).filter(|name| *name != "sandbox").collect(),
        first,
    };
    let shown = if context.json {
        first.map_or(Ok(()), |_| cli::write(&started.json().to_string()))
    } else if first.is_some() || stdout().is_terminal() {
        cli::write(&started.text())
    } else {
        Ok(())
    };
    if let Err(error) = shown {
        tracing::warn!(%error, "standard output cannot be written");
    }
}

/// The two ways a hub is asked to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened for");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
