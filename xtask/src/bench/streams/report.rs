//! What was measured, against its budget; on the screen and in `docs/benchmarks.md`.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const BEGIN: &str = "<!-- streams: written by `cargo xtask bench streams` -->";
const END: &str = "<!-- streams: end -->";
/// Kilobytes of resident memory that a connection may cost.
const BUDGET: f64 = 40.0;
const HOW: &str = "\
One hub on SQLite with its own memory as cache, started for the run, with everything it does for a call: key, limits, hold, lease,
meter, checkpoint, settle. Three hundred calls warm it up. Then WebSockets are opened to `/api/ws`, fifty an account (the most one may
have), and stay silent but for answers to pings. On top of them streams of `/v1/chat/completions` are opened, whose upstream sends a
piece a second; all are running when memory is read. Memory is `VmRSS` of the hub, read three seconds after the last connection was
opened; a connection's share is the growth divided by the number, with all that grew beside it. The run fails when a connection is
refused or breaks, a stream has no end mark (which comes only once its call is paid for), a hold stays open, or `hub ledger verify`
finds a fault.";

/// How memory grew while connections were opened.
pub(super) struct Growth {
    pub(super) count: u32,
    /// Kilobytes.
    pub(super) before: u64,
    /// Kilobytes.
    pub(super) after: u64,
    /// From the first to the last.
    pub(super) took: Duration,
}

impl Growth {
    /// Kilobytes.
    fn each(&self) -> f64 {
        let grown = u32::try_from(self.after.saturating_sub(self.before)).unwrap_or(u32::MAX);
        f64::from(grown) / f64::from(self.count)
    }
}

/// Both kinds of connection.
pub(super) struct Report {
    pub(super) sockets: Growth,
    pub(super) streams: Growth,
}

impl Report {
    /// An error when a budget is exceeded.
    pub(super) fn check(&self) -> Result<()> {
        for (what, growth) in [("socket", &self.sockets), ("stream", &self.streams)] {
            if growth.each() > BUDGET {
                bail!("beyond the budget: {:.1} KB a {what}, allowed {BUDGET} KB", growth.each());
            }
        }
        Ok(())
    }

    /// Puts the section into its place in the file; adds the place when there is none.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let old = std::fs::read_to_string(file).unwrap_or_else(|_| "# Benchmarks\n".to_owned());
        let section = format!("{BEGIN}\n\n{HOW}\n\n{self}\n{END}");
        let new = match (old.find(BEGIN), old.find(END)) {
            (Some(from), Some(to)) if from < to => format!("{}{section}{}", &old[..from], &old[to + END.len()..]),
            _ => format!("{}\n\n## Open connections: `cargo xtask bench streams`\n\n{section}\n", old.trim_end()),
        };
        std::fs::write(file, new).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| open at once | number | opened in | memory before | after | each | budget |")?;
        writeln!(f, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for (what, growth) in [("idle WebSockets", &self.sockets), ("slow streams, beside them", &self.streams)] {
            writeln!(
                f,
                "| {what} | {} | {:.1} s | {} KB | {} KB | {:.1} KB | {BUDGET} KB |",
                growth.count,
                growth.took.as_secs_f64(),
                growth.before,
                growth.after,
                growth.each()
            )?;
        }
        Ok(())
    }
}
