// SPDX-License-Identifier: GPL-2.0-only

//! User and system time of threads and thread groups, as `/proc` shows them.
//!
//! The kernel counts the run time of a task exactly, and samples the part of it in user space. From
//! both, `cputime_adjust()` makes two times that add up and never decrease, for which it stores its
//! last result. For a thread there is a function that does all this. The one for a thread group is
//! not exported, so the same is computed here, from the kernel's last result. Nothing is stored:
//! other readers see the kernel's own values only.
//!
//! Does not support guest time and steal time.
//!
//! # Examples
//!
//! ```ignore
//! let times = Times::of_thread(task);
//! let group_times = task.group_times(&task.group_usage(false, Clock::of_system(), &guard));
//! ```
//!
//! C headers: [`include/linux/sched/cputime.h`](srctree/include/linux/sched/cputime.h),
//! [`include/linux/vtime.h`](srctree/include/linux/vtime.h)

use kernel::{
    bindings,
    prelude::*,
    task::Task, //
};

#[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
use crate::abstractions::{
    compat::smp_rmb,
    internals::sched_clock, //
};
use crate::abstractions::{
    internals::task_cputime_adjusted,
    sync::rwonce::{
        data_race,
        read, //
    },
};

/// User and system time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Times {
    /// Time in user space.
    pub(crate) user: u64,
    /// Time in the kernel.
    pub(crate) system: u64,
}

impl Times {
    /// Returns the times of a thread that `/proc/PID/task/TID/stat` shows.
    #[doc(alias = "task_cputime_adjusted")]
    pub(crate) fn of_thread(task: &Task) -> Self {
        let mut times = Self::default();

        // SAFETY: The task and both results are valid.
        // TIME: Takes the raw locks of the task's times and, where CPUs run without ticks, of its
        // run queue, as a reader of `/proc` does. The kernel holds them for a few instructions.
        unsafe { task_cputime_adjusted(task.as_ptr(), &mut times.user, &mut times.system) };
        times
    }

    /// Returns the times of a thread as counted, before they are adjusted to the run time.
    ///
    /// Time on a CPU without ticks that is not accounted yet is added, if `clock` says that the
    /// system has such CPUs.
    #[inline(always)]
    pub(crate) fn counted(task: &Task, clock: Clock) -> Self {
        #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
        if clock.is_tickless {
            return Self::counted_with_pending(task);
        }
        #[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_GEN))]
        let _ = clock;
        Self::accounted(task)
    }

    #[inline(always)]
    fn accounted(task: &Task) -> Self {
        let task = task.as_ptr();

        // SAFETY: The task is valid.
        unsafe {
            Self {
                user: read!((*task).utime),
                system: read!((*task).stime),
            }
        }
    }

    /// Adds pending time as `task_cputime()` does, which is not exported.
    #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
    #[inline(never)]
    fn counted_with_pending(task: &Task) -> Self {
        /// The number of attempts at a read without a concurrent change.
        const ATTEMPTS: usize = 8;

        // SAFETY: The task is valid.
        let vtime = unsafe { &raw const (*task.as_ptr()).vtime };

        // TIME: At most `ATTEMPTS` reads of six words. The kernel's own reader has no limit.
        for _ in 0..ATTEMPTS {
            // SAFETY: The task is valid.
            let before = unsafe { read!((*vtime).seqcount.sequence) };

            if before & 1 != 0 {
                core::hint::spin_loop();
                continue;
            }
            // ORDERING: Pairs with the barriers of `write_seqcount_begin()` and
            // `write_seqcount_end()`, as does the one below.
            smp_rmb();

            let mut times = Self::accounted(task);
            // SAFETY: The task is valid, and the clock may be read anywhere.
            let (state, start, now) = unsafe {
                (
                    read!((*vtime).state),
                    read!((*vtime).starttime),
                    sched_clock(),
                )
            };
            let pending = now.saturating_sub(start);

            // SAFETY: The task is valid.
            unsafe {
                match state {
                    bindings::vtime_state_VTIME_SYS => {
                        let pending = pending.wrapping_add(read!((*vtime).stime));

                        times.system = times.system.wrapping_add(pending);
                    }
                    bindings::vtime_state_VTIME_USER | bindings::vtime_state_VTIME_GUEST => {
                        let pending = pending.wrapping_add(read!((*vtime).utime));

                        times.user = times.user.wrapping_add(pending);
                    }
                    // The task does not run.
                    _ => {}
                }
            }
            smp_rmb();
            // SAFETY: The task is valid.
            if unsafe { read!((*vtime).seqcount.sequence) } == before {
                return times;
            }
        }
        // Each of the changes has accounted the time until then.
        Self::accounted(task)
    }

    /// Returns the times of the exited threads of a group, as counted.
    ///
    /// # Safety
    ///
    /// `signal` must be valid for reads.
    #[inline(always)]
    pub(crate) unsafe fn of_exited(signal: *const bindings::signal_struct) -> Self {
        // SAFETY: By the safety requirements.
        unsafe {
            Self {
                user: read!((*signal).utime),
                system: read!((*signal).stime),
            }
        }
    }

    /// Returns the sum.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            user: self.user.wrapping_add(other.user),
            system: self.system.wrapping_add(other.system),
        }
    }

    /// Adjusts the counted times of a thread group to its run time, to those that `/proc/PID/stat`
    /// shows.
    ///
    /// # Safety
    ///
    /// `signal` must be valid for reads.
    #[inline(always)]
    pub(crate) unsafe fn of_group(
        self,
        signal: *const bindings::signal_struct,
        runtime: u64,
    ) -> Self {
        #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE)]
        {
            // Both are exact.
            let _ = (signal, runtime);
            self
        }
        #[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
        {
            // Another reader may be replacing these, under a lock that is not taken here. Neither
            // of them ever decreases, so an old and a new one are as good as a pair: each lies
            // between its previous and its correct value.
            let previous = data_race!({
                // SAFETY: By the safety requirements.
                unsafe {
                    Self {
                        user: read!((*signal).prev_cputime.utime),
                        system: read!((*signal).prev_cputime.stime),
                    }
                }
            });

            self.split(runtime, previous)
        }
    }

    /// Splits a run time in the proportion of the counted times, so that neither part is less than
    /// in the previous result.
    #[doc(alias = "cputime_adjust")]
    #[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
    #[inline(always)]
    fn split(self, runtime: u64, previous: Self) -> Self {
        if previous.user.wrapping_add(previous.system) >= runtime {
            return previous;
        }

        let estimate = match (self.user, self.system) {
            (_, 0) => 0,
            (0, _) => runtime,
            (user, system) => part(runtime, system, user.saturating_add(system)),
        };
        // None of them is more than the run time, or the result would be the previous one.
        let system = estimate.max(previous.system);
        let user = runtime.wrapping_sub(system);

        if user < previous.user {
            Self {
                user: previous.user,
                system: runtime.wrapping_sub(previous.user),
            }
        } else {
            Self { user, system }
        }
    }
}

/// The way in which this system counts time: whether it may have CPUs without ticks.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
    is_tickless: bool,
}

impl Clock {
    /// The way of a system all of whose CPUs have ticks.
    pub(crate) const TICKING: Self = Self {
        #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
        is_tickless: false,
    };

    /// Whether all CPUs have ticks.
    pub(crate) fn is_ticking(self) -> bool {
        #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
        return !self.is_tickless;
        #[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_GEN))]
        true
    }

    /// Returns the way of this system.
    #[inline(always)]
    pub(crate) fn of_system() -> Self {
        Self {
            #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
            // SAFETY: The key is a static that changes at boot only, and is only read.
            is_tickless: unsafe {
                bindings::static_key_count(&raw mut bindings::context_tracking_key.key) > 0
            },
        }
    }
}

/// Returns `whole * some / all`, where `some` is at most `all`.
#[doc(alias = "mul_u64_u64_div_u64")]
#[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
#[inline(never)]
fn part(whole: u64, some: u64, all: u64) -> u64 {
    if let Some(product) = whole.checked_mul(some) {
        return product.checked_div(all).unwrap_or(0);
    }

    // The kernel's Rust has no division of 128 bits. This is one, for processes that have used some
    // seconds.
    // TIME: 64 rounds.
    let product = u128::from(whole).wrapping_mul(u128::from(some));
    // CAST: To the halves.
    let (mut rest, low) = ((product >> 64) as u64, product as u64);
    let mut quotient = 0u64;

    for bit in (0..u64::BITS).rev() {
        let carry = rest >> 63;

        rest = rest << 1 | low >> bit & 1;
        quotient <<= 1;
        if carry != 0 || rest >= all {
            rest = rest.wrapping_sub(all);
            quotient |= 1;
        }
    }
    quotient
}

#[kunit_tests(procmon_cputime)]
mod tests {
    use super::*;

    fn times(user: u64, system: u64) -> Times {
        Times { user, system }
    }

    #[test]
    fn the_runtime_is_split_in_the_proportion_of_what_was_counted() {
        let none = Times::default();

        assert_eq!(times(1, 3).split(1000, none), times(250, 750));
        assert_eq!(times(7, 0).split(1000, none), times(1000, 0));
        assert_eq!(times(0, 7).split(1000, none), times(0, 1000));
        assert_eq!(times(0, 0).split(1000, none), times(1000, 0));
        assert_eq!(times(5, 5).split(0, none), none);
    }

    #[test]
    fn neither_part_decreases() {
        let half = times(5, 5);

        assert_eq!(half.split(1000, times(100, 700)), times(300, 700));
        assert_eq!(half.split(1000, times(700, 100)), times(700, 300));
        assert_eq!(half.split(1000, times(500, 500)), times(500, 500));
        assert_eq!(half.split(1000, times(800, 300)), times(800, 300));
    }

    #[test]
    fn long_times_are_split_exactly() {
        const YEAR: u64 = 365 * 24 * 3600 * 1_000_000_000;

        for years in [1, 10, 100, 500] {
            let whole = YEAR * years;

            assert_eq!(part(whole, whole / 4, whole), whole / 4);
            assert_eq!(part(whole, 1, 3), whole / 3);
        }
        // 3 * 10^10 * 7 * 10^10 = 21 * 10^20, more than 64 bits hold.
        assert_eq!(
            part(30_000_000_000, 70_000_000_000, 90_000_000_000),
            23_333_333_333
        );
        assert_eq!(part(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(part(u64::MAX, u64::MAX - 1, u64::MAX), u64::MAX - 1);
        assert_eq!(part(1, 1, 0), 0);
    }

    #[test]
    fn a_thread_uses_more_and_more() {
        let task: &Task = kernel::current!();
        let first = Times::of_thread(task);

        for _ in 0..1000 {
            core::hint::spin_loop();
        }

        let second = Times::of_thread(task);

        assert!(second.user >= first.user && second.system >= first.system);
    }

    #[test]
    fn what_is_counted_is_no_less_than_what_is_accounted() {
        let task: &Task = kernel::current!();
        let accounted = Times::accounted(task);
        let counted = Times::counted(task, Clock::of_system());

        assert!(counted.user >= accounted.user && counted.system >= accounted.system);
        #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
        {
            let counted = Times::counted_with_pending(task);

            assert!(counted.user >= accounted.user && counted.system >= accounted.system);
        }
    }
}
