// SPDX-License-Identifier: GPL-2.0

//! User and system time of threads and thread groups, as `/proc` shows them.
//!
//! The kernel counts how long a task has run exactly, and estimates which part of that was in user
//! space. From both it makes two times that add up and of which neither ever decreases; what it
//! has made last it keeps in the task. For a thread the kernel has a function that does all this.
//! The one for a group is not for modules, so the same is computed here, from what the kernel has
//! kept. Nothing is written: the result belongs to the caller, and what other readers see stays
//! the kernel's own.
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
    /// Returns what `/proc/PID/task/TID/stat` shows for a thread.
    pub(crate) fn of_thread(task: &Task) -> Self {
        let mut times = Self::default();

        // SAFETY: The task is valid, and so are the places for the result.
        // TIME: Takes the raw locks of the task's times and, where CPUs run without ticks, of its
        // run queue, as a reader of `/proc` does. The kernel holds them for a few instructions.
        unsafe { task_cputime_adjusted(task.as_ptr(), &mut times.user, &mut times.system) };
        times
    }

    /// Returns what the kernel has counted for a thread, before it is made to add up.
    ///
    /// A thread on a CPU without ticks has used time that is not accounted yet. That is added, if
    /// `clock` is one of such a system.
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

    /// Does what `task_cputime()` does, which is not for modules.
    #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
    #[inline(never)]
    fn counted_with_pending(task: &Task) -> Self {
        /// How often a change that comes in between is put up with.
        const ATTEMPTS: usize = 8;

        // SAFETY: The task is valid.
        let vtime = unsafe { &raw const (*task.as_ptr()).vtime };

        // TIME: At most so many readings of six words. The kernel's own reader goes on for as long
        // as there are changes.
        for _ in 0..ATTEMPTS {
            // SAFETY: The task is valid.
            let before = unsafe { read!((*vtime).seqcount.sequence) };

            if before & 1 != 0 {
                core::hint::spin_loop();
                continue;
            }
            // ORDERING: Pairs with the barriers of `write_seqcount_begin()` and its counterpart, as
            // the one below.
            smp_rmb();

            let mut times = Self::accounted(task);
            // SAFETY: The task is valid, and the clock may be read everywhere.
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
                    // It does not run.
                    _ => {}
                }
            }
            smp_rmb();
            // SAFETY: The task is valid.
            if unsafe { read!((*vtime).seqcount.sequence) } == before {
                return times;
            }
        }
        // What changes all the time has just been accounted.
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

    /// Returns what `/proc/PID/stat` shows for a thread group, of which this is what was counted
    /// within a run time.
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
            // Another reader may be replacing these, with a lock held that is left alone. Neither
            // of them ever decreases, so an old and a new one together are as good as two that
            // belong together: each lies between what was and what is right.
            let previous = data_race(|| {
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

    /// Splits a run time in the proportion of what was counted, so that neither part is less than
    /// what was made of it before, as `cputime_adjust()` does.
    #[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
    fn split(self, runtime: u64, previous: Self) -> Self {
        if previous.user.wrapping_add(previous.system) >= runtime {
            return previous;
        }

        let estimate = match (self.user, self.system) {
            (_, 0) => 0,
            (0, _) => runtime,
            (user, system) => part(runtime, system, user.saturating_add(system)),
        };
        let system = estimate.max(previous.system);
        let user = runtime.saturating_sub(system);

        if user < previous.user {
            Self {
                user: previous.user,
                system: runtime.saturating_sub(previous.user),
            }
        } else {
            Self { user, system }
        }
    }
}

/// Whether this system may have CPUs without ticks.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
    is_tickless: bool,
}

impl Clock {
    /// Returns how this system counts time.
    #[inline(always)]
    pub(crate) fn of_system() -> Self {
        Self {
            #[cfg(CONFIG_VIRT_CPU_ACCOUNTING_GEN)]
            // SAFETY: The key is a static that changes at boot only, and is just looked at.
            is_tickless: unsafe {
                bindings::static_key_count(&raw mut bindings::context_tracking_key.key) > 0
            },
        }
    }
}

/// Returns `whole * some / all`, for `some` that is at most `all`.
#[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
fn part(whole: u64, some: u64, all: u64) -> u64 {
    if let Some(product) = whole.checked_mul(some) {
        return product.checked_div(all).unwrap_or(0);
    }

    // The kernel's Rust has no division of 128 bits. This is that by hand, for the processes that
    // have used some seconds.
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
    fn neither_part_gets_less() {
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
