//! Sums of a range, and by group.

use hub_store::usage_totals::{GroupBy, Sums};
use hub_types::{Caller, Timestamp};

use super::names::{self, Named};
use super::range::Asked;
use super::reader::Reader;
use super::{Scope, UsageError};
use crate::Hub;

/// Longest range without periods, in days.
const LONGEST: i64 = 400;
const TOO_LONG: &str = "must be at most 400 days before to";

/// Sums of a range.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// IANA name.
    pub zone: &'static str,
    /// The sums.
    pub totals: Sums,
}

/// Sums of a range, told apart.
#[derive(Debug, Clone)]
pub struct Breakdown {
    /// Range and sums over all groups.
    pub summary: Summary,
    /// The dearest groups, dearest first.
    pub groups: Vec<(Named, Sums)>,
    /// How many groups there are besides, and their sums.
    pub others: (usize, Sums),
}

/// Sums of the calls of a range: by default of all one may see, in the last 30 days.
pub async fn summary(hub: &Hub, caller: &Caller, scope: &Scope, asked: &Asked) -> Result<Summary, UsageError> {
    let mut reader = Reader::open(hub, caller, scope, asked, LONGEST, TOO_LONG).await?;
    let mut totals = Sums::default();
    let question = reader.question.clone();
    reader.whole(&question).await?.iter().for_each(|part| totals.add(&part.sums));
    Ok(reader.summary(totals))
}

/// The same, told apart by model, provider, service, key or caller; the `limit` dearest groups by name.
pub async fn breakdown(
    hub: &Hub,
    caller: &Caller,
    scope: &Scope,
    asked: &Asked,
    group: GroupBy,
    limit: usize,
) -> Result<Breakdown, UsageError> {
    let mut reader = Reader::open(hub, caller, scope, asked, LONGEST, TOO_LONG).await?;
    let mut ranked = reader.ranked(group).await?;
    let mut totals = Sums::default();
    for one in &ranked {
        totals.add(&one.sums);
    }
    let rest = ranked.split_off(limit.min(ranked.len()));
    let mut others = (rest.len(), Sums::default());
    for one in &rest {
        others.1.add(&one.sums);
    }
    let (groups, sums): (Vec<_>, Vec<_>) = ranked.into_iter().map(|one| (one.group, one.sums)).unzip();
    let groups = names::named(&mut reader.tx, groups).await?.into_iter().zip(sums).collect();
    Ok(Breakdown { summary: reader.summary(totals), groups, others })
}
