//! Lots, refunds, adjustments, filtered history and alerts of a low balance.
