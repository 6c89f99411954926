//! Credential stuffing: somebody tries lists of stolen passwords, each account once or twice, so that no account's window fills.
//! What gives it away is many different wrong pairs of address and password from one network.
//!
//! Somebody who mistypes or retries sends the same few pairs and is not counted twice. Only keyed hashes of the pairs are kept, for
//! three hours: a wrong password is often nearly a right one.

use std::net::IpAddr;
use std::time::Duration;

use hub_types::Email;

use super::Password;
use super::throttle::{Guess, address_window, admit, cache_gone, network, refuse};
use crate::Hub;

/// How long a pair is remembered.
const WINDOW: Duration = Duration::from_hours(3);
/// Different wrong pairs from one network within that time.
const MOST_PAIRS: u32 = 30;
/// The first refusal; further ones double.
const FIRST: Duration = Duration::from_hours(1);
/// The longest refusal.
const LONGEST: Duration = Duration::from_hours(24);

/// Notes a wrong pair; gives the wait when the network has tried too many different ones.
///
/// Loopback is left out: it is this machine, or a proxy that nobody listed as trusted, and then it stands for everybody.
pub(super) async fn note(hub: &Hub, address: &str, email: &Email, password: &Password) -> Option<Duration> {
    if address.parse::<IpAddr>().ok()?.to_canonical().is_loopback() {
        return None;
    }
    let network = network(address)?;
    let pair = hex::encode(&hub.tokens.code_hash("wrong-pair", email.as_str(), password.expose())[..16]);
    let key = format!("wrong-pair:{network}:{pair}");
    let is_new = match hub.cache.claim(&key, b"", WINDOW).await {
        Ok(is_new) => is_new,
        Err(error) => {
            cache_gone(&error);
            hub.local.claim(&key, b"", WINDOW).await.unwrap_or(false)
        }
    };
    if !is_new {
        return None;
    }
    let (cache, counted) = admit(hub, &format!("wrong-pairs:{network}"), MOST_PAIRS, WINDOW).await?;
    if counted.remaining > 0 {
        return None;
    }
    tracing::warn!(%network, pairs = MOST_PAIRS, "many different wrong passwords from one network: credential stuffing");
    // The same window that sign-in asks for this network.
    let window = address_window(Guess::SignIn.name(), &network);
    Some(refuse(hub, cache, &window, FIRST, LONGEST).await)
}
