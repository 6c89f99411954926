//! A limit per client address that stops floods before they reach anything that costs.
//!
//! It counts in this process only and forgets on restart; the limits that mean something to accounts are exact and
//! shared, and live elsewhere. Windows slide: the last minute is this minute's count plus the fitting share of the one
//! before, so there is no double burst at the edge of a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use hub_types::{Clock, ErrorCode};
use hub_web::{ApiError, ClientAddr, LimitState};

const WINDOW_MS: i64 = 60_000;
/// Addresses remembered at once. When the table is full of addresses of the last two minutes it is emptied: forgetting
/// is the lesser harm, growing without bound the greater.
const MAX_ADDRESSES: usize = 100_000;

/// Refuses more than `per_minute` requests of one address with 429; 0 switches it off.
pub(crate) fn with_flood_limit(router: Router, clock: &Clock, per_minute: u32) -> Router {
    if per_minute == 0 {
        return router;
    }
    let flood = Flood { clock: clock.clone(), per_minute, counts: Mutex::default() };
    router.layer(from_fn_with_state(Arc::new(flood), limit))
}

async fn limit(State(flood): State<Arc<Flood>>, request: Request, next: Next) -> Response {
    let Some(ClientAddr(address)) = request.extensions().get::<ClientAddr>().copied() else {
        return next.run(request).await;
    };
    match flood.count(key_of(address)) {
        Ok(()) => next.run(request).await,
        Err(reset) => {
            let limit = LimitState { limit: flood.per_minute, remaining: 0, reset };
            ApiError::new(ErrorCode::RateLimitExceeded).limit(limit).retry_after(reset).into_response()
        }
    }
}

struct Flood {
    clock: Clock,
    per_minute: u32,
    counts: Mutex<HashMap<u64, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    minute: i64,
    now: u32,
    before: u32,
}

impl Flood {
    /// Counts one request; an error is the time until the next one may pass.
    fn count(&self, key: u64) -> Result<(), Duration> {
        let at = self.clock.now().timestamp_millis();
        let (minute, into) = (at.div_euclid(WINDOW_MS), at.rem_euclid(WINDOW_MS));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MAX_ADDRESSES && !counts.contains_key(&key) {
            counts.retain(|_, count| count.minute >= minute - 1);
            if counts.len() >= MAX_ADDRESSES {
                counts.clear();
            }
        }
        let count = counts.entry(key).or_insert(Count { minute, now: 0, before: 0 });
        if count.minute != minute {
            let before = if count.minute == minute - 1 { count.now } else { 0 };
            *count = Count { minute, now: 0, before };
        }
        let left = WINDOW_MS - into;
        let seen = i64::from(count.now) + i64::from(count.before) * left / WINDOW_MS;
        if seen < i64::from(self.per_minute) {
            count.now += 1;
            return Ok(());
        }
        // Waiting out this minute is always enough to halve the count; one second is the least worth telling.
        Err(Duration::from_millis(u64::try_from(left).unwrap_or(0)).max(Duration::from_secs(1)))
    }
}

/// IPv4 as it is, IPv6 by /64: the same units as [`hub_web::rate_key`], without text.
fn key_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        // The top bits of no public IPv6 network are all ones, so the two kinds do not meet.
        IpAddr::V4(v4) => 0xffff_ffff_0000_0000 | u64::from(v4.to_bits()),
        IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(per_minute: u32) -> (Flood, Clock) {
        let clock = Clock::fixed_at("2026-11-23T10:00:59.500Z");
        (Flood { clock: clock.clone(), per_minute, counts: Mutex::default() }, clock)
    }

    #[test]
    fn an_address_gets_its_share_and_no_double_burst_at_the_edge() {
        let (flood, clock) = flood(100);
        let passed = (0..150).filter(|_| flood.count(1).is_ok()).count();
        assert_eq!(passed, 100);
        clock.advance(chrono::Duration::seconds(1));
        let after_the_edge = (0..150).filter(|_| flood.count(1).is_ok()).count();
        assert!(after_the_edge <= 2, "{after_the_edge}");
        assert!(flood.count(2).is_ok(), "another address is free");
    }

    #[test]
    fn the_table_does_not_grow_without_bound() {
        let (flood, _) = flood(1);
        for key in 0..(MAX_ADDRESSES as u64 + 10) {
            assert!(flood.count(key).is_ok());
        }
        assert!(flood.counts.lock().unwrap().len() <= MAX_ADDRESSES);
    }

    #[test]
    fn ipv6_counts_by_network() {
        let key = |text: &str| key_of(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
