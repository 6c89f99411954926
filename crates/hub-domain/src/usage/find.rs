//! Where in the log the next calls of a page are, when several filters are set.
//!
//! One filter has an index. Several together have none, and whoever asks for a model that a busy account has never used would have all its calls
//! read. Sums know in which ten days, day, hour and quarter there are calls that fit: only those quarters are read.

use hub_store::usage_logs::Filter;
use hub_store::usage_rollup::{self, LENGTHS, QUARTER};
use hub_store::usage_totals::{self, GroupBy, Question, Slot, Span};
use hub_store::{StoreError, Tx};
use hub_types::Timestamp;

use super::sources::{self, WHOLE, moments, spans};

/// What sums can say of calls that fit.
pub(super) struct Finder {
    question: Question,
    failed: bool,
    from: Option<Timestamp>,
}

impl Finder {
    /// `None` when the log itself is quicker, or sums do not know the status.
    pub(super) fn of(filter: &Filter) -> Option<Self> {
        let Filter { user, key, model, provider, status, from } = filter;
        let failed = status.as_deref() == Some("failed");
        // A key is one account's.
        let filters = [user.is_some() || key.is_some(), model.is_some(), provider.is_some(), failed];
        if filters.into_iter().filter(|set| *set).count() < 2 || status.is_some() && !failed {
            return None;
        }
        let question = Question {
            group: GroupBy::Nothing,
            users: user.iter().copied().collect(),
            keys: key.iter().copied().collect(),
            services: Vec::new(),
            providers: provider.iter().cloned().collect(),
            models: model.iter().cloned().collect(),
        };
        Some(Self { question, failed, from: *from })
    }

    /// Ranges before `to` that hold the newest `limit` calls which fit, and others. Must be read in the snapshot of this transaction.
    pub(super) async fn ranges(
        &self,
        tx: &mut Tx,
        to: Timestamp,
        limit: i64,
    ) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        usage_totals::begin(tx).await?;
        let kept_from = usage_rollup::start_of(usage_rollup::state(tx).await?.kept_from)?;
        let from = self.from.map_or(kept_from, |from| from.max(kept_from));
        if from >= to {
            return Ok(Vec::new());
        }
        let sources = sources::of_range(tx, from, to).await?;
        let mut ranges: Vec<_> = moments(&sources, WHOLE).into_iter().map(|one| (one.from, one.to)).collect();
        let mut spans = spans(&sources, WHOLE);
        loop {
            let mut slots = usage_totals::slots(tx, &self.question, &spans, self.failed, limit).await?;
            cut(&mut slots, limit);
            if slots.iter().all(|slot| slot.length == QUARTER) {
                for slot in slots {
                    let at = |second: i64| usage_rollup::start_of(second / QUARTER);
                    ranges.push((at(slot.start)?, at(slot.start + QUARTER)?));
                }
                return Ok(ranges);
            }
            spans = slots.into_iter().map(shorter).collect();
        }
    }
}

/// Leaves the newest ones that hold enough calls together.
fn cut(slots: &mut Vec<Slot>, limit: i64) {
    let mut count = 0_i64;
    slots.retain(|slot| {
        let wanted = count < limit;
        count = count.saturating_add(slot.count);
        wanted
    });
}

/// The sums that this one was made of.
fn shorter(slot: Slot) -> Span {
    let length = LENGTHS.into_iter().find(|length| *length < slot.length).unwrap_or(QUARTER);
    Span { place: 0, length, from: slot.start, to: slot.start + slot.length, step: slot.length }
}
