//! Parts of the texts of `fold_once`, written once. Macros, because texts of statements are constants.
//!
//! On PostgreSQL `$1` to `$9` are the accounts, `$10` to `$22` the ledger rows, `$23` to `$29` the holds that end, `$30` their papers and
//! `$31` the holds that are opened (`$10` where nothing else is). On SQLite `$1` to `$5` are the documents of accounts, rows, holds that
//! end, holds that are opened and papers; `$6` is how many accounts there are and `$7` how many holds end.

/// Locks the accounts in one order. What is given must be true first, which has it read before anything is locked.
macro_rules! locked {
    ($first:literal) => {
        concat!(
            "locked AS MATERIALIZED (
               SELECT user_id FROM credit_accounts
               WHERE ",
            $first,
            " AND user_id = ANY (ARRAY(SELECT unnest($1::uuid[])))
               ORDER BY user_id FOR NO KEY UPDATE), "
        )
    };
}

/// Moves the accounts that can do their part, after what is given was read.
macro_rules! moved {
    ($first:literal) => {
        concat!(
            "moved AS (
          UPDATE credit_accounts AS a SET balance = a.balance + m.amount, held = a.held + m.held,
            version = a.version + m.movements, updated_at = m.at
          FROM unnest((SELECT $1::uuid[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]),
            (SELECT $5::bigint[]), (SELECT $6::bigint[]), (SELECT $7::bigint[]), (SELECT $8::timestamptz[]),
            (SELECT $9::bigint[])) AS m(user_id, needed, rise, must, amount, held, movements, at, ends)
          WHERE ",
            $first,
            "
            AND a.user_id = ANY (ARRAY(SELECT unnest($1::uuid[]))) AND a.user_id = m.user_id
            AND a.balance + a.overdraft_limit - a.held >= m.needed AND a.balance + m.rise <= 1000000000000000
            AND (m.must = 0 OR a.status = 'active' OR (m.must = 1 AND a.status <> 'closed'))
          RETURNING a.user_id, a.balance, a.version, m.ends), "
        )
    };
}

/// Writes the ledger rows of the accounts that moved.
macro_rules! posted {
    () => {
        "posted AS (
          INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash,
            hold_id, reverses, actor_id, reason, metadata, created_at)
          SELECT r.id, r.user_id, r.kind, r.amount, moved.balance - r.after, moved.version - r.later, r.idem_key,
            r.idem_hash, r.hold_id, NULL, r.actor_id, r.reason, r.metadata, r.created_at
          FROM unnest((SELECT $10::uuid[]), (SELECT $11::uuid[]), (SELECT $12::text[]), (SELECT $13::bigint[]),
            (SELECT $14::bigint[]), (SELECT $15::bigint[]), (SELECT $16::text[]), (SELECT $17::bytea[]),
            (SELECT $18::uuid[]), (SELECT $19::uuid[]), (SELECT $20::text[]), (SELECT $21::jsonb[]),
            (SELECT $22::timestamptz[])) AS r(id, user_id, kind, amount, after, later, idem_key, idem_hash, hold_id,
            actor_id, reason, metadata, created_at)
          JOIN moved ON moved.user_id = r.user_id)"
    };
}

/// The end of a statement in which nothing ends.
macro_rules! told {
    () => {
        " SELECT user_id, balance, version FROM moved"
    };
}

/// The beginning of a statement with calls that end: resolves their holds.
macro_rules! resolved {
    () => {
        "WITH resolved AS (
               UPDATE credit_holds AS h SET status = e.status, settled_amount = e.charged, resolved_at = e.at
               FROM unnest((SELECT $23::uuid[]), (SELECT $24::uuid[]), (SELECT $25::bigint[]), (SELECT $26::text[]),
                 (SELECT $27::text[]), (SELECT $28::bigint[]), (SELECT $29::timestamptz[]))
                 AS e(id, price_id, amount, provider, status, charged, at)
               WHERE h.id = ANY (ARRAY(SELECT unnest($23::uuid[]))) AND h.id = e.id AND h.status = 'held'
                 AND h.amount = e.amount AND h.price_id = e.price_id AND h.provider = e.provider AND h.budgets = '[]'
               RETURNING h.id), "
    };
}

/// Writes the holds of the calls that begin, where the account moved; `$rows` is their document.
macro_rules! opened {
    ($rows:literal) => {
        concat!(
            "opened AS (
                 INSERT INTO credit_holds (id, user_id, api_key_id, request_id, kind, amount, accrued, price_id, service, provider,
                   model, status, owner, checkpoint, lease_until, created_at, budgets)
                 SELECT h.id, h.user_id, h.api_key_id, h.request_id, h.kind, h.amount, 0, h.price_id, h.service, h.provider,
                   h.model, 'held', h.owner, h.checkpoint, h.lease_until, h.created_at, '[]'
                 FROM jsonb_to_recordset(",
            $rows,
            ") AS h(id uuid, user_id uuid, api_key_id uuid, request_id text, kind text,
                   amount bigint, price_id uuid, service text, provider text, model text, owner text, checkpoint jsonb,
                   lease_until timestamptz, created_at timestamptz)
                 JOIN moved ON moved.user_id = h.user_id)"
        )
    };
}

/// Writes receipts and usage rows of the calls that end.
macro_rules! papers {
    () => {
        "papers AS MATERIALIZED (
                 SELECT * FROM jsonb_to_recordset($30) AS p(id uuid, user_id uuid, transaction_id uuid, api_key_id uuid,
                   request_id text, kind text, route text, service text, provider text, model text, upstream_model text,
                   upstream_id text, price_id uuid, unit_prices jsonb, input bigint, cache_read bigint, cache_write bigint,
                   output bigint, reasoning bigint, cache_write_long bigint, input_audio bigint, input_image bigint,
                   output_audio bigint, output_image bigint, all_input bigint, all_cache_write bigint, all_output bigint,
                   usage_source text, exact_pico bigint, amount bigint, uncollected bigint, held bigint, outcome text,
                   attempts jsonb, attempt_count integer, latency_ms bigint, first_token_ms bigint, metadata jsonb,
                   began_at timestamptz, created_at timestamptz)),
               receipted AS (
                 INSERT INTO receipts (id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model,
                   upstream_model, upstream_id, price_id, unit_prices, input_tokens, cache_read_tokens, cache_write_tokens,
                   output_tokens, reasoning_tokens, usage_source, exact_pico, amount, uncollected, held, outcome, attempts,
                   created_at, cache_write_long_tokens, input_audio_tokens, input_image_tokens, output_audio_tokens,
                   output_image_tokens)
                 SELECT id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model, upstream_model,
                   upstream_id, price_id, unit_prices, input, cache_read, cache_write, output, reasoning, usage_source,
                   exact_pico, amount, uncollected, held, outcome, attempts, created_at, cache_write_long, input_audio,
                   input_image, output_audio, output_image FROM papers),
               logged AS (
                 INSERT INTO usage_logs (id, created_at, user_id, api_key_id, request_id, hold_id, kind, route, service, provider,
                   model, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source,
                   credits, status, attempts, latency_ms, first_token_ms, metadata, cache_write_long_tokens, input_audio_tokens,
                   input_image_tokens, output_audio_tokens, output_image_tokens)
                 SELECT id, began_at, user_id, api_key_id, request_id, id, kind, route, service, provider, model, all_input,
                   cache_read, all_cache_write, all_output, reasoning, usage_source, amount, outcome, attempt_count, latency_ms,
                   first_token_ms, metadata, cache_write_long, input_audio, input_image, output_audio, output_image FROM papers)"
    };
}

/// The end of a statement with calls that end. The last line fails on purpose, and with it everything, where a hold was resolved whose
/// account did not move, or an account has fewer resolved holds than it should.
macro_rules! told_ended {
    () => {
        " SELECT user_id, balance, version FROM moved
               WHERE 1 / (CASE WHEN (SELECT count(*) FROM resolved) = cardinality($23::uuid[])
                 AND (SELECT COALESCE(sum(ends), 0) FROM moved) = cardinality($23::uuid[]) THEN 1 ELSE 0 END) = 1"
    };
}

/// The rows of a document for SQLite, each read once: `json_each` writes a row out as text again for every field that is taken from it.
macro_rules! lite_rows {
    ($document:literal) => {
        concat!("WITH rows AS MATERIALIZED (SELECT jsonb(value) AS v FROM json_each(", $document, ")) ")
    };
}

/// A condition that fails on purpose, and with it everything, unless the statement before changed so many rows. It is part of the next
/// statement, which must look at one row at least, because every statement of a text is answered on its own and wakes whoever waits.
macro_rules! lite_changed {
    ($count:literal) => {
        concat!("abs(CASE WHEN changes() = ", $count, " THEN 0 ELSE -9223372036854775808 END) = 0 ")
    };
}

/// `resolved` for SQLite.
macro_rules! lite_resolved {
    () => {
        concat!(
            lite_rows!("$3"),
            "UPDATE credit_holds AS h SET status = e.status, settled_amount = e.charged, resolved_at = e.at
             FROM (SELECT unhex(v->>'id', '-') AS id, v->>'amount' AS amount, unhex(v->>'price_id', '-') AS price_id,
                     v->>'provider' AS provider, v->>'status' AS status, v->>'charged' AS charged, v->>'at' AS at
                   FROM rows) AS e
             WHERE h.id = e.id AND h.status = 'held' AND h.amount = e.amount AND h.price_id = e.price_id
               AND h.provider = e.provider AND h.budgets = '[]'; "
        )
    };
}

/// `moved` for SQLite, which has nothing to lock, where what is given holds.
macro_rules! lite_moved {
    ($where:expr) => {
        concat!(
            lite_rows!("$1"),
            "UPDATE credit_accounts AS a SET balance = a.balance + m.amount, held = a.held + m.held,
               version = a.version + m.movements, updated_at = m.at
             FROM (SELECT unhex(v->>'user_id', '-') AS user_id, v->>'needed' AS needed, v->>'rise' AS rise, v->>'must' AS must,
                     v->>'amount' AS amount, v->>'held' AS held, v->>'movements' AS movements, v->>'at' AS at FROM rows) AS m
             WHERE ",
            $where,
            "AND a.user_id = m.user_id
               AND a.balance + a.overdraft_limit - a.held >= m.needed AND a.balance + m.rise <= 1000000000000000
               AND (m.must = 0 OR a.status = 'active' OR (m.must = 1 AND a.status <> 'closed'))
             RETURNING user_id, balance, version; "
        )
    };
}

/// `posted` for SQLite, where what is given holds.
macro_rules! lite_posted {
    ($where:expr) => {
        concat!(
            lite_rows!("$2"),
            "INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash,
               hold_id, reverses, actor_id, reason, metadata, created_at)
             SELECT unhex(v->>'id', '-'), a.user_id, v->>'kind', v->>'amount', a.balance - (v->>'after'),
               a.version - (v->>'later'), v->>'idem_key', unhex(v->>'idem_hash'), unhex(v->>'hold_id', '-'), NULL,
               unhex(v->>'actor_id', '-'), v->>'reason', v->'metadata', v->>'created_at'
             FROM rows CROSS JOIN credit_accounts AS a WHERE a.user_id = unhex(v->>'user_id', '-') AND ",
            $where,
            "; "
        )
    };
}

/// `opened` for SQLite, right after `lite_moved`.
macro_rules! lite_opened {
    () => {
        concat!(
            lite_rows!("$4"),
            "INSERT INTO credit_holds (id, user_id, api_key_id, request_id, kind, amount, accrued, price_id, service, provider, model,
               status, owner, checkpoint, lease_until, created_at, budgets)
             SELECT unhex(v->>'id', '-'), unhex(v->>'user_id', '-'), unhex(v->>'api_key_id', '-'), v->>'request_id',
               v->>'kind', v->>'amount', 0, unhex(v->>'price_id', '-'), v->>'service', v->>'provider',
               v->>'model', 'held', v->>'owner', v->'checkpoint', v->>'lease_until', v->>'created_at', '[]'
             FROM rows WHERE ",
            lite_changed!("$6"),
            "; "
        )
    };
}

/// `papers` for SQLite, where what is given holds.
macro_rules! lite_papers {
    ($where:expr) => {
        concat!(
            lite_rows!("$5"),
            "INSERT INTO receipts (id, user_id, transaction_id, api_key_id, request_id, route, service, provider, model,
               upstream_model, upstream_id, price_id, unit_prices, input_tokens, cache_read_tokens, cache_write_tokens,
               output_tokens, reasoning_tokens, usage_source, exact_pico, amount, uncollected, held, outcome, attempts,
               created_at, cache_write_long_tokens, input_audio_tokens, input_image_tokens, output_audio_tokens,
               output_image_tokens)
             SELECT unhex(v->>'id', '-'), unhex(v->>'user_id', '-'), unhex(v->>'transaction_id', '-'),
               unhex(v->>'api_key_id', '-'), v->>'request_id', v->>'route', v->>'service', v->>'provider',
               v->>'model', v->>'upstream_model', v->>'upstream_id', unhex(v->>'price_id', '-'),
               v->'unit_prices', v->>'input', v->>'cache_read', v->>'cache_write', v->>'output',
               v->>'reasoning', v->>'usage_source', v->>'exact_pico', v->>'amount', v->>'uncollected',
               v->>'held', v->>'outcome', v->'attempts', v->>'created_at', v->>'cache_write_long',
               v->>'input_audio', v->>'input_image', v->>'output_audio', v->>'output_image'
             FROM rows WHERE ",
            $where,
            "; ",
            lite_rows!("$5"),
            "INSERT INTO usage_logs (id, created_at, user_id, api_key_id, request_id, hold_id, kind, route, service, provider, model,
               input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_source, credits, status,
               attempts, latency_ms, first_token_ms, metadata, cache_write_long_tokens, input_audio_tokens, input_image_tokens,
               output_audio_tokens, output_image_tokens)
             SELECT unhex(v->>'id', '-'), v->>'began_at', unhex(v->>'user_id', '-'), unhex(v->>'api_key_id', '-'),
               v->>'request_id', unhex(v->>'id', '-'), v->>'kind', v->>'route', v->>'service',
               v->>'provider', v->>'model', v->>'all_input', v->>'cache_read', v->>'all_cache_write',
               v->>'all_output', v->>'reasoning', v->>'usage_source', v->>'amount', v->>'outcome',
               v->>'attempt_count', v->>'latency_ms', v->>'first_token_ms', v->'metadata',
               v->>'cache_write_long', v->>'input_audio', v->>'input_image', v->>'output_audio',
               v->>'output_image'
             FROM rows; "
        )
    };
}

/// Charges alone, for SQLite.
macro_rules! lite_post {
    () => {
        concat!("BEGIN IMMEDIATE; ", lite_moved!("true "), lite_posted!(lite_changed!("$6")), "COMMIT")
    };
}

/// Calls that begin, for SQLite.
macro_rules! lite_open {
    () => {
        concat!("BEGIN IMMEDIATE; ", lite_moved!("true "), lite_opened!(), "COMMIT")
    };
}

/// Calls that end, and charges beside them, for SQLite.
macro_rules! lite_end {
    () => {
        concat!(
            "BEGIN IMMEDIATE; ",
            lite_resolved!(),
            lite_moved!(lite_changed!("$7")),
            lite_papers!(lite_changed!("$6")),
            lite_posted!("true"),
            "COMMIT"
        )
    };
}

/// Everything, for SQLite.
macro_rules! lite_all {
    () => {
        concat!(
            "BEGIN IMMEDIATE; ",
            lite_resolved!(),
            lite_moved!(lite_changed!("$7")),
            lite_opened!(),
            lite_papers!("true"),
            lite_posted!("true"),
            "COMMIT"
        )
    };
}
