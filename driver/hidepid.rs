// SPDX-License-Identifier: GPL-2.0-only

//! The parameter `hidepid`, which keeps tasks from callers that may not trace them.
//!
//! The names and the rules are those of the mount option of `/proc`. The rights are those of the
//! caller of each command, not of the one that has opened the file.

use kernel::{
    sync::rcu,
    task::{
        CurrentTask,
        Task, //
    }, //
};

use crate::{
    abstractions::{
        cred::Ids,
        pid::PidRef,
        ptrace::{
            self,
            Tracer, //
        }, //
    },
    uapi::{
        self,
        procmon_record as Record, //
    }, //
};

/// The part of a task that a caller gets.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// All that other callers get.
    Whole,
    /// Its PID and its owner.
    #[doc(alias = "HIDEPID_NO_ACCESS")]
    Redacted,
    /// Nothing, as if it did not exist.
    #[doc(alias = "HIDEPID_INVISIBLE")]
    Hidden,
}

/// A caller that does not get all of each task.
#[derive(Clone, Copy)]
pub(crate) struct Restriction<'a> {
    tracer: Tracer<'a>,
    /// The part that it gets of tasks that it may not trace.
    others: View,
}

impl<'a> Restriction<'a> {
    /// Returns that of a caller, or `None` if it gets all of each task.
    #[inline(always)]
    pub(crate) fn of_caller(caller: &'a CurrentTask) -> Option<Self> {
        match crate::HIDEPID.value() {
            0 => None,
            level => Self::at_level(level, caller),
        }
    }

    #[cold]
    #[inline(never)]
    fn at_level(level: u32, caller: &'a CurrentTask) -> Option<Self> {
        if ptrace::has_ptrace_capability() {
            return None;
        }
        Some(Self {
            tracer: Tracer::of_caller(caller),
            others: if level == uapi::PROCMON_HIDEPID_MAX {
                View::Hidden
            } else {
                View::Redacted
            },
        })
    }

    /// Returns what the caller gets of a task.
    ///
    /// TIME: On Linux 7.2, the lock of the task is held for one load.
    #[inline(never)]
    pub(crate) fn view(&self, task: &Task, guard: &rcu::Guard) -> View {
        if self.tracer.may_read(task, guard) {
            View::Whole
        } else {
            self.others
        }
    }

    /// Whether a process is as if it did not exist. One that has been reaped is, whose user is not
    /// known any more.
    pub(crate) fn hides(&self, process: &PidRef, guard: &rcu::Guard) -> bool {
        self.others == View::Hidden
            && process
                .thread_group_leader(guard)
                .is_none_or(|leader| self.view(leader, guard) == View::Hidden)
    }

    /// Whether a process that was recorded earlier is one of the caller's, by the users and groups
    /// that the record has.
    pub(crate) fn has_recorded(&self, record: &Record) -> bool {
        record.groups & uapi::PROCMON_GROUP_CREDS != 0
            && self.tracer.has_ids(&Ids {
                uid: record.uid,
                euid: record.euid,
                gid: record.gid,
                egid: record.egid,
            })
    }
}
