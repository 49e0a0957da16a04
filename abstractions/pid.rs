// SPDX-License-Identifier: GPL-2.0-only

//! Process IDs as objects, and the tasks that have them.
//!
//! Does not support process groups and sessions.
//!
//! # Examples
//!
//! ```ignore
//! let guard = rcu::read_lock();
//! let process: ARef<PidRef> = find_process(1, &guard).ok_or(ESRCH)?;
//! let is_alive = process.thread_group_leader(&guard).is_some();
//! ```
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use core::{
    mem::offset_of,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    container_of,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        rcu, //
    },
    task::{
        Pid,
        Task, //
    },
    types::Opaque, //
};

use crate::abstractions::{
    pid_namespace::PidNamespaceExt,
    prefetch::prefetch,
    sync::rwonce::read,
    task::find_task_by_vpid, //
};

pub(crate) mod allocated;
pub(crate) mod walk;

/// Wraps the kernel's `struct pid`: an ID of a thread, process, process group or session, with its
/// number in each namespace.
///
/// # Invariants
///
/// The object is valid: it was found under RCU, which still is held, or there is a reference to it.
#[repr(transparent)]
pub(crate) struct PidRef(Opaque<bindings::pid>);

impl PidRef {
    /// Returns the task that has this as its thread ID.
    #[doc(alias = "pid_task")]
    #[inline(always)]
    pub(crate) fn task<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        self.find_task(TaskKind::Thread, guard)
    }

    /// Returns the leader of the thread group that has this as its process ID.
    ///
    /// While a thread that executes a program replaces the leader (`de_thread()`), this is either
    /// of them, and never `None`.
    #[doc(alias = "pid_task")]
    #[inline(always)]
    pub(crate) fn thread_group_leader<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        self.find_task(TaskKind::Process, guard)
    }

    #[inline(always)]
    pub(super) fn find_task<'a>(
        &'a self,
        kind: TaskKind,
        _guard: &'a rcu::Guard,
    ) -> Option<&'a Task> {
        // SAFETY: By the type invariants. RCU is held, by which tasks are freed.
        // CAST: A `Task` is laid out as a `task_struct`.
        unsafe {
            bindings::pid_task(self.0.get(), kind.as_raw())
                .cast::<Task>()
                .as_ref()
        }
    }

    /// Returns the task that [`find_task`](Self::find_task) would, by loads that are not worth a
    /// call.
    #[inline(always)]
    pub(super) fn peek_task<'a>(
        &'a self,
        kind: TaskKind,
        _guard: &'a rcu::Guard,
    ) -> Option<&'a Task> {
        // SAFETY: By the type invariants; the list changes concurrently.
        let node = unsafe { read!((*self.tasks(kind)).first) };

        if node.is_null() {
            return None;
        }
        // SAFETY: The node is part of a task, which is freed by RCU, which is held.
        // CAST: A `Task` is laid out as a `task_struct`.
        unsafe {
            let links: *mut [bindings::hlist_node; 4] = node.sub(kind.as_raw() as usize).cast();

            Some(&*container_of!(links, bindings::task_struct, pid_links).cast::<Task>())
        }
    }

    /// Prefetches the lists of the tasks of an item of a namespace's tree of IDs. It need not be
    /// one any more.
    #[inline(always)]
    pub(super) fn prefetch_item(item: NonNull<c_void>) {
        prefetch::<{ offset_of!(bindings::pid, tasks) }, _>(item.as_ptr());
    }

    /// Returns the head of the list of tasks of a kind.
    #[inline(always)]
    fn tasks(&self, kind: TaskKind) -> *const bindings::hlist_head {
        // SAFETY: By the type invariants, and the kinds are below the length of the array.
        unsafe {
            (&raw const (*self.0.get()).tasks)
                .cast::<bindings::hlist_head>()
                .add(kind.as_raw() as usize)
        }
    }

    /// Returns the number in a namespace, or 0 if there is none.
    #[doc(alias = "pid_nr_ns")]
    #[inline(always)]
    pub(crate) fn nr_ns(&self, ns: &PidNamespace) -> Pid {
        // SAFETY: Both are valid.
        unsafe { bindings::pid_nr_ns(self.0.get(), ns.as_ptr()) }
    }

    /// Returns the number in the initial namespace.
    #[doc(alias = "pid_nr")]
    pub(crate) fn nr(&self) -> Pid {
        self.nr_ns(PidNamespace::initial())
    }

    /// Returns the pointer that C code has.
    pub(crate) fn as_ptr(&self) -> *mut bindings::pid {
        self.0.get()
    }

    /// Creates a reference from an item of a namespace's tree of IDs.
    ///
    /// # Safety
    ///
    /// `item` must point to a `struct pid` that was found while RCU was held by the guard.
    #[inline(always)]
    pub(super) unsafe fn from_item<'g>(item: NonNull<c_void>, _guard: &'g rcu::Guard) -> &'g Self {
        // SAFETY: By the safety requirements; this is a transparent wrapper.
        unsafe { item.cast::<Self>().as_ref() }
    }
}

/// The kind of task that an ID is used for.
#[derive(Clone, Copy)]
pub(crate) enum TaskKind {
    /// A thread.
    Thread,
    /// A process, represented by its leader.
    Process,
}

impl TaskKind {
    #[inline(always)]
    fn as_raw(self) -> bindings::pid_type {
        match self {
            TaskKind::Thread => bindings::pid_type_PIDTYPE_PID,
            TaskKind::Process => bindings::pid_type_PIDTYPE_TGID,
        }
    }
}

// SAFETY: A `struct pid` is counted, and valid as long as the count is not zero. One that is found
// under RCU has a count: the kernel drops its own reference by `call_rcu()`.
unsafe impl AlwaysRefCounted for PidRef {
    fn inc_ref(&self) {
        // SAFETY: The struct is valid. This is what `get_pid()` does.
        unsafe { bindings::refcount_inc(&raw mut (*self.as_ptr()).count) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By the safety requirements the caller gives up a reference.
        unsafe { bindings::put_pid(obj.as_ptr().cast()) };
    }
}

// SAFETY: References may be dropped by any thread.
unsafe impl Send for PidRef {}
// SAFETY: Its fields never change, or are changed by RCU.
unsafe impl Sync for PidRef {}

/// Returns a reference to the ID of the process that has a number in the caller's PID namespace. It
/// may be the number of any of its threads.
///
/// The object is never used for another process, even if the number is.
pub(crate) fn find_process(nr: Pid, guard: &rcu::Guard) -> Option<ARef<PidRef>> {
    process_of(find_task_by_vpid(nr, guard)?)
}

/// Returns a reference to the ID of a task's process, if it has not been waited for.
#[doc(alias = "get_task_pid")]
pub(crate) fn process_of(task: &Task) -> Option<ARef<PidRef>> {
    // SAFETY: The task is valid, and this is a type of ID. There is none once the task has been
    // waited for.
    let pid = unsafe { bindings::get_task_pid(task.as_ptr(), bindings::pid_type_PIDTYPE_TGID) };

    // SAFETY: The call has taken a reference, which this now owns. A `PidRef` is laid out as a
    // `struct pid`.
    NonNull::new(pid).map(|pid| unsafe { ARef::from_raw(pid.cast()) })
}

#[kunit_tests(procmon_pid)]
mod tests {
    use super::*;
    use crate::abstractions::{
        kthread::{
            tests::run_in_threads,
            CurrentThread, //
        },
        pid::walk::{
            for_each_pid,
            tests::{
                first,
                with_namespace, //
            },
            Budget, //
        },
        task::TaskExt, //
    };
    use core::{
        ops::ControlFlow,
        ptr, //
    };
    use kernel::{
        new_mutex,
        sync::Arc,
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };

    #[test]
    fn the_task_at_a_glance_is_the_one_that_is_found() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let mut compared = 0u32;

            for_each_pid(ns, 0, Budget::new(usize::MAX), &guard, |_, pid, _| {
                for kind in [TaskKind::Process, TaskKind::Thread] {
                    let found = pid.find_task(kind, &guard).map(ptr::from_ref);
                    let peeked = pid.peek_task(kind, &guard).map(ptr::from_ref);

                    // Some may come or go.
                    if pid.find_task(kind, &guard).map(ptr::from_ref) == found {
                        assert_eq!(peeked, found);
                        compared = compared.wrapping_add(1);
                    }
                }
                ControlFlow::<()>::Continue(())
            });
            assert!(compared > 4);
            Ok(())
        })
    }

    #[test]
    fn threads_are_found_by_their_process() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();

            for nr in [1, 2] {
                let (_, pid) = first(ns, nr, &guard).ok_or(ESRCH)?;
                let leader = pid.thread_group_leader(&guard).ok_or(ESRCH)?;

                // The leader is among the threads.
                assert_eq!(
                    leader
                        .threads(&guard)
                        .filter(|&thread| ptr::eq(thread, leader))
                        .count(),
                    1
                );
                assert!(leader.threads(&guard).all(|thread| thread.tgid() == nr));
            }
            Ok(())
        })
    }

    #[test]
    fn parents_of_the_first_processes() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();

            for nr in [1, 2] {
                let (_, pid) = first(ns, nr, &guard).ok_or(ESRCH)?;
                let task = pid.task(&guard).ok_or(ESRCH)?;

                assert_eq!(task.tgid_in_ns(ns, &guard), nr);
                // init and kthreadd have no parent among the processes.
                assert_eq!(task.ppid_in_ns(ns, &guard), Some(0));
            }
            Ok(())
        })
    }

    #[test]
    fn a_reaped_task_has_no_parent() -> Result {
        let ended = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let result = ended.clone();

        run_in_threads::<1>(move |_: &CurrentThread| {
            let task: &Task = kernel::current!();

            // Threads of the kernel are started by kthreadd, which also waits for them.
            assert_eq!(
                task.ppid_in_ns(PidNamespace::initial(), &rcu::read_lock()),
                Some(2)
            );
            *result.lock() = Some(ARef::from(task));
        })?;

        let task = ended.lock().take().ok_or(ESRCH)?;

        for _ in 0..1000 {
            if task
                .ppid_in_ns(PidNamespace::initial(), &rcu::read_lock())
                .is_none()
            {
                return Ok(());
            }
            fsleep(Delta::from_millis(10));
        }
        Err(ETIMEDOUT)
    }

    #[test]
    fn finds_processes_and_nothing_else() -> Result {
        for nr in [1, 2] {
            let guard = rcu::read_lock();
            let process = find_process(nr, &guard).ok_or(ESRCH)?;

            assert_eq!(process.nr(), nr);
            assert_eq!(process.nr_ns(PidNamespace::initial()), nr);
            assert!(process.thread_group_leader(&guard).is_some());
        }
        for nr in [0, -1, Pid::MAX] {
            assert!(find_process(nr, &rcu::read_lock()).is_none());
        }
        Ok(())
    }

    #[test]
    fn a_reference_is_given_back() -> Result {
        let process = find_process(1, &rcu::read_lock()).ok_or(ESRCH)?;
        // SAFETY: The struct is valid, and the count changes concurrently.
        let count =
            || unsafe { ptr::read_volatile(&raw const (*process.as_ptr()).count.refs.counter) };
        let before = count();
        let other = process.clone();

        assert_eq!(count(), before + 1);
        drop(other);
        assert_eq!(count(), before);
        Ok(())
    }
}
