//! The command line. Every command takes `--json`, `--data-dir` and `--config`; results go to standard output, logs and errors to standard
//! error. Exit codes: 0 done, 1 failed or not clean, 2 wrong arguments.

mod admin;
mod doctor;
mod export;
mod keys;
mod ledger;
mod prices;
mod print;
mod receipts;
mod reconcile;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use hub_domain::Hub;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::compose::{self, Need};
use crate::config::{self, ConfigError, Environment, Loaded, Lookup};
use crate::data_dir::{self, DataDir};
use crate::roles::Roles;
use crate::serve;

/// What a finished command may leave running, at most.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// Smart AI Hub: accounts, credits and API keys in front of AI providers.
#[derive(Debug, Parser)]
#[command(name = "hub", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// Results as JSON, one value; errors as JSON on standard error
    #[arg(long, global = true)]
    json: bool,
    /// Directory of the embedded hub [default: $HUB_DATA_DIR, else ./hub-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Settings file [default: hub.toml in the data directory, else in the working directory]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub until it is told to stop
    Serve {
        /// Roles of this process: all, or some of gateway,auth,core,mcp,worker
        #[arg(long, default_value = "all")]
        roles: Roles,
        /// Address and port to listen on
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Bring the database schema up to date; `serve` does it by itself
    Migrate,
    /// Try everything the hub depends on and say what is missing
    Doctor,
    /// Settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Accounts, keys and credits, on the word of whoever has the machine
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// The keys that sign tokens
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The money
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// What calls cost
    #[command(subcommand)]
    Prices(prices::PricesCommand),
    /// What calls have cost
    #[command(subcommand)]
    Receipts(receipts::ReceiptsCommand),
    /// Compare receipts with a provider's own file of usage
    Reconcile(reconcile::ReconcileArguments),
    /// Write the OpenAPI document
    Openapi,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Show the settings in force and where each came from; secrets are masked
    Print,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Check every invariant of the money and name culprits
    Verify {
        /// Only the sums of accounts, holds and books; not every row and receipt
        #[arg(long)]
        fast: bool,
    },
    /// Write the rows of the ledger, by account and version
    Export(export::ExportArguments),
}

/// What every command works with.
pub(crate) struct Context {
    pub(crate) json: bool,
    pub(crate) directory: DataDir,
    config: Option<PathBuf>,
    environment: Environment,
}

/// How a command that did its work ended.
pub(crate) enum Outcome {
    /// Well.
    Good,
    /// It found what it was looking for, and that is not good.
    Bad,
}

/// Runs one command.
pub fn main(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Also the way to `--help` and `--version`, which are no failures.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let Arguments { common, command } = arguments;
    let usual = || environment.get("HUB_DATA_DIR").unwrap_or(data_dir::USUAL).into();
    let context = Context {
        json: common.json,
        directory: DataDir::new(common.data_dir.unwrap_or_else(usual)),
        config: common.config,
        environment: environment.clone(),
    };
    match run(&context, command) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::FAILURE,
        Err(error) => {
            context.write_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(context: &Context, command: Command) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let outcome = runtime.block_on(Box::pin(dispatch(context, command)));
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}

async fn dispatch(context: &Context, command: Command) -> Result<Outcome> {
    match command {
        Command::Serve { roles, listen } => {
            serve::serve(context, roles, listen.as_deref()).await?;
            Ok(Outcome::Good)
        }
        Command::Migrate => print::migrate(context).await,
        Command::Doctor => doctor::doctor(context).await,
        Command::Config(ConfigCommand::Print) => print::settings(context),
        Command::Admin(command) => admin::admin(context, command).await,
        Command::Keys(command) => keys::keys(context, &command),
        Command::Ledger(LedgerCommand::Verify { fast }) => ledger::verify(context, fast).await,
        Command::Ledger(LedgerCommand::Export(arguments)) => export::export(context, &arguments).await,
        Command::Prices(command) => prices::prices(context, command).await,
        Command::Receipts(command) => receipts::receipts(context, command).await,
        Command::Reconcile(arguments) => reconcile::reconcile(context, arguments).await,
        Command::Openapi => print::openapi().await,
    }
}

impl Context {
    /// The settings in force.
    pub(crate) fn load(&self, listen: Option<&str>) -> Result<Loaded, ConfigError> {
        let lookup = Lookup { file: self.config.as_deref(), data_dir: self.directory.path(), listen };
        config::load(&lookup, &self.environment)
    }

    /// The hub for one command: may run beside a serving process.
    async fn hub(&self) -> Result<Arc<Hub>> {
        let loaded = self.load(None)?;
        let opened = compose::open(&loaded.settings, &self.directory, Need::Command, CancellationToken::new()).await?;
        compose::build(opened.parts).await
    }

    /// Writes a command's result: JSON or words.
    fn report(&self, value: &Value, words: &str) -> Result<()> {
        if self.json { write(&value.to_string()) } else { write(words) }
    }

    fn write_error(&self, error: &anyhow::Error) {
        let mut words: Vec<String> = Vec::new();
        for cause in error.chain().map(ToString::to_string) {
            // Transparent errors repeat their cause.
            if !words.iter().any(|word| word.contains(&cause)) {
                words.push(cause);
            }
        }
        let message = words.join(": ");
        let text = if self.json {
            json!({ "error": { "message": message } }).to_string()
        } else {
            format!("error: {message}")
        };
        // Nothing is left to do when even this fails.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Writes a line to standard output.
pub(crate) fn write(text: &str) -> Result<()> {
    write_exactly(&format!("{}\n", text.trim_end()))
}

/// Writes a text to standard output as it is.
pub(crate) fn write_exactly(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("standard output cannot be written"),
    }
}
