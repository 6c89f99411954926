//! Reads what a report needs, all of it in one snapshot.

use std::collections::BTreeMap;

use hub_store::usage_totals::{self, GroupBy, Part, Question, Sums};
use hub_store::{StoreError, Tx};
use hub_types::{Caller, UserId};

use super::names::Group;
use super::range::{Asked, Range};
use super::report::Summary;
use super::sources::{Source, WHOLE, moments, spans};
use super::{Scope, UsageError, sources};
use crate::Hub;

/// One snapshot in which a report is read.
pub(super) struct Reader {
    pub(super) tx: Tx,
    pub(super) range: Range,
    /// Filters and subject.
    pub(super) question: Question,
    sources: Vec<Source>,
}

/// A group and its sums over the whole range.
pub(super) struct Ranked {
    pub(super) group: Group,
    /// The caller, or whose key it is, where that is what groups are.
    pub(super) user: Option<UserId>,
    pub(super) sums: Sums,
}

impl Reader {
    /// Checks what is asked and opens the snapshot.
    pub(super) async fn open(
        hub: &Hub,
        caller: &Caller,
        scope: &Scope,
        asked: &Asked,
        days: i64,
        too_long: &'static str,
    ) -> Result<Self, UsageError> {
        let subject = scope.subject(caller)?;
        scope.check()?;
        let range = asked.within(hub, days, too_long)?;
        let mut tx = hub.store.snapshot().await?;
        usage_totals::begin(&mut tx).await?;
        let question = scope.question(&mut tx, subject).await?;
        let sources = sources::of_range(&mut tx, range.from, range.to).await?;
        Ok(Self { tx, range, question, sources })
    }

    pub(super) fn summary(&self, totals: Sums) -> Summary {
        Summary { from: self.range.from, to: self.range.to, zone: self.range.zone.name(), totals }
    }

    /// Sums of the whole range by group, the dearest first.
    pub(super) async fn ranked(&mut self, group: GroupBy) -> Result<Vec<Ranked>, UsageError> {
        let question = Question { group, ..self.question.clone() };
        let mut groups = BTreeMap::<Group, (Option<UserId>, Sums)>::new();
        for part in self.whole(&question).await? {
            let (user, sums) = groups.entry(Group::of(group, &part)).or_default();
            *user = part.user;
            sums.add(&part.sums);
        }
        let ranked = groups.into_iter().map(|(group, (user, sums))| Ranked { group, user, sums });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|one| std::cmp::Reverse((one.sums.credits, one.sums.calls)));
        Ok(ranked)
    }

    /// Sums of the whole range, all in one place.
    pub(super) async fn whole(&mut self, question: &Question) -> Result<Vec<Part>, UsageError> {
        Ok(self.parts(question, WHOLE).await?)
    }

    /// Sums per period; its place in the list is the place of the part. The periods, in seconds since 1970, leave nothing of the range out.
    pub(super) async fn parts(&mut self, question: &Question, periods: &[(i64, i64)]) -> Result<Vec<Part>, StoreError> {
        let mut parts = usage_totals::of_sums(&mut self.tx, question, &spans(&self.sources, periods)).await?;
        parts.extend(usage_totals::of_calls(&mut self.tx, question, &moments(&self.sources, periods)).await?);
        Ok(parts)
    }
}
