//! Counting tests from what the runner prints, by the pair of engines they ran on.
//!
//! A test says its pair in its path: a segment `sqlite_memory` or `postgres_redis`.

/// How many tests passed and failed, and on what they ran.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    sqlite_memory: usize,
    postgres_redis: usize,
    other: usize,
    /// nextest repeats its failures after the summary.
    closed: bool,
}

impl Count {
    /// Reads a line of `cargo nextest run --color never`.
    ///
    /// `        PASS [   0.006s] ( 1/72) hub-cache::it leases::memory::a_lease_that_ran_out…`
    pub(crate) fn read_nextest(&mut self, line: &str) {
        let Some((status, rest)) = line.split_once('[') else { return };
        let Some((_, rest)) = rest.split_once(']') else { return };
        let status = status.trim();
        if status == "Summary" {
            self.closed = true;
        }
        if self.closed {
            return;
        }
        let passed = match status {
            "PASS" | "LEAK" => true,
            "FAIL" | "TIMEOUT" | "ABORT" | "LEAK-FAIL" | "EXEC-FAIL" => false,
            signal if signal.starts_with("SIG") => false,
            flaky if flaky.starts_with("FLAKY") => true,
            _ => return,
        };
        let rest = rest.trim_start();
        let named = if rest.starts_with('(') { rest.split_once(')').map_or(rest, |(_, named)| named) } else { rest };
        let Some(name) = named.split_whitespace().nth(1) else { return };
        self.add(name, passed);
    }

    /// Reads a line of `cargo test`: `test leases::memory::a_lease_that_ran_out ... ok`.
    pub(crate) fn read_cargo_test(&mut self, line: &str) {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... ")) else {
            return;
        };
        match result.trim() {
            "ok" => self.add(name, true),
            "FAILED" => self.add(name, false),
            _ => {}
        }
    }

    /// Adds tests that ran outside the test runner.
    pub(crate) fn add_other(&mut self, passed: usize, failed: usize) {
        self.passed += passed;
        self.failed += failed;
        self.other += passed + failed;
    }

    /// The lines that a run ends with.
    pub(crate) fn report(&self) -> String {
        format!(
            "sqlite+memory: {} tests\npostgres+redis: {} tests\nother: {} tests\n{} passed, {} failed",
            self.sqlite_memory, self.postgres_redis, self.other, self.passed, self.failed
        )
    }

    fn add(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        let is_on = |pair: &str| name.split("::").any(|segment| segment == pair);
        if is_on("sqlite_memory") {
            self.sqlite_memory += 1;
        } else if is_on("postgres_redis") {
            self.postgres_redis += 1;
        } else {
            self.other += 1;
        }
    }
}

/// The last `N passed, N failed` in some output.
pub(crate) fn closing_line(output: &str) -> Option<(usize, usize)> {
    output.lines().rev().find_map(|line| {
        let (passed, failed) = line.trim().split_once(" passed, ")?;
        let passed = passed.rsplit(' ').next()?.parse().ok()?;
        Some((passed, failed.strip_suffix(" failed")?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_lines_are_counted_once_and_by_pair() {
        let mut count = Count::default();
        for line in [
            "    Starting 5 tests across 2 binaries",
            "        PASS [   0.006s] ( 1/5) hub::it api::sqlite_memory::login_works",
            "        PASS [   0.006s] ( 2/5) hub::it api::postgres_redis::login_works",
            "        SLOW [> 60.000s] (─────) hub::it slow::one",
            "        LEAK [   0.006s] (3/5) hub-cache window::tests::plain",
            "     SIGABRT [   0.006s] (4/5) hub-cache window::tests::dies",
            "        FAIL [   0.006s] (5/5) hub::it api::sqlite_memory::logout_works",
            "     Summary [   1.422s] 5 tests run: 3 passed, 2 failed, 0 skipped",
            "        FAIL [   0.006s] (5/5) hub::it api::sqlite_memory::logout_works",
        ] {
            count.read_nextest(line);
        }
        assert_eq!(
            count.report(),
            "sqlite+memory: 2 tests\npostgres+redis: 1 tests\nother: 2 tests\n3 passed, 2 failed"
        );
    }

    #[test]
    fn cargo_test_lines_are_counted_and_ignored_tests_are_not() {
        let mut count = Count::default();
        for line in [
            "test api::sqlite_memory::login_works ... ok",
            "test api::postgres_redis::login_works ... FAILED",
            "test slow ... ignored, takes an hour",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out",
        ] {
            count.read_cargo_test(line);
        }
        assert_eq!((count.passed, count.failed, count.sqlite_memory, count.postgres_redis), (1, 1, 1, 1));
    }

    #[test]
    fn the_last_closing_line_is_found_with_or_without_a_word_before_it() {
        assert_eq!(closing_line("1 passed, 9 failed\nopenai: 12 passed, 3 failed\nbye"), Some((12, 3)));
        assert_eq!(closing_line("all is well"), None);
    }
}
