// SPDX-License-Identifier: GPL-2.0

//! The time, as a number.
//!
//! The `kernel` crate's `Instant` keeps its number to itself, which is right inside of the kernel
//! but user space has to be told one.
//!
//! C headers: [`include/linux/timekeeping.h`](srctree/include/linux/timekeeping.h),
//! [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h),
//! [`include/linux/time_namespace.h`](srctree/include/linux/time_namespace.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    task::CurrentTask,
    time::{
        Jiffies,
        NSEC_PER_SEC, //
    }, //
};

use super::internals::TIME_NAMESPACE_BOOTTIME;

/// Returns the nanoseconds since boot, those in suspend included: `CLOCK_BOOTTIME`.
pub(crate) fn boottime() -> u64 {
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
    /// The initial namespace, whose clock is that of [`boottime`].
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

    /// Returns what the clock of this namespace shows when [`boottime`] is `time`.
    #[inline(always)]
    pub(crate) fn show(self, time: u64) -> u64 {
        time.wrapping_add(self.0)
    }
}

/// Returns the number of ticks of the timer, which is the cheapest clock that there is.
#[inline(always)]
pub(crate) fn jiffies() -> Jiffies {
    // SAFETY: This static changes under our eyes, hence volatile.
    unsafe { ptr::read_volatile(&raw const bindings::jiffies) }
}

/// By how many ticks their count may be late, with some to spare: where the CPU that counts them
/// does not get to it, another one does after `MAX_STALLED_JIFFIES` of its own, which are 5.
const MAX_LAG: u32 = 7;

/// Returns how many nanoseconds are over for certain since the lowest bits of [`jiffies`] were
/// these, those in suspend not included. At most some days may be.
pub(crate) fn nanoseconds_since(before: u32) -> u64 {
    // CAST: The lowest bits will do.
    let ticks = (jiffies() as u32).wrapping_sub(before);
    let tick = (NSEC_PER_SEC as u64)
        .checked_div(bindings::CONFIG_HZ.into())
        .unwrap_or(0);

    // The first one may have been nearly over, and others were over before and counted late.
    u64::from(ticks.saturating_sub(1 + MAX_LAG)).saturating_mul(tick)
}

#[kunit_tests(procmon_time)]
mod tests {
    use super::*;
    use kernel::time::{
        delay::fsleep,
        Delta, //
    };

    #[test]
    fn time_goes_on() {
        let before = boottime();

        fsleep(Delta::from_millis(30));
        assert!(boottime() >= before + 30_000_000);
    }

    #[test]
    fn kernel_threads_are_in_the_initial_namespace() {
        let namespace = TimeNamespace::of_caller(kernel::current!());

        assert_eq!(namespace.show(5), 5);
        assert_eq!(TimeNamespace(u64::MAX).show(5), 4);
    }

    #[test]
    fn ticks_are_never_more_than_the_time() {
        let (ticks, before) = (jiffies() as u32, boottime());
        let counted = nanoseconds_since(ticks);

        assert!(counted <= boottime() - before);
        fsleep(Delta::from_millis(100));

        let counted = nanoseconds_since(ticks);
        let elapsed = boottime() - before;

        assert!(counted > 0);
        assert!(counted <= elapsed);
    }

    #[test]
    fn ticks_may_begin_anew() {
        let tick = 1_000_000_000 / u64::from(bindings::CONFIG_HZ);
        let before = (jiffies() as u32).wrapping_sub(100);
        let counted = nanoseconds_since(before);

        assert!((u64::from(99 - MAX_LAG) * tick..200 * tick).contains(&counted));
    }
}
