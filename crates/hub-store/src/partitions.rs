//! Monthly partitions of the rows that grow for ever (PostgreSQL only).
//!
//! They are made ahead of time: a row that falls into the default partition would block the making of its month.

use chrono::{Datelike, Months, NaiveDate};
use sqlx::postgres::PgPool;

use hub_types::Timestamp;

use crate::{Result, StoreError};

const TABLES: [&str; 2] = ["usage_logs", "audit_log"];
/// The current month and this many after it exist.
const MONTHS_AHEAD: u32 = 3;
/// Any number; held while partitions are made, so that two starting processes do not collide.
const LOCK: i64 = 0x4855_425f_5041_5254;

pub(crate) async fn create_ahead(pool: &PgPool, now: Timestamp) -> Result<()> {
    let first =
        NaiveDate::from_ymd_opt(now.year(), now.month(), 1).ok_or(StoreError::Corrupt("a date out of range"))?;
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    for table in TABLES {
        for ahead in 0..=MONTHS_AHEAD {
            let from = first + Months::new(ahead);
            let to = from + Months::new(1);
            // Names and dates are made here from numbers; DDL takes no parameters.
            let create = format!(
                "CREATE TABLE IF NOT EXISTS {table}_{} PARTITION OF {table} FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')",
                from.format("%Y_%m"),
            );
            sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
