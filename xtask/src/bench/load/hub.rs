//! The hub under load: the release binary as an operator would run it, with one account, one key and much credit.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::Target;
use super::client::{Call, Connection};
use crate::interrupt::Interrupt;
use crate::process::{self, Running};
use crate::servers::{self, Servers};

const READY_WITHIN: Duration = Duration::from_mins(1);
const EMAIL: &str = "bench@example.com";

/// A running hub. Dropping it ends it.
pub(in crate::bench) struct Hub {
    address: SocketAddr,
    key: String,
    running: Running,
    stores: Vec<u32>,
    environment: Vec<(&'static str, String)>,
    directory: TempDir,
    binary: std::path::PathBuf,
}

impl Hub {
    /// Starts it in front of `upstream`; on these servers, or with SQLite and its own memory.
    pub(in crate::bench) fn start(
        binary: &Path,
        upstream: SocketAddr,
        servers: Option<&Servers>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("hub-bench-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], servers::free_port()?));
        // Limits are counted for every call; they are only too high to be met.
        let mut environment = vec![
            ("OPENAI_API_KEY", "bench-upstream".to_owned()),
            ("OPENAI_BASE_URL", format!("http://{upstream}/v1")),
            ("HUB__LIMITS__USER_PER_MINUTE", "100000000".to_owned()),
            ("HUB__LIMITS__GUEST_PER_MINUTE", "100000000".to_owned()),
            ("HUB__SERVER__PER_ADDRESS_PER_MINUTE", "100000000".to_owned()),
        ];
        if let Some(servers) = servers {
            environment.push(("HUB__DATABASE__URL", servers.postgres_url.clone()));
            environment.push(("HUB__CACHE__REDIS_URL", servers.redis_url.clone()));
            environment.push(("JWT_SECRET", "a secret of the benchmark, which signs nothing else".to_owned()));
        }
        let stores = servers.map(Servers::processes).unwrap_or_default();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(binary);
            command.args(arguments).arg("--json").arg("--data-dir").arg(directory.path());
            command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
            command
        };
        let ask = |arguments: &[&str]| -> Result<Value> {
            serde_json::from_str(&process::output(&mut command(arguments))?).context("the hub wrote no JSON")
        };
        ask(&["admin", "create-user", "--email", EMAIL, "--role", "user"])?;
        ask(&["admin", "grant-credits", "--email", EMAIL, "--amount", "1000000"])?;
        let key = ask(&["admin", "create-key", "--email", EMAIL, "--name", "bench"])?;
        let key = key.get("key").and_then(Value::as_str).context("no key was made")?.to_owned();
        let mut serve = command(&["serve", "--listen", &address.to_string()]);
        let mut running =
            Running::start(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()), "TERM")?;
        let (started, call) = (Instant::now(), Call::whole(address, &key));
        loop {
            interrupt.check()?;
            let answered = Connection::open(&call).and_then(|mut connection| connection.send(&call));
            match answered {
                Ok(_) => break,
                Err(error) if running.ended()?.is_some() || started.elapsed() > READY_WITHIN => {
                    bail!("the hub did not answer: {error:#}")
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        let binary = binary.to_owned();
        Ok(Self { address, key, running, stores, environment, directory, binary })
    }

    pub(super) fn target(&self) -> Target {
        Target {
            name: if self.stores.is_empty() { "the hub on SQLite" } else { "the hub on PostgreSQL and Redis" },
            address: self.address,
            bearer: self.key.clone(),
            own: vec![self.running.id()],
            stores: self.stores.clone(),
        }
    }

    pub(in crate::bench) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::bench) fn key(&self) -> &str {
        &self.key
    }

    pub(in crate::bench) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Another account: its key.
    pub(in crate::bench) fn member(&self, email: &str) -> Result<String> {
        self.ask(&["admin", "create-user", "--email", email, "--role", "user"])?;
        let made = self.ask(&["admin", "create-key", "--email", email, "--name", "bench"])?;
        Ok(made.get("key").and_then(Value::as_str).context("no key was made")?.to_owned())
    }

    /// Calls that are not paid for yet.
    pub(in crate::bench) fn open_holds(&self) -> Result<u64> {
        let report = self.ask(&["ledger", "verify"])?;
        report.get("openHolds").and_then(Value::as_u64).context("the ledger's report has no openHolds")
    }

    /// What a command of the hub prints.
    fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--json").arg("--data-dir").arg(self.directory.path());
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        serde_json::from_str(&process::output(&mut command)?).context("the hub wrote no JSON")
    }

    /// Stops it and checks that all of its money adds up.
    pub(in crate::bench) fn finish(mut self) -> Result<()> {
        self.running.end();
        let mut verify = Command::new(&self.binary);
        verify.args(["ledger", "verify", "--data-dir"]).arg(self.directory.path());
        verify.envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())));
        process::output(&mut verify).map(drop).context("the ledger is not clean after the load")
    }
}
