//! The hub's half of `cargo xtask bench ledger`: charges through `credits::deduct` on one database, counted.
//!
//! Reads one JSON line from standard input (`Order`), writes one to standard output (`Figures`). It measures the rule as it is, with its
//! permission check, fingerprint, idempotency and ledger row, each caller waiting for its own commit; what it is compared with is the same
//! movement in a transaction of its own. It must never be pointed at a database that somebody needs.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hub_cache::Cache;
use hub_clients::mail::MemoryOutbox;
use hub_domain::credits::{self, Deduct, Renewals, Writer};
use hub_domain::identity::{HashSettings, Hasher};
use hub_domain::sealing::Sealer;
use hub_domain::sessions::TokenKeys;
use hub_domain::{Hub, Settings, Tasks, inference, oauth, pricing};
use hub_store::ledger::{self, Kind, Posting};
use hub_store::users::{self, NewUser};
use hub_store::{Engine, Store, StoreOptions, accounts, roles, verify};
use hub_types::{Caller, Clock, Credential, Credits, Email, Permission, RateTier, TransactionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Connections of the pool: the default of `hub.toml`.
const CONNECTIONS: u32 = 16;
/// Credits of each account; more than can be charged in the time.
const ENOUGH: i32 = 1_000_000;

/// What to measure.
#[derive(Deserialize)]
struct Order {
    /// A PostgreSQL URL and schema, or the path of a SQLite file.
    postgres: Option<(String, String)>,
    sqlite: Option<PathBuf>,
    /// Callers at the same time.
    callers: usize,
    /// Accounts of the wide measurement.
    accounts: usize,
    /// Seconds per measurement.
    seconds: u64,
}

/// Charges per second, and the middle and the slow end of what one charge takes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figure {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// What was measured.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// All callers on one account.
    hot: Figure,
    /// All callers, any account.
    wide: Figure,
    /// One caller.
    lone: Figure,
    /// One caller, a transaction per charge.
    lone_direct: Figure,
    /// All callers on one account, a transaction per charge.
    direct: Figure,
    /// The one account.
    hot_account: UserId,
}

/// What all callers share.
struct Bench {
    hub: Hub,
    caller: Caller,
    users: Vec<UserId>,
    order: Order,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let callers = order.callers;
    let bench = Arc::new(prepare(order).await?);
    let wide = measure(&bench, callers, Way::Wide).await?;
    let figures = Figures {
        hot: measure(&bench, callers, Way::Hot).await?,
        wide,
        lone: measure(&bench, 1, Way::Hot).await?,
        lone_direct: measure(&bench, 1, Way::Direct).await?,
        direct: measure(&bench, callers, Way::Direct).await?,
        hot_account: bench.users[bench.users.len() - 1],
    };
    sound(&bench.hub.store).await?;
    bench.hub.store.close().await;
    writeln!(io::stdout(), "{}", serde_json::to_string(&figures)?)?;
    Ok(())
}

/// Which charge is repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Hot,
    Wide,
    Direct,
}

async fn measure(bench: &Arc<Bench>, callers: usize, way: Way) -> Result<Figure> {
    let (stop, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    let start = Instant::now();
    for _ in 0..callers {
        let (bench, stop, number) = (Arc::clone(bench), Arc::clone(&stop), Arc::clone(&number));
        tasks.spawn(async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                charge(&bench, way, number.fetch_add(1, Ordering::Relaxed)).await?;
                times.push(begun.elapsed());
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(times)
        });
    }
    tokio::time::sleep(Duration::from_secs(bench.order.seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(one) = tasks.join_next().await {
        times.extend(one??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    let count = f64::from(u32::try_from(times.len())?);
    Ok(Figure { per_second: count / elapsed, p50_ms: at(50), p99_ms: at(99) })
}

async fn charge(bench: &Bench, way: Way, number: u64) -> Result<()> {
    let last = bench.users.len() - 1;
    let user = match way {
        // Scattered, but the same every time.
        Way::Wide => bench.users[usize::try_from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33)? % last],
        Way::Hot | Way::Direct => bench.users[last],
    };
    let amount = Credits::from_micro(7);
    if way == Way::Direct {
        let posting = posting(&bench.hub.clock, user, Kind::Usage, -amount);
        let mut tx = bench.hub.store.write().await?;
        ledger::post(&mut tx, &posting).await?.ok_or("the account cannot pay")?;
        tx.commit().await?;
        return Ok(());
    }
    let key = TransactionId::new(&bench.hub.clock).to_string();
    let input = Deduct { user, amount, reason: "bench".to_owned(), metadata: json!({}), key: Some(key) };
    credits::deduct(&bench.hub, &bench.caller, input).await?;
    Ok(())
}

fn posting(clock: &Clock, user: UserId, kind: Kind, amount: Credits) -> Posting {
    let id = TransactionId::new(clock);
    Posting {
        id,
        user,
        kind,
        amount,
        key: id.to_string(),
        request_hash: Some(vec![0; 32]),
        hold: None,
        actor: None,
        reason: "bench".to_owned(),
        metadata: json!({}),
        at: clock.now(),
    }
}

async fn prepare(order: Order) -> Result<Bench> {
    let engine = match (&order.postgres, &order.sqlite) {
        (Some((url, schema)), None) => Engine::Postgres { url: url.clone(), schema: Some(schema.clone()) },
        (None, Some(path)) => Engine::Sqlite { path: path.clone() },
        _ => return Err("either postgres or sqlite".into()),
    };
    let options = StoreOptions::new(engine, CONNECTIONS).patient(Duration::from_secs(30));
    let (store, clock) = (Store::open(&options).await?, Clock::system());
    store.migrate(clock.now()).await?;
    let mut tx = store.write().await?;
    roles::seed(&mut tx, &clock).await?;
    let mut users = Vec::new();
    for number in 0..=order.accounts {
        let (id, at) = (UserId::new(&clock), clock.now());
        let email: Email = format!("bench-{number}@example.com").parse()?;
        let user = NewUser { id, email: &email, name: "", password_hash: None, verified: true, at };
        users::insert(&mut tx, &user).await?;
        accounts::open(&mut tx, id, at).await?;
        ledger::post(&mut tx, &posting(&clock, id, Kind::Grant, Credits::whole(ENOUGH))).await?;
        users.push(id);
    }
    tx.commit().await?;
    let hub = hub(store, clock)?;
    let caller = Caller {
        user: UserId::new(&hub.clock),
        email: "bench@example.com".parse()?,
        name: String::new(),
        roles: Arc::default(),
        permissions: [Permission::CreditsUpdate.name().to_owned()].into(),
        verified: true,
        credential: Credential::Operator,
        models: Arc::default(),
        line: None,
        budgets: Arc::default(),
        acting: None,
        tier: RateTier::Manager,
        address: None,
    };
    Ok(Bench { hub, caller, users, order })
}

fn hub(store: Store, clock: Clock) -> Result<Hub> {
    Ok(Hub {
        store,
        cache: Cache::memory(clock.clone()),
        local: Cache::memory(clock.clone()),
        settings: Settings::default(),
        tasks: Tasks::new(CancellationToken::new()),
        mailer: Arc::new(MemoryOutbox::new()),
        passwords: Hasher::new(&HashSettings::default(), [7; 32])?,
        tokens: TokenKeys::new(b"a key that signs nothing in a benchmark")?,
        sealer: Sealer::new(&[9; 32])?,
        webhooks: hub_clients::webhook::WebhookClient::new(false)?,
        oauth: oauth::Registry::default(),
        payments: hub_domain::payments::Registry::default(),
        providers: inference::Registry::new(Vec::new()),
        routing: inference::Routing::new(1),
        prices: pricing::PriceBook::default(),
        ledger: Writer::default(),
        renewals: Renewals::default(),
        instance: "bench".to_owned(),
        clock,
    })
}

/// Speed without truth is worth nothing.
async fn sound(store: &Store) -> Result<()> {
    let mut tx = store.snapshot().await?;
    let mut faults = verify::balances(&mut tx).await?;
    faults.extend(verify::versions(&mut tx).await?);
    faults.extend(verify::running_balances(&mut tx).await?);
    if faults.is_empty() { Ok(()) } else { Err(format!("the ledger is not sound: {faults:?}").into()) }
}
