//! `hub reconcile`: receipts against a provider's own file. Exit code 0 only when nothing is missing and nothing differs.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use hub_domain::reconcile::{self, Asked, Format, LARGEST, Report};
use hub_types::Timestamp;

use super::{Context, Outcome, ledger};

/// What is to be compared.
#[derive(Debug, Args)]
pub(super) struct ReconcileArguments {
    /// Name of the provider, as on its receipts
    #[arg(long)]
    provider: String,
    /// The provider's file of usage, or - for standard input; at most 32 MiB
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// How it is written [default: by its name, else csv]
    #[arg(long)]
    format: Option<FormatArgument>,
    /// Calls that began at or after this [default: the first day of the file]
    #[arg(long, value_name = "RFC 3339")]
    from: Option<Timestamp>,
    /// Calls that began before this [default: the end of the last day of the file]
    #[arg(long, value_name = "RFC 3339")]
    to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArgument {
    Csv,
    Json,
}

/// Compares. Reads only; may run beside a serving process.
pub(super) async fn reconcile(context: &Context, arguments: ReconcileArguments) -> Result<Outcome> {
    let ReconcileArguments { provider, file, format, from, to } = arguments;
    let bytes = read(&file)?;
    let json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let format = match format {
        Some(FormatArgument::Json) => Format::Json,
        None if json => Format::Json,
        Some(FormatArgument::Csv) | None => Format::Csv,
    };
    let store = ledger::open(context).await?;
    let report = reconcile::reconcile(&store, &bytes, format, &Asked { provider, from, to }).await;
    store.close().await;
    let report = report?;
    context.report(&serde_json::to_value(&report)?, &words(&report))?;
    Ok(if report.clean { Outcome::Good } else { Outcome::Bad })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?)
    };
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("{} cannot be read", path.display()))?;
    if bytes.len() > LARGEST {
        bail!("{} is larger than 32 MiB: compare a shorter time at once", path.display());
    }
    Ok(bytes)
}

fn words(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for difference in &report.named {
        let _ = writeln!(text, "{difference}");
    }
    for day in &report.days {
        let (here, there) = (day.here, day.there);
        let _ = writeln!(
            text,
            "{} {}: {} calls, {} + {} tokens here; {} calls, {} + {} tokens there; {} missing here, {} missing there, {} different",
            day.day,
            day.model,
            here.calls,
            here.prompt,
            here.completion,
            there.calls,
            there.prompt,
            there.completion,
            day.missing_here,
            day.missing_there,
            day.different
        );
    }
    let Report { missing_here, missing_there, different, matched, by_call, .. } = report;
    let how = if *by_call { format!("{matched} calls on both sides") } else { "compared by day and model".to_owned() };
    let _ = write!(text, "{how}; {missing_here} missing here, {missing_there} missing there, {different} different");
    text
}
