// SPDX-License-Identifier: GPL-2.0

//! What the kernel keeps account of for tasks and thread groups.
//!
//! C headers: [`include/linux/sched/cputime.h`](srctree/include/linux/sched/cputime.h),
//! [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h),
//! [`include/linux/task_io_accounting.h`](srctree/include/linux/task_io_accounting.h)

use core::ptr;

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Task, //
};

use crate::abstractions::{
    compat::smp_rmb,
    task::{
        data_race,
        TaskExt, //
    }, //
};

/// What a task or a thread group has used.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User time in nanoseconds.
    pub(crate) utime: u64,
    /// System time in nanoseconds.
    pub(crate) stime: u64,
    /// Page faults without I/O.
    pub(crate) minor_faults: u64,
    /// Page faults with I/O.
    pub(crate) major_faults: u64,
    /// Switches to another task because there was nothing to do.
    pub(crate) voluntary_switches: u64,
    /// Switches because it was another task's turn.
    pub(crate) involuntary_switches: u64,
    /// Bytes read from block devices.
    pub(crate) read_bytes: u64,
    /// Bytes written to block devices.
    pub(crate) write_bytes: u64,
    /// Time on a CPU in nanoseconds, as the scheduler counts it.
    pub(crate) runtime: u64,
}

/// The sums before the times are adjusted.
#[derive(Clone, Copy)]
struct Sums {
    usage: Usage,
}

/// Reads a field that others may change meanwhile.
macro_rules! read {
    ($($place:tt)*) => {
        ptr::read_volatile(&raw const $($place)*)
    };
}

impl Sums {
    /// What the threads of a group have used that have ended.
    ///
    /// # Safety
    ///
    /// `signal` must be valid for reads.
    #[inline(always)]
    unsafe fn of_the_past<const ALL: bool>(signal: *const bindings::signal_struct) -> Self {
        // SAFETY: By the safety requirements.
        unsafe {
            Self {
                usage: Usage {
                    utime: read!((*signal).utime),
                    stime: read!((*signal).stime),
                    minor_faults: read!((*signal).min_flt) as u64,
                    major_faults: read!((*signal).maj_flt) as u64,
                    voluntary_switches: if ALL {
                        read!((*signal).nvcsw) as u64
                    } else {
                        0
                    },
                    involuntary_switches: if ALL {
                        read!((*signal).nivcsw) as u64
                    } else {
                        0
                    },
                    read_bytes: if ALL {
                        read_bytes(&raw const (*signal).ioac)
                    } else {
                        0
                    },
                    write_bytes: if ALL {
                        write_bytes(&raw const (*signal).ioac)
                    } else {
                        0
                    },
                    runtime: read!((*signal).sum_sched_runtime),
                },
            }
        }
    }

    /// What a thread has used.
    #[inline(always)]
    fn of<const ALL: bool>(task: &Task) -> Self {
        let task = task.as_ptr();

        // SAFETY: The task is valid.
        unsafe {
            Self {
                usage: Usage {
                    utime: read!((*task).utime),
                    stime: read!((*task).stime),
                    minor_faults: read!((*task).min_flt) as u64,
                    major_faults: read!((*task).maj_flt) as u64,
                    voluntary_switches: if ALL { read!((*task).nvcsw) as u64 } else { 0 },
                    involuntary_switches: if ALL { read!((*task).nivcsw) as u64 } else { 0 },
                    read_bytes: if ALL {
                        read_bytes(&raw const (*task).ioac)
                    } else {
                        0
                    },
                    write_bytes: if ALL {
                        write_bytes(&raw const (*task).ioac)
                    } else {
                        0
                    },
                    runtime: read!((*task).se.sum_exec_runtime),
                },
            }
        }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let (a, b) = (self.usage, other.usage);

        Self {
            usage: Usage {
                utime: a.utime.wrapping_add(b.utime),
                stime: a.stime.wrapping_add(b.stime),
                minor_faults: a.minor_faults.wrapping_add(b.minor_faults),
                major_faults: a.major_faults.wrapping_add(b.major_faults),
                voluntary_switches: a.voluntary_switches.wrapping_add(b.voluntary_switches),
                involuntary_switches: a.involuntary_switches.wrapping_add(b.involuntary_switches),
                read_bytes: a.read_bytes.wrapping_add(b.read_bytes),
                write_bytes: a.write_bytes.wrapping_add(b.write_bytes),
                runtime: a.runtime.wrapping_add(b.runtime),
            },
        }
    }
}

/// # Safety
///
/// `account` must be valid for reads.
#[inline(always)]
unsafe fn read_bytes(account: *const bindings::task_io_accounting) -> u64 {
    #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
    // SAFETY: By the safety requirements.
    return unsafe { read!((*account).read_bytes) };
    #[cfg(not(CONFIG_TASK_IO_ACCOUNTING))]
    0
}

/// # Safety
///
/// `account` must be valid for reads.
#[inline(always)]
unsafe fn write_bytes(account: *const bindings::task_io_accounting) -> u64 {
    #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
    // SAFETY: By the safety requirements.
    return unsafe { read!((*account).write_bytes) };
    #[cfg(not(CONFIG_TASK_IO_ACCOUNTING))]
    0
}

/// Runs `read` until what it reads is not changed by a writer of a `seqlock_t` meanwhile.
///
/// # Safety
///
/// `lock` must be initialised and valid.
#[inline(always)]
unsafe fn read_consistently<T>(lock: *mut bindings::seqlock_t, read: impl Fn() -> T) -> T {
    loop {
        // SAFETY: By the safety requirements; volatile because it may change.
        let before = unsafe { read!((*lock).seqcount.seqcount.sequence) };

        if before & 1 == 0 {
            smp_rmb();

            let value = read();

            smp_rmb();
            // SAFETY: As above.
            if unsafe { read!((*lock).seqcount.seqcount.sequence) } == before {
                return value;
            }
        }
        // A writer is at it. It may have been preempted on a PREEMPT_RT kernel, so it is waited for
        // there by its lock. Elsewhere it is soon done, with interrupts off.
        #[cfg(CONFIG_PREEMPT_RT)]
        // SAFETY: By the safety requirements. Interrupt handlers are threads, so there is no need
        // to disable interrupts.
        unsafe {
            bindings::spin_lock(&raw mut (*lock).lock);
            bindings::spin_unlock(&raw mut (*lock).lock);
        }
        #[cfg(not(CONFIG_PREEMPT_RT))]
        core::hint::spin_loop();
    }
}

/// Splits what a scheduler has counted exactly, the time for which a task or thread group has run,
/// in the proportion of user and system time, which are estimates.
///
/// `previous` is what was made of that before: neither part gets less. This is how the kernel's
/// `cputime_adjust()` does it.
fn split(runtime: u64, utime: u64, stime: u64, previous: (u64, u64)) -> (u64, u64) {
    let (previous_utime, previous_stime) = previous;
    let estimate = match (utime, stime) {
        (_, 0) => 0,
        (0, _) => runtime,
        // It is a part of the runtime, so it fits.
        _ => scale(stime, runtime, utime.saturating_add(stime)),
    };
    let stime = estimate.max(previous_stime);
    let utime = runtime.saturating_sub(stime);

    if utime < previous_utime {
        (previous_utime, runtime.saturating_sub(previous_utime))
    } else {
        (utime, stime)
    }
}

/// Returns `value * numerator / denominator`, where the result is not larger than `numerator`.
fn scale(mut value: u64, mut numerator: u64, mut denominator: u64) -> u64 {
    // Without a division of 128 bits: lose the lowest bits of what is longest until the product
    // fits, which is about one in 2^32.
    let mut shift = 0u32;

    while value.checked_mul(numerator).is_none() {
        if numerator > value {
            numerator >>= 1;
            shift = shift.saturating_add(1);
        } else {
            value >>= 1;
            denominator >>= 1;
        }
    }
    value
        .wrapping_mul(numerator)
        .checked_div(denominator)
        .unwrap_or(0)
        << shift.min(63)
}

/// Makes user and system time, which the kernel estimates, add up to the time that the scheduler
/// has counted, in the way of the kernel's `cputime_adjust()`: neither ever gets less.
///
/// # Safety
///
/// `previous` must be initialised and valid.
#[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
#[inline(always)]
unsafe fn adjust(sums: Sums, previous: *mut bindings::prev_cputime) -> (u64, u64) {
    let (utime, stime) = data_race(|| {
        // SAFETY: By the safety requirements. Others may be changing them, but as neither gets
        // less, any two values will do that are enough together.
        unsafe { (read!((*previous).utime), read!((*previous).stime)) }
    });

    // It has not run since, as most of all processes at most times.
    if utime.wrapping_add(stime) >= sums.usage.runtime {
        return (utime, stime);
    }

    // SAFETY: By the safety requirements.
    unsafe {
        adjust_slowly(
            sums.usage.runtime,
            sums.usage.utime,
            sums.usage.stime,
            previous,
        )
    }
}

/// # Safety
///
/// As for [`adjust`].
#[cfg(not(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE))]
#[inline(never)]
unsafe fn adjust_slowly(
    runtime: u64,
    utime: u64,
    stime: u64,
    previous: *mut bindings::prev_cputime,
) -> (u64, u64) {
    // SAFETY: By the safety requirements.
    let flags = unsafe { bindings::_raw_spin_lock_irqsave(&raw mut (*previous).lock) };
    // SAFETY: By the safety requirements; this is changed with the lock held only.
    let before = unsafe { ((*previous).utime, (*previous).stime) };
    let adjusted = if before.0.wrapping_add(before.1) >= runtime {
        before
    } else {
        let adjusted = split(runtime, utime, stime, before);

        // SAFETY: As above. There are readers that do not take the lock, hence volatile.
        unsafe {
            (&raw mut (*previous).utime).write_volatile(adjusted.0);
            (&raw mut (*previous).stime).write_volatile(adjusted.1);
        }
        adjusted
    };

    // SAFETY: The lock was taken above, and these are the flags from then.
    unsafe { bindings::_raw_spin_unlock_irqrestore(&raw mut (*previous).lock, flags) };
    adjusted
}

/// Where the kernel counts both times exactly there is nothing to do.
///
/// # Safety
///
/// None.
#[cfg(CONFIG_VIRT_CPU_ACCOUNTING_NATIVE)]
unsafe fn adjust(sums: Sums, _previous: *mut bindings::prev_cputime) -> (u64, u64) {
    (sums.usage.utime, sums.usage.stime)
}

/// What a [`Task`] has used.
pub(crate) trait TaskAccounting {
    /// Returns what the task has used by itself.
    ///
    /// Without `ALL`, switches and I/O are left out.
    fn usage<const ALL: bool>(&self) -> Usage;

    /// Returns what the thread group of the task has used, threads that have ended included.
    ///
    /// The times are those of `/proc/PID/stat`, and never get less.
    fn group_usage<const ALL: bool>(&self, guard: &rcu::Guard) -> Usage;
}

impl TaskAccounting for Task {
    #[inline]
    fn usage<const ALL: bool>(&self) -> Usage {
        let sums = data_race(|| Sums::of::<ALL>(self));
        // SAFETY: The task is valid.
        let (utime, stime) = unsafe { adjust(sums, &raw mut (*self.as_ptr()).prev_cputime) };

        Usage {
            utime,
            stime,
            ..sums.usage
        }
    }

    #[inline(always)]
    fn group_usage<const ALL: bool>(&self, guard: &rcu::Guard) -> Usage {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let signal = unsafe { (*self.as_ptr()).signal };
        let sum = || {
            // SAFETY: See above.
            let past = unsafe { Sums::of_the_past::<ALL>(signal) };

            self.threads(guard)
                .fold(past, |sums, thread| sums.plus(Sums::of::<ALL>(thread)))
        };
        // A thread that ends is either still in the list or among those of the past.
        // SAFETY: As above.
        let sums = data_race(|| unsafe { read_consistently(&raw mut (*signal).stats_lock, sum) });
        // SAFETY: As above.
        let (utime, stime) = unsafe { adjust(sums, &raw mut (*signal).prev_cputime) };

        Usage {
            utime,
            stime,
            ..sums.usage
        }
    }
}

#[kunit_tests(procmon_accounting)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_split_in_the_proportion_of_the_estimates() {
        assert_eq!(split(1000, 1, 3, (0, 0)), (250, 750));
        assert_eq!(split(1000, 7, 0, (0, 0)), (1000, 0));
        assert_eq!(split(1000, 0, 7, (0, 0)), (0, 1000));
        assert_eq!(split(1000, 0, 0, (0, 0)), (1000, 0));
        assert_eq!(split(0, 5, 5, (0, 0)), (0, 0));
    }

    #[test]
    fn neither_part_gets_less() {
        // The estimate says 500 and 500.
        assert_eq!(split(1000, 5, 5, (100, 700)), (300, 700));
        assert_eq!(split(1000, 5, 5, (700, 100)), (700, 300));
        assert_eq!(split(1000, 5, 5, (500, 500)), (500, 500));
    }

    #[test]
    fn long_times_are_scaled_without_an_overflow() {
        const YEAR: u64 = 365 * 24 * 3600 * 1_000_000_000;

        for years in [1, 10, 100, 500] {
            let runtime = YEAR * years;
            let scaled = scale(runtime / 4, runtime, runtime);

            // One in a billion of what is exact.
            assert!(scaled.abs_diff(runtime / 4) <= runtime >> 30);
        }
        assert_eq!(scale(u64::MAX, u64::MAX, u64::MAX) >> 32, u64::MAX >> 32);
        assert_eq!(scale(6, 10, 4), 15);
        assert_eq!(scale(1, 1, 0), 0);
    }

    #[test]
    fn a_thread_uses_more_and_more() {
        let task = kernel::current!();
        let guard = rcu::read_lock();
        let first = task.usage::<true>();
        let group = task.group_usage::<true>(&guard);

        assert!(group.utime + group.stime >= first.utime + first.stime);
        assert!(group.voluntary_switches >= first.voluntary_switches);
        for _ in 0..1000 {
            core::hint::spin_loop();
        }

        let second = task.usage::<true>();

        assert!(second.utime >= first.utime && second.stime >= first.stime);
    }

    #[test]
    fn what_is_left_out_is_zero() {
        let usage = kernel::current!().usage::<false>();

        assert_eq!((usage.voluntary_switches, usage.read_bytes), (0, 0));
    }
}
