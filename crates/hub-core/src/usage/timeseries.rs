//! `GET /api/usage/timeseries`: sums per hour, day or month of local time, for charts.

use std::sync::Arc;

use axum::extract::State;
use hub_domain::usage::{Bucket, GroupBy, Interval, Series};
use hub_domain::{Hub, usage};
use hub_types::Credits;
use hub_web::{ApiError, Authenticated, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{GroupWord, UsageQuery};
use super::refused;
use super::view::{GroupView, SummaryView, SumsView, tokens};

/// Length of a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IntervalWord {
    /// Local hours, over at most 31 days.
    Hour,
    /// Local days, over at most 400.
    #[default]
    Day,
    /// Local months, over at most five years.
    Month,
}

/// By what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesQuery {
    /// `hour`, `day` or `month`.
    #[serde(default)]
    #[param(inline, default = "day")]
    interval: IntervalWord,
    /// `model`, `provider`, `service`, `key` or `user`; nothing by default.
    #[param(inline)]
    group_by: Option<GroupWord>,
}

/// One period of local time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketView {
    /// Its first moment in the range, with the offset of local time then.
    #[schema(format = DateTime)]
    start: String,
    /// The first moment after it.
    #[schema(format = DateTime)]
    end: String,
    /// Sums of its calls.
    #[serde(flatten)]
    sums: SumsView,
}

impl From<Bucket> for BucketView {
    fn from(bucket: Bucket) -> Self {
        Self { start: bucket.start.to_rfc3339(), end: bucket.end.to_rfc3339(), sums: bucket.sums.into() }
    }
}

/// One group over time: a number per bucket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeriesView {
    /// Which.
    #[serde(flatten)]
    group: GroupView,
    /// Sums over the range.
    totals: SumsView,
    /// Calls per bucket.
    calls: Vec<i64>,
    /// Tokens of all classes per bucket.
    tokens: Vec<i64>,
    /// Credits per bucket.
    credits: Vec<Credits>,
}

impl From<Series> for SeriesView {
    fn from(series: Series) -> Self {
        Self {
            group: series.group.map_or(GroupView::others(), GroupView::from),
            totals: series.totals.into(),
            calls: series.sums.iter().map(|sums| sums.calls).collect(),
            tokens: series.sums.iter().map(|sums| tokens(*sums)).collect(),
            credits: series.sums.iter().map(|sums| sums.credits).collect(),
        }
    }
}

/// Usage over time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimeSeriesView {
    /// The range and its sums.
    #[serde(flatten)]
    summary: SummaryView,
    /// Length of a bucket.
    interval: IntervalWord,
    /// By what, if by anything.
    group_by: Option<GroupWord>,
    /// All periods in order, each with the sums of all its calls.
    buckets: Vec<BucketView>,
    /// The ten dearest groups, dearest first; then all others together, where there are any.
    series: Vec<SeriesView>,
}

/// Calls, tokens and credits per hour, day or month of local time. A day with a clock change has 23 or 25 hours, an hour that comes
/// twice is two buckets.
#[utoipa::path(get, path = "/api/usage/timeseries", tag = "usage", operation_id = "usage_timeseries", params(SeriesQuery, UsageQuery),
    responses((status = 200, body = TimeSeriesView)))]
pub(crate) async fn timeseries(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Query(query): Query<UsageQuery>,
    Query(by): Query<SeriesQuery>,
) -> Result<Json<TimeSeriesView>, ApiError> {
    let (scope, asked) = query.split()?;
    let interval = match by.interval {
        IntervalWord::Hour => Interval::Hour,
        IntervalWord::Day => Interval::Day,
        IntervalWord::Month => Interval::Month,
    };
    let group = by.group_by.map_or(GroupBy::Nothing, GroupBy::from);
    let found = usage::timeseries(&hub, &caller, &scope, &asked, interval, group).await.map_err(refused)?;
    Ok(Json(TimeSeriesView {
        summary: found.summary.into(),
        interval: by.interval,
        group_by: by.group_by,
        buckets: found.buckets.into_iter().map(BucketView::from).collect(),
        series: found.series.into_iter().map(SeriesView::from).collect(),
    }))
}
