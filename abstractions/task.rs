// SPDX-License-Identifier: GPL-2.0-only

//! Tasks other than the caller: lookup by ID, and their properties.
//!
//! Additions to the `kernel` crate's [`Task`], which has the IDs of a task but none of its
//! accounting. Does not support changing a task, nor reading one without RCU or a reference.
//!
//! # Examples
//!
//! ```ignore
//! let guard = rcu::read_lock();
//!
//! if let Some(task) = find_task_by_vpid(1, &guard) {
//!     pr_info!("{} threads, nice {}\n", task.nr_threads(), task.nice());
//! }
//! ```
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h),
//! [`include/linux/pid.h`](srctree/include/linux/pid.h)

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    container_of,
    mm::{
        Mm,
        MmWithUserAsync, //
    },
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::{
        Pid,
        Task, //
    },
    types::NotThreadSafe, //
};

use crate::abstractions::{
    compat::smp_rmb,
    mm::MmExt,
    pid_namespace::PidNamespaceExt,
    sync::{
        rculist::RcuList,
        rwonce::{
            data_race,
            read, //
        }, //
    }, //
};

mod comm;
pub(crate) mod cputime;
pub(crate) mod exec;
pub(crate) mod exit;
pub(crate) mod prefetch;
mod state;
pub(crate) mod usage;

pub(crate) use comm::TASK_COMM_LEN;
use cputime::{
    Clock,
    Times, //
};
use usage::{
    GroupUsage,
    TaskUsage,
    Usage, //
};

/// Returns the task with the given thread ID in the PID namespace of the caller.
pub(crate) fn find_task_by_vpid(nr: Pid, _guard: &rcu::Guard) -> Option<&Task> {
    // SAFETY: Both calls want the RCU read lock, which is held, and accept any number and null.
    let task =
        unsafe { bindings::pid_task(bindings::find_vpid(nr), bindings::pid_type_PIDTYPE_PID) };

    // SAFETY: A task that is found under RCU stays valid until the read-side critical section ends.
    // CAST: A `Task` is laid out as a `task_struct`.
    unsafe { task.cast::<Task>().as_ref() }
}

/// Lets another task run if one is waiting, on kernels without preemption.
pub(crate) fn cond_resched() {
    #[cfg(not(CONFIG_PREEMPTION))]
    // SAFETY: This may be called wherever sleeping is allowed, which kernels check.
    unsafe {
        bindings::__cond_resched()
    };
}

/// Holds the lock of a task until it is dropped.
///
/// # Invariants
///
/// The thread that owns this holds `alloc_lock` of the task.
struct TaskLock<'a>(&'a Task, NotThreadSafe);

impl<'a> TaskLock<'a> {
    #[doc(alias = "task_lock")]
    #[inline(always)]
    fn new(task: &'a Task) -> Self {
        // SAFETY: The task is valid, and its lock initialised.
        // TIME: The lock is a leaf that is held for some loads and stores, here and in the kernel.
        unsafe { bindings::spin_lock(&raw mut (*task.as_ptr()).alloc_lock) };
        // INVARIANT: The lock was just taken.
        Self(task, NotThreadSafe)
    }
}

impl Drop for TaskLock<'_> {
    #[doc(alias = "task_unlock")]
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: By the type invariants this thread holds the lock.
        unsafe { bindings::spin_unlock(&raw mut (*self.0.as_ptr()).alloc_lock) };
    }
}

/// Additions to the `kernel` crate's [`Task`].
pub(crate) trait TaskExt {
    /// Returns the name, NUL-terminated and NUL-padded.
    ///
    /// A name that is being changed may come out as a mix of old and new.
    #[doc(alias = "get_task_comm")]
    fn comm(&self) -> [u8; TASK_COMM_LEN];

    /// Returns the state that `/proc/PID/stat` shows, as one of the bits of `TASK_REPORT` or
    /// `TASK_REPORT_IDLE`, or as 0 for a task that runs or waits for a CPU.
    #[doc(alias = "task_state_index")]
    fn reported_state(&self) -> c_uint;

    /// Returns the size of the address space in bytes, or 0 for a task without one.
    #[doc(alias = "task_vsize")]
    fn vsize(&self) -> usize;

    /// Calls a function with the address space of the task, unless it is a kernel thread or has
    /// released its address space.
    ///
    /// TIME: The lock of the task is held during the call, so the function has to be short.
    #[doc(alias = "get_task_mm")]
    fn with_mm<R>(&self, f: impl FnOnce(&Mm) -> R) -> Option<R>;

    /// Returns a reference to the address space, unless the task is a kernel thread or has released
    /// its address space. It may be dropped in atomic context: the last one leaves the work to a
    /// worker.
    #[doc(alias = "get_task_mm")]
    fn get_mm(&self) -> Option<ARef<MmWithUserAsync>>;

    /// Returns the flags as of this moment.
    fn flags(&self) -> Flags;

    /// Returns the number of threads of the thread group, or 0 once it has been reaped.
    #[doc(alias = "get_nr_threads")]
    fn nr_threads(&self) -> u32;

    /// Returns the CPU that the task runs on, or ran on last.
    #[doc(alias = "task_cpu")]
    fn cpu(&self) -> u32;

    /// Returns the nice value, from -20 to 19.
    #[doc(alias = "task_nice")]
    fn nice(&self) -> c_int;

    /// Returns the scheduling policy, one of `SCHED_*`.
    fn policy(&self) -> c_uint;

    /// Returns the start time in nanoseconds since boot.
    fn start_boottime(&self) -> u64;

    /// Returns the leader of the thread group.
    fn leader<'a>(&'a self, guard: &'a rcu::Guard) -> &'a Task;

    /// Returns the parent of the process, or `None` if the task has been reaped.
    #[doc(alias = "real_parent")]
    fn parent<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task>;

    /// Whether the task has been killed.
    fn fatal_signal_pending(&self) -> bool;

    /// Whether two tasks are threads of one process.
    fn same_thread_group(&self, other: &Task) -> bool;

    /// Iterates over the threads of the thread group.
    #[doc(alias = "for_each_thread")]
    fn threads<'a>(&'a self, guard: &'a rcu::Guard) -> impl Iterator<Item = &'a Task>;

    /// Returns the process ID in a namespace, or 0 if there is none.
    ///
    /// In the initial namespace, which all tasks are in, that is the task's own number. For others
    /// the `kernel` crate's `Task::tgid_nr_ns()` does the same by an additional call of C.
    #[doc(alias = "task_tgid_nr_ns")]
    fn tgid_in_ns(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Pid;

    /// Returns the process ID of the parent in a namespace, or 0 if the parent is outside of it;
    /// `None` if the task has been reaped.
    #[doc(alias = "task_ppid_nr_ns")]
    fn ppid_in_ns(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Pid>;

    /// Returns flags, state and parent, as the last that is read of a task: unless it has been
    /// reaped by then, all that was read of it before was read while it had its ID.
    fn vitals(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Vitals;

    /// Returns the same, or `None` if the task is exiting.
    fn vitals_unless_exiting(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Vitals>;

    /// Returns the usage of the task itself.
    fn usage(&self, clock: Clock) -> TaskUsage<'_>;

    /// Returns the usage of the thread group if the task is the only thread that it has ever had.
    /// Then neither the list of threads nor the sums of those that have exited are looked at.
    ///
    /// `threads` is the result of [`nr_threads`](Self::nr_threads) from a moment before.
    fn sole_usage(&self, threads: u32, clock: Clock) -> Option<TaskUsage<'_>>;

    /// Returns the usage of the thread group, exited threads included. Without `io`, their I/O is
    /// left out.
    ///
    /// TIME: Visits each thread of the group at most twice, the second time with interrupts off, as
    /// any reader of `/proc/PID/stat` makes the kernel do.
    #[doc(alias = "thread_group_cputime")]
    fn group_usage(&self, io: bool, clock: Clock, guard: &rcu::Guard) -> GroupUsage;

    /// Returns user and system time of the thread group, from its usage and the run time of that.
    ///
    /// They add up to the run time, unless other readers have seen more than that already. Neither
    /// is less than `/proc/PID/stat` has shown before. Since nothing is stored, one of them may be
    /// a little less than this has returned before.
    #[doc(alias = "thread_group_cputime_adjusted")]
    fn group_times(&self, usage: &impl Usage, runtime: u64) -> Times;
}

impl TaskExt for Task {
    fn comm(&self) -> [u8; TASK_COMM_LEN] {
        comm::of(self)
    }

    fn reported_state(&self) -> c_uint {
        let (flags, state) = flags_and_state(self);

        state::reported_state(state, exit_state(self, flags))
    }

    fn vsize(&self) -> usize {
        self.with_mm(MmExt::vsize).unwrap_or(0)
    }

    #[inline(always)]
    fn with_mm<R>(&self, f: impl FnOnce(&Mm) -> R) -> Option<R> {
        // A user task never becomes a kernel thread, whose address space is a borrowed one.
        if self.flags().is_kernel_thread() {
            return None;
        }

        let _lock = TaskLock::new(self);
        // SAFETY: The task is valid. It releases its address space only with its lock held.
        let mm = unsafe { (*self.as_ptr()).mm.as_ref() }?;

        // SAFETY: It is a valid address space, of which the task has a reference (`mm_count`).
        Some(f(unsafe { Mm::from_raw(mm) }))
    }

    fn get_mm(&self) -> Option<ARef<MmWithUserAsync>> {
        // SAFETY: The task is valid.
        // TIME: This takes the lock of the task, as `TaskLock` does.
        let mm = NonNull::new(unsafe { bindings::get_task_mm(self.as_ptr()) })?;

        // SAFETY: The function has taken a reference (`mm_users`), which goes to the caller.
        // CAST: An `MmWithUserAsync` is laid out as an `mm_struct`.
        Some(unsafe { ARef::from_raw(mm.cast()) })
    }

    #[inline(always)]
    fn flags(&self) -> Flags {
        // SAFETY: The task is valid; the flags change concurrently.
        Flags(unsafe { read!((*self.as_ptr()).flags) })
    }

    #[inline(always)]
    fn nr_threads(&self) -> u32 {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let count = unsafe { read!((*(*self.as_ptr()).signal).nr_threads) };

        // CAST: It is not negative.
        count as u32
    }

    #[inline(always)]
    fn cpu(&self) -> u32 {
        #[cfg(CONFIG_SMP)]
        // SAFETY: The task is valid; this changes concurrently.
        return unsafe { read!((*self.as_ptr()).thread_info.cpu) };
        #[cfg(not(CONFIG_SMP))]
        0
    }

    #[inline(always)]
    fn nice(&self) -> c_int {
        // SAFETY: The task is valid; this changes concurrently.
        let priority = unsafe { read!((*self.as_ptr()).static_prio) };

        // As `PRIO_TO_NICE()` does.
        // CAST: It is small.
        priority.wrapping_sub(bindings::DEFAULT_PRIO as c_int)
    }

    #[inline(always)]
    fn policy(&self) -> c_uint {
        // SAFETY: The task is valid; this changes concurrently.
        unsafe { read!((*self.as_ptr()).policy) }
    }

    #[inline(always)]
    fn start_boottime(&self) -> u64 {
        // SAFETY: The task is valid; `de_thread()` changes this concurrently.
        unsafe { read!((*self.as_ptr()).start_boottime) }
    }

    #[inline(always)]
    fn leader<'a>(&'a self, _guard: &'a rcu::Guard) -> &'a Task {
        // SAFETY: The task is valid. Its leader may be replaced concurrently, and is freed by RCU
        // after it has left the group.
        // CAST: A `Task` is laid out as a `task_struct`.
        unsafe { &*read!((*self.as_ptr()).group_leader).cast::<Task>() }
    }

    #[inline(always)]
    fn parent<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        // SAFETY: The flags are read here.
        unsafe { parent_unless_reaped(self, self.flags(), guard) }
    }

    fn fatal_signal_pending(&self) -> bool {
        const SIGKILL: u64 = 1 << (bindings::SIGKILL.wrapping_sub(1));

        // SAFETY: The task is valid; its signals change concurrently.
        let pending = unsafe { read!((*self.as_ptr()).pending.signal.sig[0]) };

        self.signal_pending() && pending as u64 & SIGKILL != 0
    }

    fn threads<'a>(&'a self, guard: &'a rcu::Guard) -> impl Iterator<Item = &'a Task> {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let head = unsafe { &raw mut (*(*self.as_ptr()).signal).thread_head };

        // SAFETY: This is the list of the group's threads, which is changed by RCU list operations,
        // and whose nodes are fields of tasks that are freed by RCU.
        unsafe { RcuList::new(head, guard) }.map(|node| {
            // SAFETY: See above; a `Task` is laid out as a `task_struct`.
            unsafe { &*container_of!(node, bindings::task_struct, thread_node).cast::<Task>() }
        })
    }

    #[inline(always)]
    fn same_thread_group(&self, other: &Task) -> bool {
        // SAFETY: Both tasks are valid, and keep their `signal_struct` until they are freed.
        unsafe { ptr::eq((*self.as_ptr()).signal, (*other.as_ptr()).signal) }
    }

    #[inline(always)]
    fn tgid_in_ns(&self, ns: &PidNamespace, _guard: &rcu::Guard) -> Pid {
        if ns.is_initial() {
            // SAFETY: The task is valid, and the number never changes.
            return unsafe { (*self.as_ptr()).tgid };
        }
        // SAFETY: The task and the namespace are valid. A task that has been reaped has no ID.
        unsafe {
            bindings::__task_pid_nr_ns(self.as_ptr(), bindings::pid_type_PIDTYPE_TGID, ns.as_ptr())
        }
    }

    #[inline(always)]
    fn ppid_in_ns(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Pid> {
        // SAFETY: The flags are read here.
        unsafe { ppid_in_ns(self, self.flags(), ns, guard) }
    }

    #[inline(always)]
    fn vitals(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Vitals {
        // The barrier in there keeps the flags behind all that was read before.
        let (flags, state) = flags_and_state(self);

        Vitals {
            flags,
            state: state::reported_state(state, exit_state(self, flags)),
            // SAFETY: The flags were just read.
            ppid: unsafe { ppid_in_ns(self, flags, ns, guard) },
        }
    }

    #[inline(always)]
    fn vitals_unless_exiting(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Vitals> {
        // As above.
        let (flags, state) = flags_and_state(self);

        if flags.is_exiting() {
            return None;
        }
        Some(Vitals {
            flags,
            state: state::reported_state(state, 0),
            // SAFETY: The flags were just read.
            ppid: unsafe { ppid_in_ns(self, flags, ns, guard) },
        })
    }

    #[inline(always)]
    fn usage(&self, clock: Clock) -> TaskUsage<'_> {
        TaskUsage::of_thread(self, clock)
    }

    #[inline(always)]
    fn sole_usage(&self, threads: u32, clock: Clock) -> Option<TaskUsage<'_>> {
        TaskUsage::of_sole_thread(self, threads, clock)
    }

    fn group_usage(&self, io: bool, clock: Clock, guard: &rcu::Guard) -> GroupUsage {
        GroupUsage::of_group(self, io, clock, guard)
    }

    #[inline(always)]
    fn group_times(&self, usage: &impl Usage, runtime: u64) -> Times {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        unsafe { usage.counted().of_group((*self.as_ptr()).signal, runtime) }
    }
}

/// The last that is read of a task, see [`TaskExt::vitals`].
pub(crate) struct Vitals {
    /// The flags.
    pub(crate) flags: Flags,
    /// The state, as [`TaskExt::reported_state`] returns it.
    pub(crate) state: c_uint,
    /// The process ID of the parent, as [`TaskExt::ppid_in_ns`] returns it.
    pub(crate) ppid: Option<Pid>,
}

/// Returns the flags and the state without what it becomes by [`exit_state`].
///
/// The flags are read after the state, and after all else that was read of the task. Without
/// `PF_EXITING` among them, the task was alive until then: it had its ID, its state was not the one
/// that it ends in, and `exit_state` was zero, so this is read of few tasks.
#[inline(always)]
fn flags_and_state(task: &Task) -> (Flags, c_uint) {
    // SAFETY: The task is valid; this changes concurrently.
    let state = unsafe { read!((*task.as_ptr()).__state) };

    // ORDERING: Pairs with `atomic_dec_and_test(&tsk->signal->live)` in `do_exit()`, which is a
    // full barrier. It comes after `exit_signals()` has set `PF_EXITING`, and before all that ends
    // the task: `exit_mm()`, `exit_notify()`, which sets `exit_state`, `do_task_dead()`, and
    // `release_task()`, which the parent calls with `tasklist_lock` if the task does not do it
    // itself. `de_thread()` releases the leader that it replaces as a parent does. Who has read
    // something of these finds the flag. See tests/litmus/exiting.litmus.
    smp_rmb();

    (task.flags(), state)
}

/// Returns the part of the state that a task gets when it ends.
#[inline(always)]
fn exit_state(task: &Task, flags: Flags) -> c_uint {
    if !flags.is_exiting() {
        return 0;
    }

    data_race!({
        // SAFETY: The task is valid; this changes concurrently.
        // CAST: The states are single bits far below the sign.
        unsafe { read!((*task.as_ptr()).exit_state) as c_uint }
    })
}

/// See [`TaskExt::parent`].
///
/// # Safety
///
/// The flags must have been read of the task while RCU was held by the guard.
#[inline(always)]
unsafe fn parent_unless_reaped<'a>(
    task: &'a Task,
    flags: Flags,
    _guard: &'a rcu::Guard,
) -> Option<&'a Task> {
    if flags.is_exiting() && is_reaped(task) {
        return None;
    }

    // SAFETY: The task is valid, and its parent changes concurrently. The task had its ID during
    // this read-side critical section: `release_task()` takes it from tasks that are exiting only.
    // A task that has its ID has a parent: one that exits gives up its children before it is freed,
    // which is by RCU. So this is valid as well, even if the ID has gone since.
    let parent = unsafe { read!((*task.as_ptr()).real_parent) };

    // SAFETY: See above; a `Task` is laid out as a `task_struct`.
    Some(unsafe { &*parent.cast::<Task>() })
}

/// See [`TaskExt::ppid_in_ns`].
///
/// # Safety
///
/// As for [`parent_unless_reaped`].
#[inline(always)]
unsafe fn ppid_in_ns(
    task: &Task,
    flags: Flags,
    ns: &PidNamespace,
    guard: &rcu::Guard,
) -> Option<Pid> {
    // SAFETY: By the safety requirements.
    let parent = unsafe { parent_unless_reaped(task, flags, guard) }?;

    Some(parent.tgid_in_ns(ns, guard))
}

/// Whether a task that is exiting has no ID any more.
#[cold]
fn is_reaped(task: &Task) -> bool {
    // ORDERING: This comes after all that was read of the task. An ID that is still there now was
    // there then.
    smp_rmb();
    // SAFETY: The task is valid; this changes concurrently.
    unsafe { read!((*task.as_ptr()).thread_pid) }.is_null()
}

/// The flags `PF_*` of a task.
#[derive(Clone, Copy)]
pub(crate) struct Flags(c_uint);

impl Flags {
    /// Whether it is a kernel thread.
    #[inline(always)]
    pub(crate) fn is_kernel_thread(self) -> bool {
        self.0 & bindings::PF_KTHREAD != 0
    }

    /// Whether it is a thread of the kernel within a user process.
    #[inline(always)]
    pub(crate) fn is_worker(self) -> bool {
        self.0 & (bindings::PF_IO_WORKER | bindings::PF_USER_WORKER) != 0
    }

    /// Whether it is exiting, or a zombie.
    #[inline(always)]
    pub(crate) fn is_exiting(self) -> bool {
        self.0 & bindings::PF_EXITING != 0
    }
}

#[kunit_tests(procmon_task)]
mod tests {
    use super::*;
    use crate::abstractions::kthread::{
        tests::run_in_threads,
        CurrentThread, //
    };
    use kernel::sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    };

    #[test]
    fn finds_init_and_nothing_else() -> Result {
        let guard = rcu::read_lock();
        let init = find_task_by_vpid(1, &guard).ok_or(ESRCH)?;

        assert_eq!(init.pid(), 1);
        for nr in [0, -1, Pid::MIN, Pid::MAX] {
            assert!(find_task_by_vpid(nr, &guard).is_none());
        }
        Ok(())
    }

    #[test]
    fn a_kernel_thread_has_a_name_and_no_memory() -> Result {
        let passed = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let result = passed.clone();

        run_in_threads::<1>(move |_: &CurrentThread| {
            let guard = rcu::read_lock();
            let Some(task) = find_task_by_vpid(kernel::current!().pid(), &guard) else {
                return;
            };

            if &task.comm() == b"procmon_kunit\0\0\0"
                && task.reported_state() == 0
                && task.vsize() == 0
            {
                result.store(1, Relaxed);
            }
        })?;
        assert_eq!(passed.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn the_loader_has_memory() -> Result {
        // Tests run in a kernel thread; PID 1 is a user process that does not end.
        let guard = rcu::read_lock();
        let init = find_task_by_vpid(1, &guard).ok_or(ESRCH)?;

        assert!(init.vsize() > 0);
        assert_eq!(init.vsize() % (1 << kernel::page::PAGE_SHIFT), 0);
        Ok(())
    }
}
