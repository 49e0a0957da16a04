// SPDX-License-Identifier: GPL-2.0-only

//! Resource usage of tasks and thread groups.
//!
//! [`exit`](super::exit) has that of children.
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
pub(crate) trait Usage {
    /// Returns user and system time, as counted.
    fn counted(&self) -> Times;

    /// Returns the time on a CPU in nanoseconds, as the scheduler counts it.
    fn runtime(&self) -> u64;

    /// Returns the number of page faults without I/O.
    fn minor_faults(&self) -> u64;

    /// Returns the number of page faults with I/O.
    fn major_faults(&self) -> u64;

    /// Returns the number of switches to another task while waiting.
    fn voluntary_switches(&self) -> u64;

    /// Returns the number of switches by preemption.
    fn involuntary_switches(&self) -> u64;

    /// Returns the number of bytes read from block devices.
    fn read_bytes(&self) -> u64;

    /// Returns the number of bytes written to block devices.
    fn write_bytes(&self) -> u64;
}

/// The usage of a single task. Each number is read when it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct TaskUsage<'a> {
    task: &'a Task,
    clock: Clock,
}

/// Reads a field of a task, which the kernel changes without marking that.
macro_rules! task_field {
    ($usage:expr, $($field:tt)+) => {
        data_race!({
            // SAFETY: The task is valid.
            unsafe { read!((*$usage.task.as_ptr()).$($field)+) }
        })
    };
}

impl Usage for TaskUsage<'_> {
    #[inline(always)]
    fn counted(&self) -> Times {
        data_race!(Times::counted(self.task, self.clock))
    }

    #[inline(always)]
    fn runtime(&self) -> u64 {
        task_field!(self, se.sum_exec_runtime)
    }

    #[inline(always)]
    fn minor_faults(&self) -> u64 {
        task_field!(self, min_flt) as u64
    }

    #[inline(always)]
    fn major_faults(&self) -> u64 {
        task_field!(self, maj_flt) as u64
    }

    #[inline(always)]
    fn voluntary_switches(&self) -> u64 {
        task_field!(self, nvcsw) as u64
    }

    #[inline(always)]
    fn involuntary_switches(&self) -> u64 {
        task_field!(self, nivcsw) as u64
    }

    #[inline(always)]
    fn read_bytes(&self) -> u64 {
        #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
        return task_field!(self, ioac.read_bytes);
        #[cfg(not(CONFIG_TASK_IO_ACCOUNTING))]
        0
    }

    #[inline(always)]
    fn write_bytes(&self) -> u64 {
        #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
        return task_field!(self, ioac.write_bytes);
        #[cfg(not(CONFIG_TASK_IO_ACCOUNTING))]
        0
    }
}

impl<'a> TaskUsage<'a> {
    /// See [`TaskExt::usage`].
    #[inline(always)]
    pub(super) fn of_thread(task: &'a Task, clock: Clock) -> Self {
        Self { task, clock }
    }

    /// See [`TaskExt::sole_usage`].
    #[inline(always)]
    pub(super) fn of_sole_thread(task: &'a Task, threads: u32, clock: Clock) -> Option<Self> {
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
        Some(Self { task, clock })
    }
}

/// The usage of a thread group, summed up at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct GroupUsage {
    counted: Times,
    runtime: u64,
    minor_faults: u64,
    major_faults: u64,
    voluntary_switches: u64,
    involuntary_switches: u64,
    read_bytes: u64,
    write_bytes: u64,
}

impl Usage for GroupUsage {
    fn counted(&self) -> Times {
        self.counted
    }

    fn runtime(&self) -> u64 {
        self.runtime
    }

    fn minor_faults(&self) -> u64 {
        self.minor_faults
    }

    fn major_faults(&self) -> u64 {
        self.major_faults
    }

    fn voluntary_switches(&self) -> u64 {
        self.voluntary_switches
    }

    fn involuntary_switches(&self) -> u64 {
        self.involuntary_switches
    }

    fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    fn write_bytes(&self) -> u64 {
        self.write_bytes
    }
}

impl GroupUsage {
    /// Returns the usage of the exited threads of a group.
    ///
    /// # Safety
    ///
    /// `signal` must be valid for reads.
    #[inline(always)]
    unsafe fn of_exited(signal: *const bindings::signal_struct, io: bool) -> Self {
        // SAFETY: By the safety requirements.
        let usage = unsafe {
            Self {
                counted: Times::of_exited(signal),
                runtime: read!((*signal).sum_sched_runtime),
                minor_faults: read!((*signal).min_flt) as u64,
                major_faults: read!((*signal).maj_flt) as u64,
                voluntary_switches: read!((*signal).nvcsw) as u64,
                involuntary_switches: read!((*signal).nivcsw) as u64,
                ..Self::default()
            }
        };

        #[cfg(CONFIG_TASK_IO_ACCOUNTING)]
        if io {
            // SAFETY: As above.
            return unsafe {
                Self {
                    read_bytes: read!((*signal).ioac.read_bytes),
                    write_bytes: read!((*signal).ioac.write_bytes),
                    ..usage
                }
            };
        }
        #[cfg(not(CONFIG_TASK_IO_ACCOUNTING))]
        let _ = io;
        usage
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
                sum.plus(&TaskUsage::of_thread(thread, clock), io)
            })
        };

        // A thread that exits is either still in the list or among the exited ones.
        // SAFETY: As above. No code of this module holds the lock while it calls this.
        data_race!(unsafe { scoped_seqlock_read(lock, sum) })
    }

    #[inline(always)]
    fn plus(self, task: &TaskUsage<'_>, io: bool) -> Self {
        let (read_bytes, write_bytes) = if io {
            (task.read_bytes(), task.write_bytes())
        } else {
            (0, 0)
        };

        Self {
            counted: self.counted.plus(task.counted()),
            runtime: self.runtime.wrapping_add(task.runtime()),
            minor_faults: self.minor_faults.wrapping_add(task.minor_faults()),
            major_faults: self.major_faults.wrapping_add(task.major_faults()),
            voluntary_switches: self
                .voluntary_switches
                .wrapping_add(task.voluntary_switches()),
            involuntary_switches: self
                .involuntary_switches
                .wrapping_add(task.involuntary_switches()),
            read_bytes: self.read_bytes.wrapping_add(read_bytes),
            write_bytes: self.write_bytes.wrapping_add(write_bytes),
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
        let usage = task.usage(Clock::of_system());
        let (runtime, switches) = (usage.runtime(), usage.voluntary_switches());
        let group = task.group_usage(true, Clock::of_system(), &guard);
        let times = task.group_times(&group, group.runtime());

        assert!(group.runtime() >= runtime);
        assert!(group.voluntary_switches() >= switches);
        assert!(times.user + times.system >= group.runtime());
        for _ in 0..1000 {
            core::hint::spin_loop();
        }
        assert!(usage.runtime() >= runtime);
    }

    #[test]
    fn what_is_left_out_is_zero() {
        let guard = rcu::read_lock();
        let usage = kernel::current!().group_usage(false, Clock::of_system(), &guard);

        assert_eq!((usage.read_bytes(), usage.write_bytes()), (0, 0));
    }
}
