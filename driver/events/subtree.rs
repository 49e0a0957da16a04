// SPDX-License-Identifier: GPL-2.0-only

//! Subtrees: a process and those that descend from it, whichever parents they get.

use core::ops::ControlFlow;

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    rbtree::RBTree,
    sync::rcu,
    task::Pid, //
};

use crate::{
    abstractions::{
        pid::{
            find_process,
            walk::{
                for_each_pid,
                Budget,
                Walk, //
            }, //
        },
        pid_namespace::PidNamespaceExt,
        task::{
            cond_resched,
            TaskExt, //
        }, //
    },
    driver::hidepid::Restriction,
    uapi::{
        procmon_event as Header,
        procmon_event_fork as Fork, //
    }, //
};

/// The number of IDs that are visited per RCU section.
const VISITS: usize = 64;

/// A process for good: its PID and its start.
type Identity = (Pid, u64);

/// The value of a member that is not known to have ended.
const ALIVE: u64 = u64::MAX;

/// The processes of a subtree.
///
/// One that has ended stays in it for a while, so that a reader may be told of its end twice: the
/// call that was to tell it may have failed.
pub(super) struct Subtree {
    /// The value is the sequence number of the last event that may be about the process, or
    /// [`ALIVE`].
    members: RBTree<Identity, u64>,
    /// The number of those that have ended.
    ended: usize,
    /// The number of them at which they are taken out.
    limit: usize,
}

impl Subtree {
    /// The least number of processes that have ended to be taken out.
    const MIN_LIMIT: usize = 64;

    /// Creates one without processes.
    pub(super) fn new() -> Self {
        Self {
            members: RBTree::new(),
            ended: 0,
            limit: Self::MIN_LIMIT,
        }
    }

    /// Creates that of a process and all that descend from it now.
    ///
    /// A process whose parent ends during this call may be taken for one that descends from
    /// another process.
    ///
    /// # Errors
    ///
    /// - `EINTR` if a fatal signal arrives.
    /// - `ENOMEM` if memory is short.
    /// - `ESRCH` if there is no such process, or if it is hidden from the caller.
    pub(super) fn of(root: Pid) -> Result<Self> {
        let caller = kernel::current!();
        let restriction = Restriction::of_caller(caller);
        let (pid, start_time) = {
            // TIME: RCU is held for three lookups.
            let guard = rcu::read_lock();
            let process = find_process(root, &guard).ok_or(ESRCH)?;

            if restriction.is_some_and(|restriction| restriction.hides(&process, &guard)) {
                return Err(ESRCH);
            }

            let leader = process.thread_group_leader(&guard).ok_or(ESRCH)?;

            (leader.pid(), leader.start_boottime())
        };
        let mut subtree = Self::new();

        subtree.insert((pid, start_time))?;
        subtree.add_descendants(ALIVE)?;
        Ok(subtree)
    }

    /// Brings the subtree up to date after a loss of events: processes that descend from a member
    /// now are added, and those that have ended are taken out once the events up to `newest` are
    /// read.
    ///
    /// # Errors
    ///
    /// As for [`of`](Self::of). This may be called again then.
    pub(super) fn renew(&mut self, newest: u64) -> Result {
        for last in self.members.values_mut() {
            *last = newest.min(*last);
        }
        self.add_descendants(newest)?;
        (_, self.ended) = self.count();
        Ok(())
    }

    fn insert(&mut self, process: Identity) -> Result {
        self.members
            .try_create_and_insert(process, ALIVE, GFP_KERNEL_ACCOUNT)?;
        Ok(())
    }

    fn has(&self, process: Identity) -> bool {
        self.members.get(&process).is_some()
    }

    /// Adds all processes that descend from a member. Those with the value `mark` that are found
    /// are alive.
    ///
    /// A process has a higher PID than its parent, unless PIDs have begun anew in between. So the
    /// second pass finds no others, as a rule.
    ///
    /// TIME: Each pass looks at each process, and adds one or is the last.
    fn add_descendants(&mut self, mark: u64) -> Result {
        let mut found = KVec::with_capacity(VISITS, GFP_KERNEL)?;

        while self.add_children(mark, &mut found)? {}
        Ok(())
    }

    /// Adds the processes that a single pass finds. Returns whether there were any.
    ///
    /// TIME: Each ID is visited once. RCU is held for one budget of them at a time.
    fn add_children(&mut self, mark: u64, found: &mut KVec<Identity>) -> Result<bool> {
        let ns = PidNamespace::initial();
        let mut next = 0;
        let mut has_found = false;

        loop {
            let guard = rcu::read_lock();
            let walk = for_each_pid(ns, next, Budget::new(VISITS), &guard, |pid, id, _| {
                let Some(task) = id.thread_group_leader(&guard) else {
                    return ControlFlow::<()>::Continue(());
                };
                let process = (pid, task.start_boottime());

                if let Some(last) = self.members.get_mut(&process) {
                    if *last == mark {
                        *last = ALIVE;
                    }
                } else if let Some(parent) = task.parent(&guard) {
                    let start_time = parent.leader(&guard).start_boottime();

                    if self.has((parent.tgid_in_ns(ns, &guard), start_time)) {
                        // There is capacity for as many as are visited.
                        let _ = found.push_within_capacity(process);
                    }
                }
                ControlFlow::Continue(())
            });

            drop(guard);
            // Not within the section, where this must not sleep.
            while let Some(process) = found.pop() {
                self.insert(process)?;
                has_found = true;
            }
            match walk {
                Walk::Pause(nr) => next = nr,
                Walk::End | Walk::Break(()) => return Ok(has_found),
            }
            if kernel::current!().fatal_signal_pending() {
                return Err(EINTR);
            }
            cond_resched();
        }
    }

    /// Whether the process of an event is a member.
    pub(super) fn contains(&self, event: &Header) -> bool {
        self.has((event.tgid, event.start_time))
    }

    /// Adds the process that an event of its making is about, if it descends from a member: one
    /// that has made it, or its parent.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(super) fn add(&mut self, fork: &Fork) -> Result {
        let process = (fork.event.tgid, fork.event.start_time);

        if !self.has(process)
            && (self.has((fork.event.ppid, fork.parent_start_time))
                || self.has((fork.creator_tgid, fork.creator_start_time)))
        {
            self.insert(process)?;
        }
        Ok(())
    }

    /// Notes the end of a process.
    pub(super) fn end(&mut self, event: &Header) {
        if let Some(last) = self.members.get_mut(&(event.tgid, event.start_time)) {
            if *last == ALIVE {
                self.ended = self.ended.saturating_add(1);
            }
            *last = event.sequence;
        }
    }

    /// Takes out processes whose last event comes before the one with this sequence number.
    ///
    /// TIME: Looks at each member, after at least as many have ended as were left by the last time.
    pub(super) fn tidy(&mut self, next: u64) {
        if self.ended < self.limit {
            return;
        }

        let mut cursor = self.members.cursor_front_mut();

        while let Some(current) = cursor {
            cursor = if *current.current().1 < next {
                current.remove_current().0
            } else {
                current.move_next()
            };
        }

        let (all, ended) = self.count();

        self.ended = ended;
        self.limit = all.saturating_add(ended).max(Self::MIN_LIMIT);
    }

    /// Returns the number of all members, and of those that have ended.
    fn count(&self) -> (usize, usize) {
        self.members.values().fold((0, 0), |(all, ended), last| {
            (
                all.wrapping_add(1),
                ended.wrapping_add((*last != ALIVE).into()),
            )
        })
    }
}
