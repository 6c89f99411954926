//! `hub prices …`: the price book from the command line. Works while the hub runs; other processes use a change within a minute.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use hub_domain::pricing::{self, Change, ChangeKind, Finding, ImportError, ImportOptions, PriceEntry};
use hub_domain::{Hub, Origin};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::{self, Books};
use super::{Context, Outcome};
use crate::first_start::operator;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum PricesCommand {
    /// Show the prices in force, in the form that `import` reads
    List {
        /// Only this service, such as openai
        #[arg(long)]
        service: Option<String>,
        /// What this version seeds, in place of what is in force
        #[arg(long)]
        seeded: bool,
    },
    /// Look for prices that are impossible, unusual, old or without a source
    Check,
    /// Show what an import would change; writes nothing
    Diff {
        /// JSON file, or - for standard input: a list of prices, or an object with `prices`
        file: PathBuf,
    },
    /// Take prices over as new versions, all or none; old receipts keep their prices
    Import {
        /// JSON file, or - for standard input: a list of prices, or an object with `prices`
        file: PathBuf,
        /// Take over free prices, prices above 1000 dollars a million, multipliers beyond ten, and leaps of more than ten times
        #[arg(long)]
        allow_unusual: bool,
    },
}

/// The form with a name around the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    prices: Vec<PriceEntry>,
}

/// Runs one of them.
pub(super) async fn prices(context: &Context, command: PricesCommand) -> Result<Outcome> {
    match command {
        PricesCommand::Import { file, allow_unusual } => {
            let entries = read(&file)?;
            let hub = context.hub().await?;
            let done = import(&hub, &entries, ImportOptions { allow_unusual, dry_run: false }).await;
            hub.tasks.stop().cancel();
            hub.tasks.drain().await;
            hub.store.close().await;
            let (value, words, outcome) = done?;
            context.report(&value, &words)?;
            Ok(outcome)
        }
        PricesCommand::Diff { file } => {
            let entries = read(&file)?;
            let Books { store, prices, clock } = ledger::open_books(context).await?;
            let changes = pricing::diff(&prices, &entries, clock.now());
            store.close().await;
            let faulty = changes.iter().any(|change| !change.faults.is_empty());
            context.report(&json!({ "changes": changes }), &differences(&changes))?;
            Ok(if faulty { Outcome::Bad } else { Outcome::Good })
        }
        PricesCommand::Check => {
            let Books { store, prices, clock } = ledger::open_books(context).await?;
            let findings = pricing::check(&prices, clock.now());
            store.close().await;
            let count = prices.all_current(clock.now()).len();
            context.report(&json!({ "prices": count, "findings": findings }), &checked(count, &findings))?;
            Ok(if findings.iter().any(|finding| finding.fault) { Outcome::Bad } else { Outcome::Good })
        }
        PricesCommand::List { service, seeded } => {
            let mut entries = if seeded {
                pricing::seeded()
            } else {
                let Books { store, prices, clock } = ledger::open_books(context).await?;
                store.close().await;
                prices.all_current(clock.now()).iter().map(|price| PriceEntry::from(&**price)).collect()
            };
            entries.retain(|entry| service.as_deref().is_none_or(|service| service == entry.service));
            context.report(&json!({ "prices": entries }), &table(&entries))?;
            Ok(Outcome::Good)
        }
    }
}

async fn import(hub: &Hub, entries: &[PriceEntry], options: ImportOptions) -> Result<(Value, String, Outcome)> {
    match pricing::import(hub, &operator()?, &Origin::default(), entries, options).await {
        Ok(done) => {
            let words = format!("{}Wrote {} of {} prices", differences(&done.changes), done.written, entries.len());
            Ok((serde_json::to_value(&done)?, words, Outcome::Good))
        }
        Err(ImportError::Refused(changes)) => {
            let words = format!("{}Nothing was written. Unusual prices need --allow-unusual", differences(&changes));
            Ok((json!({ "written": 0, "changes": changes }), words, Outcome::Bad))
        }
        Err(error) => Err(error.into()),
    }
}

fn read(file: &Path) -> Result<Vec<PriceEntry>> {
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).with_context(|| format!("{} cannot be read", file.display()))?)
    };
    let mut text = String::new();
    reader.take(LARGEST + 1).read_to_string(&mut text).with_context(|| format!("{} cannot be read", file.display()))?;
    if text.len() as u64 > LARGEST {
        bail!("{} is larger than {} MiB", file.display(), LARGEST / 1024 / 1024);
    }
    // Tried as what it looks like, so that the reason names the field and not "no variant".
    let entries = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<PriceEntry>>(&text)
    } else {
        serde_json::from_str::<Document>(&text).map(|document| document.prices)
    };
    entries.with_context(|| format!("{} is not a list of prices", file.display()))
}

fn differences(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let (mark, name) = (mark(change.kind), format!("{}/{}", change.service, change.model));
        let fields: Vec<String> = change
            .fields
            .iter()
            .map(|field| match (field.from, field.to) {
                (Some(from), Some(to)) => format!("{} {from} to {to}", field.field),
                (Some(from), None) => format!("{} {from} to none", field.field),
                (None, to) => format!("{} {}", field.field, to.unwrap_or_default()),
            })
            .collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{mark} {name} {}", fields.join(", "));
        for fault in &change.faults {
            let _ = writeln!(text, "    FAULT: {fault}");
        }
        for unusual in &change.unusual {
            let _ = writeln!(text, "    unusual: {unusual}");
        }
    }
    text
}

const fn mark(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::New => '+',
        ChangeKind::Changed => '~',
        ChangeKind::Same => '=',
    }
}

fn checked(count: usize, findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { price, fault, message } in findings {
        let _ = writeln!(text, "{} {price}: {message}", if *fault { "FAULT " } else { "advice" });
    }
    let faults = findings.iter().filter(|finding| finding.fault).count();
    let _ = write!(text, "{count} prices in force, {faults} faults, {} pieces of advice", findings.len() - faults);
    text
}

fn table(entries: &[PriceEntry]) -> String {
    let mut text =
        format!("{:<12} {:<28} {:>10} {:>10} {:>10}  since\n", "service", "model", "input", "cached", "output");
    for entry in entries {
        let cached = entry.cache_read.unwrap_or(entry.input);
        let since = entry.valid_from.map(|from| from.format("%F").to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<12} {:<28} {:>10} {:>10} {:>10}  {since}",
            entry.service,
            entry.model,
            entry.input.to_string(),
            cached.to_string(),
            entry.output.to_string()
        );
    }
    text.push_str("credits per million tokens");
    text
}
