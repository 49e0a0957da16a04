// SPDX-License-Identifier: GPL-2.0

//! Resource usage of tasks and thread groups.
//!
//! Does not support the usage of children that have been reaped.
//!
//! C headers: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h),
//! [`include/linux/task_io_accounting.h`](srctree/include/linux/task_io_accounting.h)

use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Task, //
};

use crate::abstractions::{
    compat::smp_rmb,
    sync::{
        rwonce::{
            data_race,
            read, //
        },
        seqlock::{
            scoped_seqlock_read,
            sequence, //
        }, //
    },
    task::{
        cputime::{
            Clock,
            Times, //
        },
        TaskExt, //
    }, //
};

/// The resource usage of a task or a thread group.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time, as counted.
    counted: Times,
    /// Time on a CPU in nanoseconds, as the scheduler counts it.
    pub(crate) runtime: u64,
    /// Page faults without I/O.
    pub(crate) minor_faults: u64,
    /// Page faults with I/O.
    pub(crate) major_faults: u64,
    /// Switches to another task while waiting.
    pub(crate) voluntary_switches: u64,
    /// Switches by preemption.
    pub(crate) involuntary_switches: u64,
    /// Bytes read from block devices.
    pub(crate) read_bytes: u64,
    /// Bytes written to block devices.
    pub(crate) write_bytes: u64,
}

/// Makes a [`Usage`] of fields that `task_struct` and `signal_struct` have by the same names.
/// Without `$io`, I/O is left out.
macro_rules! usage {
    ($from:expr, $io:expr, $counted:expr, $runtime:expr) => {
        Usage {
            counted: $counted,
            runtime: $runtime,
            minor_faults: read!((*$from).min_flt) as u64,
            major_faults: read!((*$from).maj_flt) as u64,
            voluntary_switches: read!((*$from).nvcsw) as u64,
            involuntary_switches: read!((*$from).nivcsw) as u64,
            ..if $io {
                Usage {
                    #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
                    read_bytes: read!((*$from).ioac.read_bytes),
                    #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
                    write_bytes: read!((*$from).ioac.write_bytes),
                    ..Usage::default()
                }
            } else {
                Usage::default()
            }
        }
    };
}

impl Usage {
    /// Returns the usage of the exited threads of a group.
    ///
    /// # Safety
    ///
    /// `signal` must be valid for reads.
    #[inline(always)]
    unsafe fn of_exited(signal: *const bindings::signal_struct, io: bool) -> Self {
        // SAFETY: By the safety requirements.
        unsafe {
            usage!(
                signal,
                io,
                Times::of_exited(signal),
                read!((*signal).sum_sched_runtime)
            )
        }
    }

    /// Returns the usage of one thread, with these times.
    #[inline(always)]
    fn read(task: &Task, io: bool, counted: Times) -> Self {
        let task = task.as_ptr();

        // SAFETY: The task is valid.
        unsafe { usage!(task, io, counted, read!((*task).se.sum_exec_runtime)) }
    }

    /// See [`TaskExt::usage`].
    #[inline(always)]
    pub(super) fn of_thread(task: &Task, io: bool) -> Self {
        data_race!(Self::read(task, io, Times::default()))
    }

    /// See [`TaskExt::sole_usage`].
    #[inline(always)]
    pub(super) fn of_sole_thread(
        task: &Task,
        threads: u32,
        io: bool,
        clock: Clock,
    ) -> Option<Self> {
        if threads != 1 {
            return None;
        }
        // ORDERING: Pairs with `write_seqlock()` in `__exit_signal()`, which makes the sequence odd
        // before a thread is counted off: one that has gone from the number has left a sequence
        // that is not zero. See tests/litmus/threads.litmus. A thread that is counted on later
        // (`copy_process()`) has used nothing that a sum was ever made of: who has read a higher
        // number finds no older one after that.
        smp_rmb();

        let past = data_race!({
            // SAFETY: A task keeps its `signal_struct` until it is freed itself.
            unsafe {
                let signal = (*task.as_ptr()).signal;

                u64::from(sequence(&raw const (*signal).stats_lock))
                    | read!((*signal).utime)
                    | read!((*signal).stime)
            }
        });

        // The sequence begins anew after 2^31 exits, which have left some time.
        if past != 0 {
            return None;
        }
        // The numbers of a thread stay what they are while it exits.
        Some(data_race!(Self::read(
            task,
            io,
            Times::counted(task, clock)
        )))
    }

    /// See [`TaskExt::group_usage`].
    pub(super) fn of_group(task: &Task, io: bool, clock: Clock, guard: &rcu::Guard) -> Self {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let signal = unsafe { (*task.as_ptr()).signal };
        // SAFETY: As above.
        let lock = unsafe { &raw mut (*signal).stats_lock };
        let sum = || {
            // SAFETY: As above.
            let exited = unsafe { Self::of_exited(signal, io) };

            task.threads(guard).fold(exited, |sum, thread| {
                sum.plus(Self::read(thread, io, Times::counted(thread, clock)))
            })
        };

        // A thread that exits is either still in the list or among the exited ones.
        // SAFETY: As above. No code of this module holds the lock while it calls this.
        data_race!(unsafe { scoped_seqlock_read(lock, sum) })
    }

    /// See [`TaskExt::group_times`].
    #[inline(always)]
    pub(super) fn group_times(&self, task: &Task) -> Times {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        unsafe { self.counted.of_group((*task.as_ptr()).signal, self.runtime) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self {
            counted: self.counted.plus(other.counted),
            runtime: self.runtime.wrapping_add(other.runtime),
            minor_faults: self.minor_faults.wrapping_add(other.minor_faults),
            major_faults: self.major_faults.wrapping_add(other.major_faults),
            voluntary_switches: self
                .voluntary_switches
                .wrapping_add(other.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .wrapping_add(other.involuntary_switches),
            read_bytes: self.read_bytes.wrapping_add(other.read_bytes),
            write_bytes: self.write_bytes.wrapping_add(other.write_bytes),
        }
    }
}

#[kunit_tests(procmon_usage)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_used_what_its_threads_have() {
        let task: &Task = kernel::current!();
        let guard = rcu::read_lock();
        let first = task.usage(true);
        let group = task.group_usage(true, Clock::of_system(), &guard);
        let times = task.group_times(&group);

        assert!(group.runtime >= first.runtime);
        assert!(group.voluntary_switches >= first.voluntary_switches);
        assert!(times.user + times.system >= group.runtime);
        for _ in 0..1000 {
            core::hint::spin_loop();
        }
        assert!(task.usage(true).runtime >= first.runtime);
    }

    #[test]
    fn what_is_left_out_is_zero() {
        let usage = kernel::current!().usage(false);

        assert_eq!((usage.read_bytes, usage.write_bytes), (0, 0));
    }
}
