//! The calls of four months, written as SQL by PostgreSQL itself: a hundred accounts of very different size with two keys each, eight
//! models of three providers.

use anyhow::{Context, Result};

use super::super::psql::Psql;
use crate::interrupt::Interrupt;

/// Days that are filled; the last one is today.
const DAYS: u64 = 120;

/// The database, through `psql`.
pub(super) struct Database {
    psql: Psql,
    /// Every day from the first one on, and some to come.
    days: Vec<String>,
}

impl Database {
    pub(super) fn new(url: &str) -> Result<Self> {
        Ok(Self { psql: Psql::new(url)?, days: Vec::new() })
    }

    /// How many calls an earlier run has written here; `None` when there was none, or it did not come to its end.
    pub(super) fn written(&self) -> Result<Option<u64>> {
        if self.sql("SELECT to_regclass('bench_written') IS NULL")?.trim() == "t" {
            return Ok(None);
        }
        Ok(Some(self.sql("SELECT calls FROM bench_written")?.trim().parse().context("a number of calls")?))
    }

    /// Reads which days there are calls of.
    pub(super) fn read_days(&mut self) -> Result<()> {
        let days = "SELECT to_char(first_day + n, 'YYYY-MM-DD') FROM bench_written, generate_series(0, days + 5) n";
        self.days = self.sql(days)?.lines().map(str::to_owned).collect();
        Ok(())
    }

    /// The id of an account.
    pub(super) fn account(&self, email: &str) -> Result<String> {
        Ok(self.sql(&format!("SELECT id FROM users WHERE email = '{email}'"))?.trim().to_owned())
    }

    /// A day by its number; the first one is 0.
    pub(super) fn day(&self, number: usize) -> &str {
        self.days.get(number).or(self.days.last()).map_or("", String::as_str)
    }

    /// Writes the calls, `member`'s the most.
    pub(super) fn fill(&self, rows: u64, member: &str, interrupt: &Interrupt) -> Result<()> {
        let days =
            format!("SELECT to_char(current_date - n, 'YYYY-MM-DD') FROM generate_series({}, 0, -1) n", DAYS - 1);
        let days = self.sql(&days)?;
        self.sql(&format!(
            "DO $$
             DECLARE month date;
             BEGIN
               FOR month IN SELECT generate_series(date_trunc('month', current_date - {DAYS}), current_date, interval '1 month') LOOP
                 EXECUTE format('CREATE TABLE IF NOT EXISTS usage_logs_%s PARTITION OF usage_logs FOR VALUES FROM (%L) TO (%L)',
                   to_char(month, 'YYYY_MM'), month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00');
               END LOOP;
             END $$;
             INSERT INTO users (id, email, name, verified, status, auth_version, created_at, updated_at)
               SELECT ('018f0000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user-' || n || '@example.com', '', true, 'active', 1,
                 now(), now()
               FROM generate_series(1, 99) n;
             CREATE TABLE bench_users AS
               SELECT n, CASE WHEN n = 0 THEN '{member}' ELSE '018f0000-0000-7000-8000-' || lpad(n::text, 12, '0') END::uuid AS id
               FROM generate_series(0, 99) n;
             INSERT INTO api_keys (id, line_id, user_id, name, key_hash, key_prefix, scopes, models, addresses, created_at)
               SELECT key, key, id, 'key ' || k, sha256((n * 2 + k)::text::bytea), 'sk_', '[]', '[]', '[]', now()
               FROM (SELECT n, k, id, ('018f0000-0000-7000-9000-' || lpad((n * 2 + k)::text, 12, '0'))::uuid AS key
                     FROM bench_users, generate_series(0, 1) k) x;"
        ))?;
        let per_day = rows / DAYS;
        for (number, day) in (0..DAYS).zip(days.lines()) {
            interrupt.check()?;
            let start = format!("timestamptz '{day} 00:00:00+00'");
            // The last day is not over: what was called today lies in the hours that were.
            let length = if number + 1 == DAYS { format!("(now() - {start})") } else { "interval '1 day'".to_owned() };
            self.sql(&format!(
                "INSERT INTO usage_logs (id, created_at, user_id, api_key_id, request_id, kind, route, service, provider, model, input_tokens,
                   cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source, credits, status, attempts, latency_ms,
                   metadata)
                 SELECT gen_random_uuid(), {start} + {length} * (c.i::float8 / {per_day}), u.id,
                   CASE WHEN c.r < 0.95 THEN ('018f0000-0000-7000-9000-' || lpad((u.n * 2 + c.k)::text, 12, '0'))::uuid END,
                   'r' || c.i, 'chat', '/v1/chat', 'provider-' || c.m % 3, 'provider-' || c.m % 3, 'model-' || c.m, 100 + c.i % 900, c.i % 50, 0,
                   c.i % 700, 0, 'provider', 1000 + c.i % 9000,
                   CASE WHEN c.i % 50 = 0 THEN 'failed' WHEN c.i % 77 = 0 THEN 'cancelled' WHEN c.i % 9999 = 0 THEN 'expired'
                     ELSE 'completed' END,
                   1, 800 + c.i % 400, '{{}}'
                 FROM (SELECT i, r, k, n, (n + 3 * k + (r < 0.3)::int) % 8 AS m
                       FROM (SELECT i, random() AS r, (random() < 0.4)::int AS k, floor(100 * power(random(), 2.5))::int AS n
                             FROM generate_series(0, {per_day} - 1) i) x) c
                 JOIN bench_users u ON u.n = c.n
                 ORDER BY c.i;"
            ))?;
        }
        let first = days.lines().next().context("no days")?;
        self.sql(&format!(
            "CREATE TABLE bench_written AS SELECT {rows}::bigint AS calls, date '{first}' AS first_day, {DAYS} AS days"
        ))
        .map(drop)
    }

    /// True when the worker has nothing left to do.
    pub(super) fn is_added_up(&self) -> Result<bool> {
        Ok(self.sql("SELECT closed = closing AND closing > 0 FROM usage_rollup")?.trim() == "t")
    }

    /// What autovacuum does after a while.
    pub(super) fn analyze(&self) -> Result<()> {
        self.sql("VACUUM ANALYZE").map(drop)
    }

    /// In bytes.
    pub(super) fn size(&self) -> Result<u64> {
        self.sql("SELECT pg_database_size(current_database())")?.trim().parse().context("a size is a number")
    }

    fn sql(&self, text: &str) -> Result<String> {
        self.psql.sql(text)
    }
}

/// The id of an account by its number, 1 to 99.
pub(super) fn user(number: usize) -> String {
    format!("018f0000-0000-7000-8000-{number:012}")
}

/// The id of a key by its number, 0 to 199; 0 and 1 are the busiest account's.
pub(super) fn key(number: usize) -> String {
    format!("018f0000-0000-7000-9000-{number:012}")
}
