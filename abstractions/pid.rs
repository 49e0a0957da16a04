// SPDX-License-Identifier: GPL-2.0

//! Process IDs: walking over those of a namespace, and the tasks that they stand for.
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/linux/idr.h`](srctree/include/linux/idr.h),
//! [`include/linux/radix-tree.h`](srctree/include/linux/radix-tree.h)

use core::{
    ops::ControlFlow,
    ptr::{
        self,
        NonNull, //
    }, //
};

use kernel::{
    bindings,
    container_of,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::rcu,
    task::{
        Pid,
        Task, //
    },
    types::Opaque, //
};

use crate::abstractions::compat::smp_rmb;

/// Wraps the kernel's `struct pid`: what a process ID refers to, in each namespace that has one.
///
/// References are valid under RCU.
#[repr(transparent)]
pub(crate) struct PidRef(Opaque<bindings::pid>);

impl PidRef {
    /// Returns the task that has this as its thread ID.
    pub(crate) fn task<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        self.find_task(TaskKind::Thread, guard)
    }

    /// Returns the leader of the thread group that has this as its process ID.
    ///
    /// While a thread that executes a program takes the place of the leader, this is the one or the
    /// other, and never nothing.
    pub(crate) fn thread_group_leader<'a>(&'a self, guard: &'a rcu::Guard) -> Option<&'a Task> {
        self.find_task(TaskKind::Process, guard)
    }

    #[inline(always)]
    fn find_task<'a>(&'a self, kind: TaskKind, guard: &'a rcu::Guard) -> Option<&'a Task> {
        let link = self.link(kind)?;

        // SAFETY: The link is that of this kind.
        Some(unsafe { Self::task_of_link(link, kind, guard) })
    }

    /// Returns the link of the task that has this as an ID of a type, as `pid_task()` finds it.
    #[inline(always)]
    fn link(&self, kind: TaskKind) -> Option<NonNull<bindings::hlist_node>> {
        let pid = self.0.get();

        // SAFETY: The struct is valid, and the list is changed by RCU list operations, hence
        // volatile.
        NonNull::new(unsafe {
            ptr::read_volatile(&raw const (*pid).tasks.get(kind.index())?.first)
        })
    }

    /// # Safety
    ///
    /// The link must have been returned by [`PidRef::link`] for the same kind under the same guard.
    #[inline(always)]
    unsafe fn task_of_link<'a>(
        link: NonNull<bindings::hlist_node>,
        kind: TaskKind,
        _guard: &'a rcu::Guard,
    ) -> &'a Task {
        // A task has an array of links, one for each type.
        // SAFETY: By the safety requirements, this is the offset of an element from the first one.
        let first = unsafe { link.as_ptr().sub(kind.index()) };

        // SAFETY: By the safety requirements this is a task's link, and tasks are freed by RCU.
        // CAST: A `Task` is laid out as a `task_struct`.
        unsafe {
            &*container_of!(
                first.cast::<[bindings::hlist_node; 4]>(),
                bindings::task_struct,
                pid_links
            )
            .cast::<Task>()
        }
    }

    /// Returns the number in a namespace, or 0 if there is none, as `pid_nr_ns()` does.
    #[inline(always)]
    pub(crate) fn nr_in(&self, ns: &PidNamespace) -> Pid {
        let (pid, ns) = (self.0.get(), ns.as_ptr());

        // SAFETY: Both are valid, and these fields never change.
        let (level, depth) = unsafe { ((*ns).level, (*pid).level) };

        if level > depth {
            return 0;
        }

        // SAFETY: There is a number for each level up to that of the struct.
        let upid = unsafe { &*(*pid).numbers.as_ptr().add(level as usize) };

        if ptr::eq(upid.ns, ns) {
            upid.nr
        } else {
            0
        }
    }

    /// Returns the number in the initial namespace, as `pid_nr()` does.
    pub(crate) fn initial_nr(&self) -> Pid {
        // SAFETY: The struct is valid. There is a number for each level, and this never changes.
        unsafe { (*(*self.0.get()).numbers.as_ptr()).nr }
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

impl TaskKind {
    #[inline(always)]
    fn index(self) -> usize {
        match self {
            Self::Thread => bindings::pid_type_PIDTYPE_PID as usize,
            Self::Process => bindings::pid_type_PIDTYPE_TGID as usize,
        }
    }
}

/// How a walk over process IDs has ended.
pub(crate) enum Walk<B> {
    /// There are no more.
    End,
    /// It was long enough, and goes on with this number.
    Pause(Pid),
    /// The callback has ended it.
    Break(B),
}

/// Calls a function for each process ID of a namespace, from a number on, in ascending order.
///
/// One that is there for as long as this takes is met exactly once. What else comes and goes
/// meanwhile may be met or not. After a pause, another walk from there on meets the same as one
/// without a pause would have done.
///
/// This goes through the nodes of the radix tree, while `find_ge_pid()` begins at its root for each
/// ID. After so many nodes as given by `most` it pauses.
#[inline(always)]
pub(crate) fn for_each_pid<'g, B>(
    ns: &'g PidNamespace,
    first: Pid,
    most: usize,
    _guard: &'g rcu::Guard,
    mut f: impl FnMut(Pid, &'g PidRef) -> ControlFlow<B>,
) -> Walk<B> {
    /// The lowest bits of an entry of the tree tell what it is. For a pointer they are zero.
    const INTERNAL: usize = 2;

    // SAFETY: The namespace is valid.
    let (tree, base) = unsafe {
        let idr = &raw const (*ns.as_ptr()).idr;

        (&raw const (*idr).idr_rt, (*idr).idr_base as c_ulong)
    };
    let mut iter: bindings::radix_tree_iter = Zeroable::zeroed();

    iter.next_index = c_ulong::try_from(first).unwrap_or(0).saturating_sub(base);
    for _ in 0..most {
        // SAFETY: The tree is valid, and its nodes are freed by RCU.
        let mut slot = unsafe { bindings::radix_tree_next_chunk(tree, &raw mut iter, 0) };

        if slot.is_null() {
            return Walk::End;
        }

        let slots = match iter.node.is_null() {
            // What the tree consists of.
            true => 1,
            // What is left of the node.
            false => iter.next_index.wrapping_sub(iter.index),
        };
        let start = slot;
        // SAFETY: There are as many slots in the node.
        let end = unsafe { slot.add(slots) };

        while slot != end {
            // SAFETY: This is one of the slots, which are valid under RCU. Entries change under our
            // eyes, hence volatile; what they lead to is read through an address dependency.
            let entry = unsafe { ptr::read_volatile(slot) };
            // To count them along would take a register more.
            let index = || {
                iter.index.wrapping_add(
                    (slot.addr().wrapping_sub(start.addr()) / size_of_val(&entry)) as c_ulong,
                )
            };

            if entry.addr() & INTERNAL != 0 {
                // The tree has changed, and this part of it is to be looked up again.
                iter.next_index = index();
                break;
            }
            // SAFETY: The entries of the tree are the IDs of the namespace, which are freed by RCU,
            // and null.
            if let Some(pid) = unsafe { PidRef::from_ptr(entry.cast()) } {
                // CAST: IDs are far below the largest number.
                if let ControlFlow::Break(result) = f(index().wrapping_add(base) as Pid, pid) {
                    return Walk::Break(result);
                }
            }
            // SAFETY: There was a slot, so this is at most their end.
            slot = unsafe { slot.add(1) };
        }
    }
    // CAST: As above.
    Walk::Pause(iter.next_index.wrapping_add(base) as Pid)
}

/// Calls a function for each task of a kind, as [`for_each_pid`] does for all IDs.
#[inline(always)]
pub(crate) fn for_each_task<'g, B>(
    ns: &'g PidNamespace,
    kind: TaskKind,
    first: Pid,
    most: usize,
    guard: &'g rcu::Guard,
    mut f: impl FnMut(Pid, &'g Task) -> ControlFlow<B>,
) -> Walk<B> {
    for_each_pid(ns, first, most, guard, |nr, pid| match pid.link(kind) {
        // With `Option<&Task>` the compiler would look for null twice.
        // SAFETY: The link is that of this kind.
        Some(link) => f(nr, unsafe { PidRef::task_of_link(link, kind, guard) }),
        None => ControlFlow::Continue(()),
    })
}

/// What the `kernel` crate's [`PidNamespace`] does not tell.
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
        let ns = self.as_ptr();

        // SAFETY: The namespace is valid, and these change under our eyes, hence volatile.
        unsafe {
            GivenIds {
                before,
                // CAST: IDs are far below the largest number.
                next: ptr::read_volatile(&raw const (*ns).idr.idr_next) as Pid,
                end: ptr::read_volatile(&raw const (*ns).pid_max),
            }
        }
    }
}

/// The IDs of a namespace that were given to new tasks within some time.
///
/// It must not be so long that more were given than there are IDs. Those that were in use already
/// were passed over, and are among these too.
#[derive(Clone, Copy)]
pub(crate) struct GivenIds {
    before: Pid,
    next: Pid,
    end: Pid,
}

impl GivenIds {
    /// The lower ones are not given again: `RESERVED_PIDS`.
    // CAST: It is small.
    const BEGIN: Pid = bindings::RESERVED_PIDS as Pid;

    /// The ID that comes next.
    pub(crate) fn next(&self) -> Pid {
        self.next
    }

    /// Whether an ID is one of these.
    #[inline(always)]
    pub(crate) fn contains(&self, nr: Pid) -> bool {
        if self.before <= self.next {
            // With one comparison: what is lower than the lowest one becomes a large number.
            // CAST: The difference is not negative.
            (nr.wrapping_sub(self.before) as u32) < self.next.abs_diff(self.before)
        } else {
            nr >= self.before || (Self::BEGIN..self.next).contains(&nr)
        }
    }

    /// How many these are.
    pub(crate) fn count(&self) -> u32 {
        let count = if self.before <= self.next {
            self.next.wrapping_sub(self.before)
        } else {
            self.end
                .saturating_sub(self.before)
                .max(0)
                .saturating_add(self.next.saturating_sub(Self::BEGIN).max(0))
        };

        // It is not negative.
        u32::try_from(count).unwrap_or(0)
    }
}

/// The IDs of a [`Task`] in a namespace.
pub(crate) trait TaskIds {
    /// Returns the process ID.
    fn process_nr_in(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Pid;

    /// Returns the process ID of the parent, or 0 if it is outside of the namespace.
    ///
    /// There is none when the task has been waited for. Whoever gets one knows that what it read of
    /// the task before was read of one that had its ID.
    fn parent_nr_in(&self, ns: &PidNamespace, guard: &rcu::Guard) -> Option<Pid>;
}

/// Whether this is the namespace that all tasks are in.
#[inline(always)]
fn is_initial(ns: &PidNamespace) -> bool {
    // SAFETY: The namespace is valid, and this never changes.
    unsafe { (*ns.as_ptr()).level == 0 }
}

/// What is not for everybody.
trait TaskNumbers {
    /// Returns the process ID in the initial namespace, without a call.
    fn tgid_nr(&self) -> Pid;
}

impl TaskNumbers for Task {
    #[inline(always)]
    fn tgid_nr(&self) -> Pid {
        // SAFETY: The task is valid, and this never changes.
        unsafe { (*self.as_ptr()).tgid }
    }
}

impl TaskIds for Task {
    #[inline(always)]
    fn process_nr_in(&self, ns: &PidNamespace, _guard: &rcu::Guard) -> Pid {
        if is_initial(ns) {
            return self.tgid_nr();
        }

        // SAFETY: A task keeps its `signal_struct` until it is freed itself. The IDs are freed by
        // RCU, and there are none any more when it has been waited for.
        let pid = unsafe {
            let signal = (*self.as_ptr()).signal;

            PidRef::from_ptr(ptr::read_volatile(
                &raw const (*signal).pids[bindings::pid_type_PIDTYPE_TGID as usize],
            ))
        };

        pid.map_or(0, |pid| pid.nr_in(ns))
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
            if ptr::read_volatile(&raw const (*self.as_ptr()).thread_pid).is_null() {
                return None;
            }
            ptr::read_volatile(&raw const (*self.as_ptr()).real_parent)
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

    /// The first ID of a namespace from a number on.
    fn first<'g>(
        ns: &'g PidNamespace,
        from: Pid,
        guard: &'g rcu::Guard,
    ) -> Option<(Pid, &'g PidRef)> {
        match for_each_pid(ns, from, usize::MAX, guard, |nr, pid| {
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

            let walk = for_each_pid(ns, 0, usize::MAX, &guard, |nr, pid| {
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
                let walk = for_each_pid(ns, next, 1, &guard, |_, _| {
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

            for_each_pid(ns, 0, usize::MAX, &guard, |_, _| {
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
    fn leaders_have_the_id_of_their_process() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let mut leaders = 0u32;

            for_each_pid(ns, 0, usize::MAX, &guard, |nr, pid| {
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
    fn given_ids() {
        let given = |before, next| GivenIds {
            before,
            next,
            end: 1000,
        };

        assert_eq!(given(400, 400).count(), 0);
        assert_eq!(given(400, 410).count(), 10);
        for (nr, is_given) in [(399, false), (400, true), (409, true), (410, false)] {
            assert_eq!(given(400, 410).contains(nr), is_given);
        }

        // From the end to the first ones that are given again.
        let anew = given(990, 305);

        assert_eq!(anew.count(), 10 + 5);
        for nr in [990, 999, 300, 304] {
            assert!(anew.contains(nr));
        }
        for nr in [1, 299, 305, 989] {
            assert!(!anew.contains(nr));
        }
        // The end may have become lower meanwhile.
        assert_eq!(given(2000, 305).count(), 5);
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
