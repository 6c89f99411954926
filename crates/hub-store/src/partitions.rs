//! Monthly partitions of the rows that grow for ever (PostgreSQL only).
//!
//! They are made ahead of time: a row that falls into the default partition would block the making of its month.

use chrono::{Datelike, Months, NaiveDate, NaiveTime};
use sqlx::Postgres;

use hub_types::Timestamp;

use crate::watch::Patience;
use crate::{Line, Result, StoreError};

const TABLES: [&str; 2] = ["usage_logs", "audit_log"];
/// The current month and this many after it exist.
const MONTHS_AHEAD: u32 = 3;
/// Any number; held while partitions are made, so that two starting processes do not collide.
const LOCK: i64 = 0x4855_425f_5041_5254;

pub(crate) async fn create_ahead(line: &Line<Postgres>, now: Timestamp) -> Result<()> {
    let first =
        NaiveDate::from_ymd_opt(now.year(), now.month(), 1).ok_or(StoreError::Corrupt("a date out of range"))?;
    let mut tx = line.begin(None, Patience::Long(line.watch().limits().report)).await?;
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

/// Drops the monthly partitions of `table` that end at or before `before`; returns how many. Waits a few seconds at most for
/// readers of the table, because everybody else waits behind this.
pub(crate) async fn drop_before(line: &Line<Postgres>, table: &str, before: Timestamp) -> Result<usize> {
    let mut tx = line.begin(None, Patience::Long(line.watch().limits().report)).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *tx).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = to_regclass($1) ORDER BY 1",
    )
    .bind(table)
    .fetch_all(&mut *tx)
    .await?;
    let old: Vec<&String> = names.iter().filter(|name| end_of(name, table).is_some_and(|end| end <= before)).collect();
    for name in &old {
        // The name is one of ours: the table's, and a month that was read back as a date.
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(old.len())
}

/// When the month of a partition ends; `None` for the default partition.
fn end_of(name: &str, table: &str) -> Option<Timestamp> {
    let (year, month) = name.strip_prefix(table)?.strip_prefix('_')?.split_once('_')?;
    let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
    Some((first + Months::new(1)).and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn the_end_of_a_partition_is_read_off_its_name() {
        let end = |name| end_of(name, "audit_log").map(|end| end.to_rfc3339());
        assert_eq!(end("audit_log_2026_12").as_deref(), Some("2027-01-01T00:00:00+00:00"));
        assert_eq!((end("audit_log_default"), end("usage_logs_2026_12"), end("audit_log_2026_13")), (None, None, None));
    }
}
