// SPDX-License-Identifier: GPL-2.0-only

//! Time namespaces.
//!
//! Does not support clocks other than `CLOCK_BOOTTIME`.
//!
//! # Examples
//!
//! ```ignore
//! let time = TimeNamespace::of_caller(kernel::current!()).show(ktime_get_boottime_ns());
//! ```
//!
//! C header: [`include/linux/time_namespace.h`](srctree/include/linux/time_namespace.h)

use kernel::{
    bindings,
    prelude::*,
    task::CurrentTask,
    time::NSEC_PER_SEC, //
};

use crate::abstractions::internals::TIME_NAMESPACE_BOOTTIME;

/// A time namespace: the offset of its `CLOCK_BOOTTIME` to the clock of the initial one, in
/// nanoseconds, where a negative offset wraps.
#[derive(Clone, Copy)]
pub(crate) struct TimeNamespace(u64);

impl TimeNamespace {
    /// The initial namespace, whose clock is
    /// [`ktime_get_boottime_ns`](crate::abstractions::time::ktime_get_boottime_ns).
    pub(crate) const INITIAL: Self = Self(0);

    /// Returns the namespace of the caller.
    pub(crate) fn of_caller(caller: &CurrentTask) -> Self {
        // SAFETY: A task may read its own namespaces without a lock, and keeps them as long as it
        // is borrowed.
        let namespace = unsafe { (*(*caller.as_ptr()).nsproxy).time_ns };

        // It is null on a kernel without CONFIG_TIME_NS.
        if namespace.is_null() {
            return Self::INITIAL;
        }
        // The kernel's bindings lack the struct.
        // SAFETY: This is the offset of that field in a time namespace. It does not change any more
        // once a task is in the namespace.
        let offset = unsafe {
            namespace
                .byte_add(TIME_NAMESPACE_BOOTTIME as usize)
                .cast::<bindings::timespec64>()
                .read()
        };

        // CAST: The nanoseconds are fewer than those of a second. A negative offset wraps, as does
        // the sum.
        Self(
            offset
                .tv_sec
                .wrapping_mul(NSEC_PER_SEC)
                .wrapping_add(offset.tv_nsec as i64) as u64,
        )
    }

    /// Whether its clock is that of the initial namespace.
    #[inline(always)]
    pub(crate) fn is_initial(self) -> bool {
        self.0 == 0
    }

    /// Translates a time of the initial namespace to this one.
    #[doc(alias = "timens_add_boottime_ns")]
    #[inline(always)]
    pub(crate) fn show(self, time: u64) -> u64 {
        time.wrapping_add(self.0)
    }
}

#[kunit_tests(procmon_time_namespace)]
mod tests {
    use super::*;

    #[test]
    fn kernel_threads_are_in_the_initial_namespace() {
        let namespace = TimeNamespace::of_caller(kernel::current!());

        assert!(namespace.is_initial());
        assert_eq!(namespace.show(5), 5);
        assert_eq!(TimeNamespace(u64::MAX).show(5), 4);
    }
}
