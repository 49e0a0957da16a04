// SPDX-License-Identifier: GPL-2.0-only

//! The census: a count of all tasks of the system.

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

use crate::{
    abstractions::{
        pid::{
            walk::{
                for_each_pid,
                Budget,
                Walk, //
            },
            PidRef, //
        },
        pid_namespace::PidNamespaceExt,
        task::{
            cond_resched,
            TaskExt, //
        },
        time::ktime_get_boottime_ns, //
    },
    uapi::{
        self,
        procmon_sample as Sample, //
    }, //
};

/// Counts all tasks, repeatedly: forks are counted from one run to the next.
pub(super) struct Census {
    /// The time of the last run, 0 before the first one.
    time: u64,
    /// The next PID to be allocated, as of the last run.
    next_pid: Pid,
}

impl Census {
    /// The number of IDs that are visited per RCU section.
    const VISITS: usize = 64;

    /// Creates a census that has not run yet.
    pub(super) fn new() -> Self {
        Self {
            time: 0,
            next_pid: 0,
        }
    }

    /// Counts all tasks, and has a function look at each process and its main thread.
    ///
    /// TIME: Each ID is visited once, and there are at most `pid_max` of them. RCU is held for one
    /// budget of them at a time. So unloading waits for the run that is under way, and no longer.
    #[inline(always)]
    pub(super) fn run(&mut self, mut visit: impl FnMut(&PidRef, &Task)) -> Sample {
        let ns = PidNamespace::initial();
        let previous = self.time;
        let time = ktime_get_boottime_ns();
        // After the time: a task that this does not count as a fork has started before `time`.
        let allocated = ns.allocated_since(self.next_pid);
        let mut sample = Sample {
            time,
            ..Zeroable::zeroed()
        };
        let mut skipped = 0u32;
        let mut next = 0;

        loop {
            let guard = rcu::read_lock();
            let budget = Budget::new(Self::VISITS);
            let walk = for_each_pid(ns, next, budget, &guard, |nr, pid, _| {
                let Some(thread) = pid.task(&guard) else {
                    return ControlFlow::<()>::Continue(());
                };
                let state = thread.reported_state();

                sample.threads = sample.threads.wrapping_add(1);
                match state {
                    uapi::PROCMON_STATE_RUNNING => sample.running = sample.running.wrapping_add(1),
                    uapi::PROCMON_STATE_DISK_SLEEP => {
                        sample.uninterruptible = sample.uninterruptible.wrapping_add(1);
                    }
                    _ => {}
                }
                if let Some(leader) = pid.thread_group_leader(&guard) {
                    visit(pid, leader);
                    sample.processes = sample.processes.wrapping_add(1);
                    if state == uapi::PROCMON_STATE_ZOMBIE {
                        sample.zombies = sample.zombies.wrapping_add(1);
                    }
                }
                // Its ID was in use already, and allocation skipped it.
                if allocated.contains(nr) && thread.start_boottime() < previous {
                    skipped = skipped.wrapping_add(1);
                }
                ControlFlow::Continue(())
            });

            match walk {
                Walk::Pause(nr) => next = nr,
                Walk::End | Walk::Break(()) => break,
            }
            drop(guard);
            cond_resched();
        }

        // The first run has no earlier one to count forks from.
        if previous != 0 {
            sample.forks = allocated.count().saturating_sub(skipped);
        }
        self.next_pid = allocated.next();
        self.time = time;
        sample
    }
}
