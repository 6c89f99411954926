//! How many sockets each account has open in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hub_types::UserId;

/// Sockets one account may have open at once. A person has a few windows, a program one socket for many requests.
const MOST: usize = 50;

/// The open sockets by account.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<Mutex<HashMap<UserId, usize>>>);

/// One socket's place; given back when dropped.
pub(super) struct Place {
    open: Open,
    user: UserId,
}

impl Open {
    /// Takes a place, if there is one left.
    pub(super) fn enter(&self, user: UserId) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(Place { open: self.clone(), user })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}
