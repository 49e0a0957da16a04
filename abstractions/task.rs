// SPDX-License-Identifier: GPL-2.0

//! Other tasks: looking them up, and what they tell about themselves.
//!
//! C headers: [`include/linux/sched.h`](srctree/include/linux/sched.h),
//! [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h),
//! [`include/linux/pid.h`](srctree/include/linux/pid.h)

use core::marker::PhantomData;

use kernel::{
    bindings,
    container_of,
    page::PAGE_SHIFT,
    prelude::*,
    sync::rcu,
    task::{
        Pid,
        Task, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

pub(crate) mod comm;
pub(crate) mod cputime;
pub(crate) mod exec;
pub(crate) mod usage;

pub(crate) use comm::TASK_COMM_LEN;

/// Returns the task with the given thread ID in the PID namespace of the caller.
pub(crate) fn find_task_by_vpid(nr: Pid, _guard: &rcu::Guard) -> Option<&Task> {
    // SAFETY: Both calls want the RCU read lock, which is held, and accept any number and null.
    let task =
        unsafe { bindings::pid_task(bindings::find_vpid(nr), bindings::pid_type_PIDTYPE_PID) };

    // SAFETY: A task that is found under RCU stays valid until the read-side critical section ends.
    // CAST: A `Task` is laid out as a `task_struct`.
    unsafe { task.cast::<Task>().as_ref() }
}

/// Lets another task run if one is waiting, on kernels that do not do so by themselves.
pub(crate) fn cond_resched() {
    #[cfg(not(CONFIG_PREEMPTION))]
    // SAFETY: This may be called wherever sleeping is allowed, which kernels check.
    unsafe {
        bindings::__cond_resched()
    };
}

/// Iterates over the links of a circular list in the manner of `list_for_each_rcu()`.
///
/// # Invariants
///
/// `next` is the head or a node of the list, or was a node when the read-side critical section had
/// begun already.
struct RcuList<'a> {
    head: *mut bindings::list_head,
    next: *mut bindings::list_head,
    _guard: PhantomData<&'a rcu::Guard>,
}

impl<'a> RcuList<'a> {
    /// # Safety
    ///
    /// `head` must be the head of an initialised list that is changed by RCU list operations only
    /// and whose nodes stay valid for a grace period after they were removed. The head itself must
    /// live for `'a`.
    unsafe fn new(head: *mut bindings::list_head, _guard: &'a rcu::Guard) -> Self {
        Self {
            head,
            // SAFETY: By the safety requirements.
            // INVARIANT: What the head points to is a node or the head.
            next: unsafe { next_rcu(head) },
            _guard: PhantomData,
        }
    }
}

impl Iterator for RcuList<'_> {
    type Item = *mut bindings::list_head;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.head {
            return None;
        }

        let node = self.next;
        // SAFETY: By the type invariants, `node` is valid under RCU.
        // INVARIANT: A node that was removed still leads to one that was in the list then, and at
        // last to the head.
        self.next = unsafe { next_rcu(node) };
        Some(node)
    }
}

/// Reads the `next` pointer of a link as `rcu_dereference()` would.
///
/// # Safety
///
/// `link` must be valid for reads.
unsafe fn next_rcu(link: *mut bindings::list_head) -> *mut bindings::list_head {
    // SAFETY: By the safety requirements. The read is volatile because the list may change under
    // our eyes; what it leads to is read through an address dependency.
    unsafe { read!((*link).next) }
}

/// Reads a place in memory that others may change at the same time, as `READ_ONCE()` does. It is
/// read in one go if it is no larger than a word and aligned, and no reference to it is made.
macro_rules! read {
    ($($place:tt)*) => {
        ::core::ptr::read_volatile(&raw const $($place)*)
    };
}
pub(crate) use read;

/// Reads what the kernel changes without a lock and without marking it, which it means to.
///
/// That is what the C macro `data_race()` is for, and as there KCSAN has nothing to say about it.
#[inline(always)]
pub(crate) fn data_race<T>(read: impl FnOnce() -> T) -> T {
    #[cfg(CONFIG_KCSAN)]
    // SAFETY: This may be called from everywhere, and is undone below.
    unsafe {
        bindings::kcsan_disable_current()
    };

    let value = read();

    #[cfg(CONFIG_KCSAN)]
    // SAFETY: This undoes the above.
    unsafe {
        bindings::kcsan_enable_current()
    };
    value
}

/// The address space of a task, which is there as long as this is.
#[repr(transparent)]
pub(crate) struct Memory(Opaque<bindings::mm_struct>);

/// All in bytes.
///
/// Each CPU counts for itself what is resident, up to some pages, so those may be off by as much.
impl Memory {
    /// Returns the size of the address space.
    #[inline(always)]
    pub(crate) fn virtual_size(&self) -> usize {
        // SAFETY: The address space is valid. Its size is read without the mmap lock, as
        // `/proc/PID/stat` does, hence volatile.
        let pages = unsafe { read!((*self.0.get()).__bindgen_anon_1.total_vm) };

        (pages as usize) << PAGE_SHIFT
    }

    /// Returns what is resident of it.
    #[inline(always)]
    pub(crate) fn resident(&self) -> Resident {
        let pages = [
            bindings::MM_ANONPAGES,
            bindings::MM_FILEPAGES,
            bindings::MM_SHMEMPAGES,
        ]
        .map(|kind| self.counter(kind));

        // Some may be negative for a moment, but that is rare.
        let [anon, file, shmem] = if pages.into_iter().fold(0, |all, count| all | count) < 0 {
            pages.map(|count| count.max(0))
        } else {
            pages
        }
        // CAST: None is negative.
        .map(|count| (count as u64) << PAGE_SHIFT);

        Resident { anon, file, shmem }
    }

    #[inline(always)]
    fn counter(&self, kind: c_uint) -> i64 {
        const { assert!(bindings::NR_MM_COUNTERS == 4) };

        // SAFETY: The address space is valid. No reference is made to the counters, which change
        // at any time.
        let counters = unsafe { &raw const (*self.0.get()).__bindgen_anon_1.rss_stat };

        // SAFETY: There is a counter for each kind.
        unsafe {
            read!(
                (*counters
                    .cast::<bindings::percpu_counter>()
                    .add(kind as usize))
                .count
            )
        }
    }
}

/// What is resident of an address space, in bytes.
pub(crate) struct Resident {
    /// Anonymous memory.
    pub(crate) anon: u64,
    /// Memory of files.
    pub(crate) file: u64,
    /// Shared memory.
    pub(crate) shmem: u64,
}

/// Holds the lock of a task, as `task_lock()` does, until it is dropped.
struct TaskLock<'a>(&'a Task, NotThreadSafe);

impl<'a> TaskLock<'a> {
    #[inline(always)]
    fn new(task: &'a Task) -> Self {
        // SAFETY: The task is valid, and its lock initialised.
        // TIME: The lock is a leaf that is held for some loads and stores, here and in the kernel.
        unsafe { bindings::spin_lock(&raw mut (*task.as_ptr()).alloc_lock) };
        Self(task, NotThreadSafe)
    }
}

impl Drop for TaskLock<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: This thread has taken the lock in `new()`.
        unsafe { bindings::spin_unlock(&raw mut (*self.0.as_ptr()).alloc_lock) };
    }
}

/// What the `kernel` crate's [`Task`] does not tell.
pub(crate) trait TaskExt {
    /// Returns the name, which ends with a NUL and is filled up with NULs.
    ///
    /// A name that is being changed may come out as a mix of old and new.
    fn comm(&self) -> [u8; TASK_COMM_LEN];

    /// Returns the state that `/proc/PID/stat` shows, as one of the bits of `TASK_REPORT` or
    /// `TASK_REPORT_IDLE`, or as 0 for a task that runs or waits for a CPU.
    fn reported_state(&self) -> c_uint;

    /// Returns the size of the address space in bytes, or 0 for a kernel thread or a task that has
    /// given it up.
    fn virtual_size(&self) -> usize;

    /// Calls a function with the task's address space, unless it is a kernel thread or has given
    /// that up. The function must be short, since the lock of the task is held for as long.
    fn with_memory<R>(&self, f: impl FnOnce(&Memory) -> R) -> Option<R>;

    /// Returns the flags as they are at this moment.
    fn flags(&self) -> Flags;

    /// Returns the number of threads of the task's thread group, or 0 if it has been waited for.
    fn thread_count(&self) -> u32;

    /// Returns the CPU that the task runs on, or ran on last.
    fn cpu(&self) -> u32;

    /// Returns the nice value, from -20 to 19.
    fn nice(&self) -> c_int;

    /// Returns the scheduling policy, one of `SCHED_*`.
    fn policy(&self) -> c_uint;

    /// Returns when the task was started, in nanoseconds since boot.
    fn start_boottime(&self) -> u64;

    /// Whether the task has been killed.
    fn fatal_signal_pending(&self) -> bool;

    /// Iterates over the threads of the task's thread group, as `for_each_thread()` does.
    fn threads<'a>(&'a self, guard: &'a rcu::Guard) -> impl Iterator<Item = &'a Task>;
}

impl TaskExt for Task {
    fn comm(&self) -> [u8; TASK_COMM_LEN] {
        comm::of(self)
    }

    fn reported_state(&self) -> c_uint {
        // SAFETY: The task is valid; both fields change without a lock, hence volatile.
        let state = unsafe { read!((*self.as_ptr()).__state) };
        let exit_state = data_race(|| {
            // SAFETY: As above.
            unsafe { read!((*self.as_ptr()).exit_state) }
        });

        reported_state(state, exit_state as c_uint)
    }

    fn virtual_size(&self) -> usize {
        self.with_memory(Memory::virtual_size).unwrap_or(0)
    }

    #[inline(always)]
    fn with_memory<R>(&self, f: impl FnOnce(&Memory) -> R) -> Option<R> {
        // One that is no kernel thread never becomes one, and the address space that a kernel
        // thread has is not its own.
        if self.flags().is_kernel_thread() {
            return None;
        }

        let _lock = TaskLock::new(self);
        // SAFETY: The task is valid. It gives up its address space only with its lock held, so
        // there is no need for a reference.
        let memory = unsafe { (*self.as_ptr()).mm.cast::<Memory>().as_ref() }?;

        Some(f(memory))
    }

    #[inline(always)]
    fn flags(&self) -> Flags {
        // SAFETY: The task is valid; the flags change without a lock, hence volatile.
        Flags(unsafe { read!((*self.as_ptr()).flags) })
    }

    #[inline(always)]
    fn thread_count(&self) -> u32 {
        // SAFETY: A task keeps its `signal_struct` until it is freed itself.
        let count = unsafe { read!((*(*self.as_ptr()).signal).nr_threads) };

        // CAST: It is not negative.
        count as u32
    }

    #[inline(always)]
    fn cpu(&self) -> u32 {
        #[cfg(CONFIG_SMP)]
        // SAFETY: The task is valid; this changes without a lock, hence volatile.
        return unsafe { read!((*self.as_ptr()).thread_info.cpu) };
        #[cfg(not(CONFIG_SMP))]
        0
    }

    #[inline(always)]
    fn nice(&self) -> c_int {
        // SAFETY: The task is valid; this changes without a lock, hence volatile.
        let priority = unsafe { read!((*self.as_ptr()).static_prio) };

        // As `PRIO_TO_NICE()` does.
        // CAST: It is small.
        priority.wrapping_sub(bindings::DEFAULT_PRIO as c_int)
    }

    #[inline(always)]
    fn policy(&self) -> c_uint {
        // SAFETY: The task is valid; this changes without a lock, hence volatile.
        unsafe { read!((*self.as_ptr()).policy) }
    }

    #[inline(always)]
    fn start_boottime(&self) -> u64 {
        // SAFETY: The task is valid; this changes when a thread takes the place of its leader,
        // hence volatile.
        unsafe { read!((*self.as_ptr()).start_boottime) }
    }

    fn fatal_signal_pending(&self) -> bool {
        const SIGKILL: u64 = 1 << (bindings::SIGKILL.wrapping_sub(1));

        // SAFETY: The task is valid; its signals change under our eyes, hence volatile.
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
}

/// The bits `PF_*` of a task.
#[derive(Clone, Copy)]
pub(crate) struct Flags(c_uint);

impl Flags {
    /// Whether it is a kernel thread.
    #[inline(always)]
    pub(crate) fn is_kernel_thread(self) -> bool {
        self.0 & bindings::PF_KTHREAD != 0
    }

    /// Whether it is on its way out, or a zombie.
    #[inline(always)]
    pub(crate) fn is_exiting(self) -> bool {
        self.0 & bindings::PF_EXITING != 0
    }
}

/// Does what `__task_state_index()` does, but returns the bit and not its number.
#[inline(always)]
fn reported_state(state: c_uint, exit_state: c_uint) -> c_uint {
    const SPECIAL: c_uint =
        bindings::TASK_RTLOCK_WAIT | bindings::TASK_FROZEN | bindings::TASK_NOLOAD;

    if state & SPECIAL != 0 {
        if let Some(reported) = special_state(state) {
            return reported;
        }
    }

    let reported = (state | exit_state) & bindings::TASK_REPORT;

    // The highest bit wins, as with `fls()`.
    reported.checked_ilog2().map_or(0, |bit| 1 << bit)
}

/// Returns what a state passes for that few tasks are in.
#[inline(never)]
fn special_state(state: c_uint) -> Option<c_uint> {
    if state & (bindings::TASK_RTLOCK_WAIT | bindings::TASK_FROZEN) != 0 {
        // Waiting for a lock of a PREEMPT_RT kernel and being frozen pass for what they resemble.
        return Some(bindings::TASK_UNINTERRUPTIBLE);
    }
    (state & bindings::TASK_IDLE == bindings::TASK_IDLE).then_some(bindings::TASK_REPORT_IDLE)
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
    fn states_are_those_of_proc() {
        // Bits by their values, since they are what user space is promised.
        let cases = [
            (0x0, 0x0, 0),     // R
            (0x1, 0x0, 1),     // S
            (0x2, 0x0, 2),     // D
            (0x4, 0x0, 4),     // T
            (0x8, 0x0, 8),     // t
            (0x80, 0x10, 16),  // X
            (0x80, 0x20, 32),  // Z
            (0x40, 0x0, 64),   // P
            (0x402, 0x0, 128), // I
            (0x102, 0x0, 2),   // D, killable
            (0x1000, 0x0, 2),  // D, waiting for a lock of a PREEMPT_RT kernel
            (0x8000, 0x0, 2),  // D, frozen
            (0x2001, 0x0, 1),  // S, freezable
            (0x200, 0x0, 0),   // R, being woken
        ];

        for (state, exit_state, reported) in cases {
            assert_eq!(reported_state(state, exit_state), reported);
        }
    }

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
                && task.virtual_size() == 0
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

        assert!(init.virtual_size() > 0);
        assert_eq!(init.virtual_size() % (1 << PAGE_SHIFT), 0);
        Ok(())
    }
}
