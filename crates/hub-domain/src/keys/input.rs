//! What a new key may look like.

use std::net::IpAddr;

use hub_types::{Credits, KeyLimits, KeyUse, Timestamp};
use ipnet::IpNet;

use super::KeyError;

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;
/// Most entries of each list.
const MOST: usize = 100;
/// Longest name of a model, in characters.
const LONGEST_MODEL: usize = 200;
/// Most requests per minute a key can be limited to; the sliding window remembers each.
const MOST_REQUESTS: u32 = 10_000;
/// Most tokens per minute a key can be limited to.
const MOST_TOKENS: u32 = 1_000_000_000;
/// Most calls at the same time a key can be limited to.
const MOST_CALLS: u32 = 1_000;

/// A key as asked for.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What the owner calls it; 1 to 100 characters.
    pub name: String,
    /// Permissions it is narrowed to; empty means all of the owner's that need not be named ([`KeyUse`]).
    pub scopes: Vec<String>,
    /// When it ends, if it should; in the future.
    pub expires_at: Option<Timestamp>,
    /// Models it may use; empty means all.
    pub models: Vec<String>,
    /// Addresses or networks (CIDR) it may be used from; empty means anywhere.
    pub addresses: Vec<String>,
    /// Its budget and limits.
    pub limits: KeyLimits,
}

impl NewKey {
    /// Checks every field against its bounds and against what the owner holds; writes networks in one spelling.
    pub(super) fn checked(mut self, held: &[String], now: Timestamp) -> Result<Self, KeyError> {
        let name = self.name.trim().to_owned();
        self.name = name;
        if !is_text(&self.name, LONGEST_NAME) {
            return invalid(
                "name",
                format!("must have 1 to {LONGEST_NAME} characters, none of them control characters"),
            );
        }
        for (field, list) in [("scopes", &self.scopes), ("models", &self.models), ("addresses", &self.addresses)] {
            if list.len() > MOST {
                return invalid(field, format!("must have at most {MOST} entries"));
            }
        }
        for scope in &self.scopes {
            if !held.contains(scope) {
                return invalid("scopes", "must be permissions that you have".to_owned());
            }
            if KeyUse::of(scope) == KeyUse::Never {
                return invalid("scopes", "a key cannot have this one".to_owned());
            }
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return invalid("expiresAt", "must be in the future".to_owned());
        }
        if !self.models.iter().all(|model| is_text(model, LONGEST_MODEL)) {
            return invalid("models", "must be names of models".to_owned());
        }
        check_limits(&self.limits)?;
        let networks: Option<Vec<String>> = self.addresses.iter().map(|text| network(text)).collect();
        match networks {
            Some(networks) => self.addresses = networks,
            None => return invalid("addresses", "must be addresses or networks such as 192.0.2.0/24".to_owned()),
        }
        self.expires_at = self.expires_at.map(hub_types::truncate_to_micros);
        Ok(self)
    }
}

fn check_limits(limits: &KeyLimits) -> Result<(), KeyError> {
    let amount = limits.budget.map(|budget| budget.amount);
    if amount.is_some_and(|amount| !amount.is_positive() || amount > Credits::MAX) {
        return invalid("budget", "must be above zero".to_owned());
    }
    for (field, value, most) in [
        ("requestsPerMinute", limits.requests_per_minute, MOST_REQUESTS),
        ("tokensPerMinute", limits.tokens_per_minute, MOST_TOKENS),
        ("concurrentCalls", limits.concurrent_calls, MOST_CALLS),
    ] {
        if value.is_some_and(|value| !(1..=most).contains(&value)) {
            return invalid(field, format!("must be 1 to {most}"));
        }
    }
    Ok(())
}

fn invalid<T>(field: &'static str, message: String) -> Result<T, KeyError> {
    Err(KeyError::Invalid { field, message })
}

fn is_text(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn network(text: &str) -> Option<String> {
    let single = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    Some(text.parse::<IpNet>().ok().or_else(single)?.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use hub_types::Clock;

    use super::*;

    fn check(change: impl FnOnce(&mut NewKey)) -> Result<NewKey, String> {
        let held = ["inference:create", "keys:create"].map(str::to_owned);
        let mut key = NewKey { name: " ci ".to_owned(), ..NewKey::default() };
        change(&mut key);
        key.checked(&held, Clock::fixed_at("2026-11-23T10:00:00Z").now()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_key_is_tidied() {
        let key =
            check(|key| key.addresses = vec!["192.0.2.77/24".to_owned(), "::1".to_owned(), "10.0.0.1".to_owned()])
                .unwrap();
        assert_eq!(
            (key.name.as_str(), key.addresses),
            ("ci", ["192.0.2.0/24", "::1/128", "10.0.0.1/32"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_field() {
        for (field, refused) in [
            ("name", check(|key| key.name = " ".to_owned())),
            ("name", check(|key| key.name = "x".repeat(101))),
            ("name", check(|key| key.name = "a\nb".to_owned())),
            ("scopes", check(|key| key.scopes = vec!["credits:grant".to_owned()])),
            ("scopes", check(|key| key.scopes = vec!["keys:create".to_owned()])),
            ("expiresAt", check(|key| key.expires_at = Some(Clock::fixed_at("2026-11-23T10:00:00Z").now()))),
            ("models", check(|key| key.models = vec![String::new()])),
            ("addresses", check(|key| key.addresses = vec!["example.com".to_owned()])),
            ("addresses", check(|key| key.addresses = vec!["10.0.0.0/33".to_owned()])),
            ("addresses", check(|key| key.addresses = vec!["::1".to_owned(); 101])),
            ("requestsPerMinute", check(|key| key.limits.requests_per_minute = Some(0))),
            ("tokensPerMinute", check(|key| key.limits.tokens_per_minute = Some(MOST_TOKENS + 1))),
            ("concurrentCalls", check(|key| key.limits.concurrent_calls = Some(0))),
        ] {
            assert!(refused.unwrap_err().starts_with(field), "{field}");
        }
    }
}
