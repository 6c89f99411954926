//! How many of the last calls failed, in slots of time: the rule alone. Times are milliseconds.

/// Slots a window is cut into; what is older than the window leaves by the slot.
const SLOTS: i64 = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Which slot of time, counted from 1970.
    number: i64,
    calls: u32,
    failures: u32,
}

/// The calls of one provider in this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Window([Slot; 10]);

impl Window {
    /// Counts a call that ended at `now`.
    pub(super) fn count(&mut self, now: i64, window: i64, failed: bool) {
        let number = number(now, window);
        let index = usize::try_from(number.rem_euclid(SLOTS)).unwrap_or(0);
        let Some(slot) = self.0.get_mut(index) else { return };
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot.calls = slot.calls.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(failed));
    }

    /// Calls and failures in the window that ends at `now`.
    pub(super) fn sums(&self, now: i64, window: i64) -> (u32, u32) {
        let newest = number(now, window);
        let live = self.0.iter().filter(|slot| (0..SLOTS).contains(&(newest - slot.number)));
        live.fold((0, 0), |(calls, failures), slot| {
            (slot.calls.saturating_add(calls), slot.failures.saturating_add(failures))
        })
    }
}

/// The slot that `now` is in.
fn number(now: i64, window: i64) -> i64 {
    now.div_euclid((window / SLOTS).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_leave_after_one_window() {
        let mut window = Window::default();
        window.count(0, 30_000, true);
        window.count(29_000, 30_000, false);
        assert_eq!(window.sums(29_999, 30_000), (2, 1));
        assert_eq!(window.sums(30_000, 30_000), (1, 0));
        window.count(30_000, 30_000, true);
        assert_eq!(window.sums(30_000, 30_000), (2, 1));
        assert_eq!(window.sums(90_000, 30_000), (0, 0));
    }
}
