// SPDX-License-Identifier: GPL-2.0

//! Process IDs: walking over those of a namespace, and the tasks that they stand for.
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use core::ops::ControlFlow;

use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::rcu,
    task::{
        Pid,
        Task, //
    },
    types::Opaque, //
};

pub(crate) mod allocated;

use allocated::GivenIds;

use crate::abstractions::{
    compat::smp_rmb,
    task::read, //
};

/// Wraps the kernel's `struct pid`: what a process ID refers to, in each namespace that has one.
///
/// References are valid under RCU.
#[repr(transparent)]
pub(crate) struct PidRef(Opaque<bindings::pid>);

impl PidRef {
    /// Returns the task that has this as its thread ID.
    #[inline(always)]
    pub(crate) fn task<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        self.find_task(TaskKind::Thread, guard)
    }

    /// Returns the leader of the thread group that has this as its process ID.
    ///
    /// While a thread that executes a program takes the place of the leader, this is the one or the
    /// other, and never nothing.
    #[inline(always)]
    pub(crate) fn thread_group_leader<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        self.find_task(TaskKind::Process, guard)
    }

    #[inline(always)]
    fn find_task<'a>(&'a self, kind: TaskKind, _guard: &'a rcu::Guard) -> Option<&'a Task> {
        let kind = match kind {
            TaskKind::Thread => bindings::pid_type_PIDTYPE_PID,
            TaskKind::Process => bindings::pid_type_PIDTYPE_TGID,
        };

        // SAFETY: The struct is valid and RCU is held, which tasks are freed by.
        // CAST: A `Task` is laid out as a `task_struct`.
        unsafe {
            bindings::pid_task(self.0.get(), kind)
                .cast::<Task>()
                .as_ref()
        }
    }

    /// Returns the number in a namespace, or 0 if there is none.
    #[inline(always)]
    pub(crate) fn nr_in(&self, ns: &PidNamespace) -> Pid {
        // SAFETY: Both are valid.
        unsafe { bindings::pid_nr_ns(self.0.get(), ns.as_ptr()) }
    }

    /// Returns the number in the initial namespace.
    pub(crate) fn initial_nr(&self) -> Pid {
        self.nr_in(PidNamespace::initial())
    }

    /// # Safety
    ///
    /// `pid` must be null or point to a `struct pid` that is valid for `'a`.
    pub(crate) unsafe fn from_ptr<'a>(pid: *mut bindings::pid) -> Option<&'a Self> {
        // SAFETY: By the safety requirements; this is a transparent wrapper.
        unsafe { pid.cast::<Self>().as_ref() }
    }
}

/// What an ID may be that of.
#[derive(Clone, Copy)]
pub(crate) enum TaskKind {
    /// A thread.
    Thread,
    /// A process, for which its leader stands.
    Process,
}

/// How a walk over process IDs has ended.
pub(crate) enum Walk<B> {
    /// There are no more.
    End,
    /// The budget is spent, and it goes on with this number.
    Pause(Pid),
    /// The callback has ended it.
    Break(B),
}

/// The work that may be done within one read-side critical section of RCU, counted in IDs and
/// threads that are visited.
pub(crate) struct Budget {
    limit: usize,
    used: usize,
}

impl Budget {
    /// Creates a budget for so many visits, which must be at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: 0 }
    }

    /// Takes the visit of an ID from the budget, if there is one left.
    #[inline(always)]
    fn take_id(&mut self) -> bool {
        let is_left = self.used < self.limit;

        if is_left {
            self.used = self.used.saturating_add(1);
        }
        is_left
    }

    /// Takes the visits of all threads of a process from the budget, if they are left.
    ///
    /// For the first ID of a walk they are granted in any case: the threads of a process are summed
    /// up at once or not at all.
    #[inline(always)]
    pub(crate) fn take_threads(&mut self, count: usize) -> bool {
        let used = self.used.saturating_add(count);
        let is_granted = used <= self.limit || self.used <= 1;

        if is_granted {
            self.used = used;
        }
        is_granted
    }
}

/// Calls a function for each process ID of a namespace, from a number on, in ascending order.
///
/// One that is there for as long as this takes is met exactly once. Others that come or go during
/// that time may be met or not. After a pause, another walk from there on meets the same as one
/// without a pause would have done.
///
/// TIME: Each ID that is met is one visit of the budget, from which the function may take as well.
/// Finding it takes a descent in the tree of IDs.
#[inline(always)]
pub(crate) fn for_each_pid<'g, B>(
    ns: &'g PidNamespace,
    first: Pid,
    mut budget: Budget,
    _guard: &'g rcu::Guard,
    mut f: impl FnMut(Pid, &'g PidRef, &mut Budget) -> ControlFlow<B>,
) -> Walk<B> {
    let mut next = first.max(0);

    loop {
        // SAFETY: The namespace is valid, and IDs are freed by RCU, which is held.
        let found = unsafe { PidRef::from_ptr(bindings::find_ge_pid(next, ns.as_ptr())) };
        let Some(pid) = found else {
            return Walk::End;
        };

        // An ID never changes, so this is at least what was asked for. Were it not, the walk would
        // go on nevertheless.
        let nr = pid.nr_in(ns).max(next);

        if !budget.take_id() {
            return Walk::Pause(nr);
        }
        if let ControlFlow::Break(result) = f(nr, pid, &mut budget) {
            return Walk::Break(result);
        }
        next = nr.saturating_add(1);
    }
}

/// Calls a function for each task of a kind, as [`for_each_pid`] does for all IDs.
#[inline(always)]
pub(crate) fn for_each_task<'g, B>(
    ns: &'g PidNamespace,
    kind: TaskKind,
    first: Pid,
    budget: Budget,
    guard: &'g rcu::Guard,
    mut f: impl FnMut(Pid, &'g Task, &mut Budget) -> ControlFlow<B>,
) -> Walk<B> {
    for_each_pid(ns, first, budget, guard, |nr, pid, budget| {
        match pid.find_task(kind, guard) {
            Some(task) => f(nr, task, budget),
            None => ControlFlow::Continue(()),
        }
    })
}

/// Additions to the `kernel` crate's [`PidNamespace`].
pub(crate) trait PidNamespaceExt {
    /// Returns the initial namespace, which all tasks are in.
    fn initial() -> &'static Self;

    /// Returns the IDs that were given since the next one was `before`, which are counted up until
    /// they begin anew.
    fn given_since(&self, before: Pid) -> GivenIds;
}

impl PidNamespaceExt for PidNamespace {
    fn initial() -> &'static Self {
        // SAFETY: This is a static that is valid from early at boot on.
        unsafe { PidNamespace::from_ptr(&raw mut bindings::init_pid_ns) }
    }

    fn given_since(&self, before: Pid) -> GivenIds {
        GivenIds::since(self, before)
    }
}

/// The IDs of a [`Task`] in a namespace.
pub(crate) trait TaskIds {
    /// Returns the process ID.
    fn process_nr_in(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Pid;

    /// Returns the process ID of the parent, or 0 if it is outside of the namespace.
    ///
    /// There is none when the task has been waited for. If there is one, what was read of the task
    /// before was read while it had its ID.
    fn parent_nr_in(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Pid>;
}

impl TaskIds for Task {
    #[inline(always)]
    fn process_nr_in(&self, ns: &PidNamespace, _guard: &rcu::Guard) -> Pid {
        // SAFETY: The task and the namespace are valid. A task that has been waited for has none.
        unsafe {
            bindings::__task_pid_nr_ns(self.as_ptr(), bindings::pid_type_PIDTYPE_TGID, ns.as_ptr())
        }
    }

    #[inline(always)]
    fn parent_nr_in(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Pid> {
        // ORDERING: This comes after all that was read of the task. An ID that is still there now
        // was there then.
        smp_rmb();

        // SAFETY: The task is valid, and its parent changes under our eyes, hence volatile. Tasks
        // are freed by RCU. Each has a parent, and one that has been waited for, whose parent may
        // be gone, has no ID any more.
        let parent = unsafe {
            if read!((*self.as_ptr()).thread_pid).is_null() {
                return None;
            }
            read!((*self.as_ptr()).real_parent)
        };

        // SAFETY: See above; a `Task` is laid out as a `task_struct`.
        Some(unsafe { &*parent.cast::<Task>() }.process_nr_in(ns, guard))
    }
}

#[kunit_tests(procmon_pid)]
mod tests {
    use super::*;
    use crate::abstractions::{
        kthread::{
            tests::run_in_threads,
            CurrentThread, //
        },
        task::TaskExt, //
    };
    use core::ptr;
    use kernel::{
        new_mutex,
        sync::{
            aref::ARef,
            Arc, //
        },
        time::{
            delay::fsleep,
            Delta, //
        }, //
    };

    fn endless() -> Budget {
        Budget::new(usize::MAX)
    }

    /// The first ID of a namespace from a number on.
    fn first<'g>(
        ns: &'g PidNamespace,
        from: Pid,
        guard: &'g rcu::Guard,
    ) -> Option<(Pid, &'g PidRef)> {
        match for_each_pid(ns, from, endless(), guard, |nr, pid, _| {
            ControlFlow::Break((nr, pid))
        }) {
            Walk::Break(found) => Some(found),
            _ => None,
        }
    }

    /// The namespace of the test's thread, that of all kernel threads.
    fn with_namespace(test: impl FnOnce(&PidNamespace) -> Result) -> Result {
        test(kernel::current!().active_pid_ns().ok_or(ESRCH)?)
    }

    #[test]
    fn ids_come_in_order() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let mut previous = 0;

            let walk = for_each_pid(ns, 0, endless(), &guard, |nr, pid, _| {
                assert!(nr > previous);
                assert_eq!(pid.nr_in(ns), nr);
                previous = nr;
                ControlFlow::<()>::Continue(())
            });

            assert!(matches!(walk, Walk::End));
            Ok(())
        })
    }

    #[test]
    fn the_walk_begins_where_it_is_told_to() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let first = |from| first(ns, from, &guard).map(|(nr, _)| nr);

            assert_eq!(first(-1), Some(1));
            assert_eq!(first(0), Some(1));
            assert_eq!(first(1), Some(1));
            assert_eq!(first(2), Some(2));
            assert_eq!(first(Pid::MAX), None);
            Ok(())
        })
    }

    #[test]
    fn a_walk_with_pauses_meets_the_same() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let mut next = 0;
            let mut count = 0u32;

            loop {
                let walk = for_each_pid(ns, next, Budget::new(7), &guard, |_, _, _| {
                    count = count.wrapping_add(1);
                    ControlFlow::<()>::Continue(())
                });

                match walk {
                    Walk::Pause(nr) => {
                        assert!(nr > next);
                        next = nr;
                    }
                    _ => break,
                }
            }

            let mut at_once = 0u32;

            for_each_pid(ns, 0, endless(), &guard, |_, _, _| {
                at_once = at_once.wrapping_add(1);
                ControlFlow::<()>::Continue(())
            });
            // Some may have come or gone.
            assert!(at_once.abs_diff(count) < 10);
            assert!(count > 10);
            Ok(())
        })
    }

    #[test]
    fn a_walk_visits_no_more_than_its_budget() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let (mut next, mut longest, mut sections) = (0, 0usize, 0usize);

            // Each ID stands for itself and two more visits.
            loop {
                let mut visits = 0usize;
                let walk = for_each_pid(ns, next, Budget::new(10), &guard, |nr, _, budget| {
                    if !budget.take_threads(2) {
                        visits += 1;
                        return ControlFlow::Break(nr);
                    }
                    visits += 3;
                    ControlFlow::Continue(())
                });

                longest = longest.max(visits);
                sections += 1;
                match walk {
                    Walk::Pause(nr) | Walk::Break(nr) => {
                        assert!(nr > next);
                        next = nr;
                    }
                    Walk::End => break,
                }
            }
            assert_eq!(longest, 10);
            assert!(sections > 3);
            Ok(())
        })
    }

    #[test]
    fn a_budget_grants_the_threads_of_the_first_process() {
        let mut budget = Budget::new(10);

        assert!(budget.take_id() && budget.take_threads(1000));
        assert!(!budget.take_id() && !budget.take_threads(1));

        let mut budget = Budget::new(10);

        assert!(budget.take_id() && budget.take_id());
        assert!(!budget.take_threads(9) && budget.take_threads(8));
        assert!(!budget.take_id());
    }

    #[test]
    fn leaders_have_the_id_of_their_process() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let mut leaders = 0u32;

            for_each_pid(ns, 0, endless(), &guard, |nr, pid, _| {
                if let Some(leader) = pid.thread_group_leader(&guard) {
                    leaders = leaders.wrapping_add(1);
                    assert_eq!(leader.tgid(), nr);
                    assert_eq!(leader.process_nr_in(ns, &guard), nr);
                    // It is no other than the task with that thread ID, unless a thread of the
                    // process is executing a program at this moment, which kernel threads never do.
                    if leader.flags().is_kernel_thread() {
                        let task = pid.task(&guard);

                        assert!(task.is_some_and(|task| ptr::eq(task, leader)));
                    }
                }
                ControlFlow::<()>::Continue(())
            });
            assert!(leaders > 2);
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

                assert_eq!(task.process_nr_in(ns, &guard), nr);
                // init and kthreadd have no parent among the processes.
                assert_eq!(task.parent_nr_in(ns, &guard), Some(0));
            }
            Ok(())
        })
    }

    #[test]
    fn who_has_been_waited_for_has_no_parent() -> Result {
        let ended = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let result = ended.clone();

        run_in_threads::<1>(move |_: &CurrentThread| {
            let task: &Task = kernel::current!();

            // Threads of the kernel are started by kthreadd, which also waits for them.
            assert_eq!(
                task.parent_nr_in(PidNamespace::initial(), &rcu::read_lock()),
                Some(2)
            );
            *result.lock() = Some(ARef::from(task));
        })?;

        let task = ended.lock().take().ok_or(ESRCH)?;

        for _ in 0..1000 {
            if task
                .parent_nr_in(PidNamespace::initial(), &rcu::read_lock())
                .is_none()
            {
                return Ok(());
            }
            fsleep(Delta::from_millis(10));
        }
        Err(ETIMEDOUT)
    }

    #[test]
    fn the_initial_namespace_is_that_of_kernel_threads() -> Result {
        with_namespace(|ns| {
            let initial = PidNamespace::initial();

            assert!(ptr::eq(ns.as_ptr(), initial.as_ptr()));
            assert!(initial.given_since(0).next() > 1);
            Ok(())
        })
    }
}
