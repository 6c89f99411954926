//! Parts of the texts of `fold_once`, written once. Macros, because texts of statements are constants.
//!
//! `$1` to `$9` are the accounts, `$10` to `$22` the ledger rows; on SQLite `$1` and `$2` are the documents of both.

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

/// Moves the accounts that can do their part. Comes after `locked`, and reads it before it touches one.
macro_rules! moved {
    () => {
        "moved AS (
          UPDATE credit_accounts AS a SET balance = a.balance + m.amount, held = a.held + m.held,
            version = a.version + m.movements, updated_at = m.at
          FROM unnest((SELECT $1::uuid[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), (SELECT $4::bigint[]),
            (SELECT $5::bigint[]), (SELECT $6::bigint[]), (SELECT $7::bigint[]), (SELECT $8::timestamptz[]),
            (SELECT $9::bigint[])) AS m(user_id, needed, rise, must, amount, held, movements, at, ends)
          WHERE (SELECT count(*) FROM locked) > 0
            AND a.user_id = ANY (ARRAY(SELECT unnest($1::uuid[]))) AND a.user_id = m.user_id
            AND a.balance + a.overdraft_limit - a.held >= m.needed AND a.balance + m.rise <= 1000000000000000
            AND (m.must = 0 OR a.status = 'active' OR (m.must = 1 AND a.status <> 'closed'))
          RETURNING a.user_id, a.balance, a.version, m.ends), "
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

/// The rows of a document for SQLite, each read once: `json_each` writes a row out as text again for every field that is taken from it.
macro_rules! lite_rows {
    ($document:literal) => {
        concat!("WITH rows AS MATERIALIZED (SELECT jsonb(value) AS v FROM json_each(", $document, ")) ")
    };
}

/// Fails on purpose, and with it everything, unless the statement before changed so many rows.
macro_rules! lite_changed {
    ($count:literal) => {
        concat!("SELECT 1 WHERE abs(CASE WHEN changes() = ", $count, " THEN 0 ELSE -9223372036854775808 END); ")
    };
}

/// `moved` for SQLite, which has nothing to lock.
macro_rules! lite_moved {
    () => {
        concat!(
            lite_rows!("$1"),
            "UPDATE credit_accounts AS a SET balance = a.balance + m.amount, held = a.held + m.held,
               version = a.version + m.movements, updated_at = m.at
             FROM (SELECT unhex(v->>'user_id', '-') AS user_id, v->>'needed' AS needed, v->>'rise' AS rise, v->>'must' AS must,
                     v->>'amount' AS amount, v->>'held' AS held, v->>'movements' AS movements, v->>'at' AS at FROM rows) AS m
             WHERE a.user_id = m.user_id
               AND a.balance + a.overdraft_limit - a.held >= m.needed AND a.balance + m.rise <= 1000000000000000
               AND (m.must = 0 OR a.status = 'active' OR (m.must = 1 AND a.status <> 'closed'))
             RETURNING user_id, balance, version; "
        )
    };
}

/// `posted` for SQLite, right after `lite_moved`.
macro_rules! lite_posted {
    () => {
        concat!(
            lite_rows!("$2"),
            "INSERT INTO credit_transactions (id, user_id, kind, amount, balance_after, account_version, idem_key, idem_hash,
               hold_id, reverses, actor_id, reason, metadata, created_at)
             SELECT unhex(v->>'id', '-'), a.user_id, v->>'kind', v->>'amount', a.balance - (v->>'after'),
               a.version - (v->>'later'), v->>'idem_key', unhex(v->>'idem_hash'), unhex(v->>'hold_id', '-'), NULL,
               unhex(v->>'actor_id', '-'), v->>'reason', v->'metadata', v->>'created_at'
             FROM rows CROSS JOIN credit_accounts AS a WHERE a.user_id = unhex(v->>'user_id', '-')"
        )
    };
}
