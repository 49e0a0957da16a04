// SPDX-License-Identifier: GPL-2.0

//! The time, as a number.
//!
//! The `kernel` crate's `Instant` keeps its number to itself, which is right inside of the kernel
//! but user space has to be told one.
//!
//! C headers: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h),
//! [`include/linux/time_namespace.h`](srctree/include/linux/time_namespace.h)

use kernel::{
    bindings,
    prelude::*,
    task::CurrentTask,
    time::{
        Delta,
        NSEC_PER_SEC, //
    }, //
};

use crate::abstractions::internals::TIME_NAMESPACE_BOOTTIME;

/// Returns the nanoseconds since boot, those in suspend included: `CLOCK_BOOTTIME`.
pub(crate) fn ktime_get_boottime_ns() -> u64 {
    // SAFETY: This may be called from everywhere but an NMI, and no interrupt runs Rust code here.
    let time = unsafe { bindings::ktime_get_boottime() };

    // It begins with 0.
    u64::try_from(time).unwrap_or(0)
}

/// A time namespace, by how far its `CLOCK_BOOTTIME` is ahead of the initial one's.
///
/// The number of nanoseconds wraps for a clock that is behind.
#[derive(Clone, Copy)]
pub(crate) struct TimeNamespace(u64);

impl TimeNamespace {
    /// The initial namespace, whose clock is that of [`ktime_get_boottime_ns`].
    pub(crate) const INITIAL: Self = Self(0);

    /// Returns the namespace of the caller.
    pub(crate) fn of_caller(caller: &CurrentTask) -> Self {
        // SAFETY: A task may read its own namespaces without a lock, and keeps them as long as it
        // is borrowed.
        let namespace = unsafe { (*(*caller.as_ptr()).nsproxy).time_ns };

        // There is none on a kernel without CONFIG_TIME_NS.
        if namespace.is_null() {
            return Self::INITIAL;
        }
        // The kernel's bindings do not have the struct, and C code adds the offset inline:
        // `timens_add_boottime_ns()`.
        // SAFETY: That is where a time namespace has this field, which does not change any more
        // once a task is in the namespace.
        let offset = unsafe {
            namespace
                .byte_add(TIME_NAMESPACE_BOOTTIME as usize)
                .cast::<bindings::timespec64>()
                .read()
        };

        // CAST: The nanoseconds are fewer than those of a second. A negative offset wraps, and so
        // does the sum.
        Self(
            offset
                .tv_sec
                .wrapping_mul(NSEC_PER_SEC)
                .wrapping_add(offset.tv_nsec as i64) as u64,
        )
    }

    /// Returns what the clock of this namespace shows when [`ktime_get_boottime_ns`] is `time`.
    #[inline(always)]
    pub(crate) fn show(self, time: u64) -> u64 {
        time.wrapping_add(self.0)
    }
}

/// Returns when something is due for the next time that is due at regular intervals, and was at
/// `due`. All times are those of [`ktime_get_boottime_ns`].
///
/// How long it takes each time does not matter: the times to come are multiples of the interval
/// later. Those that are over by `now` are left out.
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

        fsleep(Delta::from_millis(30));
        assert!(ktime_get_boottime_ns() >= before + 30_000_000);
    }

    #[test]
    fn kernel_threads_are_in_the_initial_namespace() {
        let namespace = TimeNamespace::of_caller(kernel::current!());

        assert_eq!(namespace.show(5), 5);
        assert_eq!(TimeNamespace(u64::MAX).show(5), 4);
    }

    #[test]
    fn deadlines_do_not_drift() {
        let interval = Delta::from_nanos(10);

        for (due, now, expected) in [
            (100, 100, 110),
            (100, 101, 110),
            (100, 109, 110),
            // Those that are over are left out, and the others stay where they are.
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
