//! The columns of sums of usage, written once. Macros, because texts of statements are constants.
//!
//! Nothing here knows which rows are added up.

/// Columns of a sum, after those that say what it is the sum of.
macro_rules! sum_columns {
    () => {
        "calls, failed, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, credits"
    };
}

/// Tokens and credits of several rows, calls or sums.
macro_rules! token_sums {
    () => {
        "CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(cache_read_tokens) AS BIGINT) AS cache_read_tokens, \
         CAST(SUM(cache_write_tokens) AS BIGINT) AS cache_write_tokens, CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
         CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, CAST(SUM(credits) AS BIGINT) AS credits"
    };
}

/// The columns of `sum_columns!` from calls.
macro_rules! sums_of_calls {
    () => {
        concat!("COUNT(*) AS calls, COUNT(*) FILTER (WHERE status = 'failed') AS failed, ", token_sums!())
    };
}

/// The columns of `sum_columns!` from sums.
macro_rules! sums_of_sums {
    () => {
        concat!("CAST(SUM(calls) AS BIGINT) AS calls, CAST(SUM(failed) AS BIGINT) AS failed, ", token_sums!())
    };
}
