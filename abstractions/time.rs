// SPDX-License-Identifier: GPL-2.0-only

//! The boot time as a number, and deadlines at regular intervals.
//!
//! The `kernel` crate's `Instant` does not give its number away, which user space is to be told.
//!
//! Does not support other clocks.
//!
//! # Examples
//!
//! ```ignore
//! let next = next_due(due, Delta::from_millis(1000), ktime_get_boottime_ns());
//! ```
//!
//! C header: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h)

use kernel::{
    bindings,
    prelude::*,
    time::Delta, //
};

/// Returns the nanoseconds since boot, suspend included: `CLOCK_BOOTTIME`.
pub(crate) fn ktime_get_boottime_ns() -> u64 {
    // SAFETY: This may be called from everywhere but an NMI, and no interrupt runs Rust code here.
    let time = unsafe { bindings::ktime_get_boottime() };

    // The clock begins at 0.
    u64::try_from(time).unwrap_or(0)
}

/// Returns the next deadline of a periodic event whose previous deadline was `due`. All times are
/// those of [`ktime_get_boottime_ns`].
///
/// Deadlines are multiples of the interval apart, so they do not drift. Those before `now` are
/// skipped.
#[doc(alias = "hrtimer_forward")]
pub(crate) fn next_due(due: u64, interval: Delta, now: u64) -> u64 {
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(0).max(1);
    let over = now.saturating_sub(due).checked_div(interval).unwrap_or(0);

    due.saturating_add(over.saturating_add(1).saturating_mul(interval))
}

#[kunit_tests(procmon_time)]
mod tests {
    use super::*;
    use kernel::time::delay::fsleep;

    #[test]
    fn time_goes_on() {
        let before = ktime_get_boottime_ns();

        // So short that it is by the clock, and not by ticks, which come late on a busy machine.
        fsleep(Delta::from_millis(2));
        assert!(ktime_get_boottime_ns() >= before + 2_000_000);
    }

    #[test]
    fn deadlines_do_not_drift() {
        let interval = Delta::from_nanos(10);

        for (due, now, expected) in [
            (100, 100, 110),
            (100, 101, 110),
            (100, 109, 110),
            // Missed deadlines are skipped, and the others do not move.
            (100, 110, 120),
            (100, 125, 130),
            (100, 1_000_004, 1_000_010),
            // A clock that goes backwards.
            (100, 90, 110),
            (u64::MAX - 5, u64::MAX - 5, u64::MAX),
            (0, u64::MAX, u64::MAX),
        ] {
            assert_eq!(next_due(due, interval, now), expected);
        }
        assert_eq!(next_due(5, Delta::from_nanos(0), 7), 8);
    }
}
