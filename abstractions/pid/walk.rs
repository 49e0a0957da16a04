// SPDX-License-Identifier: GPL-2.0-only

//! Walks over the process IDs of a namespace, in RCU sections of limited length.
//!
//! Does not support walks in another order, nor a consistent view of all IDs at one moment.
//!
//! # Examples
//!
//! ```ignore
//! let walk = for_each_task(ns, TaskKind::Process, next, Budget::new(64), &guard, |nr, task, _| {
//!     pr_info!("{nr}\n");
//!     ControlFlow::<()>::Continue(())
//! });
//!
//! if let Walk::Pause(nr) = walk {
//!     next = nr;
//! }
//! ```
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use core::ops::ControlFlow;

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::rcu,
    task::{
        Pid,
        Task, //
    }, //
};

use crate::abstractions::{
    pid::{
        PidRef,
        TaskKind, //
    },
    radix_tree::{
        RadixTree,
        Slot, //
    },
    task::prefetch::Parts, //
};

/// The end of a walk over process IDs.
pub(crate) enum Walk<B> {
    /// There are no more IDs.
    End,
    /// The budget is spent, and the walk continues at this number.
    Pause(Pid),
    /// The callback has ended it.
    Break(B),
}

/// The work that may be done in one RCU section, counted in visits of IDs and threads.
pub(crate) struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    /// Creates a budget of `limit` visits, which must be at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    /// Spends the visit of an ID, if one is left.
    #[inline(always)]
    fn take_id(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left = self.left.wrapping_sub(1);
        true
    }

    /// Spends the visits of all threads of a process, if they are left.
    ///
    /// For the first ID of a walk they are granted in any case: the threads of a process are summed
    /// up in one RCU section.
    #[inline(always)]
    pub(crate) fn take_threads(&mut self, count: usize) -> bool {
        let is_granted = count <= self.left || self.limit.wrapping_sub(self.left) <= 1;

        if is_granted {
            self.left = self.left.saturating_sub(count);
        }
        is_granted
    }
}

/// Calls a function for each process ID of a namespace, from a number on, in ascending order.
///
/// An ID that exists during the whole walk is visited exactly once. IDs that are allocated or freed
/// during the walk may be visited or not. After a pause, another walk from there on visits the same
/// IDs as one without a pause.
///
/// TIME: Each ID is one visit of the budget, of which the function may spend more. A chunk of the
/// tree without an ID is one as well, and so is one that has to be looked for again.
#[doc(alias = "idr_get_next_ul")]
#[inline(always)]
pub(crate) fn for_each_pid<'g, B>(
    ns: &'g PidNamespace,
    first: Pid,
    budget: Budget,
    guard: &'g rcu::Guard,
    f: impl FnMut(Pid, &'g PidRef, &mut Budget) -> ControlFlow<B>,
) -> Walk<B> {
    walk(ns, first, budget, guard, |_| (), f)
}

/// See [`for_each_pid`]. Before each call of `f` there is one of a function that may look at the
/// slots that follow.
#[inline(always)]
fn walk<'g, B>(
    ns: &'g PidNamespace,
    first: Pid,
    mut budget: Budget,
    guard: &'g rcu::Guard,
    mut look_ahead: impl FnMut(&'g [Slot]),
    mut f: impl FnMut(Pid, &'g PidRef, &mut Budget) -> ControlFlow<B>,
) -> Walk<B> {
    // SAFETY: The namespace is valid, and with it the tree of its IDs. The base does not change.
    let (tree, base) = unsafe {
        let idr = &raw const (*ns.as_ptr()).idr;

        (
            RadixTree::from_ptr(&raw const (*idr).idr_rt, guard),
            (*idr).idr_base as usize,
        )
    };
    // CAST: It is not negative.
    let mut next = (first.max(0) as usize).saturating_sub(base);

    'chunks: while let Some(chunk) = tree.next_chunk(next) {
        let left = budget.left;
        // CAST: The kernel has no larger numbers.
        let mut following = chunk.first().wrapping_add(base) as Pid;

        next = chunk.end();
        let mut slots = chunk.slots().iter();

        while let Some(slot) = slots.next() {
            let nr = following;
            let entry = slot.entry();

            following = nr.wrapping_add(1);
            // An ID that is being allocated has an empty slot at first.
            let Some(pid) = entry.item() else {
                continue;
            };

            if !budget.take_id() {
                return Walk::Pause(nr);
            }
            if entry.is_retry() {
                // CAST: It is not negative.
                next = (nr as usize).saturating_sub(base);
                continue 'chunks;
            }
            look_ahead(slots.as_slice());
            // SAFETY: The items of this tree are IDs, which are freed by RCU.
            let pid = unsafe { PidRef::from_item(pid, guard) };

            if let ControlFlow::Break(result) = f(nr, pid, &mut budget) {
                return Walk::Break(result);
            }
        }
        if budget.left == left && !budget.take_id() {
            // CAST: As above.
            return Walk::Pause(next.saturating_add(base) as Pid);
        }
    }
    Walk::End
}

/// What is fetched ahead of a walk over tasks.
struct Ahead<'g> {
    kind: TaskKind,
    parts: Parts,
    /// The task of the next slot, if there is one.
    task: Option<&'g Task>,
    guard: &'g rcu::Guard,
}

impl<'g> Ahead<'g> {
    /// Prefetches, while a task is looked at, all that the next one leads to, the one after that,
    /// and two further on the ID by which a task is found. They are in the slots that follow.
    // Not inlined: the loop that visits the tasks needs all registers for itself.
    #[inline(never)]
    fn advance(&mut self, slots: &'g [Slot]) {
        if let Some(task) = self.task.take() {
            self.parts.prefetch_objects(task, self.guard);
        }
        if let Some(item) = slots.get(3).and_then(|slot| slot.entry().item()) {
            PidRef::prefetch_item(item);
        }

        let Some(entry) = slots.get(1).map(Slot::entry) else {
            return;
        };

        match entry.item() {
            Some(item) if !entry.is_retry() => {
                // SAFETY: As in `walk()`.
                let pid = unsafe { PidRef::from_item(item, self.guard) };

                self.task = pid.peek_task(self.kind, self.guard);
                if let Some(task) = self.task {
                    self.parts.prefetch_task(task);
                }
            }
            _ => {}
        }
    }
}

/// Calls a function for each task of a kind, as [`for_each_pid`] does for all IDs. Parts of the
/// tasks are prefetched.
#[inline(always)]
pub(crate) fn for_each_task<'g, B>(
    ns: &'g PidNamespace,
    kind: TaskKind,
    parts: Parts,
    first: Pid,
    budget: Budget,
    guard: &'g rcu::Guard,
    mut f: impl FnMut(Pid, &'g Task, &mut Budget) -> ControlFlow<B>,
) -> Walk<B> {
    let mut ahead = Ahead {
        kind,
        parts,
        task: None,
        guard,
    };

    walk(
        ns,
        first,
        budget,
        guard,
        |slots| ahead.advance(slots),
        |nr, pid, budget| match pid.find_task(kind, guard) {
            Some(task) => f(nr, task, budget),
            None => ControlFlow::Continue(()),
        },
    )
}

#[kunit_tests(procmon_pid_walk)]
pub(in crate::abstractions) mod tests {
    use super::*;
    use crate::abstractions::task::TaskExt;
    use core::ptr;

    fn endless() -> Budget {
        Budget::new(usize::MAX)
    }

    /// The first ID of a namespace from a number on.
    pub(crate) fn first<'g>(
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
    pub(crate) fn with_namespace(test: impl FnOnce(&PidNamespace) -> Result) -> Result {
        test(kernel::current!().active_pid_ns().ok_or(ESRCH)?)
    }

    #[test]
    fn ids_come_in_order() -> Result {
        with_namespace(|ns| {
            let guard = rcu::read_lock();
            let mut previous = 0;

            let walk = for_each_pid(ns, 0, endless(), &guard, |nr, pid, _| {
                assert!(nr > previous);
                assert_eq!(pid.nr_ns(ns), nr);
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
                    assert_eq!(leader.tgid_in_ns(ns, &guard), nr);
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
}
