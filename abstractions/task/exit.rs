// SPDX-License-Identifier: GPL-2.0-only

//! The end of a task: its status, and sums over its life.
//!
//! Does not support the delays of other kinds than the wait for a CPU.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use kernel::{
    bindings,
    page::PAGE_SHIFT,
    prelude::*,
    task::Task, //
};

use crate::abstractions::{
    sync::rwonce::{
        data_race,
        read, //
    },
    task::cputime::Times, //
};

/// The usage of the children that a process has waited for, and of those that these have.
#[derive(Clone, Copy, Default)]
pub(crate) struct ChildUsage {
    /// User and system time, as counted.
    pub(crate) times: Times,
    /// The number of page faults without I/O.
    pub(crate) minor_faults: u64,
    /// The number of page faults with I/O.
    pub(crate) major_faults: u64,
    /// The most memory that was resident at a time in one of them, in bytes.
    pub(crate) max_rss: u64,
}

/// Additions to the `kernel` crate's [`Task`] for tasks that exit.
pub(crate) trait TaskExitExt {
    /// Returns the status with which a task that is exiting ends, as wait(2) has it: that of the
    /// process if its last thread is exiting, else that of the thread.
    #[doc(alias = "exit_code")]
    fn exit_status(&self, is_last: bool) -> c_int;

    /// Returns the most memory that was resident at a time, in bytes, in an address space of the
    /// process that it has given up or is giving up.
    #[doc(alias = "ru_maxrss")]
    fn max_rss(&self) -> u64;

    /// Returns the usage of the children that the process has waited for.
    ///
    /// All values are those of one moment only if no thread of the process waits for a child.
    fn child_usage(&self) -> ChildUsage;

    /// Returns the time for which the task has waited for a CPU, in nanoseconds: 0 if the kernel
    /// does not count that.
    #[doc(alias = "sched_info.run_delay")]
    fn run_delay(&self) -> u64;
}

impl TaskExitExt for Task {
    fn exit_status(&self, is_last: bool) -> c_int {
        if is_last {
            // The last thread has set this, if nothing else did (`synchronize_group_exit()`).
            // SAFETY: The structure is valid; this changes concurrently.
            let status = unsafe { read!((*signal(self)).group_exit_code) };

            reboot_status(self).unwrap_or(status)
        } else {
            // SAFETY: The task is valid; this changes concurrently.
            unsafe { read!((*self.as_ptr()).exit_code) }
        }
    }

    fn max_rss(&self) -> u64 {
        // SAFETY: The structure is valid; this changes concurrently.
        bytes(unsafe { read!((*signal(self)).maxrss) })
    }

    fn child_usage(&self) -> ChildUsage {
        let signal = signal(self);

        data_race!({
            // SAFETY: The structure is valid; this changes concurrently.
            unsafe {
                ChildUsage {
                    times: Times {
                        user: read!((*signal).cutime),
                        system: read!((*signal).cstime),
                    },
                    minor_faults: read!((*signal).cmin_flt) as u64,
                    major_faults: read!((*signal).cmaj_flt) as u64,
                    max_rss: bytes(read!((*signal).cmaxrss)),
                }
            }
        })
    }

    fn run_delay(&self) -> u64 {
        #[cfg(CONFIG_SCHED_INFO)]
        // SAFETY: The task is valid; this changes concurrently.
        return unsafe { read!((*self.as_ptr()).sched_info.run_delay) };
        #[cfg(not(CONFIG_SCHED_INFO))]
        0
    }
}

/// Returns the status of the first process of a PID namespace, if reboot(2) was called there: it is
/// killed then, and gets this status after its threads have ended (`zap_pid_ns_processes()`).
#[inline(always)]
fn reboot_status(task: &Task) -> Option<c_int> {
    // SAFETY: A task that is exiting has an ID, which never changes its level.
    if unsafe { (*(*task.as_ptr()).thread_pid).level } == 0 {
        return None;
    }
    reboot_status_in_namespace(task)
}

#[cold]
fn reboot_status_in_namespace(task: &Task) -> Option<c_int> {
    const FIRST: bindings::pid_t = 1;

    // SAFETY: A task that is exiting has an ID, which has a reference to its namespace.
    let (ns, tgid) = unsafe {
        let ns = bindings::task_active_pid_ns(task.as_ptr());
        let kind = bindings::pid_type_PIDTYPE_TGID;

        (ns, bindings::__task_pid_nr_ns(task.as_ptr(), kind, ns))
    };

    if tgid != FIRST {
        return None;
    }
    // SAFETY: As above; this changes concurrently.
    Some(unsafe { read!((*ns).reboot) }).filter(|status| *status != 0)
}

/// Returns what the threads of a task's group share.
fn signal(task: &Task) -> *mut bindings::signal_struct {
    // SAFETY: The task is valid, and keeps its `signal_struct` until it is freed itself.
    unsafe { (*task.as_ptr()).signal }
}

fn bytes(pages: c_ulong) -> u64 {
    (pages as u64) << PAGE_SHIFT
}
