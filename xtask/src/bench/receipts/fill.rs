//! A month of receipts with every class of tokens, six price versions, margins, long prompts and holds that were too small.

use anyhow::{Context, Result};

use super::super::psql::Psql;
use crate::interrupt::Interrupt;

/// The month that is filled.
pub(super) const MONTH: &str = "2026-10";
/// Receipts in one statement.
const BATCH: u64 = 50_000;

/// Writes the prices and the receipts.
pub(super) fn fill(database: &Psql, rows: u64, interrupt: &Interrupt) -> Result<()> {
    // Without a write-ahead log of them, a million receipts fit into little space.
    database.sql(
        "ALTER TABLE receipts SET UNLOGGED;
         CREATE TABLE bench_prices (n int, input bigint, cache_read bigint, cache_write bigint, cache_write_long bigint,
           input_audio bigint, input_image bigint, output bigint, reasoning bigint, output_audio bigint, output_image bigint,
           request bigint, above bigint, input_permille bigint, output_permille bigint, id uuid);
         INSERT INTO bench_prices SELECT p.*, ('018f0000-0000-7000-8000-00000000000' || n)::uuid FROM (VALUES
           (0, 200000000, 10000000, 250000000, NULL, NULL, NULL, 1000000000, 1000000000, NULL, NULL, 0, NULL, NULL, NULL),
           (1, 800000000, 40000000, 1000000000, NULL, NULL, NULL, 4000000000, 4000000000, NULL, NULL, 0, 272000, 2000, 1500),
           (2, 200000000, 10000000, 250000000, 400000000, NULL, NULL, 1000000000, 1000000000, NULL, NULL, 0, NULL, NULL, NULL),
           (3, 250000000, 125000000, 250000000, 500000000, 4000000000, 900000001, 1000000000, 1200000000, 8000000000, 3000000007, 0,
             100000, 5000, 5000),
           (4, 1, 0, 3, NULL, 7, NULL, 11, 13, NULL, 17, 19, NULL, NULL, NULL),
           (5, 333333333, 33333333, 416666667, 666666667, 1, 2, 1333333333, 1333333333, 3, 4, 12345, 200000, 1501, 777)) p(n, input,
           cache_read, cache_write, cache_write_long, input_audio, input_image, output, reasoning, output_audio, output_image, request,
           above, input_permille, output_permille);
         CREATE TABLE bench_units AS SELECT n, jsonb_strip_nulls(jsonb_build_object('input', input, 'cacheRead', cache_read, 'cacheWrite',
           cache_write, 'cacheWriteLong', cache_write_long, 'inputAudio', input_audio, 'inputImage', input_image, 'output', output, 'reasoning',
           reasoning, 'outputAudio', output_audio, 'outputImage', output_image, 'request', request, 'longContext', CASE WHEN above IS NOT NULL
           THEN jsonb_build_object('above', above, 'inputPermille', input_permille, 'outputPermille', output_permille) END)) AS units
           FROM bench_prices;
         INSERT INTO price_versions (id, provider, model, unit_prices, max_output_tokens, valid_from, source, created_at)
           SELECT id, 'bench', 'model-' || n / 2, units, 128000, timestamptz '2026-10-01 00:00:00+00' + n * interval '1 day', 'bench', now()
           FROM bench_prices JOIN bench_units USING (n);",
    )?;
    let mut first = 0;
    while first < rows {
        interrupt.check()?;
        let last = rows.min(first + BATCH) - 1;
        database.sql(&batch(first, last, rows))?;
        first = last + 1;
    }
    database.sql("ANALYZE receipts").map(drop)
}

/// The receipts with these numbers. What a call owes is worked out in whole `numeric`s: thousandths of a millionth of a micro-credit,
/// times the margin, rounded up, and that rounded up to a micro-credit.
fn batch(first: u64, last: u64, rows: u64) -> String {
    format!(
        "INSERT INTO receipts (id, user_id, transaction_id, request_id, route, service, provider, model, upstream_model, upstream_id, price_id,
           unit_prices, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cache_write_long_tokens,
           input_audio_tokens, input_image_tokens, output_audio_tokens, output_image_tokens, usage_source, exact_pico, amount, uncollected,
           held, outcome, attempts, created_at)
         SELECT id, '018f0000-0000-7000-8000-000000000001', NULL, 'r' || i, '/v1/chat/completions', 'bench', 'bench', model, model,
           'up-' || i, price, units, t0, t1, t2, t6, t7, t3, t4, t5, t8, t9, source, exact, least(cost, held), cost - least(cost, held),
           held, 'completed', '[]', at
         FROM (SELECT *, CASE WHEN source = 'none' THEN 0 ELSE charge END AS exact,
                 CASE WHEN source = 'none' THEN 0 ELSE ceil(charge / 1000000) END AS cost,
                 -- One hold in a hundred was smaller than what the call came to.
                 CASE WHEN i % 100 = 0 THEN greatest(1, floor(charge / 1500000)) ELSE ceil(charge / 1000000) + i % 1000 + 1 END AS held
               FROM (SELECT c.i, c.at, c.t0, c.t1, c.t2, c.t3, c.t4, c.t5, c.t6, c.t7, c.t8, c.t9, p.id AS price, 'model-' || p.n / 2 AS model,
                       u.units || CASE WHEN c.margin > 0 THEN jsonb_build_object('marginPermille', c.margin) ELSE '{{}}' END AS units,
                       CASE WHEN c.i % 500 = 7 THEN 'none' WHEN c.i % 50 = 3 THEN 'counted' ELSE 'provider' END AS source,
                       (lpad(to_hex(floor(extract(epoch FROM c.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(c.i::text), 1, 3) || '8' ||
                         substr(md5('x' || c.i), 1, 3) || lpad(to_hex(c.i), 12, '0'))::uuid AS id,
                       ceil(((c.t0::numeric * p.input + c.t1::numeric * p.cache_read + c.t2::numeric * p.cache_write
                           + c.t3::numeric * coalesce(p.cache_write_long, p.cache_write) + c.t4::numeric * coalesce(p.input_audio, p.input)
                           + c.t5::numeric * coalesce(p.input_image, p.input))
                           * CASE WHEN c.t0 + c.t1 + c.t2 + c.t3 + c.t4 + c.t5 > p.above THEN p.input_permille ELSE 1000 END
                         + (c.t6::numeric * p.output + c.t7::numeric * p.reasoning + c.t8::numeric * coalesce(p.output_audio, p.output)
                           + c.t9::numeric * coalesce(p.output_image, p.output))
                           * CASE WHEN c.t0 + c.t1 + c.t2 + c.t3 + c.t4 + c.t5 > p.above THEN p.output_permille ELSE 1000 END
                         + p.request::numeric * 1000000000) * (1000 + c.margin) / 1000000) AS charge
                     FROM (SELECT i, timestamptz '{MONTH}-01 00:00:00+00' + interval '30 days' * (i::float8 / {rows}) AS at, i % 6 AS n,
                             CASE i % 7 WHEN 0 THEN 200 WHEN 1 THEN 125 WHEN 2 THEN 7 ELSE 0 END AS margin,
                             (i * 7919 % 3001 + CASE WHEN i % 9 = 0 THEN 290000 ELSE 0 END) AS t0, (i * 104729 % 20011) * (i % 3) AS t1,
                             (i * 15485863 % 5003) * (i % 2) AS t2, CASE WHEN i % 5 = 1 THEN i * 31 % 9001 ELSE 0 END AS t3,
                             CASE WHEN i % 11 = 2 THEN i * 37 % 2003 ELSE 0 END AS t4, CASE WHEN i % 13 = 3 THEN i * 41 % 1511 ELSE 0 END AS t5,
                             i * 6700417 % 4099 AS t6, CASE WHEN i % 4 = 1 THEN i * 43 % 16001 ELSE 0 END AS t7,
                             CASE WHEN i % 17 = 4 THEN i * 47 % 907 ELSE 0 END AS t8, CASE WHEN i % 19 = 5 THEN i * 53 % 1201 ELSE 0 END AS t9
                           FROM generate_series({first}::bigint, {last}::bigint) i) c
                     JOIN bench_prices p USING (n) JOIN bench_units u USING (n)) x) y"
    )
}

/// Changes one digit of one receipt's stored charge; returns its id.
pub(super) fn change_a_digit(database: &Psql) -> Result<String> {
    let changed = database.sql(
        "UPDATE receipts SET amount = CASE WHEN amount / 100 % 10 = 9 THEN amount - 100 ELSE amount + 100 END
         WHERE id = (SELECT id FROM receipts WHERE usage_source = 'provider' AND amount > 1000 ORDER BY request_id LIMIT 1) RETURNING id",
    )?;
    let id = changed.trim();
    (!id.is_empty()).then(|| id.to_owned()).context("no receipt to change")
}

/// In bytes.
pub(super) fn size(database: &Psql) -> Result<u64> {
    database.sql("SELECT pg_database_size(current_database())")?.trim().parse().context("a size is a number")
}
