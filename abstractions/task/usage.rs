// SPDX-License-Identifier: GPL-2.0

//! What the kernel keeps account of for tasks and thread groups.
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
    task::{
        cputime::{
            Clock,
            Times, //
        },
        data_race,
        read,
        TaskExt, //
    }, //
};

/// What a task or a thread group has used.
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
    /// Switches to another task because there was nothing to do.
    pub(crate) voluntary_switches: u64,
    /// Switches because it was another task's turn.
    pub(crate) involuntary_switches: u64,
    /// Bytes read from block devices.
    pub(crate) read_bytes: u64,
    /// Bytes written to block devices.
    pub(crate) write_bytes: u64,
}

/// Makes a [`Usage`] of the fields that a `task_struct` and a `signal_struct` have by the same
/// names. Without `$all`, switches and I/O are left out.
macro_rules! usage {
    ($from:expr, $all:expr, $counted:expr, $runtime:expr) => {
        Usage {
            counted: $counted,
            runtime: $runtime,
            minor_faults: read!((*$from).min_flt) as u64,
            major_faults: read!((*$from).maj_flt) as u64,
            ..if $all {
                Usage {
                    voluntary_switches: read!((*$from).nvcsw) as u64,
                    involuntary_switches: read!((*$from).nivcsw) as u64,
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
    /// Returns what the threads of a group have used that have ended.
    ///
    /// # Safety
    ///
    /// `signal` must be valid for reads.
    #[inline(always)]
    unsafe fn of_the_past<const ALL: bool>(signal: *const bindings::signal_struct) -> Self {
        // SAFETY: By the safety requirements.
        unsafe {
            usage!(
                signal,
                ALL,
                Times::of_the_past(signal),
                read!((*signal).sum_sched_runtime)
            )
        }
    }

    /// Returns what a thread has used.
    #[inline(always)]
    fn of<const ALL: bool>(task: &Task, counted: Times) -> Self {
        let task = task.as_ptr();

        // SAFETY: The task is valid.
        unsafe { usage!(task, ALL, counted, read!((*task).se.sum_exec_runtime)) }
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

/// Holds the lock of a `seqlock_t`, with interrupts off, until it is dropped.
struct SeqLockGuard {
    lock: *mut bindings::seqlock_t,
    #[cfg(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK)))]
    flags: c_ulong,
}

impl SeqLockGuard {
    /// Takes the lock as `spin_lock_irqsave()` does, which is a macro.
    ///
    /// # Safety
    ///
    /// `lock` must be initialised, stay valid until the guard is dropped, and not be held by this
    /// CPU.
    unsafe fn new(lock: *mut bindings::seqlock_t) -> Self {
        #[cfg(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK)))]
        // SAFETY: By the safety requirements. A `spinlock_t` begins with its `raw_spinlock_t` here.
        return unsafe {
            let raw = (&raw mut (*lock).lock).cast();

            Self {
                lock,
                flags: bindings::_raw_spin_lock_irqsave(raw),
            }
        };
        // Where interrupt handlers are threads, or where there is no other CPU, this is enough.
        #[cfg(not(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK))))]
        // SAFETY: By the safety requirements.
        unsafe {
            bindings::spin_lock(&raw mut (*lock).lock);
            Self { lock }
        }
    }
}

impl Drop for SeqLockGuard {
    fn drop(&mut self) {
        // SAFETY: The lock is valid and was taken in `new()`, which this undoes.
        unsafe {
            #[cfg(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK)))]
            bindings::_raw_spin_unlock_irqrestore((&raw mut (*self.lock).lock).cast(), self.flags);
            #[cfg(not(all(not(CONFIG_PREEMPT_RT), any(CONFIG_SMP, CONFIG_DEBUG_SPINLOCK))))]
            bindings::spin_unlock(&raw mut (*self.lock).lock);
        }
    }
}

/// Returns what a function reads of what writers change with a `seqlock_t` held, none of whom
/// comes in between.
///
/// Without the lock that may fail: then the function is called once more with the lock held, as
/// `scoped_seqlock_read()` does. So it is called at most twice.
///
/// # Safety
///
/// `lock` must be initialised and valid, and not be held by this CPU.
#[inline(always)]
unsafe fn read_consistently<T>(lock: *mut bindings::seqlock_t, read: impl Fn() -> T) -> T {
    // SAFETY: By the safety requirements.
    let before = unsafe { read!((*lock).seqcount.seqcount.sequence) };

    if before & 1 == 0 {
        // ORDERING: Pairs with the barriers of `write_seqlock()` and `write_sequnlock()`, as the
        // one below.
        smp_rmb();

        let value = read();

        smp_rmb();
        // SAFETY: By the safety requirements.
        if unsafe { read!((*lock).seqcount.seqcount.sequence) } == before {
            return value;
        }
    }

    // SAFETY: By the safety requirements.
    // TIME: The lock is granted in the order of asking, and each holder keeps it for one change or
    // for one such reading. It is held here for one call of `read`.
    let _guard = unsafe { SeqLockGuard::new(lock) };

    read()
}

/// What a [`Task`] has used.
pub(crate) trait TaskAccounting {
    /// Returns what the task has used by itself.
    ///
    /// Without `ALL`, switches and I/O are left out.
    fn usage<const ALL: bool>(&self) -> Usage;

    /// Returns what the thread group of the task has used, threads that have ended included.
    ///
    /// TIME: Visits each thread of the group at most twice, the second time with interrupts off, as
    /// any reader of `/proc/PID/stat` makes the kernel do.
    fn group_usage<const ALL: bool>(&self, guard: &rcu::Guard) -> Usage;

    /// Returns user and system time of the task's thread group, of which this is the usage.
    ///
    /// They add up to the run time, unless other readers have seen more than that already. Neither
    /// is less than what `/proc/PID/stat` has shown before, but as nothing is kept, one of them may
    /// be a little less than what this has returned before.
    fn group_times(&self, usage: &Usage) -> Times;
}

impl TaskAccounting for Task {
    #[inline(always)]
    fn usage<const ALL: bool>(&self) -> Usage {
        data_race(|| Usage::of::<ALL>(self, Times::default()))
    }

    #[inline(always)]
    fn group_usage<const ALL: bool>(&self, guard: &rcu::Guard) -> Usage {
        let clock = Clock::of_system();
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let signal = unsafe { (*self.as_ptr()).signal };
        let sum = || {
            // SAFETY: See above.
            let past = unsafe { Usage::of_the_past::<ALL>(signal) };

            self.threads(guard).fold(past, |sum, thread| {
                sum.plus(Usage::of::<ALL>(thread, Times::counted(thread, clock)))
            })
        };

        // A thread that ends is either still in the list or among those of the past.
        // SAFETY: As above. No code of this module holds the lock while it calls this.
        data_race(|| unsafe { read_consistently(&raw mut (*signal).stats_lock, sum) })
    }

    #[inline(always)]
    fn group_times(&self, usage: &Usage) -> Times {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        unsafe {
            usage
                .counted
                .of_group((*self.as_ptr()).signal, usage.runtime)
        }
    }
}

#[kunit_tests(procmon_accounting)]
mod tests {
    use super::*;
    use core::{
        cell::Cell,
        ptr, //
    };
    use kernel::types::Opaque;

    #[test]
    fn a_group_has_used_what_its_threads_have() {
        let task: &Task = kernel::current!();
        let guard = rcu::read_lock();
        let first = task.usage::<true>();
        let group = task.group_usage::<true>(&guard);
        let times = task.group_times(&group);

        assert!(group.runtime >= first.runtime);
        assert!(group.voluntary_switches >= first.voluntary_switches);
        assert!(times.user + times.system >= group.runtime);
        for _ in 0..1000 {
            core::hint::spin_loop();
        }
        assert!(task.usage::<true>().runtime >= first.runtime);
    }

    #[test]
    fn what_is_left_out_is_zero() {
        let usage = kernel::current!().usage::<false>();

        assert_eq!((usage.voluntary_switches, usage.read_bytes), (0, 0));
    }

    #[test]
    fn a_reading_that_is_disturbed_is_done_once_more_and_not_again() {
        let lock = Opaque::<bindings::seqlock_t>::uninit();
        let calls = Cell::new(0);
        let key = kernel::static_lock_class!();
        // SAFETY: The lock is of zeroes, which its count may be, and its lock is initialised. Only
        // this test knows of it.
        let count = unsafe {
            let lock = lock.get();

            ptr::write_bytes(lock, 0, 1);
            bindings::__spin_lock_init(
                &raw mut (*lock).lock,
                c"procmon_accounting".as_char_ptr(),
                key.as_ptr(),
            );
            &raw mut (*lock).seqcount.seqcount.sequence
        };
        // SAFETY: The count is valid, and changed by this thread alone.
        let add = |more| unsafe { count.write(count.read() + more) };
        let read = |disturb: bool| {
            calls.set(0);
            // SAFETY: The lock is initialised, and nothing holds it.
            unsafe {
                read_consistently(lock.get(), || {
                    calls.set(calls.get() + 1);
                    if disturb {
                        add(2);
                    }
                })
            };
            calls.get()
        };

        assert_eq!(read(false), 1);
        // Writers come in all the time, and the second reading is final nevertheless.
        assert_eq!(read(true), 2);
        // A writer is at it: there is no reading without the lock.
        add(1);
        assert_eq!(read(false), 1);
    }
}
