//! The table of a run: values, ratios to nginx, budgets; on the screen and in `docs/benchmarks.md`.

use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Measured, PIECES, RATE, STREAM_RATE};

const BEGIN: &str = "<!-- load: written by `cargo xtask bench load` -->";
const END: &str = "<!-- load: end -->";

/// One line: a value, what nginx had in the same run, and how much more is allowed.
pub(super) struct Row {
    target: &'static str,
    what: &'static str,
    value: String,
    baseline: String,
    /// As a ratio or a difference in milliseconds.
    compared: f64,
    budget: Option<f64>,
    unit: &'static str,
}

impl Row {
    /// What is too much, in words.
    pub(super) fn beyond(&self) -> Option<String> {
        let budget = self.budget.filter(|budget| self.compared > *budget)?;
        let Self { target, what, compared, unit, .. } = self;
        Some(format!("{target}: {what} {compared:.2}{unit}, allowed {budget}{unit}"))
    }
}

/// All lines of a run.
pub(super) struct Table {
    seconds: u64,
    callers: u64,
    /// One durable write.
    commit: Duration,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(seconds: u64, callers: u64, commit: Duration) -> Self {
        Self { seconds, callers, commit, rows: Vec::new() }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// Adds what a target did; `nginx` compared with itself has no budgets.
    pub(super) fn add(&mut self, target: &'static str, it: &Measured, nginx: &Measured, stores: bool) {
        let limited = |budget: f64| (!std::ptr::eq(it, nginx)).then_some(budget);
        let rate = Row {
            target,
            what: "answers per second, closed loop",
            value: format!("{:.0}", it.closed.rate()),
            baseline: format!("{:.0}", nginx.closed.rate()),
            compared: it.closed.rate() / nginx.closed.rate(),
            budget: None,
            unit: " ×",
        };
        let per_call = |measured: &Measured, seconds: f64| seconds * 1e6 / count(measured.closed.calls);
        let per_piece = |measured: &Measured| measured.stream_cpu.own * 1e6 / count(measured.stream.pieces);
        let base = per_call(nginx, nginx.closed_cpu.own);
        self.rows.push(rate);
        self.ratio(target, "CPU per request, µs", per_call(it, it.closed_cpu.own), base, limited(2.5));
        if stores {
            let all = per_call(it, it.closed_cpu.own + it.closed_cpu.stores);
            self.ratio(target, "CPU per request with PostgreSQL and Redis, µs", all, base, limited(5.0));
        }
        self.ratio(target, "CPU per piece of a stream, µs", per_piece(it), per_piece(nginx), limited(1.5));
        self.added(target, "p50 at a fixed rate, ms", it.open.whole(500), nginx.open.whole(500), limited(0.5));
        self.added(target, "p99 at a fixed rate, ms", it.open.whole(990), nginx.open.whole(990), limited(2.0));
        self.added(
            target,
            "time to first byte of a stream, p50, ms",
            it.stream.first(500),
            nginx.stream.first(500),
            limited(0.5),
        );
    }

    fn ratio(&mut self, target: &'static str, what: &'static str, value: f64, base: f64, budget: Option<f64>) {
        let (shown, baseline) = (format!("{value:.1}"), format!("{base:.1}"));
        self.rows.push(Row { target, what, value: shown, baseline, compared: value / base, budget, unit: " ×" });
    }

    fn added(
        &mut self,
        target: &'static str,
        what: &'static str,
        value: Duration,
        base: Duration,
        budget: Option<f64>,
    ) {
        let (value, base) = (milliseconds(value), milliseconds(base));
        let (shown, baseline) = (format!("{value:.2}"), format!("{base:.2}"));
        self.rows.push(Row { target, what, value: shown, baseline, compared: value - base, budget, unit: " ms more" });
    }

    /// Puts the table into its place in the file; adds the place when there is none.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let old = std::fs::read_to_string(file).unwrap_or_else(|_| "# Benchmarks\n".to_owned());
        let section = format!("{BEGIN}\n\n{self}\n{END}");
        let new = match (old.find(BEGIN), old.find(END)) {
            (Some(from), Some(to)) if from < to => format!("{}{section}{}", &old[..from], &old[to + END.len()..]),
            _ => format!("{}\n\n## Load, beside nginx\n\n{section}\n", old.trim_end()),
        };
        std::fs::write(file, new).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, callers, commit, .. } = self;
        writeln!(
            f,
            "{seconds} s per measurement; closed loop with {callers} callers; open loop with {RATE} requests per second; streams of \
             {PIECES} pieces, {STREAM_RATE} begun per second. A write of 4 KB that is on the disk before the next begins takes {:.2} ms \
             (p50); a call waits for two: its hold before a provider hears of it, its settle before it is answered.\n",
            milliseconds(*commit)
        )?;
        writeln!(
            f,
            "| server | measure | value | nginx | compared | budget |\n| --- | --- | ---: | ---: | ---: | ---: |"
        )?;
        for Row { target, what, value, baseline, compared, budget, unit } in &self.rows {
            let budget = budget.map(|budget| format!("{budget}{unit}")).unwrap_or_default();
            writeln!(f, "| {target} | {what} | {value} | {baseline} | {compared:.2}{unit} | {budget} |")?;
        }
        f.write_char('\n')
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn count(count: u64) -> f64 {
    f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}
